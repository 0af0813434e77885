"""The life of everything: start, reload, stop."""
import logging
import threading
import time
import typing as t

from st.address import Address, Place, Site
from st.app.changes import Changes, compare
from st.app.keys import keys_of
from st.app.parts import Lane, Parts
from st.config.values import Settings, TunnelSettings
from st.deadline import Deadline
from st.errors import ListenError
from st.event import Event
from st.host.blame import blame_holder
from st.host.passed import PassedSockets
from st.ops.measures import ClientStatus, Measures
from st.ops.status import ProcessStatus
from st.sentinel.answers import Credentials
from st.sentinel.crew import Brief, Crew
from st.sentinel.follower import Follower
from st.sentinel.masters import MasterRow, Row
from st.sentinel.replica_follower import ReplicaFollower
from st.sentinel.replica_row import ReplicaRow
from st.sentinel.watcher import AnyFollower, Watcher
from st.switch import Switch
from st.tunnel.server import Seats, TunnelServer
from st.wire.dial import Endpoint
from st.workers.pool import Workers

logger = logging.getLogger(__name__)

QUIET_LOOK = 0.1  # seconds between two looks for quiet connections while draining
CUT_WAIT = 2.0  # seconds for connections that were cut to be closed by their threads
STOP_WAIT = 2.0  # seconds for the watcher and its workers
REPORT_SLACK = 0.5  # seconds beyond sentinel_timeout for the first reports after a reload
RELOAD_DRAIN = 3.0  # seconds, at the most, that a reload waits for the connections of tunnels that go
FOREVER = Deadline(None)

Servers = t.Mapping[str, TunnelServer]


class App:
    """All tunnels of one configuration. `start` once, `stop` from any thread, as often as you like.

    `on_switch` is called by the watcher thread and must not block.
    """

    def __init__(self, settings: Settings, room: int,
                 on_switch: t.Callable[[Switch], None] = lambda switch: None,
                 passed: t.Optional[PassedSockets] = None) -> None:
        self._started = time.time()
        self._seats = Seats(room)
        self._on_switch = on_switch
        self._passed = passed or PassedSockets()
        self._assigned: t.Mapping[str, t.Sequence[Site]] = {}  # passed sockets by tunnels; by `start`, then by `reload`
        self._keys = keys_of(settings)
        self._workers = Workers(settings.workers, room) if settings.workers > 1 else None
        self._changing = threading.Lock()  # held by `reload`, so that there is one at a time
        self._stopping = False
        self._parts = self._combine(settings, {})

    def start(self) -> None:
        """Listen on every address, then begin to watch and to accept; raise ListenError and leave nothing behind."""
        settings = self._parts.settings
        self._assigned = self._passed.assign(settings.tunnels)
        useless = self._passed.useless(settings.tunnels)
        if useless:
            raise ListenError("; ".join(useless))
        if self._workers:
            self._workers.start()
        try:
            servers = self._listen_all(settings.tunnels)
        except BaseException:
            self._stop_workers()
            raise
        self._parts = self._combine(settings, servers)
        try:
            self._parts.watcher.start()
        except BaseException:
            self.stop(0)
            raise
        if self._stopping:  # while this went on
            self.stop(0)

    def reload(self, settings: Settings) -> Changes:
        """Change to another configuration and return what is different; raise ListenError with nothing changed.

        Connections of tunnels that stay go on. Those of tunnels that go get a moment to become quiet.
        """
        with self._changing:
            old = self._parts
            changes = compare(old.settings, settings)
            if self._stopping or not (changes.process or changes.leaving or changes.arriving or changes.adjusted):
                return changes
            self._keys = keys_of(settings)
            self._assigned = self._passed.assign(settings.tunnels)
            for problem in self._passed.useless(settings.tunnels):  # clients would wait there, so somebody must know
                logger.warning(Event("socket_unused", why=problem))
            leaving = {name: old.lanes[name].server for name in changes.leaving}
            fresh = self._exchange(leaving, [each for each in settings.tunnels if each.name in changes.arriving])
            try:
                self._retire(list(leaving.values()), Deadline(min(settings.drain, RELOAD_DRAIN)), "reload")
                old.watcher.stop(Deadline(STOP_WAIT))
            finally:  # whatever happened: from here on the new ones serve
                kept = {name: lane.server for name, lane in old.lanes.items() if name not in leaving}
                for tunnel in settings.tunnels:
                    if tunnel.name in kept:
                        kept[tunnel.name].adjust(tunnel, self._keys.legs[tunnel.name])
                self._parts = self._combine(settings, dict(kept, **fresh), old)
                self._parts.watcher.start()
            self._await_reports(Deadline(settings.sentinel_timeout + REPORT_SLACK))
        if self._stopping:  # while this went on: what is new must end too
            self.stop(0)
        return changes

    def stop(self, drain: float, limit: Deadline = FOREVER) -> None:
        """Stop accepting, let connections end for `drain` seconds, cut the rest, end all threads.

        After `limit` nothing is waited for any more: what is left ends by itself.
        """
        self._stopping = True
        parts = self._parts
        for lane in parts.lanes.values():
            lane.server.row.wake()  # who waits for a master waits in vain
        self._retire([lane.server for lane in parts.lanes.values()], Deadline(drain), "shutdown", limit)
        parts.watcher.stop(Deadline(limit.left(STOP_WAIT)))
        self._stop_workers(limit)

    def wait_master(self, deadline: Deadline, names: t.Optional[t.Container[str]] = None) -> t.List[str]:
        """Wait until every tunnel, or each of these, has a master; return why each of the others has none."""
        late = []
        for name, lane in self._parts.lanes.items():
            if names is not None and name not in names:
                continue
            snapshot = lane.follower.row.wait_usable(deadline, lambda: self._stopping)
            if snapshot.target is None:
                late.append("%s: %s" % (name, snapshot.reason or "no %s" % lane.follower.row.wanted))
        return late

    def check_names(self) -> None:
        """Raise UnknownMasterError once it is certain that the Sentinels do not monitor the name of a tunnel."""
        self._parts.check_names()

    def status(self) -> ProcessStatus:
        """Return the state of everything, as it is now."""
        return self._parts.status(self._started)

    def places(self) -> t.Dict[str, t.Tuple[Place, ...]]:
        """Return where each tunnel listens."""
        return {name: lane.server.places for name, lane in self._parts.lanes.items()}

    def measures(self) -> Measures:
        """Return what is counted beyond the status."""
        workers = self._workers.measures() if self._workers else ()
        return self._parts.measures(self._seats.free)._replace(workers=workers)

    def clients(self) -> t.List[ClientStatus]:
        """Return all open connections, in the order in which they came."""
        return self._parts.clients()

    def kill(self, number: int) -> bool:
        """End the connection with this id; False when there is none."""
        for lane in self._parts.lanes.values():
            for connection in lane.server.registry.connections():
                if connection.id == number:
                    connection.cut("admin")
                    return True
        return False

    def stalled(self, seconds: float) -> t.List[str]:
        """Return the threads that have shown no sign of life for so long: the watcher and the listeners."""
        return [] if self._stopping else self._parts.stalled(seconds)  # they end as they should: a drain may take long

    @property
    def stopping(self) -> bool:
        """True from the moment it begins to stop."""
        return self._stopping

    def _combine(self, settings: Settings, servers: Servers, old: t.Optional[Parts] = None) -> Parts:
        """Return these servers with followers and a watcher of their own, which go on where the `old` ones were."""
        before = old.lanes if old else {}
        discovered = old.crew.discovered if old and settings.discover else ()
        credentials = Credentials(settings.sentinel_user, settings.sentinel_password, self._keys.sentinel)
        tls = {name: legs.upstream for name, legs in self._keys.legs.items() if legs.upstream is not None}
        crew = Crew(Brief(settings.sentinels, credentials, settings.sentinel_timeout, settings.events,
                          settings.discover, settings.nat_map.apply, settings.tunnels, self._is_own, tls), discovered)
        lanes = {}
        for tunnel in settings.tunnels:
            server = servers.get(tunnel.name)
            if server is not None:
                follower = self._follower(tunnel, server.row, settings, crew)
                if tunnel.name in before and before[tunnel.name].server is server:  # and so its role is the same
                    follower.go_on_as(before[tunnel.name].follower)  # type: ignore[arg-type]
                lanes[tunnel.name] = Lane(tunnel, server, follower)
        watcher = Watcher(crew, [lane.follower for lane in lanes.values()], settings.poll, settings.sentinel_timeout,
                          old.watcher.questions() if old else None)
        crew.report_to(watcher.post, lambda channel: watcher.wake("event", channel))
        return Parts(settings, lanes, crew, watcher)

    def _stop_workers(self, limit: Deadline = FOREVER) -> None:
        if self._workers:
            self._workers.stop(Deadline(limit.left(STOP_WAIT)))

    def _follower(self, tunnel: TunnelSettings, row: Row, settings: Settings, crew: Crew) -> AnyFollower:
        rules = (settings.min_sentinels, settings.sentinel_outage == "serve")
        if isinstance(row, ReplicaRow):
            return ReplicaFollower(tunnel, row, settings.nat_map, crew.probe, self._cut_stale, *rules)
        assert isinstance(row, MasterRow)
        return Follower(tunnel, row, settings.nat_map, crew.probe, self._cut_stale, *rules, on_switch=self._on_switch)

    def _listen_all(self, tunnels: t.Sequence[TunnelSettings]) -> Servers:
        """Return a server for each tunnel, accepting, all or none; raise ListenError. Clients wait for a master."""
        servers: t.Dict[str, TunnelServer] = {}
        try:
            for tunnel in tunnels:
                servers[tunnel.name] = self._listen(tunnel)
            for server in servers.values():
                server.start()
        except BaseException:
            for server in servers.values():
                server.stop(Deadline(STOP_WAIT))
            raise
        return servers

    def _listen(self, tunnel: TunnelSettings) -> TunnelServer:
        row = (ReplicaRow if tunnel.role == "replica" else MasterRow)(tunnel.name, tunnel.master)
        try:
            return TunnelServer(tunnel, row, self._seats, self._hint, self._keys.legs[tunnel.name],
                                self._assigned.get(tunnel.name), self._workers.relay if self._workers else None)
        except ListenError as error:
            raise blame_holder(error, error.address) if error.address else error

    def _exchange(self, leaving: Servers, arriving: t.Sequence[TunnelSettings]) -> Servers:
        """Listen for those that arrive, where need be in the places of those that leave; raise ListenError."""
        held, wanted = _spots(server.places for server in leaving.values()), _spots(each.places for each in arriving)
        late = [tunnel for tunnel in arriving if _spots([tunnel.places]) & held]
        free = self._listen_all([tunnel for tunnel in arriving if tunnel not in late])
        taken = [server for server in leaving.values() if _spots([server.places]) & wanted]
        for server in taken:
            server.stop(Deadline(STOP_WAIT))
        try:
            return dict(free, **self._listen_all(late))
        except BaseException:
            for server in free.values():
                server.stop(Deadline(STOP_WAIT))
            for server in taken:
                server.resume()
            raise

    def _retire(self, servers: t.Sequence[TunnelServer], drain: Deadline, why: str, limit: Deadline = FOREVER) -> None:
        """Stop accepting, cut connections at a moment when no reply is on its way, and the rest when `drain` is over.
        """
        for server in servers:
            server.stop(Deadline(limit.left(STOP_WAIT)))
        while not drain.passed() and any(len(server.registry) for server in servers):
            for connection in [each for server in servers for each in server.registry.connections()]:
                connection.cut_if_quiet(why)
            time.sleep(drain.left(QUIET_LOOK) or 0)
        for server in servers:
            server.registry.cut_all(why)
        self._wait_empty(servers, Deadline(limit.left(CUT_WAIT)))

    def _wait_empty(self, servers: t.Sequence[TunnelServer], deadline: Deadline) -> None:
        while any(len(server.registry) for server in servers) and not deadline.passed():
            time.sleep(0.005)
        for server in servers:
            server.join(deadline)  # who looks at the threads now must not find one that is about to end
        left = sum(len(server.registry) for server in servers)
        if left:
            logger.warning(Event("threads_left", connections=left, means="they end with the process"))

    def _await_reports(self, deadline: Deadline) -> None:
        """Wait until each Sentinel was asked once, so that the next status tells of all."""
        parts = self._parts
        while set(parts.crew.sentinels()) - set(parts.watcher.reports()) and not self._stopping:
            if deadline.passed():
                break
            time.sleep(0.01)

    def _is_own(self, endpoint: Endpoint) -> bool:
        return any(lane.server.listens_at(endpoint) for lane in self._parts.lanes.values())

    def _cut_stale(self, tunnel: str, generation: int) -> int:
        server = self._parts.lanes[tunnel].server
        return server.registry.cut_stale(server.row.is_current)

    def _hint(self, detail: str) -> None:
        self._parts.watcher.wake("hint", detail)


def _spots(many: t.Iterable[t.Iterable[Place]]) -> t.Set[t.Union[int, str]]:
    """Return what can be in the way of another listener: ports, whatever the address, and paths."""
    return {place.port if isinstance(place, Address) else place for places in many for place in places}
