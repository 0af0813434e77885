"""The last hour in numbers: what each tunnel has counted, twice a minute, and the rates in between."""
import collections
import typing as t

from st.ops.measures import Measures
from st.ops.status import ProcessStatus

PERIOD = 30.0  # seconds from one sample to the next
HOUR = 3600.0  # seconds
KEPT = int(HOUR / PERIOD) + 1
SHORTEST = 10.0  # seconds: a rate over less than that says little, where it can be over more

_LEAST = 1.0  # seconds: and over less than that nothing at all
_ALL_THE_TIME = 0.99  # of a stretch: clocks are read one after the other


class Counts(t.NamedTuple):
    """Of one tunnel; all but `clients` only grow, until the tunnel is replaced by a reload."""

    clients: int
    accepted: int
    to_master: int  # bytes
    to_client: int  # bytes
    without: float  # seconds without a usable master


class Moment(t.NamedTuple):
    """The counts of all tunnels at one moment, a monotonic time."""

    at: float
    tunnels: t.Mapping[str, Counts]


class Stretch(t.NamedTuple):
    """What a tunnel did between two moments, which are seconds before now: `begin` is the greater one."""

    begin: float
    end: float
    clients: int  # at its end
    opened: float  # connections a second
    to_master: float  # bytes a second
    to_client: float  # bytes a second
    without: float  # seconds without a usable master


class Samples:
    """The moments of the last hour; for one thread, that of the web server."""

    def __init__(self) -> None:
        self._moments: t.Deque[Moment] = collections.deque(maxlen=KEPT)
        self._next = 0.0  # monotonic time of the next one

    def due(self, now: float) -> bool:
        """Tell, at most once each period, that it is time for `add`."""
        if now < self._next:
            return False
        self._next = now + PERIOD
        return True

    def add(self, moment: Moment) -> None:
        """Keep a moment; the oldest one makes room."""
        self._moments.append(moment)

    def hour(self, now: Moment) -> t.Dict[str, t.List[Stretch]]:
        """Return for each tunnel that there is now what it did up to now, the oldest first."""
        moments = [moment for moment in self._moments if now.at - moment.at <= HOUR]
        if len(moments) > 1 and now.at - moments[-1].at < SHORTEST:
            moments.pop()
        return {name: _stretches(name, moments + [now], now.at) for name in now.tunnels}


def moment(at: float, status: ProcessStatus, measures: Measures) -> Moment:
    """Return what is counted at a monotonic time; a tunnel that one of the two does not know is left out."""
    return Moment(at, {
        each.name: Counts(each.clients, each.accepted, each.bytes_to_master, each.bytes_to_client,
                          measures.tunnels[each.name].unavailable_seconds)
        for each in status.tunnels if each.name in measures.tunnels})


def without_for(hour: t.Sequence[Stretch]) -> float:
    """Return for how many seconds up to now a tunnel has had no usable master; an hour at the most."""
    seconds = 0.0
    for stretch in reversed(hour):
        seconds += stretch.without
        if stretch.without < (stretch.begin - stretch.end) * _ALL_THE_TIME:
            break
    return seconds


def _stretches(name: str, moments: t.Sequence[Moment], now: float) -> t.List[Stretch]:
    known = [(moment.at, moment.tunnels[name]) for moment in moments if name in moment.tunnels]
    pairs = [(start, before, end, after) for (start, before), (end, after) in zip(known, known[1:])
             if end - start >= _LEAST]
    return [_stretch(now - start, now - end, before, after) for start, before, end, after in pairs
            if after.accepted >= before.accepted and after.without >= before.without]  # else: another one by this name


def _stretch(begin: float, end: float, before: Counts, after: Counts) -> Stretch:
    seconds = begin - end
    return Stretch(begin, end, after.clients,
                   (after.accepted - before.accepted) / seconds,
                   max(0, after.to_master - before.to_master) / seconds,  # what a connection hands over when it ends
                   max(0, after.to_client - before.to_client) / seconds,  # may be missing from a count for a moment
                   after.without - before.without)
