"""Who may come in: which networks, and how many from one address. No sockets but to ask whose they are."""
import socket
import threading
import typing as t

from st.address import IP, Address, parse_ip
from st.config.kinds import Network
from st.unix import Credentials, credentials_of


class Guest(t.NamedTuple):
    """A client, by the kernel's word: `ip` is None on a unix socket, and `credentials` on all others."""

    name: str  # for people
    ip: t.Optional[IP]
    credentials: t.Optional[Credentials]


def guest_of(client: socket.socket, address: t.Any) -> Guest:
    """Return who has connected from this socket address; raise OSError when it has gone."""
    if client.family == socket.AF_UNIX:
        return Guest("unix", None, credentials_of(client))
    return Guest(str(Address(*address[:2])), parse_ip(address[0]), None)


def is_allowed(ip: t.Optional[IP], networks: t.Sequence[Network]) -> bool:
    """Tell whether a client may come in: on a unix socket the permissions of its file have decided already."""
    return ip is None or not networks or any(ip in network for network in networks)


class Crowd:
    """How many connections are open from each address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the counts: the listener thread adds, owner threads subtract
        self._counts: t.Dict[IP, int] = {}

    def enter(self, ip: t.Optional[IP], most: int) -> bool:
        """Count one more; False when there are so many already (0: no limit)."""
        if ip is None:
            return True
        with self._lock:
            count = self._counts.get(ip, 0)
            if most and count >= most:
                return False
            self._counts[ip] = count + 1
            return True

    def leave(self, ip: t.Optional[IP]) -> None:
        """Count one less; an address without connections is forgotten."""
        if ip is None:
            return
        with self._lock:
            self._counts[ip] -= 1
            if not self._counts[ip]:
                del self._counts[ip]
