"""What may be of a moment only, and is looked at twice before it is told. Pure."""
import typing as t

from st.address import Address
from st.doctor.case import Case, Teller, case_of
from st.doctor.values import Fields, NodeSeen, Seen, address_of, is_down, is_lost

Listings = t.Dict[Address, t.List[Fields]]


def replicas_of(tellers: t.Iterable[Teller]) -> Listings:
    """Return what each Sentinel says of each replica, by the address of that."""
    found: Listings = {}
    for teller in tellers:
        for fields in teller.told.replicas or ():
            address = address_of(fields)
            if address is not None:
                found.setdefault(address, []).append(fields)
    return found


def lost_links(tellers: t.Iterable[Teller]) -> t.Set[Address]:
    """Return the replicas that are up and without a link to their master, say most Sentinels that list them."""
    return {address for address, told in replicas_of(tellers).items()
            if most(told, lambda fields: fields.get("master-link-status") == "err") and not most(told, is_down)}


def most(told: t.Sequence[Fields], is_so: t.Callable[[Fields], bool]) -> bool:
    """Tell whether something is so for more than half of those who told."""
    return 2 * sum(map(is_so, told)) > len(told)


def masters_named(tellers: t.Iterable[Teller], nodes: t.Mapping[Address, NodeSeen]) -> t.Dict[Address, t.List[Teller]]:
    """Return who names which master; two spellings of one node are one."""
    found: t.Dict[Address, t.List[Teller]] = {}
    for teller in tellers:
        named = teller.told.address
        if named is not None:
            node = nodes.get(named)
            found.setdefault(node.reached if node and node.reached else named, []).append(teller)
    return found


def disagree(case: Case) -> bool:
    """Tell whether the Sentinels name different masters, in both looks."""
    looks = (case.first, case.second)
    return all(len(masters_named(tellers, case.seen.nodes)) > 1 for tellers in looks)


def calling_down(case: Case) -> t.List[Teller]:
    """Return the Sentinels that call the master down, in both looks: a new master may be down for one, for a moment.

    A master that we cannot reach either needs no second look, nor that they have come to their conclusion.
    """
    if case.master is not None and case.master.trouble is not None:
        return [teller for teller in case.first if is_lost(teller.told.fields)]
    before = {teller.sentinel.address for teller in case.first if is_down(teller.told.fields)}
    return [teller for teller in case.second if is_down(teller.told.fields) and teller.sentinel.address in before]


def wants_second_look(seen: Seen) -> bool:
    """Tell whether anything was seen that may have passed some seconds later."""
    return any(_wants_second_look(case_of(seen, name)) for name in seen.names)


def _wants_second_look(case: Case) -> bool:
    if lost_links(case.first) or disagree(case):
        return True
    return bool(case.master and not case.master.trouble and not case.in_failover and calling_down(case))
