"""What an App is made of between two reloads, and what is seen of it from outside."""
import os
import time
import typing as t

from st import __version__
from st.config.values import Settings, TunnelSettings
from st.ops.measures import ClientStatus, Measures, SentinelMeasures, TunnelMeasures
from st.ops.status import NOT_ASKED, NO_MASTER, STARTING, UP, ProcessStatus, SentinelStatus, TunnelStatus
from st.sentinel.answers import Answer
from st.sentinel.attendance import Questions
from st.sentinel.crew import Crew
from st.sentinel.survey import not_monitored
from st.sentinel.watcher import AnyFollower, Watcher
from st.tunnel.server import TunnelServer


class Lane(t.NamedTuple):
    """All that belongs to one tunnel."""

    settings: TunnelSettings
    server: TunnelServer
    follower: AnyFollower


class Parts(t.NamedTuple):
    """All that works together. A reload makes a new one, so that whoever looks sees one state or the other."""

    settings: Settings
    lanes: t.Mapping[str, Lane]
    crew: Crew
    watcher: Watcher

    def status(self, started: float) -> ProcessStatus:
        """Return the state of everything, as it is now."""
        reports = self.watcher.reports()
        sentinels = []
        for sentinel in self.crew.sentinels():
            report = reports.get(sentinel)
            error = report.error if report else NOT_ASKED
            sentinels.append(SentinelStatus(str(sentinel), sentinel in self.settings.sentinels, not error,
                                            self.crew.hears_events(sentinel),
                                            None if report is None or error else report.latency, error))
        tunnels = tuple(_tunnel_status(lane) for lane in self.lanes.values())
        return ProcessStatus(__version__, os.getpid(), started, tunnels, tuple(sentinels))

    def check_names(self) -> None:
        """Raise UnknownMasterError when all Sentinels were asked, most have answered, and none monitors a name."""
        sentinels, reports = self.crew.sentinels(), self.watcher.reports()
        answered = [report for report in reports.values() if not report.error and report.sentinel in sentinels]
        if not set(sentinels) <= set(reports) or 2 * len(answered) <= len(sentinels):
            return
        for name in [lane.settings.master for lane in self.lanes.values()]:
            if all(report.answers.get(name, Answer()).unknown for report in answered):
                raise not_monitored(name, len(answered), len(sentinels))

    def measures(self, room: int) -> Measures:
        """Return what is counted beyond the status."""
        questions = self.watcher.questions()
        return Measures({name: _tunnel_measures(lane) for name, lane in self.lanes.items()},
                        {str(sentinel): _sentinel_measures(questions.get(sentinel) or Questions())
                         for sentinel in self.crew.sentinels()}, room)

    def clients(self) -> t.List[ClientStatus]:
        """Return all open connections, in the order in which they came."""
        found = []
        for name, lane in self.lanes.items():
            for connection in lane.server.registry.connections():
                master = connection.master
                found.append(ClientStatus(connection.id, name, connection.peer, str(master.address) if master else None,
                                          connection.since, *connection.carried(),
                                          credentials=connection.credentials))
        return sorted(found)

    def stalled(self, seconds: float) -> t.List[str]:
        """Return the threads that have shown no sign of life for so long: the watcher and the listeners."""
        oldest = time.monotonic() - seconds
        stalled = ["watcher"] if self.watcher.beat < oldest else []
        return stalled + ["listen %s" % name for name, lane in self.lanes.items() if lane.server.beat < oldest]


def _tunnel_status(lane: Lane) -> TunnelStatus:
    tunnel, server, follower = lane
    row, counts, targets = follower.row.now(), server.registry.counts(), follower.row.targets()
    state = STARTING if not follower.state else NO_MASTER if follower.state == NO_MASTER else UP
    refused = dict(server.refused, no_master=counts.closed.get("no_master", 0))
    return TunnelStatus(
        name=tunnel.name, master_name=tunnel.master, role=tunnel.role, listen=", ".join(map(str, server.places)),
        state=state,
        master=", ".join(sorted(str(target.address) for target in targets)) or None,
        epoch=targets[0].epoch if targets else None, since=follower.since or None,
        verified=bool(targets) and all(target.verified for target in targets),
        sentinels_agreeing=follower.agreeing, clients=counts.open, held=counts.held, max_connections=server.limit,
        accepted=counts.accepted, refused={why: number for why, number in refused.items() if number},
        closed=counts.closed, switches=follower.switches, bytes_to_master=counts.to_master,
        bytes_to_client=counts.to_client, reason=row.reason or server.gauges.login_refused)


def _tunnel_measures(lane: Lane) -> TunnelMeasures:
    gauges = lane.server.gauges
    return TunnelMeasures(gauges.role_checks.counts(), gauges.connect_seconds.distribution(),
                          lane.follower.gaps.distribution(), lane.follower.row.unavailable())


def _sentinel_measures(questions: Questions) -> SentinelMeasures:
    return SentinelMeasures(questions.results.counts(), questions.seconds.distribution())
