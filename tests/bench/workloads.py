"""The workloads, by the names that --only takes, in the order in which they run."""
import typing as t

from tests.bench.calls import Calls
from tests.bench.driven import Driven
from tests.bench.failover import Failover
from tests.bench.fanout import SUBSCRIBERS, fanout
from tests.bench.idle import idle
from tests.bench.latency import latency
from tests.bench.peers import Peer
from tests.bench.stage import Figures, Stage

BIG = 100000  # bytes of a value

Measure = t.Callable[[Peer, Stage], Figures]


class Workload(t.NamedTuple):
    """One thing that is measured on every way."""

    name: str
    title: str
    measure: Measure
    quick: bool = False  # part of a first look
    timed: bool = True  # what else runs on the machine changes the figures


def workloads() -> t.List[Workload]:
    """Return all of them, made anew: some remember how fast each way was."""
    return [
        Workload("get-1", "GET, 1 connection", Driven("-t get", 1), True),
        Workload("get-50", "GET, 50 connections", Driven("-t get", 50), True),
        Workload("get-500", "GET, 500 connections", Driven("-t get", 500)),
        Workload("set-1", "SET, 1 connection", Driven("-t set", 1), True),
        Workload("set-50", "SET, 50 connections", Driven("-t set", 50), True),
        Workload("set-500", "SET, 500 connections", Driven("-t set", 500)),
        Workload("pipeline-1", "GET, pipelines of 16, 1 connection", Driven("-t get -P 16", 1)),
        Workload("pipeline-50", "GET, pipelines of 16, 50 connections", Driven("-t get -P 16", 50), True),
        Workload("big-get", "GET of 100 kB, 10 connections", Driven("-t get", 10, BIG), True),
        Workload("big-set", "SET of 100 kB, 10 connections", Driven("-t set", 10, BIG)),
        Workload("churn", "a new connection for each GET, 10 at a time", Driven("-t get -k 0", 10), True),
        Workload("fanout", "pub/sub, one message to %d subscribers" % SUBSCRIBERS, fanout, True),
        Workload("latency", "PING over 1 connection", latency, True),
        Workload("calls-1", "GET, 1 connection", Calls(1), timed=False),
        Workload("calls-50", "GET, 50 connections", Calls(50), timed=False),
        Workload("idle", "connections that only wait", idle, True, timed=False),
        Workload("failover-10", "told to fail over, 10 connections wait", Failover(10), True),
        Workload("failover-1000", "told to fail over, 1,000 connections wait", Failover(1000)),
        Workload("frozen-10", "the old master hangs, 10 connections wait", Failover(10, frozen=True)),
        Workload("frozen-1000", "the old master hangs, 1,000 connections wait", Failover(1000, frozen=True)),
    ]
