"""Which Sentinels there are: what discovery adds, keeps and drops."""
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from st.address import Address
from st.sentinel.answers import Peer, Report
from st.sentinel.roster import MOST_DISCOVERED, discovered

SEED, SEED_2, X, Y, Z = [Address("s%d" % number, 26379) for number in range(5)]


def told(sentinel: Address, *peers: Peer, **more: t.Any) -> Report:
    """Return the report of a Sentinel that lists `peers`."""
    return Report(sentinel, 1, peers=peers, myid=more.pop("myid", "id of %s" % sentinel.host), **more)


def peer(address: Address, down: bool = False, myid: t.Optional[str] = None) -> Peer:
    """Return another Sentinel as one lists it."""
    return Peer(address, "id of %s" % address.host if myid is None else myid, down)


def test_those_that_are_up_are_added() -> None:
    """Another Sentinel is taken when anybody says that it is up, once, however many list it."""
    reports = [told(SEED, peer(X), peer(Y, down=True), peer(Z, down=True)), told(SEED_2, peer(X), peer(Y))]
    assert discovered([SEED, SEED_2], [], reports) == (X, Y)


def test_seeds_are_not_discovered() -> None:
    """A seed is no news: by its address, or by its id under another address."""
    reports = [told(SEED, peer(SEED_2), peer(X, myid="id of s1")), told(SEED_2, peer(SEED), peer(Y))]
    assert discovered([SEED, SEED_2], [], reports) == (Y,)


def test_order_is_kept() -> None:
    """Those that were known stay in front, in their order."""
    assert discovered([SEED], [Y, X], [told(SEED, peer(Z), peer(X), peer(Y))]) == (Y, X, Z)


def test_one_that_is_down_stays_while_it_is_listed() -> None:
    """A Sentinel that fails counts for majorities: it stays until nobody lists it."""
    assert discovered([SEED], [X], [told(SEED, peer(X, down=True)), Report(X, 1, error="refused")]) == (X,)
    assert discovered([SEED], [X], [told(SEED), Report(X, 1, error="refused")]) == ()


def test_one_that_answers_stays() -> None:
    """A Sentinel that was forgotten by the others, and still answers, is asked on."""
    assert discovered([SEED], [X], [told(SEED), told(X)]) == (X,)


def test_nobody_tells() -> None:
    """When no Sentinel may or can list the others nothing changes."""
    assert discovered([SEED], [X], [Report(SEED, 1), Report(X, 1, error="refused")]) == (X,)
    assert discovered([SEED], [X], []) == (X,)


def test_a_seed_under_another_name_is_let_go() -> None:
    """A Sentinel that turns out to be a seed has one place only."""
    assert discovered([SEED], [X, Y], [told(SEED), told(X, myid="id of s0"), told(Y)]) == (Y,)


def test_ids_that_are_not_told() -> None:
    """Without ids Sentinels are told apart by their addresses; an empty id is nobody's."""
    reports = [told(SEED, peer(X, myid=""), peer(Y, myid="")), told(SEED_2, myid="")]
    assert discovered([SEED, SEED_2], [], [reports[0]._replace(myid=""), reports[1]]) == (X, Y)


def test_addresses_are_mapped() -> None:
    """Behind NAT the reachable address is asked, and compared with the seeds."""
    mapping = {X: SEED, Y: Z}
    reports = [told(SEED, peer(X, myid=""), peer(Y))]
    assert discovered([SEED], [], reports, lambda address: mapping.get(address, address)) == (Z,)


def test_there_is_a_cap() -> None:
    """A Sentinel that lists thousands does not make us ask thousands; those known before are kept."""
    crowd = [peer(Address("crowd", port)) for port in range(1, 2000)]
    found = discovered([SEED], [X], [told(SEED, *crowd), told(X)])
    assert len(found) == MOST_DISCOVERED and found[0] == X


def test_a_new_home_of_all_sentinels() -> None:
    """Restarted under other addresses, the old ones go and the new ones come in one round."""
    reports = [told(SEED, peer(Y), peer(Z)), Report(X, 1, error="refused")]
    assert discovered([SEED], [X], reports) == (Y, Z)


some_addresses = st.sampled_from([SEED, SEED_2, X, Y, Z])
some_peers = st.none() | st.lists(st.builds(Peer, some_addresses, st.sampled_from(["", "a", "b"]), st.booleans()),
                                  max_size=6).map(tuple)
some_reports = st.lists(st.builds(Report, some_addresses, st.just(1), myid=st.sampled_from(["", "a", "b"]),
                                  peers=some_peers, error=st.sampled_from(["", "refused"])), max_size=5)


@given(st.lists(some_addresses, unique=True, max_size=4), some_reports)
def test_whatever_is_told(before: t.List[Address], reports: t.List[Report]) -> None:
    """No seed is among the found, nobody is there twice, and the same reports change nothing any more."""
    seeds = [SEED, SEED_2]
    once = discovered(seeds, [address for address in before if address not in seeds], reports)
    assert not set(once) & set(seeds) and len(set(once)) == len(once)
    assert discovered(seeds, once, reports) == once
