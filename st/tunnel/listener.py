"""One place where a tunnel listens: an address, the path of a unix socket, or a socket that was passed to us."""
import errno
import functools
import logging
import os
import socket
import socketserver
import threading
import time
import typing as t

from st.address import Address, Place, Site, parse_ip
from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.errors import ListenError
from st.event import Event
from st.forks import note
from st.tunnel.door import Guest, guest_of
from st.unix import UnixListener
from st.wire.dial import interrupt

logger = logging.getLogger(__name__)

BACKLOG = 1024  # the kernel caps it at somaxconn; 5, the default, drops SYNs when clients come back all at once
LOOK = 0.5  # seconds between two signs of life of a listener thread
PASSED_LOOK = 0.1  # the same with a passed socket: nothing else wakes the thread when it is to stop
PAUSE = 0.1  # seconds without accepting when that fails, as when descriptors or memory have run out
NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
STARVED_AGAIN = 60.0  # seconds without a pause after which the next one is told again


class Opened(t.NamedTuple):
    """A listening socket; `again` opens another in the same place once this one is closed."""

    socket: socket.socket
    place: Place
    close: t.Callable[[], None]
    again: t.Callable[[], t.Any]
    shared: bool = False  # with whoever passed it to us: a shutdown would end the listening for all


class _Stopped(Exception):
    """Ends the thread of a listener."""


class Listener(socketserver.ThreadingTCPServer):
    """Accepts in one place, in a thread of its own, and hands each client to `welcome`, which must not block.

    `start`, `stop` and `resume` are for its owner. `idle` is called each time the thread went round.
    """

    daemon_threads = True
    block_on_close = False  # connections are in the registry: a second list of threads would only leak (cpython#81374)

    def __init__(self, site: Site, settings: TunnelSettings, welcome: t.Callable[[socket.socket, Guest], None],
                 idle: t.Callable[[], None]) -> None:
        """Open the socket; raise ListenError."""
        self._opened = _open(site, settings)
        # Not that of TCPServer, which would make a socket: this one may be of another family, or passed.
        socketserver.BaseServer.__init__(self, self._opened.place, socketserver.BaseRequestHandler)
        self.socket = self._opened.socket
        self.beat = time.monotonic()  # when the thread last went round, read by status
        self._tunnel = settings.name
        self._welcome = welcome
        self._idle = idle
        self._stopping = threading.Event()
        self._starved_at = -STARVED_AGAIN  # monotonic time of the last pause
        self._thread = self._new_thread()

    @property
    def place(self) -> Place:
        """Where it really listens, or did."""
        return self._opened.place

    def start(self) -> None:
        """Start to accept; raise ListenError when the system has no thread left."""
        try:
            self._thread.start()
        except RuntimeError as error:
            raise ListenError("%s: cannot listen: %s: raise the limit of processes (ulimit -u, TasksMax)"
                              % (self.place, error)) from error

    def stop(self, deadline: Deadline) -> None:
        """Stop accepting and close the socket. Twice is fine."""
        if not self._stopping.is_set():
            self._stopping.set()
            if not self._opened.shared:
                interrupt(self.socket)  # wakes the thread at once; close() would not
            if self._thread.is_alive() and self._thread is not threading.current_thread():
                self._thread.join(deadline.left())
            self._opened.close()

    def resume(self) -> None:
        """Listen and accept again after `stop`; when that fails, a line in the log says so."""
        try:
            self._opened = self._opened.again()
            self.socket = self._opened.socket
            self._stopping.clear()
            self._thread = self._new_thread()
            self.start()
        except ListenError as error:
            self.stop(Deadline(0))
            logger.error(Event("listen_lost", tunnel=self._tunnel, error=error,
                               means="reload, or restart, to listen again"))

    def _new_thread(self) -> threading.Thread:
        look = PASSED_LOOK if self._opened.shared else LOOK
        return threading.Thread(target=self._run, args=(look,), name="listen %s" % self._tunnel, daemon=True)

    def _run(self, look: float) -> None:
        try:
            self.serve_forever(look)
        except _Stopped:
            pass

    def get_request(self) -> t.Tuple[socket.socket, t.Any]:
        """Accept one client. Where that cannot be done: pause, or poll would report the same one for ever."""
        try:
            return super().get_request()
        except (BlockingIOError, ConnectionAbortedError):
            raise  # it has gone already: socketserver goes on with the next
        except OSError as error:
            if not self._stopping.is_set():
                self._pause(error)
            raise

    def process_request(self, request: t.Any, client_address: t.Any) -> None:
        """Hand over one client."""
        self._welcome(note(request), guest_of(request, client_address))

    def service_actions(self) -> None:
        """Called by serve_forever each time it went round, twice a second at least."""
        if self._stopping.is_set():  # shutdown() would say so too, but wait for this thread without a limit
            raise _Stopped
        self.beat = time.monotonic()
        self._idle()

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Log a fault of ours, which ends this client and no other: socketserver closes it."""
        logger.exception("accepting a client of tunnel %s failed", self._tunnel)

    def _pause(self, error: OSError) -> None:
        # Without a want of something the socket itself is of no use, such as one that whoever passed it has shut down.
        until = "some are freed" if error.errno in NO_RESOURCES else "this is over"
        if time.monotonic() - self._starved_at > STARVED_AGAIN:
            logger.error(Event("accept_paused", tunnel=self._tunnel, listen=self.place,
                               error=os.strerror(error.errno or 0), means="new clients wait until %s" % until))
        self._starved_at = time.monotonic()
        self._stopping.wait(PAUSE)


def _open(site: Site, settings: TunnelSettings) -> Opened:
    if isinstance(site, socket.socket):
        return _adopt(site, settings)
    return _open_tcp(site) if isinstance(site, Address) else _open_unix(site, int(settings.socket_mode, 8))


def _open_tcp(address: Address) -> Opened:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError("%s: cannot listen: %s" % (address, error), address=address) from error
    return _bind_tcp(address, found[0][0], found[0][4])


def _bind_tcp(address: Address, family: int, sockaddr: t.Any) -> Opened:
    sock = note(socket.socket(family, socket.SOCK_STREAM))
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT must not hinder a restart
        sock.bind(sockaddr)
        sock.listen(BACKLOG)
        sock.setblocking(False)  # a client that has gone before it is accepted must not hold up the listener thread
        bound = sock.getsockname()
    except OSError as error:
        sock.close()
        raise ListenError("%s: cannot listen: %s" % (address, error.strerror or error), error.errno, address) from error
    place = Address(*bound[:2])
    return Opened(sock, place, sock.close, functools.partial(_bind_tcp, place, family, bound))


def _open_unix(path: str, mode: int) -> Opened:
    try:
        file = UnixListener(path, mode, BACKLOG)
    except OSError as error:
        advice = {
            errno.ENOENT: ": make its directory, one that its clients may enter",
            errno.EEXIST: ": remove it, or listen elsewhere",
            errno.EADDRINUSE: ": stop it, or listen elsewhere",
            errno.EACCES: ": user %d must be able to write its directory" % os.geteuid(),
        }.get(error.errno or 0, "")
        raise ListenError("%s: cannot listen: %s%s" % (path, error.strerror or error, advice), error.errno) from error
    file.socket.setblocking(False)
    return Opened(file.socket, path, file.close, functools.partial(_open_unix, path, mode))


def _adopt(passed: socket.socket, settings: TunnelSettings) -> Opened:
    name = passed.getsockname()
    place: Place = name if passed.family == socket.AF_UNIX else Address(*name[:2])
    if settings.login and not settings.allow and isinstance(place, Address) and not parse_ip(place.host).is_loopback:
        # The configuration could not know of it.
        raise ListenError("%s: cannot listen: login = yes would let every host use Redis without a password there: set "
                          "allow = NETWORKS" % (place,), address=place)
    sock = note(passed.dup())
    return Opened(sock, place, sock.close, functools.partial(_adopt, passed, settings), shared=True)
