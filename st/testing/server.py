"""The sockets and threads below every fake: accepting, counting, stopping."""
import socket
import threading
import typing as t

from st.testing.connection import Connection
from st.testing.wire import Command

Address = t.Tuple[str, int]


class FakeServer:
    """A TCP server on a free port.

    stop() refuses connections and keeps the port, start() listens on it again, close() gives it up. freeze() lets it
    do nothing, as a stopped process or a cut cable would, until thaw().
    """

    kind = "server"
    connection_class: t.Type[Connection] = Connection
    patience = 10.0  # seconds for its own threads to end

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.failures: t.List[str] = []  # tracebacks: a fault of the fake itself, raised by close()
        self._frozen = False
        self._lock = threading.Lock()  # guards _connections, _open
        self._connections: t.List[Connection] = []
        self._open: t.List[Connection] = []
        self._stopping = threading.Event()
        self._listener: t.Optional[socket.socket] = None
        self._reserved = bound_socket((host, 0))
        self.address: Address = self._reserved.getsockname()[:2]
        self.name = "fake-%s-%d" % (self.kind, self.address[1])
        self.start()

    @property
    def connections(self) -> t.List[Connection]:
        """Every connection ever accepted, oldest first."""
        with self._lock:
            return list(self._connections)

    @property
    def open(self) -> t.List[Connection]:
        """The connections that the fake has not closed and whose end it has not read."""
        with self._lock:
            return list(self._open)

    @property
    def accepted(self) -> int:
        """How many connections were ever accepted."""
        with self._lock:
            return len(self._connections)

    @property
    def commands(self) -> t.List[Command]:
        """Every command received, connection by connection."""
        return [command for connection in self.connections for command in list(connection.commands)]

    @property
    def running(self) -> bool:
        """Tell whether it listens."""
        return self._listener is not None

    def is_frozen(self) -> bool:
        """Tell whether it does nothing at the moment."""
        return self._frozen

    def freeze(self) -> None:
        """Read nothing more: what clients send waits in the kernel, and so do new connections."""
        self._frozen = True

    def thaw(self) -> None:
        """Go on, with what has come meanwhile."""
        self._frozen = False

    def respond(self, connection: Connection, command: Command) -> bytes:
        """Return the reply to `command`."""
        raise NotImplementedError

    def begin_batch(self, connection: Connection) -> None:
        """Called before the commands that came together: a real server executes them with nothing in between."""

    def drop_all(self, reset: bool = False) -> None:
        """Close (or reset) every open connection, and return when that is done."""
        connections = self.open
        for connection in connections:
            (connection.reset if reset else connection.close)()
        for connection in connections:
            self._join(connection.thread)

    def forget(self, connection: Connection) -> None:
        """Take `connection`, which has ended, off the open ones; for the connection itself."""
        with self._lock:
            self._open.remove(connection)

    def start(self) -> None:
        """Listen, again after a stop(); nothing when it listens already."""
        if self._listener is not None:
            return
        self._stopping.clear()
        self._listener = bound_socket(self.address)
        self._listener.listen(1024)
        self._thread = threading.Thread(target=self._accept_all, args=(self._listener,), name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse new connections, close the open ones and end every thread; the port stays reserved."""
        if self._listener is None:
            return
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._join(self._thread)
        self._listener.close()
        self._listener = None
        self.drop_all()

    def close(self) -> None:
        """Stop for good and give up the port; raise AssertionError when the fake itself had failed."""
        self.stop()
        self._reserved.close()
        assert not self.failures, "%s failed:\n%s" % (self.name, "\n".join(self.failures))

    def _accept_all(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                # stop() shut the listener; or a test of exhausted descriptors goes on, and so does the fake.
                self._stopping.wait(0.01)
                continue
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        try:
            connection = self.connection_class(self, sock, self.accepted + 1)
        except OSError:  # the client has gone before it could be asked for its address
            sock.close()
            return
        with self._lock:
            self._connections.append(connection)
            self._open.append(connection)
            connection.thread.start()  # whoever sees the connection may join its thread

    def _join(self, thread: threading.Thread) -> None:
        thread.join(self.patience)
        assert not thread.is_alive(), "%s: thread %s does not end" % (self.name, thread.name)


def bound_socket(address: Address) -> socket.socket:
    """Return a socket bound to `address` that does not listen: connecting to it is refused, and the port is held.

    With SO_REUSEADDR on both, Linux lets a second socket bind the same port and listen.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    return sock
