"""Which replicas are fit for clients, and which of them the next client gets. Pure: no clock, no I/O, no state.

A replica is used when the Sentinels list it, when most of these neither call it down nor its link to the master lost,
and when it says itself that it is a replica and its link stands. One that is in use already keeps its connections
through doubts that pass (it was not reached in time), and loses them when it says that it is no replica, is no longer
listed, is down for the Sentinels and for us, or has lost its link.

In a failover every replica loses its link, and Sentinels build their lists anew: then (not `calm`) those in use stay in
use while they say that they are replicas, or read-only jobs would stop with every failover.
"""
import random
import typing as t

from st.address import Address
from st.sentinel.answers import Listed
from st.sentinel.election import UNREACHABLE
from st.wire.role import REPLICA, UNKNOWN, Role

USE, KEEP, DROP = "use", "keep", "drop"


class Opinion(t.NamedTuple):
    """How many Sentinels told of replicas at all, and of these: list this one, call it down, call its link lost."""

    told: int
    listed: int = 0
    down: int = 0
    unlinked: int = 0


class Seen(t.NamedTuple):
    """What is known of one replica."""

    opinion: Opinion
    role: t.Optional[Role]  # what it said itself; None: it has not been asked, or not answered yet
    lost: bool = False  # it said more than once that its link to a master that is well is lost
    in_use: bool = False


class Fate(t.NamedTuple):
    """USE: new clients get it; KEEP: connections may go on, new ones go elsewhere; DROP: they end. And why."""

    what: str
    why: str = ""


def opinions(lists: t.Sequence[t.Sequence[Listed]]) -> t.Dict[Address, Opinion]:
    """Return what the Sentinels say of each replica that any of them lists."""
    found: t.Dict[Address, Opinion] = {}
    for each in lists:
        for address, listed in {listed.address: listed for listed in each}.items():
            before = found.get(address, Opinion(len(lists)))
            found[address] = Opinion(len(lists), before.listed + 1, before.down + listed.down,
                                     before.unlinked + (not listed.linked))
    return found


def judge(seen: Seen, calm: bool, strict: bool = False) -> Fate:
    """Return what becomes of a replica; `strict`: a role that is not told is none."""
    opinion, role = seen.opinion, seen.role
    if role is not None and role.name not in (REPLICA, UNKNOWN, UNREACHABLE):
        return Fate(DROP, "says that it is %s, not a replica" % role.name)
    if not _is_listed(seen, calm):
        return Fate(DROP, "is not listed by the Sentinels")
    if role is None:
        return Fate(KEEP, "has not told its role yet")
    if role.name == UNKNOWN and strict:
        return Fate(DROP, "does not tell its role: %s" % role.detail)
    down = 2 * opinion.down > opinion.listed
    if role.name == UNREACHABLE:
        return Fate(DROP if down else KEEP, role.detail)
    if seen.in_use and not calm:
        return Fate(USE)
    return _judge_reached(seen, role, down)


def _judge_reached(seen: Seen, role: Role, down: bool) -> Fate:
    unlinked = 2 * seen.opinion.unlinked > seen.opinion.listed
    if seen.lost or (unlinked and role.name == UNKNOWN):
        return Fate(DROP, _without_link(role))
    if down:
        return Fate(KEEP, "is down, say %d of %d Sentinels" % (seen.opinion.down, seen.opinion.listed))
    if unlinked or (role.link and not seen.in_use):
        return Fate(KEEP, _without_link(role))
    return Fate(USE)


def _is_listed(seen: Seen, calm: bool) -> bool:
    """Tell whether it is listed by at least half of those who told, or by anyone while Sentinels change their lists."""
    opinion = seen.opinion
    if not opinion.told:
        return seen.in_use  # nobody told: all is as it was
    return 2 * opinion.listed >= opinion.told if calm else opinion.listed > 0


def _without_link(role: Role) -> str:
    return "has no link to its master%s" % (" (%s)" % role.link if role.link else "")


class Load(t.NamedTuple):
    """How busy a replica is; `fresh`: it came a moment ago; `failed`: a client could not use it a moment ago."""

    connections: int
    fresh: bool = False
    failed: bool = False


def pick(loads: t.Sequence[Load], choose: t.Callable[[t.Sequence[int]], int] = random.choice) -> int:
    """Return the position of the replica that the next client gets: the one with the fewest connections.

    A fresh one counts as no less busy than the least busy of the others, and ties are decided at random: so it gets its
    share of new clients, half of them at the most, instead of each and every one until it has caught up.
    """
    able = [position for position, load in enumerate(loads) if not load.failed] or list(range(len(loads)))
    least_busy = min((loads[position].connections for position in able if not loads[position].fresh), default=0)
    busy = {position: max(loads[position].connections, least_busy if loads[position].fresh else 0) for position in able}
    return choose([position for position in able if busy[position] == min(busy.values())])
