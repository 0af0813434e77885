"""Which process holds a TCP address, so that a busy port is an error that names its holder."""
import socket
import typing as t

from st.address import IP, Address, parse_ip
from st.host.sockets import LISTENING, Owner, owners_of, parse_rows, tables


class Holder(Owner):
    """A process that listens, as a part of an error's text."""

    __slots__ = ()

    def __str__(self) -> str:
        if self.pid is None:
            return "held by a process of user %s" % self.user if self.user else "held by another process"
        known = ["pid %d" % self.pid] + (["user %s" % self.user] if self.user else [])
        return "held by %s (%s)" % (self.program or "a process", ", ".join(known))


class Listener(t.NamedTuple):
    """A listening TCP socket: its address, the id of the user who made it, its inode."""

    ip: IP
    port: int
    uid: int
    inode: int


def holder_of(address: Address) -> t.Optional[Holder]:
    """Return the process that listens on `address`; None when there is none or the kernel does not tell."""
    listeners = [listener for table in tables() for listener in parse_listeners(table)]
    found = holding(listeners, _ips(address.host), address.port)
    return Holder(*owners_of({found.inode: found.uid})[found.inode]) if found else None


def parse_listeners(table: t.Iterable[str]) -> t.List[Listener]:
    """Return the listening sockets in the lines of /proc/net/tcp or tcp6."""
    rows = parse_rows(table, lambda state, port: state == LISTENING)
    return [Listener(row.ip, row.port, row.uid, row.inode) for row in rows]


def holding(listeners: t.Sequence[Listener], ips: t.Sequence[IP], port: int) -> t.Optional[Listener]:
    """Return the listener that keeps others from listening on one of `ips` and `port`, the nearest first."""
    ours = [listener for listener in listeners if listener.port == port]
    exact = [listener for listener in ours if listener.ip in ips]
    wildcard = [listener for listener in ours if listener.ip.is_unspecified]
    # A wildcard of the same family is nearer than that of the other, which may keep to itself (IPV6_V6ONLY).
    wildcard.sort(key=lambda listener: all(listener.ip.version != ip.version for ip in ips))
    hindered = ours if any(ip.is_unspecified for ip in ips) else []
    return next(iter(exact + (wildcard if ips else []) + hindered), None)


def _ips(host: str) -> t.List[IP]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # a name that has no address, or cannot be a name: nobody can hold it
        return []
    return [parse_ip(str(info[4][0])) for info in found]
