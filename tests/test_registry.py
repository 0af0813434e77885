"""The registry: who is in it, what it counts, and whom it cuts."""
import sys
import typing as t

from st.sentinel.masters import Snapshot
from st.tunnel.connection import Connection
from st.tunnel.registry import Counts, Registry


class Entry:
    """What the registry needs of a connection, with the values that a test gives it."""

    def __init__(self, number: int, generation: int = 1, waiting: bool = False, carried: t.Tuple[int, int] = (0, 0),
                 on_outdate: t.Callable[[], None] = lambda: None) -> None:
        self.id = number
        self.generation = generation
        self.waiting = waiting
        self.why = ""
        self._carried = carried
        self._on_outdate = on_outdate

    def carried(self) -> t.Tuple[int, int]:
        """Return bytes to the master and to the client."""
        return self._carried

    def cut(self, why: str) -> None:
        """Note why."""
        self.why = why

    def outdate(self, is_current: t.Callable[[Snapshot], bool]) -> bool:
        """End when stale, as a connection that carries does."""
        self._on_outdate()
        if is_current(Snapshot(None, self.generation, "")):
            return False
        self.why = "switch"
        return not self.waiting


def filled(*entries: Entry) -> Registry:
    """Return a registry with entries in it."""
    registry = Registry()
    for entry in entries:
        registry.enter(as_connection(entry))
    return registry


def as_connection(entry: Entry) -> Connection:
    """Return the entry, to the type checker a connection."""
    return t.cast(Connection, entry)


def is_of_the_second(snapshot: Snapshot) -> bool:
    """Tell whether a target is that of generation 2."""
    return snapshot.generation == 2


def test_it_counts_what_is_open_and_what_was() -> None:
    """Bytes of those that have ended stay in the sum; each end is counted by its reason."""
    first, second, third = Entry(1, carried=(10, 20)), Entry(2, waiting=True), Entry(3, carried=(1, 2))
    registry = filled(first, second, third)
    assert registry.counts() == Counts(3, {}, 3, 1, 11, 22) and len(registry) == 3
    registry.leave(as_connection(first), "client")
    registry.leave(as_connection(second), "client")
    assert registry.counts() == Counts(3, {"client": 2}, 1, 0, 11, 22)
    assert registry.connections() == [as_connection(third)] and len(registry) == 1


def test_leaving_twice_is_harmless() -> None:
    """An entry that is not there (any more) is only counted."""
    entry = Entry(1)
    registry = filled(entry)
    registry.leave(as_connection(entry), "client")
    registry.leave(as_connection(entry), "client")
    assert len(registry) == 0


def test_the_counts_are_a_copy() -> None:
    """What a reader does with them changes nothing."""
    registry = filled(Entry(1))
    registry.counts().closed["switch"] = 7
    assert registry.counts().closed == {}


def test_only_the_stale_are_cut() -> None:
    """Those that are current stay; those that still wait are cut as well, but carried nothing."""
    old, waiting, new = Entry(1, 1), Entry(2, 1, waiting=True), Entry(3, 2)
    assert filled(old, waiting, new).cut_stale(is_of_the_second) == 1
    assert (old.why, waiting.why, new.why) == ("switch", "switch", "")


def test_everybody_is_cut_at_the_end() -> None:
    """With the reason given."""
    entries = [Entry(number, generation=number) for number in range(3)]
    filled(*entries).cut_all("shutdown")
    assert [entry.why for entry in entries] == ["shutdown"] * 3


def test_no_thread_comes_between_two_cuts() -> None:
    """The interpreter's switch interval is longer while connections are cut, and as before afterwards."""
    before, seen = sys.getswitchinterval(), []  # type: t.Tuple[float, t.List[float]]
    filled(Entry(1, on_outdate=lambda: seen.append(sys.getswitchinterval()))).cut_stale(is_of_the_second)
    assert seen[0] >= 0.5 and sys.getswitchinterval() == before
