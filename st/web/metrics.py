"""What Prometheus scrapes: every name, what it means and where its value comes from. Values in, text out."""
import platform
import typing as t

from st.host.usage import Usage
from st.ops.measures import Measures, SentinelMeasures, TunnelMeasures, WorkerMeasures
from st.ops.status import UP, ProcessStatus, SentinelStatus, TunnelStatus
from st.web.exposition import COUNTER, GAUGE, HISTOGRAM, Family, Labels, Sample, distribution, text

PREFIX = "sentinel_tunnel_"

# Known reasons are there from the start, with 0: an alert on a rate needs a first value.
CLOSED = ("client", "master", "switch", "limit", "no_master", "connect_failed", "admin", "reload", "shutdown", "error")
REFUSED = ("limit", "no_master", "no_thread", "not_allowed")

Samples = t.List[Sample]


class Tunnel(t.NamedTuple):
    """One tunnel: its labels, its status, and what is measured beyond it."""

    labels: Labels
    status: TunnelStatus
    measures: TunnelMeasures


class Sentinel(t.NamedTuple):
    """One Sentinel, in the same way."""

    labels: Labels
    status: SentinelStatus
    measures: SentinelMeasures


_TUNNEL = (
    ("master_up", GAUGE, "1 while the tunnel has a usable master, else 0.",
     lambda each: _one(each, each.status.state == UP)),
    ("master_info", GAUGE, "Always 1; the address of the master, empty before the first one was found.",
     lambda each: [Sample(each.labels + (("address", each.status.master or ""),), 1)]),
    ("master_since_timestamp_seconds", GAUGE, "Unix time at which the master was adopted, 0 before the first one.",
     lambda each: _one(each, each.status.since or 0)),
    ("master_unavailable_seconds_total", COUNTER, "Seconds without a usable master.",
     lambda each: _one(each, each.measures.unavailable_seconds)),
    ("switches_total", COUNTER, "How often the master changed.", lambda each: _one(each, each.status.switches)),
    ("failover_gap_seconds", HISTOGRAM,
     "From the moment the old master was last known to be good until the new one was verified.",
     lambda each: distribution(each.labels, each.measures.gap_seconds)),
    ("client_connections", GAUGE, "Open connections of clients.", lambda each: _one(each, each.status.clients)),
    ("client_connections_limit", GAUGE, "How many connections of clients there may be at a time.",
     lambda each: _one(each, each.status.max_connections)),
    ("client_connections_held", GAUGE, "Open connections that wait for a master.",
     lambda each: _one(each, each.status.held)),
    ("client_connections_total", COUNTER, "Connections of clients that were accepted.",
     lambda each: _one(each, each.status.accepted)),
    ("client_connections_refused_total", COUNTER, "Clients that were refused, by reason.",
     lambda each: _by(each, "reason", each.status.refused, REFUSED)),
    ("client_connections_closed_total", COUNTER, "Connections of clients that have ended, by reason.",
     lambda each: _by(each, "reason", each.status.closed, CLOSED)),
    ("transferred_bytes_total", COUNTER, "Bytes carried, by direction.",
     lambda each: _by(each, "direction", {"to_master": each.status.bytes_to_master,
                                          "to_client": each.status.bytes_to_client})),
    ("master_connect_seconds", HISTOGRAM, "Time to connect to the master for a client.",
     lambda each: distribution(each.labels, each.measures.connect_seconds)),
    ("role_checks_total", COUNTER, "Answers to ROLE before a client was let through, by result.",
     lambda each: _by(each, "result", each.measures.role_checks)),
    ("sentinels_agreeing", GAUGE, "Sentinels that name the master that is used.",
     lambda each: _one(each, each.status.sentinels_agreeing)),
)  # type: t.Tuple[t.Tuple[str, str, str, t.Callable[[Tunnel], Samples]], ...]

_SENTINEL = (
    ("sentinel_up", GAUGE, "1 while the Sentinel answers, else 0.", lambda each: _one(each, each.status.up)),
    ("sentinel_events_connected", GAUGE, "1 while the Sentinel sends us its events, else 0.",
     lambda each: _one(each, each.status.events)),
    ("sentinel_queries_total", COUNTER, "Questions to the Sentinel, by result.",
     lambda each: _by(each, "result", each.measures.queries)),
    ("sentinel_query_seconds", HISTOGRAM, "Time that the Sentinel took to answer.",
     lambda each: distribution(each.labels, each.measures.query_seconds)),
)  # type: t.Tuple[t.Tuple[str, str, str, t.Callable[[Sentinel], Samples]], ...]


_WORKER = (
    ("worker_up", GAUGE, "1 while the worker takes connections, else 0.", lambda each: int(each.up)),
    ("worker_connections", GAUGE, "Open connections that the worker carries.", lambda each: each.connections),
    ("worker_cpu_seconds_total", COUNTER, "User and system CPU time of the worker.", lambda each: each.cpu),
    ("worker_resident_memory_bytes", GAUGE, "Resident memory of the worker.", lambda each: each.resident),
)  # type: t.Tuple[t.Tuple[str, str, str, t.Callable[[WorkerMeasures], t.Optional[float]]], ...]


def exposition(status: ProcessStatus, measures: Measures, used: Usage, reload_successful: bool) -> str:
    """Return everything that is counted and measured, for Prometheus."""
    # A reload between the two may leave one in one of them only.
    tunnels = [Tunnel((("tunnel", each.name),), each, measures.tunnels[each.name])
               for each in status.tunnels if each.name in measures.tunnels]
    sentinels = [Sentinel((("sentinel", each.address),), each, measures.sentinels[each.address])
                 for each in status.sentinels if each.address in measures.sentinels]
    own = [Family(PREFIX + name, kind, says, [sample for each in tunnels for sample in read(each)])
           for name, kind, says, read in _TUNNEL]
    own += [Family(PREFIX + name, kind, says, [sample for each in sentinels for sample in read(each)])
            for name, kind, says, read in _SENTINEL]
    for name, kind, says, read in _WORKER if measures.workers else ():
        own.append(Family(PREFIX + name, kind, says, _of_workers(measures.workers, read)))
    return text(own + _of_process(status, used, reload_successful) + _of_host(used))


def _of_workers(workers: t.Sequence[WorkerMeasures],
                read: t.Callable[[WorkerMeasures], t.Optional[float]]) -> Samples:
    values = [(worker.name, read(worker)) for worker in workers]
    return [Sample((("worker", name),), value) for name, value in values if value is not None]


def _of_process(status: ProcessStatus, used: Usage, reload_successful: bool) -> t.List[Family]:
    build = (("version", status.version), ("python", platform.python_version()))
    seeds = sum(each.seed for each in status.sentinels)
    return [
        Family(PREFIX + "build_info", GAUGE, "Always 1; what is running.", [Sample(build, 1)]),
        _single(PREFIX + "sentinels_configured", GAUGE, "Sentinels that the configuration names.", seeds),
        _single(PREFIX + "config_last_reload_successful", GAUGE,
                "1 when the last reload succeeded or there was none, else 0.", int(reload_successful)),
        _single(PREFIX + "threads", GAUGE, "Threads of the process.", used.threads),
    ]


def _of_host(used: Usage) -> t.List[Family]:
    return [
        _single("process_start_time_seconds", GAUGE, "Unix time at which the process started.", used.started),
        _single("process_cpu_seconds_total", COUNTER, "User and system CPU time of the process.", used.cpu),
        _single("process_resident_memory_bytes", GAUGE, "Resident memory of the process.", used.resident),
        _single("process_open_fds", GAUGE, "Open file descriptors.", used.open_descriptors),
        _single("process_max_fds", GAUGE, "How many file descriptors may be open.", used.most_descriptors),
    ]


def _single(name: str, kind: str, says: str, value: t.Optional[float]) -> Family:
    return Family(name, kind, says, [] if value is None else [Sample((), value)])


def _one(each: t.Union[Tunnel, Sentinel], value: float) -> Samples:
    return [Sample(each.labels, int(value) if isinstance(value, bool) else value)]


def _by(each: t.Union[Tunnel, Sentinel], label: str, counts: t.Mapping[str, int],
        known: t.Sequence[str] = ()) -> Samples:
    """Return a sample for each known kind, counted or not, and for each other that was counted."""
    kinds = list(known) + sorted(set(counts) - set(known))
    return [Sample(each.labels + ((label, kind),), counts.get(kind, 0)) for kind in kinds]
