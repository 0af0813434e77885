"""Small plots of the last hour as SVG: numbers in, text out. No text inside, so that they may be stretched."""
import typing as t

from st.web.samples import HOUR, Stretch

WIDTH = 240  # units
HEIGHT = 32
SHORT = 600.0  # seconds: what is shown as long as not more is known
SHOWN = 0.5  # seconds without a master in a sample that are worth a mark; in the first one there are always some


class Canvas(t.NamedTuple):
    """What the plots of one tunnel share: where each stretch begins and ends, and bars for times without a master."""

    edges: t.Sequence[t.Tuple[int, int]]
    bars: str


_SVG = ('<svg class="plot" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s">%s'
        '<path class="line" d="%s"/></svg>')


def span_of(hours: t.Iterable[t.Sequence[Stretch]]) -> float:
    """Return how many seconds the plots of all tunnels are to show: the last hour, or the last minutes."""
    return HOUR if any(hour and hour[0].begin > SHORT for hour in hours) else SHORT


def canvas(hour: t.Sequence[Stretch], span: float = HOUR) -> Canvas:
    """Return what plots of these stretches are drawn on."""
    return Canvas([(_x(stretch.begin, span), _x(stretch.end, span)) for stretch in hour], _bars(hour, span))


def plot(label: str, on: Canvas, values: t.Sequence[float]) -> str:
    """Return a plot of a value for each stretch; `label`, as HTML, says in words what is in it."""
    scale = (HEIGHT - 2) / (max(values, default=0.0) or 1.0)  # a pixel of the line stays visible at both ends
    return _SVG % (WIDTH, HEIGHT, label, on.bars, _line(on.edges, [HEIGHT - 1 - int(round(value * scale))
                                                                   for value in values]))


def outages(hour: t.Iterable[Stretch]) -> float:
    """Return for how many seconds there was no usable master, as far as the plots show it."""
    return sum(stretch.without for stretch in hour if stretch.without >= SHOWN)


def _x(ago: float, span: float) -> int:
    return max(0, WIDTH - int(round(ago * WIDTH / span)))


def _line(edges: t.Sequence[t.Tuple[int, int]], heights: t.Sequence[int]) -> str:
    """Return a path in steps, from the ground and back to it; a step as high as the one before costs no bytes."""
    if not edges:
        return ""
    before, path = heights[0], ["M%d %dV%d" % (edges[0][0], HEIGHT, heights[0])]
    for (start, _), y in zip(edges, heights):
        if y != before:
            path.append("H%dV%d" % (start, y))
            before = y
    return "".join(path) + "H%dV%d" % (edges[-1][1], HEIGHT)


def _bars(hour: t.Sequence[Stretch], span: float) -> str:
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
