"""D05, D15: the times of a name, and a failover that runs or does not come about."""
import typing as t

from st.doctor.case import Case, Teller
from st.doctor.finding import NOTE, PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.findings.login import locked_out
from st.doctor.passing import calling_down
from st.doctor.values import number
from st.ops.tables import duration

_SET = "on every Sentinel: SENTINEL SET {about} down-after-milliseconds 5000"
_FALSE = "a slow command, a fork or a pause of the virtual machine starts a failover"

FAR_TOO_LOW = Kind("D05", WARNING, "down-after-milliseconds is {ms}, far too low", _FALSE, _SET)
LOW = Kind("D05", WARNING, "down-after-milliseconds is {ms}, which is low", _FALSE, _SET)
SLOW = Kind("D05", NOTE, "down-after-milliseconds is {ms}, and a PING from here takes {ping} ms",
            "at less than 20 times a PING (our own rule of thumb), a busy network starts a failover",
            "if the Sentinels are as far from Redis as from here: " + _SET)
HIGH = Kind("D05", NOTE, "an outage lasts at least {time} (down-after-milliseconds {ms})",
            "nobody does anything before that time has passed", _SET + ", if an outage must be shorter")
RUNNING = Kind("D15", WARNING, "a failover is running", "much looks wrong for some seconds",
               "wait, and look again; `sentinel-tunnel masters` shows the state")
STUCK = Kind("D15", PROBLEM, "a failover does not come to an end",
             "the master has been down for more than twice failover-timeout",
             "look at the logs of the Sentinels and at D04, D10, D11, D13; then SENTINEL FAILOVER {about} on one")
MASTER_DOWN = Kind("D15", PROBLEM, "the master is down, say {count} of {all} Sentinels",
                   "there is none for clients until a replica is promoted, or it comes back",
                   "see that it runs; if it does: the network between it and the Sentinels")
DOUBTED = Kind("D15", WARNING, "the master is down, says only {sentinel}",
               "that Sentinel cannot reach it, or not log in, and is no help when it fails",
               "check the network from there to the master, and its auth-pass")

_LOWEST, _LOW, _HIGH = 1000, 2000, 30000  # milliseconds; 30000 is what Sentinel has by default
_PINGS = 20


def patience(case: Case) -> t.Iterator[Result]:
    """D05: how long a master may be silent before it counts as down."""
    times = [each for each in (number(teller.told.fields, "down-after-milliseconds") for teller in case.first)
             if each is not None]
    if not times:
        yield Unchecked("D05", case.name, "SENTINEL MASTER tells no down-after-milliseconds")
        return
    lowest, highest = min(times), max(times)
    pings = [teller.sentinel.ping for teller in case.first if teller.sentinel.ping is not None]
    ping = min(pings, default=0.0) * 1000
    words = {"ms": lowest, "ping": "%.0f" % ping, "time": duration(highest / 1000)}
    seen = "SENTINEL MASTER: down-after-milliseconds %d" % lowest
    if lowest < _LOW:
        yield (FAR_TOO_LOW if lowest < _LOWEST else LOW).found(case.name, seen, **words)
    elif lowest < _PINGS * ping:
        yield SLOW.found(case.name, "%s, PING %.0f ms to the nearest Sentinel" % (seen, ping), **words)
    if highest > _HIGH:
        yield HIGH.found(case.name, seen, **dict(words, ms=highest))


def failing_over(case: Case) -> t.Iterator[Result]:
    """D15: a master that is down, and a failover that runs. What a password explains is told by D12."""
    unreachable = calling_down(case)
    longest = max([_down_for(teller) for teller in unreachable], default=0)
    seen = "; ".join("%s: flags %s" % (teller.sentinel.address, teller.told.fields.get("flags", ""))
                     for teller in case.second)
    if not any(teller.told.fields for teller in case.first):
        yield Unchecked("D15", case.name, "SENTINEL MASTER refused")
    agreed = case.in_failover or any("o_down" in teller.told.flags for teller in unreachable)
    if agreed and any(_down_for(each) > 2 * _timeout(each) for each in unreachable):
        yield STUCK.found(case.name, "%s, for %s" % (seen, duration(longest / 1000)))
    elif case.in_failover:
        yield RUNNING.found(case.name, seen)
    elif unreachable and not locked_out(case):
        if 2 * len(unreachable) > len(case.first):
            yield MASTER_DOWN.found(case.name, "%s, for %s" % (seen, duration(longest / 1000)),
                                    count=len(unreachable), all=len(case.first))
        else:
            yield DOUBTED.found(case.name, seen, sentinel=", ".join(str(each.sentinel.address) for each in unreachable))


def _down_for(teller: Teller) -> int:
    return max(number(teller.told.fields, "s-down-time") or 0, number(teller.told.fields, "o-down-time") or 0)


def _timeout(teller: Teller) -> int:
    return number(teller.told.fields, "failover-timeout") or 180000
