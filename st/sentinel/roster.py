"""Which Sentinels there are: seeds for ever, in their order, then those that others name. Pure."""
import typing as t

from st.address import Address
from st.sentinel.answers import Report

MOST_DISCOVERED = 32


def discovered(seeds: t.Sequence[Address], before: t.Sequence[Address], reports: t.Sequence[Report],
               translate: t.Callable[[Address], Address] = lambda address: address) -> t.Tuple[Address, ...]:
    """Return the Sentinels to ask besides the seeds, given the `reports` of one round.

    One that was found stays while it answers or anybody lists it, even as down: it counts for majorities.
    A new one is taken when it is up and has no id that a seed has. Nobody told anything: all stay.
    """
    told = [report for report in reports if report.peers is not None]
    if not told:
        return tuple(before)
    seed_ids = {report.myid for report in reports if report.sentinel in seeds and report.myid}
    listed = {}  # type: t.Dict[Address, bool]  # address: somebody says it is up
    for report in told:
        for peer in report.peers or ():
            if peer.myid not in seed_ids:
                address = translate(peer.address)
                listed[address] = listed.get(address, False) or not peer.down
    doubles = {report.sentinel for report in reports if report.myid in seed_ids}
    answering = {report.sentinel for report in reports if not report.error}
    kept = [address for address in before if (address in listed or address in answering) and address not in doubles]
    new = [address for address, up in listed.items() if up and address not in kept]
    return tuple(address for address in kept + new if address not in seeds)[:MOST_DISCOVERED]
