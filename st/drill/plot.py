"""What came of a drill as a picture: SVG, made by hand. Values in, text out."""
import html
import typing as t

from st.drill.caller import Attempt
from st.drill.outcome import Outcome, outage
from st.plain import plain

WIDTH, LEFT, RIGHT = 960, 80, 24  # pixels
LANES_TOP, LANE, BAR = 60, 70, 36  # where lanes begin, their distance, the height of the bars in them
LABEL = 18  # pixels from one label of a phase to the next below
BEFORE = 1.0  # seconds that are shown before anything happens
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60)  # seconds between two marks of the axis
MOST_MARKS = 14

STYLE = """\
text { font: 13px sans-serif; fill: #222; stroke: #fff; stroke-width: 4px; paint-order: stroke }
.title { font-size: 17px; font-weight: bold } .small { font-size: 12px }
.good { stroke: #2a8a3c } .bad { stroke: #c62828; stroke-width: 2 } .lost { stroke: #e08a00; stroke-width: 2 }
.gap { fill: #c62828; fill-opacity: .13 } .phase { stroke: #35569b; stroke-dasharray: 3 3 } .axis { stroke: #888 }
"""


class Scale(t.NamedTuple):
    """From seconds to pixels."""

    first: float
    last: float

    def x(self, seconds: float) -> float:
        """Return where a moment stands, at an edge when it is beyond."""
        seconds = min(max(seconds, self.first), self.last)
        return LEFT + (seconds - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)

    def marks(self) -> t.List[float]:
        """Return the seconds at which the axis has a mark."""
        span = self.last - self.first
        step = next((step for step in STEPS if span / step <= MOST_MARKS), STEPS[-1])
        begin = int(self.first / step)
        return [round(number * step, 3) for number in range(begin, int(self.last / step) + 1)
                if number * step >= self.first]


def as_svg(outcome: Outcome) -> str:
    """Return the picture: each attempt of writer and reader as a bar, outages shaded, phases below."""
    scale = Scale(-BEFORE, max(outcome.until - outcome.zero, 0.1))
    bottom = LANES_TOP + 2 * LANE
    phases = [(phase.moment - outcome.zero, phase.name) for phase in outcome.phases]
    height = bottom + 40 + LABEL * (len(phases) + 1)
    lost = {attempt.number for attempt in outcome.lost or ()}
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">'
             % (WIDTH, height, WIDTH, height), "<style>%s</style>" % STYLE,
             '<rect width="100%" height="100%" fill="#fff"/>', _text(LEFT, 26, _title(outcome), "title"),
             _text(LEFT, 46, "green: acknowledged, orange: acknowledged and lost, red: failed; shaded: the outage",
                   "small")]
    parts += _lane("writes", LANES_TOP, outcome.writes, lost, outcome, scale)
    parts += _lane("reads", LANES_TOP + LANE, outcome.reads, set(), outcome, scale)
    parts += _axis(scale, bottom)
    rows = [(seconds, "%s %.2f s" % (name, seconds), bottom + 40 + LABEL * row)
            for row, (seconds, name) in enumerate(phases)]
    parts += [_line("phase", scale.x(seconds), LANES_TOP - 8, y) for seconds, _, y in rows]
    parts += [_label(scale.x(seconds), label, y) for seconds, label, y in rows]
    return "\n".join(parts) + "\n</svg>\n"


def _title(outcome: Outcome) -> str:
    return "%s: %s, %s -> %s" % (outcome.name, outcome.kind, outcome.old, outcome.new or "nobody")


def _lane(name: str, top: int, attempts: t.Sequence[Attempt], lost: t.Set[int], outcome: Outcome,
          scale: Scale) -> t.List[str]:
    parts = [_text(16, top + BAR - 12, name)]
    found = outage(attempts, outcome.until)
    if found is not None:
        begin = max(found.last_good - outcome.zero, scale.first)
        end = (found.first_good or outcome.until) - outcome.zero
        parts.append('<rect class="gap" x="%.1f" y="%d" width="%.1f" height="%d"/>' % (
            scale.x(begin), top - 6, scale.x(end) - scale.x(begin), BAR + 12))
        length = "%.2f s" % (end + outcome.zero - found.last_good)
        parts.append(_text((scale.x(begin) + scale.x(end)) / 2, top + BAR + 20, length, "small", "middle"))
    for attempt in attempts:
        seconds = attempt.ended - outcome.zero
        if scale.first <= seconds <= scale.last:
            kind = "bad" if attempt.error else "lost" if attempt.number in lost else "good"
            parts.append(_line(kind, scale.x(seconds), top, top + BAR))
    return parts


def _axis(scale: Scale, y: int) -> t.List[str]:
    parts = ['<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>' % (LEFT, y, WIDTH - RIGHT, y)]
    for seconds in scale.marks():
        parts.append(_line("axis", scale.x(seconds), y, y + 5))
        parts.append(_text(scale.x(seconds), y + 18, "%g s" % seconds, "small", "middle"))
    return parts


def _label(x: float, label: str, y: int) -> str:
    late = x > WIDTH * 0.75  # it stands on the left of its line then
    return _text(x - 5 if late else x + 5, y, label, "small", "end" if late else "start")


def _line(kind: str, x: float, top: float, bottom: float) -> str:
    return '<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>' % (kind, x, top, x, bottom)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    safe = html.escape(plain(text))
    return '<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>' % (kind, x, y, anchor, safe)
