"""The switches of the last days: a line of time for each tunnel, and a list with their gaps. Values in, HTML out."""
import time
import typing as t

from st.log.lines import local_time
from st.ops.tables import duration
from st.switch import Switch
from st.web.markup import seconds_of, shown

DAYS = 7  # today is the last of them
LANES = 12  # tunnels with a line of their own: those of the latest switches
LISTED = 10

_WIDTH = DAYS * 48  # units: half an hour each
_HEIGHT = 24
_MARK = 2
_STEPS = ((1.0, 8), (5.0, 13), (30.0, 18))  # a gap up to so many seconds, and the height of its mark

_LANE = ('<div class="lane"><span class="name">%s</span><svg class="days" viewBox="0 0 %d %d" '
         'preserveAspectRatio="none" role="img" aria-label="%s">%s</svg></div>')
_LEGEND = ("Each mark is a switch. Its height is the gap, the time without a master: up to 1&nbsp;s, up to 5&nbsp;s, "
           "up to 30&nbsp;s, and more.")


class Days(t.NamedTuple):
    """The Unix times at which the last days began, and at which today ends."""

    begin: t.Sequence[float]
    end: float

    def covers(self, at: float) -> bool:
        """Tell whether a time is in these days."""
        return self.begin[0] <= at < self.end

    def x(self, at: float) -> int:
        """Return where a time stands in the drawing."""
        return int(_WIDTH * (at - self.begin[0]) / (self.end - self.begin[0]))


def last_days(now: float) -> Days:
    """Return the days up to today, in local time."""
    year, month, day = time.localtime(now)[:3]
    midnights = [time.mktime((year, month, day + ahead, 0, 0, 0, 0, 0, -1)) for ahead in range(1 - DAYS, 2)]
    return Days(midnights[:-1], midnights[-1])


def timeline(switches: t.Sequence[Switch], now: float) -> str:
    """Return a lane for each tunnel that switched in the last days; `switches` with the newest last."""
    days = last_days(now)
    lanes: t.Dict[str, t.List[Switch]] = {}
    for switch in reversed(switches):
        if days.covers(switch.at):
            lanes.setdefault(switch.tunnel, []).append(switch)
    if not lanes:
        return "<p>No switch in the last %d days.</p>" % DAYS
    drawn = "".join(_lane(name, lanes[name], days, now) for name in list(lanes)[:LANES])
    left = len(lanes) - LANES
    rest = "<p>%d more tunnels switched: <code>sentinel-tunnel history</code></p>" % left if left > 0 else ""
    return '<div class="lanes">%s%s</div>%s<p class="soft">%s</p>' % (drawn, _axis(days), rest, _LEGEND)


def newest(switches: t.Sequence[Switch], now: float) -> str:
    """Return a list of the newest switches, the newest first."""
    rows = "".join(_row(switch, now) for switch in list(reversed(switches))[:LISTED])
    left = len(switches) - LISTED
    rest = '<p class="soft">%d older ones: <code>sentinel-tunnel history</code></p>' % left if left > 0 else ""
    return '<ol class="switches">%s</ol>%s' % (rows, rest) if rows else ""


def _lane(name: str, switches: t.Sequence[Switch], days: Days, now: float) -> str:
    marks: t.Dict[int, t.List[Switch]] = {}
    for switch in switches:
        marks.setdefault(days.x(switch.at), []).append(switch)
    label = "%s: %d switch%s in the last %d days, longest gap %s" % (
        shown(name), len(switches), "" if len(switches) == 1 else "es", DAYS,
        seconds_of(max(switch.gap for switch in switches)))
    lines = "".join('<path class="day" d="M%d 0V%d"/>' % (days.x(at), _HEIGHT) for at in days.begin)
    lines += '<path class="now" d="M%d 0V%d"/>' % (days.x(now), _HEIGHT)
    drawn = "".join(_mark(x, marks[x]) for x in sorted(marks))
    return _LANE % (shown(name), _WIDTH, _HEIGHT, label, lines + drawn)


def _mark(x: int, switches: t.Sequence[Switch]) -> str:
    """Return the mark of those that fall into the same half hour: as high as the worst of them."""
    worst = max(switches, key=lambda switch: switch.gap)
    height = next((height for limit, height in _STEPS if worst.gap <= limit), _HEIGHT)
    more = " (%d switches within half an hour)" % len(switches) if len(switches) > 1 else ""
    title = "%s, gap %s%s" % (local_time(worst.at, "seconds"), seconds_of(worst.gap), more)
    return '<rect class="mark" x="%d" y="%d" width="%d" height="%d"><title>%s</title></rect>' % (
        min(max(0, x - _MARK // 2), _WIDTH - _MARK), _HEIGHT - height, _MARK, height, title)


def _row(switch: Switch, now: float) -> str:
    return ('<li><span class="when">%s</span> <b>%s</b> <span class="way">%s &rarr; %s</span> '
            '<span class="gap">gap %s</span> <span class="soft">%s ago, heard by %s, %s Sentinels, %d closed</span>'
            '</li>') % (time.strftime("%a %Y-%m-%d %H:%M:%S", time.localtime(switch.at)), shown(switch.tunnel),
                        shown(str(switch.old)), shown(str(switch.new)), seconds_of(switch.gap),
                        duration(now - switch.at), shown(switch.heard), shown(switch.sentinels), switch.closed)


def _axis(days: Days) -> str:
    names = "".join("<span>%s</span>" % time.strftime("%a %d", time.localtime(at)) for at in days.begin)
    return '<div class="lane axis" aria-hidden="true"><span class="name"></span><div class="days">%s</div></div>' % (
        names)
