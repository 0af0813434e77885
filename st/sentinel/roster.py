"""Which Sentinels there are: seeds for ever, in their order, then those that others name. Pure."""
import typing as t

from st.address import Address
from st.sentinel.answers import Report

MOST_REPLICAS = 16  # of each tunnel to replicas; each costs a descriptor and a thread, kept back as well
MOST_DISCOVERED = 16  # each costs two descriptors and two threads, kept back from the clients


def discovered(seeds: t.Sequence[Address], before: t.Sequence[Address], reports: t.Sequence[Report],
               translate: t.Callable[[Address], Address] = lambda address: address) -> t.Tuple[Address, ...]:
    """Return the Sentinels to ask besides the seeds, given the `reports` of one round.

    One that was found stays while it answers or anybody lists it, even as down: it counts for majorities, or a
    minority that lists the others as down would become one. A new one is taken when it is up and is no seed, by its
    id or, before Redis 6.2, by the address that the seed was found at. Nobody told anything: all stay.
    """
    told = [report for report in reports if report.peers is not None]
    if not told:
        return tuple(before)
    seed_ids = {report.myid for report in reports if report.sentinel in seeds and report.myid}
    seed_places = {report.reached for report in reports if report.sentinel in seeds}.union(seeds)
    listed: t.Dict[Address, bool] = {}  # address: somebody says it is up
    for report in told:
        for peer in report.peers or ():
            if peer.myid not in seed_ids:
                address = translate(peer.address)
                listed[address] = listed.get(address, False) or not peer.down
    doubles = {report.sentinel for report in reports if report.myid in seed_ids}
    answering = {report.sentinel for report in reports if not report.error}
    kept = [address for address in before if address in listed or address in answering]
    new = [address for address, up in listed.items() if up and address not in kept and address not in doubles]
    return tuple(address for address in kept + new if address not in seed_places | doubles)[:MOST_DISCOVERED]
