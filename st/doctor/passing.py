"""What may be of a moment only, and is looked at twice before it is told. Pure."""
import typing as t

from st.address import Address
from st.doctor.case import Case, Teller, case_of
from st.doctor.values import Fields, NodeSeen, Seen, address_of, is_down, is_lost, number

UNLISTED = "SENTINEL REPLICAS refused"
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


def list_replicas(tellers: t.Iterable[Teller]) -> bool:
    """Tell whether any of the Sentinels told of replicas; it may be refused to us."""
    return any(teller.told.replicas is not None for teller in tellers)


def lost_links(tellers: t.Iterable[Teller], nodes: t.Mapping[Address, NodeSeen]) -> t.Set[Address]:
    """Return the replicas that are up and without a link to their master, say most Sentinels that list them.

    What these say is up to 10 s old: one that says itself that its link stands is none.
    """
    standing = {node.address for node in nodes.values() if node.info.get("master_link_status") == "up"}
    return {address for address, told in replicas_of(tellers).items() if address not in standing
            and most(told, lambda fields: fields.get("master-link-status") == "err") and not most(told, is_down)}


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


def epochs(tellers: t.Iterable[Teller]) -> t.Dict[Address, int]:
    """Return the epoch of a name that each Sentinel tells, by the address of that Sentinel."""
    told = {teller.sentinel.address: number(teller.told.fields, "config-epoch") for teller in tellers}
    return {address: epoch for address, epoch in told.items() if epoch is not None}


def behind(case: Case) -> t.Set[Address]:
    """Return the Sentinels whose epoch is older than another's, in both looks."""
    first, second = epochs(case.first), epochs(case.second)
    return {address for address in first if first[address] < max(first.values())
            and address in second and second[address] < max(second.values())}


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
    if lost_links(case.first, case.seen.nodes) or disagree(case):
        return True
    if case.in_failover:
        return False
    return bool(behind(case) or (case.master and not case.master.trouble and calling_down(case)))
