"""Small plots of the last hour as SVG: numbers in, text out. No text inside, so that they may be stretched."""
import typing as t

from st.web.samples import HOUR, Stretch

WIDTH = 240  # units
HEIGHT = 32
SHORT = 600.0  # seconds: what is shown as long as not more is known
SHOWN = 0.5  # seconds without a master in a sample that are worth a mark; in the first one there are always some

_SVG = ('<svg class="plot" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s">%s'
        '<path class="line" d="%s"/></svg>')


def span_of(hours: t.Iterable[t.Sequence[Stretch]]) -> float:
    """Return how many seconds the plots of all tunnels are to show: the last hour, or the last minutes."""
    return HOUR if any(hour and hour[0].begin > SHORT for hour in hours) else SHORT


def plot(label: str, hour: t.Sequence[Stretch], values: t.Sequence[float], span: float = HOUR) -> str:
    """Return a plot of a value for each stretch; `label`, as HTML, says in words what is in it."""
    top = max(values, default=0.0) or 1.0
    steps = [(_x(stretch.begin, span), _x(stretch.end, span), _y(value / top)) for stretch, value in zip(hour, values)]
    return _SVG % (WIDTH, HEIGHT, label, _outages(hour, span), _line(steps))


def outages(hour: t.Iterable[Stretch]) -> float:
    """Return for how many seconds there was no usable master, as far as the plots show it."""
    return sum(stretch.without for stretch in hour if stretch.without >= SHOWN)


def _x(ago: float, span: float) -> int:
    return max(0, WIDTH - int(round(ago * WIDTH / span)))


def _y(share: float) -> int:
    return 1 + int(round((HEIGHT - 2) * (1.0 - share)))  # a pixel of the line stays visible at both ends


def _line(steps: t.Sequence[t.Tuple[int, int, int]]) -> str:
    """Return a path in steps, from the ground and back to it; a step as high as the one before costs no bytes."""
    path, height, end = "", -1, 0
    for start, stop, y in steps:
        if not path:
            path = "M%d %dV%d" % (start, HEIGHT, y)
        elif y != height:
            path += "H%dV%d" % (start, y)
        height, end = y, stop
    return path + ("H%dV%d" % (end, HEIGHT) if path else "")


def _outages(hour: t.Sequence[Stretch], span: float) -> str:
    """Return a bar for each time in which there was a stretch without a usable master, in part or all of it."""
    bars: t.List[t.List[int]] = []
    for stretch in hour:
        if stretch.without < SHOWN:
            continue
        start = _x(stretch.begin, span)
        stop = max(_x(stretch.end, span), start + 1)
        if bars and start <= bars[-1][1]:
            bars[-1][1] = stop
        else:
            bars.append([start, stop])
    return "".join('<rect class="out" x="%d" y="0" width="%d" height="%d"/>' % (start, stop - start, HEIGHT)
                   for start, stop in bars)
