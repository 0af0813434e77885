"""The listening sockets of one tunnel: opened together, closed together, and opened again."""
import errno
import functools
import os
import socket
import typing as t

from st.address import Address, Place, parse_ip
from st.config.values import TunnelSettings
from st.errors import ListenError
from st.unix import UnixListener
from st.wire.dial import interrupt

BACKLOG = 1024  # the kernel caps it at somaxconn; 5, the default, drops SYNs when clients come back all at once

Site = t.Union[Place, socket.socket]  # where to listen, or a listening socket that somebody else keeps open


class Opened(t.NamedTuple):
    """One listening socket; `again` opens another in the same place once this one is closed."""

    socket: socket.socket
    place: Place
    close: t.Callable[[], None]
    again: t.Callable[[], t.Any]
    shared: bool = False  # with whoever passed it to us: a shutdown would end the listening for all


class Listeners:
    """All of one tunnel; for the owner of the tunnel, but `interrupt` is for any thread."""

    def __init__(self, settings: TunnelSettings, sites: t.Sequence[Site]) -> None:
        """Open them, all or none; raise ListenError."""
        self._opened: t.List[Opened] = []
        self._open_all([functools.partial(_open, site, settings) for site in sites])

    @property
    def sockets(self) -> t.List[socket.socket]:
        """The sockets to accept from."""
        return [each.socket for each in self._opened]

    @property
    def places(self) -> t.Tuple[Place, ...]:
        """Where they really listen, or did."""
        return tuple(each.place for each in self._opened)

    @property
    def can_wake(self) -> bool:
        """Tell whether `interrupt` wakes a thread that polls them."""
        return not all(each.shared for each in self._opened)

    def interrupt(self) -> None:
        """Wake the thread that polls them."""
        for each in self._opened:
            if not each.shared:
                interrupt(each.socket)

    def close(self) -> None:
        """Close all; twice is fine."""
        for each in self._opened:
            each.close()

    def reopen(self) -> None:
        """Listen again after `close`; raise ListenError."""
        self._open_all([each.again for each in self._opened])

    def _open_all(self, openers: t.Sequence[t.Callable[[], Opened]]) -> None:
        opened: t.List[Opened] = []
        try:
            for opener in openers:
                opened.append(opener())
        except BaseException:
            for each in opened:
                each.close()
            raise
        self._opened = opened


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
    sock = socket.socket(family, socket.SOCK_STREAM)
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
    sock = passed.dup()
    return Opened(sock, place, sock.close, functools.partial(_adopt, passed, settings), shared=True)
