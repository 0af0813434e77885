"""The table of masters: generations, holding, and who is woken when."""
import socket
import threading
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.sentinel.masters import MasterRow, Snapshot, Target
from st.wire.dial import Endpoint
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass


def target(port: int, **more: t.Any) -> Target:
    """Return a target on this host."""
    return Target(Address("localhost", port), Endpoint(socket.AF_INET, ("127.0.0.1", port)), **more)


def row() -> MasterRow:
    """Return an empty row."""
    return MasterRow("tunnel", "mymaster")


class Waiter:
    """A thread that waits on a row, and what it came back with."""

    def __init__(self, wait: t.Callable[[], t.Any]) -> None:
        self.results: t.List[t.Any] = []
        self._thread = threading.Thread(target=lambda: self.results.append(wait()), daemon=True)
        self._thread.start()

    def result(self) -> t.Any:
        """Return what the wait returned, once it has."""
        self._thread.join(LONG)
        assert self.results, "the wait is not over"
        return self.results[0]


def test_the_beginning() -> None:
    """Before anything is known there is no target, no generation and no reason."""
    empty = row()
    assert empty.now() == Snapshot(None, 0, "") and empty.current() is None and empty.generation == 0


def test_each_adoption_is_a_generation() -> None:
    """A to B and back to A are three generations."""
    table = row()
    assert [table.adopt(target(1)), table.adopt(target(2)), table.adopt(target(1))] == [1, 2, 3]
    assert table.now() == Snapshot(target(1), 3, "") and table.generation == 3


def test_refining_is_no_switch() -> None:
    """What is learned of the same master leaves the generation, and those who wait for a newer one, alone."""
    table = row()
    table.adopt(target(1))
    table.refine(target(1, epoch=5))
    assert table.now() == Snapshot(target(1, epoch=5), 1, "")
    table.wait_stale(Snapshot(None, 1, ""), Deadline(0.02))
    assert table.generation == 1


def test_conclude_holds_and_releases() -> None:
    """While new connections are held the target is kept, and shown to nobody who connects."""
    table = row()
    table.adopt(target(1))
    table.conclude("too few", hold=True)
    assert table.now() == Snapshot(None, 1, "too few") and table.current() == target(1)
    table.conclude("all well", hold=False)
    assert table.now() == Snapshot(target(1), 1, "all well")


def test_adoption_may_hold() -> None:
    """A new master may be noted while nobody may connect to it; the next adoption without a reason releases."""
    table = row()
    assert table.adopt(target(1), "too few") == 1
    assert table.now() == Snapshot(None, 1, "too few")
    table.adopt(target(2))
    assert table.now() == Snapshot(target(2), 2, "")


def test_waiting_ends_with_an_adoption() -> None:
    """All who wait for a master get the same one."""
    table = row()
    waiters = [Waiter(lambda: table.wait_usable(Deadline(LONG))) for _ in range(10)]
    table.adopt(target(1))
    assert {waiter.result() for waiter in waiters} == {Snapshot(target(1), 1, "")}


def test_waiting_goes_on_while_held() -> None:
    """An adoption that holds wakes nobody for good; the release does."""
    table, looks = row(), []  # type: MasterRow, t.List[None]
    waiter = Waiter(lambda: table.wait_usable(Deadline(None), lambda: bool(looks.append(None))))  # type: ignore
    wait_until(lambda: looks, "it waits")
    table.adopt(target(1), "too few")
    table.refine(target(1, epoch=2))
    table.conclude("too few still", hold=True)
    before = len(looks)
    table.wake()
    wait_until(lambda: len(looks) > before, "it has looked again, and waits")
    assert not waiter.results
    table.conclude("", hold=False)
    assert waiter.result() == Snapshot(target(1, epoch=2), 1, "")


def test_waiting_ends_at_the_deadline() -> None:
    """Without a master the wait ends all the same, with the reason."""
    table = row()
    table.conclude("none of them answers", hold=False)
    assert table.wait_usable(Deadline(0.02)) == Snapshot(None, 0, "none of them answers")
    assert table.wait_usable(Deadline(0)) == Snapshot(None, 0, "none of them answers")


def test_nobody_waits_when_there_is_a_master() -> None:
    """A usable target is returned at once, also when the time is up."""
    table = row()
    table.adopt(target(1))
    assert table.wait_usable(Deadline(0)).target == target(1)


def test_giving_up() -> None:
    """Who was given up comes back after a wake, the others wait on."""
    table, given_up = row(), threading.Event()
    leaving = Waiter(lambda: table.wait_usable(Deadline(LONG), given_up.is_set))
    leaving_too = Waiter(lambda: table.wait_stale(table.now(), Deadline(LONG), given_up.is_set))
    staying = Waiter(lambda: table.wait_usable(Deadline(LONG)))
    given_up.set()
    table.wake()
    assert leaving.result() == Snapshot(None, 0, "") and leaving_too.result() is None and not staying.results
    table.adopt(target(1))
    assert staying.result().target == target(1)


def test_waiting_for_a_newer_generation() -> None:
    """Only a newer generation ends it, and one that is there already does at once."""
    table = row()
    table.adopt(target(1))
    first = table.now()
    waiter = Waiter(lambda: table.wait_stale(first, Deadline(LONG)))
    table.conclude("x", hold=True)
    table.conclude("", hold=False)
    assert not waiter.results
    table.adopt(target(2))
    assert waiter.result() is None
    table.wait_stale(first, Deadline(LONG))
