"""One process: builds everything, starts and stops it in order. The only wiring."""
import errno
import logging
import os
import time
import typing as t

from st import __version__
from st.address import Address
from st.config.values import Settings, TunnelSettings
from st.deadline import Deadline
from st.errors import ListenError
from st.event import Event
from st.ops.holder import holder_of
from st.ops.status import NO_MASTER, STARTING, UP, ProcessStatus, SentinelStatus, TunnelStatus
from st.sentinel.answers import Credentials
from st.sentinel.crew import Brief, Crew
from st.sentinel.follower import Follower
from st.sentinel.masters import MasterRow
from st.sentinel.watcher import Watcher
from st.tunnel.server import Seats, TunnelServer
from st.wire.dial import Endpoint

logger = logging.getLogger(__name__)

QUIET_LOOK = 0.1  # seconds between two looks for quiet connections while draining
CUT_WAIT = 2.0  # seconds for connections that were cut to be closed by their threads
STOP_WAIT = 2.0  # seconds for the watcher and its workers


class App:
    """All tunnels of one configuration. `start` once, `stop` from any thread, as often as you like."""

    def __init__(self, settings: Settings, room: int) -> None:
        self._settings = settings
        self._started = time.time()
        self._rows = {tunnel.name: MasterRow(tunnel.name, tunnel.master) for tunnel in settings.tunnels}
        self._servers: t.Dict[str, TunnelServer] = {}
        self._seats = Seats(room)
        self._crew = Crew(Brief(settings.sentinels, Credentials(settings.sentinel_user, settings.sentinel_password),
                                settings.sentinel_timeout, settings.events, settings.discover, settings.nat_map.apply,
                                settings.tunnels, self._is_own))
        self._followers = {tunnel.name: self._follower(tunnel) for tunnel in settings.tunnels}
        self._watcher = Watcher(self._crew, list(self._followers.values()), settings.poll, settings.sentinel_timeout)
        self._crew.report_to(self._watcher.post, lambda channel: self._watcher.wake("event", channel))

    def start(self) -> None:
        """Listen on every address, then begin to watch and to accept; raise ListenError and leave nothing behind."""
        try:
            for tunnel in self._settings.tunnels:
                self._servers[tunnel.name] = self._listen(tunnel)
            self._watcher.start()
            for server in self._servers.values():
                server.start()
        except BaseException:
            self.stop(0)
            raise

    def stop(self, drain: float, hurry: t.Callable[[], bool] = lambda: False) -> None:
        """Stop accepting, let connections end for `drain` seconds or until `hurry`, cut the rest, end all threads."""
        for server in self._servers.values():
            server.stop(Deadline(STOP_WAIT))
        self._drain(Deadline(drain), hurry)
        for server in self._servers.values():
            server.registry.cut_all("shutdown")
        self._wait_empty(Deadline(CUT_WAIT))
        self._watcher.stop(Deadline(STOP_WAIT))

    def wait_master(self, deadline: Deadline) -> t.List[str]:
        """Wait until every tunnel has a master; return why each of the others has none."""
        late = []
        for row in self._rows.values():
            snapshot = row.wait_usable(deadline)
            if snapshot.target is None:
                late.append("%s: %s" % (row.tunnel, snapshot.reason or "no master"))
        return late

    def status(self) -> ProcessStatus:
        """Return the state of everything, as it is now."""
        tunnels = tuple(self._tunnel_status(tunnel) for tunnel in self._settings.tunnels)
        reports = self._watcher.reports()
        sentinels = []
        for sentinel in self._crew.sentinels():
            report = reports.get(sentinel)
            error = report.error if report else "not asked yet"
            sentinels.append(SentinelStatus(str(sentinel), sentinel in self._settings.sentinels, not error,
                                            self._crew.hears_events(sentinel),
                                            None if report is None or error else report.latency, error))
        return ProcessStatus(__version__, os.getpid(), self._started, tunnels, tuple(sentinels))

    def _listen(self, tunnel: TunnelSettings) -> TunnelServer:
        try:
            return TunnelServer(tunnel, self._rows[tunnel.name], self._seats, self._hint)
        except ListenError as error:
            holder = holder_of(Address(tunnel.listen, tunnel.port)) if error.errno == errno.EADDRINUSE else None
            if holder is None:
                raise
            raise ListenError("%s: %s" % (error, holder), error.errno) from error

    def _is_own(self, endpoint: Endpoint) -> bool:
        return any(server.listens_at(endpoint) for server in self._servers.values())

    def _follower(self, tunnel: TunnelSettings) -> Follower:
        return Follower(tunnel, self._rows[tunnel.name], self._settings.nat_map, self._crew.probe, self._cut_stale,
                        self._settings.min_sentinels, self._settings.sentinel_outage == "serve")

    def _cut_stale(self, tunnel: str, generation: int) -> int:
        return self._servers[tunnel].registry.cut_older(generation)

    def _hint(self, detail: str) -> None:
        self._watcher.wake("hint", detail)

    def _drain(self, deadline: Deadline, hurry: t.Callable[[], bool]) -> None:
        """Cut connections at a moment when no reply is on its way, as long as there is time."""
        while not deadline.passed() and not hurry():
            connections = [each for server in self._servers.values() for each in server.registry.connections()]
            if not connections:
                return
            for connection in connections:
                connection.cut_if_quiet("shutdown")
            time.sleep(deadline.left(QUIET_LOOK) or 0)

    def _wait_empty(self, deadline: Deadline) -> None:
        while any(len(server.registry) for server in self._servers.values()) and not deadline.passed():
            time.sleep(0.005)
        left = sum(len(server.registry) for server in self._servers.values())
        if left:
            logger.warning(Event("threads_left", connections=left, means="they end with the process"))

    def _tunnel_status(self, tunnel: TunnelSettings) -> TunnelStatus:
        server, follower = self._servers[tunnel.name], self._followers[tunnel.name]
        row, counts = self._rows[tunnel.name].now(), self._servers[tunnel.name].registry.counts()
        target = self._rows[tunnel.name].current()
        condition = follower.condition.state
        state = STARTING if not condition else NO_MASTER if condition == NO_MASTER else UP
        refused = dict(server.refused, no_master=counts.closed.get("no_master", 0))
        return TunnelStatus(
            name=tunnel.name, master_name=tunnel.master, role="master", listen=str(server.address), state=state,
            master=str(target.address) if target else None, epoch=target.epoch if target else None,
            since=follower.since or None, verified=bool(target and target.verified),
            sentinels_agreeing=follower.agreeing, clients=counts.open, held=counts.held, max_connections=server.limit,
            accepted=counts.accepted, refused={why: number for why, number in refused.items() if number},
            closed=counts.closed, switches=follower.switches, bytes_to_master=counts.to_master,
            bytes_to_client=counts.to_client, reason=row.reason)
