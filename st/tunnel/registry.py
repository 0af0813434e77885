"""The open connections of one tunnel, and cutting those that are stale."""
import contextlib
import sys
import threading
import typing as t

from st.sentinel.masters import Snapshot

if t.TYPE_CHECKING:
    from st.tunnel.connection import Connection


class _Sweeps:
    """How many cuts go on at once in this process, and the switch interval to go back to.

    `running` is not 0 whenever the interval is another one, since a fork may come between any two of our steps.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()  # guards both
        self.running = 0
        self.interval = 0.0


_sweeps = _Sweeps()


def forget_cuts() -> None:
    """Do in a child of os.fork what its parent's threads would have done at the end of a cut."""
    if _sweeps.running:
        sys.setswitchinterval(_sweeps.interval)
    _sweeps.__init__()  # type: ignore[misc]


@contextlib.contextmanager
def _undisturbed() -> t.Iterator[None]:
    """Keep the GIL for the few microseconds that each cut takes, together with `interrupt_at_once`.

    Every cut wakes a thread, and each would take the GIL to clean up before the next connection is cut: the last
    of 1,000 ended after 60-300 ms so, and after 20 ms when they have to wait.
    """
    with _sweeps.lock:
        if not _sweeps.running:
            _sweeps.interval = sys.getswitchinterval()
        _sweeps.running += 1
        sys.setswitchinterval(1.0)  # seconds
    try:
        yield
    finally:
        with _sweeps.lock:
            if _sweeps.running == 1:
                sys.setswitchinterval(_sweeps.interval)
            _sweeps.running -= 1


class Counts(t.NamedTuple):
    """Connections so far, those that ended by reason, those that are open, and the bytes of all of them."""

    accepted: int
    closed: t.Dict[str, int]
    open: int
    held: int  # open, and still without a master
    to_master: int  # bytes
    to_client: int  # bytes


class Registry:
    """Every connection is in here from before it dials until its owner thread has closed it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _open and the counters
        self._open: t.Dict[int, Connection] = {}
        self._accepted = 0
        self._closed: t.Dict[str, int] = {}
        self._carried = (0, 0)  # bytes to the master and to the client, by connections that have ended

    def enter(self, connection: "Connection") -> None:
        """Take a connection in."""
        with self._lock:
            self._open[connection.id] = connection
            self._accepted += 1

    def leave(self, connection: "Connection", why: str) -> None:
        """Let a closed connection go, counting why it ended."""
        to_master, to_client = connection.carried()
        with self._lock:
            self._open.pop(connection.id, None)
            self._closed[why] = self._closed.get(why, 0) + 1
            self._carried = (self._carried[0] + to_master, self._carried[1] + to_client)

    def __len__(self) -> int:
        return len(self._open)

    def connections(self) -> t.List["Connection"]:
        """Return the connections that are open at this moment."""
        with self._lock:
            return list(self._open.values())

    def counts(self) -> Counts:
        """Return what has happened so far."""
        with self._lock:
            accepted, closed, carried = self._accepted, dict(self._closed), self._carried
            connections = list(self._open.values())
        moved = [connection.carried() for connection in connections]
        return Counts(accepted, closed, len(connections), sum([connection.waiting for connection in connections]),
                      carried[0] + sum([each[0] for each in moved]), carried[1] + sum([each[1] for each in moved]))

    def cut_stale(self, is_current: t.Callable[[Snapshot], bool]) -> int:
        """Cut all connections whose target is not current any more; return how many were carrying bytes."""
        connections = self.connections()
        with _undisturbed():
            return sum([connection.outdate(is_current) for connection in connections])

    def cut_all(self, why: str) -> None:
        """Cut all connections, whatever they are doing."""
        for connection in self.connections():
            connection.cut(why)
