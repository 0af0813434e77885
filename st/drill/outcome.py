"""What came of a drill, as values, and what is measured in them. Pure."""
import collections
import typing as t

from st.address import Address
from st.drill.caller import Attempt
from st.drill.events import ABORTS, LOST, Heard, read_event
from st.drill.words import short

FAILOVER, CRASH = "failover", "crash"
OPEN = 1.0  # seconds without success at the end that are an outage

# The first event of each channel is a phase of the failover.
_PHASES = {"+sdown": "down", "+odown": "agreed", "+elected-leader": "elected", "+selected-slave": "chosen",
           "+promoted-slave": "promoted", "+switch-master": "announced", "+failover-end": "ended"}
_PHASES.update((channel, "given up") for channel in ABORTS)


class Phase(t.NamedTuple):
    """A moment (monotonic) of a failover that has a name, and what is told of it."""

    name: str
    moment: float
    detail: str


class Outage(t.NamedTuple):
    """From the last attempt that went well to the first one that did again; None: not yet. Monotonic times."""

    last_good: float
    first_good: t.Optional[float]


class Outcome(t.NamedTuple):
    """What came of a drill; all times but `at` are monotonic."""

    name: str  # of the master
    kind: str  # FAILOVER or CRASH
    old: Address
    new: t.Optional[Address]  # None: there was no switch
    at: float  # Unix time of `zero`
    zero: float  # when the failover was asked for, or the crash was first felt
    until: float  # when it was no longer measured
    writes: t.Sequence[Attempt]
    reads: t.Sequence[Attempt]
    phases: t.Sequence[Phase]
    lost: t.Optional[t.Sequence[Attempt]]  # acknowledged writes that the new master does not have; None: not known
    problem: str  # why it did not work, or ""

    @property
    def passed(self) -> bool:
        """Whether there was a failover, and nothing was lost."""
        return self.new is not None and not self.problem and self.lost is not None and not self.lost


def outage(attempts: t.Sequence[Attempt], until: float) -> t.Optional[Outage]:
    """Return the longest time without an attempt that went well; None when none ever did.

    Where attempts failed it is one in which some did: a busy host may well be slow at another time.
    """
    good = acknowledged(attempts)
    if not good:
        return None
    pauses = [Outage(one.ended, other.ended) for one, other in zip(good, good[1:])]
    failed = [attempt.ended for attempt in attempts if attempt.error]
    if attempts[-1].error or until - good[-1].ended > max([OPEN] + [_length(pause, until) for pause in pauses]):
        pauses.append(Outage(good[-1].ended, None))
    telling = [pause for pause in pauses
               if any(pause.last_good <= at <= pause.last_good + _length(pause, until) for at in failed)]
    return max(telling or pauses, key=lambda pause: _length(pause, until), default=None)


def _length(pause: Outage, until: float) -> float:
    return (until if pause.first_good is None else pause.first_good) - pause.last_good


def acknowledged(attempts: t.Iterable[Attempt]) -> t.List[Attempt]:
    """Return the attempts that went well."""
    return [attempt for attempt in attempts if not attempt.error]


def errors_of(attempts: t.Iterable[Attempt]) -> t.List[t.Tuple[str, int]]:
    """Return what was said to attempts that failed, each with how many times, the most frequent first."""
    return collections.Counter(attempt.error for attempt in attempts if attempt.error).most_common()


def first_good_since(moment: float, name: str, attempts: t.Iterable[Attempt]) -> t.List[Phase]:
    """Return the end of the first attempt after a moment that went well as a phase; none when none did."""
    good = [attempt.ended for attempt in attempts if not attempt.error and attempt.ended > moment]
    return [Phase(name, good[0], "")] if good else []


def phases_of(heard: t.Iterable[Heard], name: str, since: float) -> t.List[Phase]:
    """Return the phases that the Sentinels told of, each by the one that was heard first."""
    found: t.Dict[str, Phase] = {}
    for event in sorted(heard, key=lambda each: each.moment):
        told, phase = read_event(event.channel, event.payload), _PHASES.get(event.channel)
        if phase is None or told.name != name or event.moment < since or phase in found:
            continue
        if event.channel == "+sdown" and told.kind != "master":
            continue
        detail = "by %s" % short(event.sentinel)
        if phase in ("chosen", "promoted", "announced"):
            detail = "%s, %s" % (told.node, detail)
        found[phase] = Phase(phase, event.moment, detail)
    return list(found.values())


def silences_of(heard: t.Iterable[Heard], since: float) -> t.List[Phase]:
    """Return when a Sentinel could not be heard any more: what it did afterwards is not known."""
    return [Phase("not heard", event.moment, event.payload)
            for event in heard if event.channel == LOST and event.moment >= since]
