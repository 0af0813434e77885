"""One listener a tunnel: accept, limit, and a thread for each connection."""
import errno
import itertools
import logging
import os
import select
import socket
import threading
import time
import typing as t

from st.address import Address, Place
from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.errors import ListenError
from st.event import Event
from st.sentinel.masters import Row
from st.tunnel.connection import Connection, Legs, Tunnel
from st.tunnel.door import Crowd, Guest, guest_of, is_allowed
from st.tunnel.listeners import Listeners, Site
from st.tunnel.refusal import FULL, LINGER, say, swallow
from st.tunnel.registry import Registry
from st.tunnel.upstream import Gauges
from st.wire.dial import Endpoint

logger = logging.getLogger(__name__)

LOOK = 0.5  # seconds between two signs of life of a listener thread
PASSED_LOOK = 0.1  # the same with passed sockets alone: nothing else wakes the thread when it is to stop
PAUSE = 0.1  # seconds without accepting when that fails, as when descriptors or memory have run out
NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
MOST_LINGERING = 32  # refused clients that are still being read from; st.ops.limits keeps descriptors back for them
STARVED_AGAIN = 60.0  # seconds without a pause after which the next one is told again
TOLD_AGAIN = 60.0  # seconds between two lines about clients that are not allowed


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
                 legs: Legs = Legs(), sites: t.Optional[t.Sequence[Site]] = None) -> None:
        """Open the listening sockets, where the settings say unless `sites` does; raise ListenError."""
        self.registry = Registry()
        self.gauges = Gauges()
        # Counted by the listener thread alone.
        self.refused = {"limit": 0, "no_thread": 0, "not_allowed": 0}
        self.beat = time.monotonic()  # when the listener thread last went round, read by status
        self._tunnel = Tunnel(settings, row, self.registry, self.gauges, hint, legs)
        self._seats = seats
        self._crowd = Crowd()
        self._most = min(settings.max_connections or seats.total, seats.total)
        self._stopping = threading.Event()
        self._starved_at = -STARVED_AGAIN  # monotonic time of the last pause
        self._told_at = -TOLD_AGAIN  # monotonic time of the last line about a client that is not allowed
        self._listeners = Listeners(settings, settings.places if sites is None else sites)
        self._thread = self._new_thread()

    @property
    def places(self) -> t.Tuple[Place, ...]:
        """Where it really listens, or did."""
        return self._listeners.places

    @property
    def sockets(self) -> t.List[socket.socket]:
        """The listening sockets."""
        return self._listeners.sockets

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
        """Start to accept."""
        self._thread.start()

    def stop(self, deadline: Deadline) -> None:
        """Stop accepting and close the listeners; open connections stay. Twice is fine."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._listeners.interrupt()  # wakes the listener thread at once; close() would not
            if self._thread.ident is not None:
                self._thread.join(deadline.left())
            self._listeners.close()
            self._seats.close_lingering(all_of_them=True)

    def resume(self) -> None:
        """Listen and accept again after `stop`; when that fails, a line in the log says so."""
        try:
            self._listeners.reopen()
        except ListenError as error:
            logger.error(Event("listen_lost", tunnel=self._tunnel.settings.name, error=error,
                               means="reload, or restart, to listen again"))
            return
        self._stopping.clear()
        self._thread = self._new_thread()
        self._thread.start()

    def adjust(self, settings: TunnelSettings, legs: Legs) -> None:
        """Let other settings apply to the connections that come from now on; places and master are as before."""
        self._tunnel = self._tunnel._replace(settings=settings, legs=legs)
        self._most = min(settings.max_connections or self._seats.total, self._seats.total)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._listen, name="listen %s" % self._tunnel.settings.name, daemon=True)

    def _listen(self) -> None:
        """Accept until told to stop; the listener thread."""
        poller, sockets = select.poll(), {sock.fileno(): sock for sock in self.sockets}
        for number in sockets:
            poller.register(number, select.POLLIN)
        look = LOOK if self._listeners.can_wake else PASSED_LOOK
        while not self._stopping.is_set():
            for number, _ in poller.poll(look * 1000):
                if not self._stopping.is_set():
                    self._accept(sockets[number])
            self.beat = time.monotonic()
            self._seats.close_lingering()

    def _accept(self, listener: socket.socket) -> None:
        """Accept one client. Where that cannot be done: pause, or poll would report the same one for ever."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it has gone already
        except OSError as error:
            if not self._stopping.is_set():
                self._pause(error)
            return
        try:
            self._welcome(client, address)
        except Exception:  # a fault of ours ends this client, and no other
            logger.exception("accepting a client of tunnel %s failed", self._tunnel.settings.name)
            client.close()

    def _pause(self, error: OSError) -> None:
        # Else the socket itself is of no use, such as one that whoever passed it has shut down.
        until = "some are freed" if error.errno in NO_RESOURCES else "this is over"
        if time.monotonic() - self._starved_at > STARVED_AGAIN:
            logger.error(Event("accept_paused", tunnel=self._tunnel.settings.name,
                               error=os.strerror(error.errno or 0), means="new clients wait until %s" % until))
        self._starved_at = time.monotonic()
        self._stopping.wait(PAUSE)

    def _welcome(self, client: socket.socket, address: t.Any) -> None:
        """Give a client its thread, or refuse it; nothing here may block."""
        settings, guest = self._tunnel.settings, guest_of(client, address)
        if not is_allowed(guest.ip, settings.allow):
            return self._turn_away(client, guest)
        if len(self.registry) >= self._most:
            return self._refuse(client, "limit", self._most)
        if not self._crowd.enter(guest.ip, settings.max_connections_per_client):
            return self._refuse(client, "limit", settings.max_connections_per_client)
        if not self._seats.take():
            self._crowd.leave(guest.ip)
            return self._refuse(client, "limit", self._seats.total)
        self._begin(client, guest)

    def _begin(self, client: socket.socket, guest: Guest) -> None:
        connection = Connection(next(self._seats.numbers), client, guest.name, self._tunnel, guest.credentials)
        self.registry.enter(connection)
        thread = threading.Thread(target=self._serve, args=(connection, guest), daemon=True,
                                  name="%s #%d" % (self._tunnel.settings.name, connection.id))
        try:
            thread.start()
        except RuntimeError as error:  # can't start new thread: this client is lost, no other
            self.registry.leave(connection, "error")
            self._give_back(guest)
            logger.error(Event("no_thread", tunnel=self._tunnel.settings.name, error=error))
            self._refuse(client, "no_thread", self._most)

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
        self.refused["not_allowed"] += 1
        if time.monotonic() - self._told_at > TOLD_AGAIN:
            self._told_at = time.monotonic()
            logger.info(Event("not_allowed", tunnel=self._tunnel.settings.name, client=guest.name,
                              refused=self.refused["not_allowed"], means="the setting allow does not list it"))

    def _refuse(self, client: socket.socket, why: str, limit: int) -> None:
        self.refused[why] += 1
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
