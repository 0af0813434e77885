"""One listener a tunnel: accept, limit, and a thread for each connection."""
import errno
import itertools
import logging
import os
import socket
import socketserver
import threading
import time
import typing as t

from st.address import Address
from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.errors import ListenError
from st.event import Event
from st.sentinel.masters import MasterRow
from st.tunnel.connection import Connection, Legs, Tunnel
from st.tunnel.refusal import FULL, LINGER, say, swallow
from st.tunnel.registry import Registry
from st.tunnel.upstream import Gauges
from st.wire.dial import Endpoint, interrupt

logger = logging.getLogger(__name__)

BACKLOG = 1024  # the kernel caps it at somaxconn; 5, the default, drops SYNs when clients come back all at once
LOOK = 0.5  # seconds between two signs of life of a listener thread
PASSED_LOOK = 0.1  # the same with a passed socket: nothing else wakes the thread when it is to stop
PAUSE = 0.1  # seconds without accepting when descriptors or memory have run out
NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
MOST_LINGERING = 32  # refused clients that are still being read from; st.ops.limits keeps descriptors back for them
STARVED_AGAIN = 60.0  # seconds without a shortage after which the next one is told again


class Seats:
    """How many connections the whole process has room for, their numbers, and the refused that are being read from."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.numbers = itertools.count(1)
        self._lock = threading.Lock()  # guards the attributes below
        self._taken = 0
        self._lingering: t.List[t.Tuple[float, socket.socket]] = []  # refused, to be closed at a time

    def take(self) -> bool:
        """Take a seat; False when there is none."""
        with self._lock:
            free = self._taken < self.total
            self._taken += free
            return free

    def give_back(self) -> None:
        """Give a seat back."""
        with self._lock:
            self._taken -= 1

    @property
    def free(self) -> int:
        """How many seats are free."""
        with self._lock:
            return self.total - self._taken

    def linger(self, client: socket.socket) -> None:
        """Close a refused client in a moment, when it has had the time to read why."""
        client.setblocking(False)  # the listener thread will read from it
        with self._lock:
            self._lingering.append((time.monotonic() + LINGER, client))
        self.close_lingering()

    def close_lingering(self, all_of_them: bool = False) -> None:
        """Close the refused clients whose time is over, or the oldest of too many; never wait for one."""
        with self._lock:
            now, most = time.monotonic(), 0 if all_of_them else MOST_LINGERING
            over = max(len(self._lingering) - most, sum([at <= now for at, _ in self._lingering]))
            closing, self._lingering = self._lingering[:over], self._lingering[over:]
        for _, client in closing:
            swallow(client)
            client.close()


class TunnelServer(socketserver.ThreadingTCPServer):
    """Listens for one tunnel. `start` and `stop` are for its owner; connections end by themselves or by `cut_all`."""

    allow_reuse_address = True  # or a restart fails while old connections are in TIME_WAIT
    request_queue_size = BACKLOG
    daemon_threads = True
    block_on_close = False  # connections are in the registry: a second list of threads would only leak (cpython#81374)

    def __init__(self, settings: TunnelSettings, row: MasterRow, seats: Seats, hint: t.Callable[[str], None],
                 passed: t.Optional[socket.socket] = None, legs: Legs = Legs()) -> None:
        self.registry = Registry()
        self.gauges = Gauges()
        self.refused = {"limit": 0, "no_thread": 0}  # counted by the listener thread alone
        self.beat = time.monotonic()  # when the listener thread last went round, read by status
        self._tunnel = Tunnel(settings, row, self.registry, self.gauges, hint, legs)
        self._seats = seats
        self._most = min(settings.max_connections or seats.total, seats.total)
        self._stopping = threading.Event()
        self._starved_at = -STARVED_AGAIN  # monotonic time of the last want of descriptors
        self._passed = passed  # a listening socket that somebody else keeps open, before us and after us
        self._thread = self._new_thread()
        self.address_family, address = (passed.family, None) if passed else _bind_address(settings)
        try:
            super().__init__(address, Connection, bind_and_activate=not passed)  # type: ignore[arg-type]
            if passed:
                self.socket.close()
                self.socket = passed.dup()
        except OSError as error:
            where = Address(settings.listen, settings.port)
            raise ListenError("%s: cannot listen: %s" % (where, error.strerror or error), error.errno) from error
        self._address = Address(*self.socket.getsockname()[:2])

    @property
    def address(self) -> Address:
        """The address that it really listens on, or did."""
        return self._address

    def listens_at(self, endpoint: Endpoint) -> bool:
        """Tell whether a connection to the endpoint would end up here."""
        mine = self.address
        if endpoint.sockaddr[1] != mine.port:
            return False
        return endpoint.sockaddr[0] == mine.host or (mine.host in ("0.0.0.0", "::") and _is_local(endpoint))

    @property
    def row(self) -> MasterRow:
        """The row that its connections follow."""
        return self._tunnel.row

    @property
    def limit(self) -> int:
        """How many connections it takes at the most."""
        return self._most

    def start(self) -> None:
        """Start to accept; raise ListenError when the system has no thread left."""
        try:
            self._thread.start()
        except RuntimeError as error:
            raise ListenError("%s: cannot listen: %s: raise the limit of processes (ulimit -u, TasksMax)"
                              % (self.address, error)) from error

    def stop(self, deadline: Deadline) -> None:
        """Stop accepting and close the listener; open connections stay. Twice is fine."""
        if not self._stopping.is_set():
            self._stopping.set()
            if not self._passed:  # a shutdown would end the listening of whoever passed it, too
                interrupt(self.socket)  # wakes the listener thread at once; close() would not
            if self._thread.ident is not None:
                self.shutdown()
                self._thread.join(deadline.left())
            self.server_close()
            self._seats.close_lingering(all_of_them=True)

    def resume(self) -> None:
        """Listen and accept again after `stop`; when that fails, a line in the log says so."""
        try:
            if self._passed:
                self.socket = self._passed.dup()
            else:
                self.socket = socket.socket(self.address_family, self.socket_type)
                self.server_bind()
                self.server_activate()
        except OSError as error:
            self.socket.close()
            logger.error(Event("listen_lost", tunnel=self._tunnel.settings.name, listen=self.address, error=error,
                               means="reload, or restart, to listen again"))
            return
        self._stopping.clear()
        self._thread = self._new_thread()
        self._thread.start()

    def adjust(self, settings: TunnelSettings, legs: Legs) -> None:
        """Let other settings apply to the connections that come from now on; address and master are as before."""
        self._tunnel = self._tunnel._replace(settings=settings, legs=legs)
        self._most = min(settings.max_connections or self._seats.total, self._seats.total)

    def _new_thread(self) -> threading.Thread:
        name = "listen %s" % self._tunnel.settings.name
        look = PASSED_LOOK if self._passed else LOOK
        return threading.Thread(target=self.serve_forever, args=(look,), name=name, daemon=True)

    def get_request(self) -> t.Tuple[socket.socket, t.Any]:
        """Accept one client. Without descriptors: pause, or poll would report the same client for ever."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in NO_RESOURCES:
                if time.monotonic() - self._starved_at > STARVED_AGAIN:
                    logger.error(Event("accept_paused", tunnel=self._tunnel.settings.name,
                                       error=os.strerror(error.errno), means="new clients wait until some are freed"))
                self._starved_at = time.monotonic()
                self._stopping.wait(PAUSE)
            raise  # socketserver goes on with the next

    def process_request(self, request: t.Any, client_address: t.Any) -> None:
        """Give a client its thread, or refuse it; nothing here may block."""
        if len(self.registry) >= self._most or not self._seats.take():
            return self._refuse(request, "limit")
        connection = Connection(next(self._seats.numbers), request, str(Address(*client_address[:2])), self._tunnel)
        self.registry.enter(connection)
        thread = threading.Thread(target=self._serve, args=(connection,), daemon=True,
                                  name="%s #%d" % (self._tunnel.settings.name, connection.id))
        try:
            thread.start()
        except RuntimeError as error:  # can't start new thread: this client is lost, no other
            self.registry.leave(connection, "error")
            self._seats.give_back()
            logger.error(Event("no_thread", tunnel=self._tunnel.settings.name, error=error))
            self._refuse(request, "no_thread")

    def service_actions(self) -> None:
        """Called by serve_forever each time it went round, twice a second at least."""
        self.beat = time.monotonic()
        self._seats.close_lingering()

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Log a fault of ours; the client was closed by socketserver."""
        logger.exception("accepting a client of tunnel %s failed", self._tunnel.settings.name)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            self._seats.give_back()

    def _refuse(self, client: socket.socket, why: str) -> None:
        self.refused[why] += 1
        logger.debug(Event("refused", tunnel=self._tunnel.settings.name, why=why, limit=self._most))
        if self._tunnel.legs.client is None and self._tunnel.settings.tls != "passthrough":
            say(client, FULL)  # in TLS it would be garbage, and a handshake would take too long here
        self._seats.linger(client)


def _is_local(endpoint: Endpoint) -> bool:
    """Tell whether an address is one of this host: only then can a socket be bound to it."""
    with socket.socket(endpoint.family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((endpoint.sockaddr[0], 0) + tuple(endpoint.sockaddr[2:]))
        except OSError:
            return False
    return True


def _bind_address(settings: TunnelSettings) -> t.Tuple[t.Any, t.Any]:
    """Return family and socket address to listen on; raise ListenError when the host is no address of this host."""
    try:
        found = socket.getaddrinfo(settings.listen, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError("%s: cannot listen: %s" % (Address(settings.listen, settings.port), error)) from error
    return found[0][0], found[0][4]
