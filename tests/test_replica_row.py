"""The row of a tunnel to replicas: places, claims, and which connections may go on."""
import socket
import threading
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.sentinel.masters import Target
from st.sentinel.replica_row import ReplicaRow
from st.wire.dial import Endpoint
from st.wire.role import MASTER, REPLICA
from tests.waiting import FACTOR

FOREVER, NOW = Deadline(3600), Deadline(0)


def target(port: int, role: str = REPLICA) -> Target:
    """Return a node on this host."""
    return Target(Address("127.0.0.1", port), Endpoint(socket.AF_INET, ("127.0.0.1", port)), role=role)


A, B, M = target(1), target(2), target(9, MASTER)


def row_of(*use: Target, keep: t.Sequence[Target] = (), row: t.Optional[ReplicaRow] = None, fallback: bool = True,
           held: bool = False) -> ReplicaRow:
    """Return a row, or this one, with these replicas."""
    row = row or ReplicaRow("tunnel", "mymaster")
    row.update(use, {each.endpoint for each in keep}, fallback, held, "why")
    return row


def test_in_the_beginning_there_is_none() -> None:
    """Who asks is told why."""
    row = row_of()
    assert row.claim(NOW) == (None, 0, "why") and row.targets() == ()
    assert row.wanted == "replica"


def test_claims_go_to_the_least_busy() -> None:
    """Released ones count no more."""
    row = row_of(A, B)
    claims = [row.claim(NOW) for _ in range(6)]
    assert sorted(claim.target.address.port for claim in claims if claim.target) == [1, 1, 1, 2, 2, 2]
    for claim in claims:
        if claim.target == A:
            row.release(claim)
    assert [row.claim(NOW).target for _ in range(3)] == [A, A, A]


def test_many_at_once_are_spread_evenly() -> None:
    """Choosing and counting are one step, also when all of them were waiting."""
    row, ports = ReplicaRow("tunnel", "mymaster"), []  # type: t.Tuple[ReplicaRow, t.List[int]]

    def take() -> None:
        claimed = row.claim(FOREVER).target
        ports.append(claimed.address.port if claimed else 0)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(40)]
    for thread in threads:
        thread.start()
    row_of(A, B, row=row)
    for thread in threads:
        thread.join(30 * FACTOR)
    assert (ports.count(1), ports.count(2)) == (20, 20)


def test_only_who_has_left_is_stale() -> None:
    """One that comes back is another stay: what was claimed in the first one is stale."""
    row = row_of(A, B)
    claims = {claim.target: claim for claim in (row.claim(NOW), row.claim(NOW))}
    assert row.update([B], set(), True, False, "") == ((), (A,), True)
    assert (row.is_current(claims[A]), row.is_current(claims[B])) == (False, True)
    assert row.update([A, B], set(), True, False, "") == ((A,), (), False)
    assert not row.is_current(claims[A])
    row.release(claims[A])  # of the first stay: counts for nothing
    assert row.claim(NOW).target == A


def test_a_kept_replica_gets_no_clients() -> None:
    """Those that it has go on; without any it has left."""
    row = row_of(A)
    claim = row.claim(NOW)
    row_of(B, keep=[A], row=row)
    assert row.is_current(claim) and row.targets() == (B,) and set(row.places()) == {A, B}
    assert row.claim(NOW).target == B
    row.release(claim)
    row_of(B, keep=[A], row=row)
    assert row.places() == (B,)


def test_a_kept_replica_is_opened_again() -> None:
    """It is the same stay: its connections count, and are current."""
    row = row_of(A)
    claims = [row.claim(NOW) for _ in range(2)]
    row_of(B, keep=[A], row=row)
    assert row.update([A, B], set(), True, False, "") == ((A,), (), False)
    assert all(map(row.is_current, claims)) and set(row.targets()) == {A, B}


def test_a_kept_replica_that_ends_is_told() -> None:
    """It had connections: they are cut."""
    row = row_of(A)
    row.claim(NOW)
    row_of(B, keep=[A], row=row)
    assert row.update([B], set(), True, False, "") == ((), (A,), True)


def test_the_master_stands_in() -> None:
    """Connections to it stay when a replica is back, and are stale after a switch."""
    row = row_of()
    row.master.adopt(M)
    claim = row_of(row=row).claim(NOW)
    assert claim.target == M and row.targets() == (M,)
    row_of(A, row=row)
    assert row.is_current(claim) and row.claim(NOW).target == A
    row.master.adopt(target(8, MASTER))
    assert not row.is_current(claim)
    row.release(claim)


def test_the_master_does_not_stand_in_for_those_who_refuse() -> None:
    """With replica_fallback = refuse."""
    row = row_of(fallback=False)
    row.master.adopt(M)
    assert row_of(row=row, fallback=False).claim(NOW).target is None and row.targets() == ()


def test_held() -> None:
    """New connections wait although there are replicas, and are woken when that is over."""
    row = row_of(A, held=True)
    assert row.claim(NOW).target is None and row.targets() == (A,)
    claims: t.List[t.Optional[Target]] = []
    waiter = threading.Thread(target=lambda: claims.append(row.claim(FOREVER).target), daemon=True)
    waiter.start()
    row_of(A, row=row)
    waiter.join(30 * FACTOR)
    assert claims == [A]


def test_a_failed_one_is_avoided() -> None:
    """As long as there is another; the caller is told whether there is."""
    row = row_of(A, B)
    claims = {claim.target: claim for claim in (row.claim(NOW), row.claim(NOW))}
    assert row.failed(claims[A])
    assert [row.claim(NOW).target for _ in range(3)] == [B, B, B]
    assert not row.failed(claims[B])


def test_who_waits_for_a_change_is_woken() -> None:
    """When its own replica leaves."""
    row, waits = row_of(A), threading.Event()
    claim = row.claim(NOW)

    def stay() -> bool:  # asked with the lock held, which is free again when it waits
        waits.set()
        return False

    waiter = threading.Thread(target=lambda: row.wait_stale(claim, FOREVER, stay), daemon=True)
    waiter.start()
    assert waits.wait(30 * FACTOR)
    row_of(B, row=row)
    waiter.join(30 * FACTOR)
    assert not waiter.is_alive()


def test_the_time_without_any_is_counted() -> None:
    """It stands still while there is a replica."""
    row = row_of(A)
    before = row.unavailable()
    assert before == row.unavailable() > 0
    row_of(row=row)
    assert row.unavailable() > before
