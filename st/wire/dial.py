"""Look up names and connect TCP within a deadline. The only place that opens sockets to other hosts."""
import ctypes
import errno
import ipaddress
import os
import socket
import struct
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerUnreachable
from st.forks import note
from st.wire.tls import Leg

KEEPALIVE_INTERVAL = 5  # seconds between probes
KEEPALIVE_PROBES = 3
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: close() drops what is queued and sends RST


class Endpoint(t.NamedTuple):
    """A numeric TCP address as the kernel takes it: no name lookup is needed to connect to it."""

    family: int
    sockaddr: t.Tuple[t.Any, ...]

    def __str__(self) -> str:
        return str(Address(self.sockaddr[0], self.sockaddr[1]))


def is_loopback(host: str) -> bool:
    """Tell whether a numeric host is one that every host has for itself."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def lookup(address: Address) -> t.List[Endpoint]:
    """Return the endpoints of an address, best first. A name can block for as long as the resolver likes."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PeerUnreachable("%s: name lookup failed: %s" % (address, _reason(error))) from error
    return [Endpoint(family, sockaddr) for family, _, _, _, sockaddr in found]


def connect(sock: socket.socket, endpoint: Endpoint, deadline: Deadline) -> None:
    """Connect a socket to an endpoint and leave it blocking, without Nagle's delay; raise PeerUnreachable.

    The caller owns the socket, and may have another thread end the wait by `interrupt`.
    """
    try:
        left = deadline.left()
        sock.settimeout(None if left is None else max(left, 0.001))  # 0 would be non-blocking
        sock.connect(endpoint.sockaddr)
        # To a free port of this host TCP can connect to itself: both ends chose the same port.
        if sock.getsockname() == sock.getpeername():
            raise PeerUnreachable("%s: nobody listens there (the connection reached itself)" % (endpoint,))
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except socket.timeout as error:  # ours, or from CPython 3.10 on also the kernel's own
        raise PeerUnreachable("%s: no connection in time" % (endpoint,)) from error
    except OSError as error:
        raise PeerUnreachable("%s: %s" % (endpoint, _reason(error))) from error


def dial(endpoint: Endpoint, deadline: Deadline) -> socket.socket:
    """Return a new socket that is connected to an endpoint; raise PeerUnreachable."""
    try:
        sock = note(socket.socket(endpoint.family, socket.SOCK_STREAM))
    except OSError as error:
        raise PeerUnreachable("%s: %s" % (endpoint, _reason(error))) from error
    try:
        connect(sock, endpoint, deadline)
    except PeerUnreachable:
        sock.close()
        raise
    return sock


def dial_first(endpoints: t.Sequence[Endpoint], deadline: Deadline) -> t.Tuple[socket.socket, Endpoint]:
    """Connect to the first endpoint that answers; raise PeerUnreachable naming each try.

    The time is shared out: one that drops our packets must not use up what the next one needs.
    """
    failures = []
    for position, endpoint in enumerate(endpoints):
        left = deadline.left()
        share = Deadline(None if left is None else left / (len(endpoints) - position))
        try:
            return dial(endpoint, share), endpoint
        except PeerUnreachable as error:
            failures.append(str(error))
    raise PeerUnreachable("; ".join(failures))


def dial_address(address: Address, deadline: Deadline) -> t.Tuple[socket.socket, Endpoint]:
    """Look an address up and connect to the first endpoint that answers; raise PeerUnreachable."""
    return dial_first(lookup(address), deadline)


def set_keepalive(sock: socket.socket, idle: float) -> None:
    """Let the kernel find out that the other host is gone: probes after `idle` seconds of silence; 0 is off."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1 if idle else 0)
    if idle:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, int(idle)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def set_user_timeout(sock: socket.socket, seconds: float) -> None:
    """Let the kernel give up on sent bytes that nobody acknowledges for `seconds`; 0 leaves it to the kernel."""
    if seconds:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def reset_on_close(sock: Leg) -> None:
    """Make close() drop all queued bytes and send RST, so that nothing still reaches a stale master."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def interrupt(sock: Leg) -> None:
    """Wake the thread that waits on this socket: it sees an end of file. Never closes: only the owner does."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EBADF):  # not connected (any more), or closed by its owner
            raise


def _load_shutdown() -> t.Optional[t.Callable[[int, int], int]]:
    try:
        return t.cast(t.Callable[[int, int], int], ctypes.PyDLL(None).shutdown)
    except (OSError, AttributeError):  # a Python that was built without libffi's help, or no libc to be found
        return None


_shutdown = _load_shutdown()


def interrupt_at_once(sock: Leg) -> None:
    """Do as `interrupt`, but without letting another thread run: for many sockets in a row.

    socket.shutdown() releases the GIL around its few microseconds, and the thread that it woke takes it: cutting
    1,000 connections would wait for 1,000 threads to clean up in between. ctypes.PyDLL keeps the GIL.
    """
    if _shutdown is None:
        interrupt(sock)
    else:
        _shutdown(sock.fileno(), socket.SHUT_RDWR)  # -1 after close() and any error change nothing


def _reason(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    if number == errno.ENOTCONN:  # it was connected, and reset before it was asked for its name
        number = errno.ECONNRESET
    return os.strerror(number) if number else str(error)
