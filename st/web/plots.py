"""Small plots of the last hour as SVG: numbers in, text out. No text inside, so that they may be stretched."""
import typing as t

from st.web.samples import HOUR, Stretch

WIDTH = 240  # units: 15 seconds each
HEIGHT = 32
_UNIT = HOUR / WIDTH

_SVG = ('<svg class="plot" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s">%s'
        '<path class="line" d="%s"/></svg>')


def plot(label: str, hour: t.Sequence[Stretch], values: t.Sequence[float]) -> str:
    """Return a plot of a value for each stretch; `label`, as HTML, says in words what is in it."""
    top = max(values, default=0.0) or 1.0
    steps = [(_x(stretch.begin), _x(stretch.end), _y(value / top)) for stretch, value in zip(hour, values)]
    return _SVG % (WIDTH, HEIGHT, label, _outages(hour), _line(steps))


def _x(ago: float) -> int:
    return max(0, WIDTH - int(round(ago / _UNIT)))


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


def _outages(hour: t.Sequence[Stretch]) -> str:
    """Return a bar for each time in which there was a stretch without a usable master, however short."""
    bars: t.List[t.List[int]] = []
    for stretch in hour:
        if stretch.without <= 0:
            continue
        start, stop = _x(stretch.begin), max(_x(stretch.end), _x(stretch.begin) + 1)
        if bars and start <= bars[-1][1]:
            bars[-1][1] = stop
        else:
            bars.append([start, stop])
    return "".join('<rect class="out" x="%d" y="0" width="%d" height="%d"/>' % (start, stop - start, HEIGHT)
                   for start, stop in bars)
