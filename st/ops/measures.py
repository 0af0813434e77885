"""What is measured beyond the status, for the metrics. Values only; docs of each name stand with the metrics."""
import typing as t

from st.tally import Distribution
from st.unix import Credentials


class TunnelMeasures(t.NamedTuple):
    """Of one tunnel: results of role checks, seconds to connect to the master, gaps of switches, seconds without."""

    role_checks: t.Mapping[str, int]  # master, replica, unknown, error
    connect_seconds: Distribution
    gap_seconds: Distribution
    unavailable_seconds: float  # in all, since the start, without a usable master


class SentinelMeasures(t.NamedTuple):
    """Of one Sentinel: results of questions, and the seconds that they took."""

    queries: t.Mapping[str, int]  # ok, unknown_name, noauth, timeout, error
    query_seconds: Distribution


class WorkerMeasures(t.NamedTuple):
    """Of one process that carries bytes; None: the kernel does not tell, since it has just ended."""

    name: str
    up: bool
    connections: int
    cpu: t.Optional[float]  # seconds
    resident: t.Optional[int]  # bytes


class Measures(t.NamedTuple):
    """Of all tunnels by their names, and of all Sentinels by their addresses, as in the status."""

    tunnels: t.Mapping[str, TunnelMeasures]
    sentinels: t.Mapping[str, SentinelMeasures]
    room: int  # for so many more clients the process has room
    workers: t.Tuple[WorkerMeasures, ...] = ()


class ClientStatus(t.NamedTuple):
    """One open connection; `master` is None while it is held, times are Unix times, `client` is HOST:PORT or "unix"."""

    id: int
    tunnel: str
    client: str
    master: t.Optional[str]
    since: float
    bytes_to_master: int
    bytes_to_client: int
    credentials: t.Optional[Credentials] = None  # of the process that connected on a unix socket
