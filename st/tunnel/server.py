"""What stands behind the listeners of one tunnel: who may come in, limits, and a thread for each connection."""
import functools
import itertools
import logging
import socket
import threading
import time
import typing as t

from st.address import Address, Place, Site
from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.event import Event
from st.sentinel.masters import Row
from st.tunnel.connection import Connection
from st.tunnel.convoy import Convoy
from st.tunnel.door import Crowd, Guest, is_allowed
from st.tunnel.hands import Hands
from st.tunnel.listener import Listener
from st.tunnel.refusal import FULL, LINGER, say, swallow
from st.tunnel.registry import Registry
from st.tunnel.relay import Relay
from st.tunnel.shared import Legs, MakeRelay, Tunnel
from st.tunnel.upstream import Gauges
from st.wire.dial import Endpoint

logger = logging.getLogger(__name__)

MOST_LINGERING = 32  # refused clients that are still being read from; st.host.limits keeps descriptors back for them
TOLD_AGAIN = 60.0  # seconds between two lines about clients that are not allowed


class Seats:
    """How many connections the process has room for, what they share, and the refused that are being read from."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.numbers = itertools.count(1)
        self.convoy = Convoy()
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


class TunnelServer:
    """Listens for one tunnel. `start` and `stop` are for its owner; connections end by themselves or by `cut_all`."""

    def __init__(self, settings: TunnelSettings, row: Row, seats: Seats, hint: t.Callable[[str], None],
                 legs: Legs = Legs(), sites: t.Optional[t.Sequence[Site]] = None,
                 relay: t.Optional[MakeRelay] = None) -> None:
        """Open the listening sockets, where the settings say unless `sites` does; raise ListenError."""
        self.registry = Registry()
        self.gauges = Gauges()
        self._tunnel = Tunnel(settings, row, self.registry, self.gauges, hint,
                              relay or functools.partial(Relay, convoy=seats.convoy), legs)
        self._seats = seats
        self._hands = Hands()
        self._crowd = Crowd()
        self._most = min(settings.max_connections or seats.total, seats.total)
        self._door = threading.Lock()  # guards the attributes below, and that no two listeners fill the last place
        self._refused = {"limit": 0, "no_thread": 0, "not_allowed": 0}
        self._told_at = -TOLD_AGAIN  # monotonic time of the last line about a client that is not allowed
        self._listeners: t.List[Listener] = []
        try:
            for site in settings.places if sites is None else sites:
                self._listeners.append(Listener(site, settings, self._welcome, seats.close_lingering))
        except BaseException:
            for listener in self._listeners:
                listener.stop(Deadline(0))
            raise

    @property
    def places(self) -> t.Tuple[Place, ...]:
        """Where it really listens, or did."""
        return tuple(listener.place for listener in self._listeners)

    @property
    def sockets(self) -> t.List[socket.socket]:
        """The listening sockets."""
        return [listener.socket for listener in self._listeners]

    @property
    def beat(self) -> float:
        """When each listener thread had gone round, a monotonic time."""
        return min(listener.beat for listener in self._listeners)

    @property
    def refused(self) -> t.Dict[str, int]:
        """How many clients were not let in, by reason."""
        with self._door:
            return dict(self._refused)

    def listens_at(self, endpoint: Endpoint) -> bool:
        """Tell whether a connection to the endpoint would end up here."""
        mine = [place for place in self.places if isinstance(place, Address) and place.port == endpoint.sockaddr[1]]
        return any(place.host == endpoint.sockaddr[0] or (place.host in ("0.0.0.0", "::") and _is_local(endpoint))
                   for place in mine)

    @property
    def row(self) -> Row:
        """The row that its connections follow."""
        return self._tunnel.row

    @property
    def limit(self) -> int:
        """How many connections it takes at the most."""
        return self._most

    def start(self) -> None:
        """Start to accept; raise ListenError when the system has no thread left."""
        for listener in self._listeners:
            listener.start()

    def stop(self, deadline: Deadline) -> None:
        """Stop accepting and close the listeners; open connections stay. Twice is fine."""
        for listener in self._listeners:
            listener.stop(deadline)
        self._hands.close()
        self._seats.close_lingering(all_of_them=True)

    def join(self, deadline: Deadline) -> None:
        """Wait for the threads of connections that have been closed, after `stop`."""
        self._hands.join(deadline)

    def resume(self) -> None:
        """Listen and accept again after `stop`; where that fails, a line in the log says so."""
        for listener in self._listeners:
            listener.resume()
        self._hands.open()

    def adjust(self, settings: TunnelSettings, legs: Legs) -> None:
        """Let other settings apply to the connections that come from now on; places and master are as before."""
        self._tunnel = self._tunnel._replace(settings=settings, legs=legs)
        self._most = min(settings.max_connections or self._seats.total, self._seats.total)

    def _welcome(self, client: socket.socket, guest: Guest) -> None:
        """Give a client its thread, or refuse it; nothing here may block."""
        tunnel = self._tunnel
        if not is_allowed(guest.ip, tunnel.settings.allow):
            return self._turn_away(client, guest)
        with self._door:
            limit = self._find_limit(guest, tunnel.settings)
            if limit is None:
                connection = Connection(next(self._seats.numbers), client, guest.name, tunnel, guest.credentials)
                self.registry.enter(connection)
        if limit is not None:
            return self._refuse(client, "limit", limit)
        try:
            self._hands.serve("%s #%d" % (tunnel.settings.name, connection.id),
                              functools.partial(self._serve, connection, guest))
        except RuntimeError as error:  # can't start new thread: this client is lost, no other
            self.registry.leave(connection, "error")
            self._give_back(guest)
            logger.error(Event("no_thread", tunnel=tunnel.settings.name, error=error))
            self._refuse(client, "no_thread", self._most)

    def _find_limit(self, guest: Guest, settings: TunnelSettings) -> t.Optional[int]:
        """Return the limit that keeps a client out; None when it has its seat."""
        if len(self.registry) >= self._most:
            return self._most
        if not self._crowd.enter(guest.ip, settings.max_connections_per_client):
            return settings.max_connections_per_client
        if not self._seats.take():
            self._crowd.leave(guest.ip)
            return self._seats.total
        return None

    def _serve(self, connection: Connection, guest: Guest) -> None:
        try:
            connection.run()
        finally:
            self._give_back(guest)

    def _give_back(self, guest: Guest) -> None:
        self._crowd.leave(guest.ip)
        self._seats.give_back()

    def _turn_away(self, client: socket.socket, guest: Guest) -> None:
        """Close a client that is not allowed, without a word: it may be anybody."""
        client.close()
        with self._door:
            self._refused["not_allowed"] += 1
            refused, told = self._refused["not_allowed"], time.monotonic() - self._told_at <= TOLD_AGAIN
            self._told_at = self._told_at if told else time.monotonic()
        if not told:
            logger.info(Event("not_allowed", tunnel=self._tunnel.settings.name, client=guest.name, refused=refused,
                              means="the setting allow does not list it"))

    def _refuse(self, client: socket.socket, why: str, limit: int) -> None:
        with self._door:
            self._refused[why] += 1
        logger.debug(Event("refused", tunnel=self._tunnel.settings.name, why=why, limit=limit))
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
