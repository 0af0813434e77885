"""The listening sockets that systemd opened for us and passed on ("socket activation")."""
import os
import socket
import typing as t

from st.address import Address, Place, Site
from st.config.values import TunnelSettings
from st.errors import ListenError
from st.plain import plain

FIRST = 3  # descriptors from here on, as sd_listen_fds(3) says
_NO_TUNNEL = ("systemd passed a socket that listens on %s, but no tunnel does: let ListenStream= of the .socket unit "
              "name the address or path of a tunnel, or FileDescriptorName= the tunnel")


class Passed(t.NamedTuple):
    """One listening socket, its place, and its FileDescriptorName= ("" without)."""

    name: str
    place: Place
    socket: socket.socket


class PassedSockets:
    """Those of one process. They stay open while it runs: a tunnel that a reload takes away may come back."""

    def __init__(self, sockets: t.Sequence[Passed] = ()) -> None:
        self._sockets = tuple(sockets)

    def assign(self, tunnels: t.Sequence[TunnelSettings]) -> t.Dict[str, t.Sequence[Site]]:
        """Return where each tunnel listens that has passed sockets.

        On those that bear its name, and nowhere else; without such, in its own places, on the sockets passed for them.
        """
        names = {tunnel.name for tunnel in tunnels}
        found: t.Dict[str, t.Sequence[Site]] = {}
        for passed in self._sockets:
            if passed.name in names:
                found[passed.name] = [*found.get(passed.name, ()), passed.socket]
        free = [passed for passed in self._sockets if passed.name not in names]
        for tunnel in tunnels if free else ():
            if tunnel.name not in found:
                sites = [_take(place, free) for place in tunnel.places]
                if any(isinstance(site, socket.socket) for site in sites):
                    found[tunnel.name] = sites
        return found

    def useless(self, tunnels: t.Sequence[TunnelSettings]) -> t.List[str]:
        """Return what is wrong with each socket that belongs to no tunnel."""
        used = [site for sites in self.assign(tunnels).values() for site in sites]
        return [_NO_TUNNEL % plain(str(passed.place)) for passed in self._sockets if passed.socket not in used]

    def close(self) -> None:
        """Close them; systemd keeps its own, where clients wait for the next start."""
        for passed in self._sockets:
            passed.socket.close()


def take_passed(environ: t.MutableMapping[str, str]) -> PassedSockets:
    """Return the sockets that systemd passed to this process, and take its variables out of `environ`.

    Raise ListenError for one that cannot be a tunnel's. No command that we run inherits them.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return PassedSockets()  # for a process that started us, if for anybody
    numbers = range(FIRST, FIRST + int(count))
    try:
        for number in numbers:
            os.set_inheritable(number, False)
        opened = [_open(number) for number in numbers]
    except OSError as error:
        raise ListenError("systemd passed %s descriptors from %d on, but not all are sockets: %s"
                          % (count, FIRST, error.strerror)) from error
    names += [""] * len(opened)
    return PassedSockets([Passed(name, _place(number, sock), sock)
                          for number, name, sock in zip(numbers, names, opened)])


def _open(number: int) -> socket.socket:
    # Python 3.6 does not ask the kernel for the family of a descriptor.
    probe = socket.socket(fileno=number)
    try:
        family = probe.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
        kind = probe.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
    finally:
        probe.detach()
    sock = socket.socket(family, kind, fileno=number)
    sock.setblocking(False)  # a client that has gone before it is accepted must not hold up the listener thread
    return sock


def _place(number: int, sock: socket.socket) -> Place:
    """Return where a passed socket listens; raise ListenError when no tunnel could."""
    name = sock.getsockname()
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        place: Place = Address(*name[:2])
    elif sock.family == socket.AF_UNIX and isinstance(name, str) and name:
        place = os.path.normpath(name)
    else:
        raise ListenError("systemd passed %s (descriptor %d): tunnels listen on TCP and on paths only: write "
                          "ADDRESS:PORT or /PATH as ListenStream= of the .socket unit" % (plain(str(name)), number))
    if sock.type & 0xF != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ListenError("systemd passed %s (descriptor %d), which does not listen: write ListenStream= and "
                          "Accept=no in the .socket unit" % (plain(str(place)), number))
    return place


def _take(place: Place, free: t.List[Passed]) -> Site:
    """Return the first socket that listens there, which is free no longer, or the place itself."""
    same = _addresses(place) if isinstance(place, Address) else [place]
    for passed in free:
        if passed.place in same:
            free.remove(passed)
            return passed.socket
    return place


def _addresses(address: Address) -> t.List[Place]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):  # told when the tunnel tries to listen there
        return []
    return [Address(str(info[4][0]), int(info[4][1])) for info in found]
