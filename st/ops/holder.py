"""Which process holds a TCP address, from /proc: so that a busy port is an error that names its holder."""
import ipaddress
import os
import pwd
import socket
import sys
import typing as t

from st.address import Address
from st.ops.kernel import kernel_text
from st.ops.plain import plain

_LISTENING = "0A"  # TCP_LISTEN as /proc/net/tcp prints it

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")

_IP = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Holder(t.NamedTuple):
    """A process that listens, as far as it may be known: only its owner and root see more than the user."""

    pid: t.Optional[int]
    program: t.Optional[str]
    user: t.Optional[str]

    def __str__(self) -> str:
        if self.pid is None:
            return "held by a process of user %s" % self.user if self.user else "held by another process"
        known = ["pid %d" % self.pid] + (["user %s" % self.user] if self.user else [])
        return "held by %s (%s)" % (self.program or "a process", ", ".join(known))


class Listener(t.NamedTuple):
    """A listening TCP socket: its address, the id of the user who made it, its inode."""

    ip: _IP
    port: int
    uid: int
    inode: int


def holder_of(address: Address) -> t.Optional[Holder]:
    """Return the process that listens on `address`; None when there is none or the kernel does not tell."""
    listeners = [listener for path in _TABLES for listener in parse_listeners(kernel_text(path))]
    found = holding(listeners, _ips(address.host), address.port)
    if found is None:
        return None
    pid = _pid_of(found.inode)
    program = plain(kernel_text("/proc/%d/comm" % pid).strip()) if pid is not None else ""
    return Holder(pid, program or None, _user(found.uid))


def parse_listeners(table: str) -> t.List[Listener]:
    """Return the listening sockets in the text of /proc/net/tcp or tcp6."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [_listener(row) for row in rows if len(row) > 9 and row[3] == _LISTENING]


def holding(listeners: t.Sequence[Listener], ips: t.Sequence[_IP], port: int) -> t.Optional[Listener]:
    """Return the listener that keeps others from listening on one of `ips` and `port`, the nearest first."""
    ours = [listener for listener in listeners if listener.port == port]
    exact = [listener for listener in ours if listener.ip in ips]
    wildcard = [listener for listener in ours if listener.ip.is_unspecified]
    # A wildcard of the same family is nearer than that of the other, which may keep to itself (IPV6_V6ONLY).
    wildcard.sort(key=lambda listener: all(listener.ip.version != ip.version for ip in ips))
    hindered = ours if any(ip.is_unspecified for ip in ips) else []
    return next(iter(exact + (wildcard if ips else []) + hindered), None)


def _listener(row: t.Sequence[str]) -> Listener:
    host, _, port = row[1].partition(":")
    return Listener(_ip(host), int(port, 16), int(row[7]), int(row[9]))


def _ip(words: str) -> _IP:
    # The kernel prints each 32-bit word of the address as a number of this host, so the bytes may be swapped.
    numbers = [int(words[at : at + 8], 16) for at in range(0, len(words), 8)]
    packed = b"".join(number.to_bytes(4, sys.byteorder) for number in numbers)
    return _unmapped(ipaddress.ip_address(packed))


def _unmapped(ip: _IP) -> _IP:
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _ips(host: str) -> t.List[_IP]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # a name that has no address, or cannot be a name: nobody can hold it
        return []
    return [_unmapped(ipaddress.ip_address(str(info[4][0]).partition("%")[0])) for info in found]


def _pid_of(inode: int) -> t.Optional[int]:
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid in pids if _has_socket(pid, inode)), None)


def _has_socket(pid: int, inode: int) -> bool:
    folder, wanted = "/proc/%d/fd" % pid, "socket:[%d]" % inode
    try:
        return any(_link(os.path.join(folder, name)) == wanted for name in os.listdir(folder))
    except OSError:  # it has ended, or belongs to another user
        return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed since it was listed
        return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
