"""The listening sockets that systemd opened for us and passed on ("socket activation")."""
import os
import socket
import typing as t

from st.address import Address
from st.config.values import TunnelSettings
from st.errors import ListenError
from st.ops.plain import plain

FIRST = 3  # descriptors from here on, as sd_listen_fds(3) says
_NO_TUNNEL = ("systemd passed a socket that listens on %s, but no tunnel does: let ListenStream= of the .socket unit "
              "name the address of a tunnel, or FileDescriptorName= the tunnel (one socket each)")


class Passed(t.NamedTuple):
    """One listening socket, its address, and its FileDescriptorName= ("" without)."""

    name: str
    address: Address
    socket: socket.socket


class PassedSockets:
    """Those of one process. They stay open while it runs: a tunnel that a reload takes away may come back."""

    def __init__(self, sockets: t.Sequence[Passed] = ()) -> None:
        self._sockets = tuple(sockets)

    def assign(self, tunnels: t.Sequence[TunnelSettings]) -> t.Dict[str, socket.socket]:
        """Return sockets by the names of their tunnels, which they bear, or else listen for on the same address."""
        given = {passed.name: passed.socket for passed in reversed(self._sockets)}
        found = {tunnel.name: given[tunnel.name] for tunnel in tunnels if tunnel.name in given}
        named = set(found)
        for passed in self._sockets:
            if passed.name not in named:
                at_address = [tunnel.name for tunnel in tunnels if passed.address in _addresses(tunnel)]
                for name in at_address[:1]:
                    found.setdefault(name, passed.socket)
        return found

    def useless(self, tunnels: t.Sequence[TunnelSettings]) -> t.List[str]:
        """Return what is wrong with each socket that belongs to no tunnel."""
        used = list(self.assign(tunnels).values())
        return [_NO_TUNNEL % str(passed.address) for passed in self._sockets if passed.socket not in used]

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
    return PassedSockets([Passed(name, _address(number, sock), sock)
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


def _address(number: int, sock: socket.socket) -> Address:
    """Return where a passed socket listens; raise ListenError when no tunnel could."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise ListenError("systemd passed %s (descriptor %d): tunnels listen on TCP only: write ADDRESS:PORT as "
                          "ListenStream= of the .socket unit" % (plain(str(sock.getsockname())), number))
    address = Address(*sock.getsockname()[:2])
    if sock.type & 0xF != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ListenError("systemd passed %s (descriptor %d), which does not listen: write ListenStream= and "
                          "Accept=no in the .socket unit" % (address, number))
    return address


def _addresses(tunnel: TunnelSettings) -> t.List[Address]:
    try:
        found = socket.getaddrinfo(tunnel.listen, tunnel.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):  # told when the tunnel tries to listen there
        return []
    return [Address(str(info[4][0]), int(info[4][1])) for info in found]
