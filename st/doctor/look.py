"""Look at a whole deployment: every Sentinel and every node at the same time, in threads that are gone afterwards."""
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.doctor.ask_node import look_at_node
from st.doctor.ask_sentinel import MOST_NAMES, Questions, look_at_sentinel
from st.doctor.case import voices
from st.doctor.passing import wants_second_look
from st.doctor.values import SILENT, HostSeen, NodeSeen, Seen, SentinelSeen, Trouble, address_of
from st.errors import PeerError
from st.sentinel.answers import Credentials
from st.sentinel.roster import MOST_DISCOVERED
from st.sentinel.survey import ask_each

PATIENCE = 2.0  # seconds for a node to be reached and to answer
WITHIN = 20.0  # seconds for all of it; a name lookup that hangs is left behind
WITHIN_OF_PLUGIN = 8.0  # seconds; Nagios gives a plugin 10, with the start of this program
MOST_NODES = 64
AGAIN_AFTER = 12.0  # seconds to the second look: Sentinels read INFO each 10 s, and a first sync shows a lost link too


class Plan(t.NamedTuple):
    """Whom to look at, and how."""

    sentinels: t.Tuple[Address, ...]
    names: t.Tuple[str, ...]  # (): those that the Sentinels monitor
    credentials: Credentials  # of the Sentinels
    of_nodes: t.Callable[[str], Credentials]  # by master name
    translate: t.Callable[[Address], Address]  # the address map
    discover: bool = True
    write_test: bool = False
    patience: float = PATIENCE
    again_after: float = AGAIN_AFTER  # or as much of it as `within` leaves
    within: float = WITHIN


def look(plan: Plan, host: HostSeen, wait: t.Callable[[float], None] = time.sleep) -> Seen:
    """Return what there is to see; `wait` is called with the seconds to the second look, if one is worth it."""
    started, deadline = time.monotonic(), Deadline(plan.within)
    # Each is given half of what is left: whom they name is to be asked, too.
    sentinels = _ask_sentinels(plan, plan.sentinels, _left(deadline) / 2)
    if plan.discover:
        others = _others(plan, sentinels)
        sentinels += tuple(sentinel._replace(announced=others[sentinel.address])
                           for sentinel in _ask_sentinels(plan, list(others), _left(deadline) / 2))
    known = sorted({name for sentinel in sentinels for name in sentinel.told})
    seen = Seen(plan.names or tuple(known[:MOST_NAMES]), sentinels, host=host, left_out=max(0, len(known) - MOST_NAMES),
                discovers=plan.discover, has_sentinel_password=plan.credentials.password is not None)
    seen = seen._replace(nodes=_ask_nodes(plan, seen, _left(deadline)))
    pause = round(min(plan.again_after, _left(deadline) - plan.patience), 1)
    if pause > 0 and wants_second_look(seen):
        wait(pause)
        answering = [sentinel.address for sentinel in voices(seen.sentinels)]
        again = _ask_sentinels(plan._replace(write_test=False, names=seen.names), answering, _left(deadline))
        seen = seen._replace(again=again, again_after=pause)
    return seen._replace(seconds=time.monotonic() - started)


def _left(deadline: Deadline) -> float:
    return deadline.left() or 0.0


def _ask_sentinels(plan: Plan, addresses: t.Sequence[Address], most: float) -> t.Tuple[SentinelSeen, ...]:
    questions = Questions(plan.names, plan.credentials, plan.patience, plan.write_test)
    outcomes = ask_each(addresses, lambda address: look_at_sentinel(address, questions), most)
    return tuple(SentinelSeen(address, trouble=Trouble(SILENT, str(outcome))) if isinstance(outcome, PeerError)
                 else outcome for address, outcome in outcomes.items())


def _others(plan: Plan, sentinels: t.Sequence[SentinelSeen]) -> t.Dict[Address, Address]:
    """Return where the Sentinels are that others named, and by which address; those known under another address too."""
    known = {place for sentinel in sentinels for place in sentinel.places}
    listed = [address_of(fields) for sentinel in sentinels for told in sentinel.told.values()
              for fields in told.sentinels or ()]
    named = {plan.translate(address): address for address in listed if address is not None}
    new = [address for address in named if address not in known and named[address] not in known]
    return {address: named[address] for address in new[:MOST_DISCOVERED]}


def _ask_nodes(plan: Plan, seen: Seen, most: float) -> t.Dict[Address, NodeSeen]:
    """Return the masters and replicas of all names, by the address that the Sentinels announce."""
    owners: t.Dict[Address, str] = {}
    for sentinel in seen.sentinels:
        for name, told in sentinel.told.items():
            listed = [told.address] + [address_of(fields) for fields in told.replicas or ()]
            for address in listed:
                if address is not None and name in seen.names:
                    owners.setdefault(address, name)
    wanted = list(owners)[:MOST_NODES]
    credentials = {name: plan.of_nodes(name) for name in seen.names}  # made here: a file may be missing

    def ask(address: Address) -> NodeSeen:
        return look_at_node(address, plan.translate(address), credentials[owners[address]], plan.patience)

    outcomes = ask_each(wanted, ask, most)
    return {address: NodeSeen(address, plan.translate(address), trouble=Trouble(SILENT, str(outcome)))
            if isinstance(outcome, PeerError) else outcome for address, outcome in outcomes.items()}
