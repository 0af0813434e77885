"""The page that is made of the figures."""
import typing as t

from tests.bench import tables
from tests.bench.others import MOST
from tests.bench.stage import LIMIT
from tests.bench.store import Rounds

WAYS = {
    "direct": "the client connects straight to the master",
    "tunnel": "sentinel-tunnel, one process, its own defaults; further words are options of it",
    "other": "sentinel-tunnel of another checkout",
    "original": "the original sentinel_tunnel, in Go",
    "haproxy": "HAProxy, one thread for each processor; asks each node for its role once a second, `fall 1 rise 1`, "
               "and closes the sessions of a node that is no master any more",
    "socat": "socat, which only forwards, one process for each connection; knows nothing of masters",
}

_HEAD = """# Benchmark

Written by `scripts/bench`, which anyone can run; do not edit. It starts a master, a replica and three Sentinels, and
each way to the master beside it, all on this host and all at the same time, and uses one after the other, round after
round, so that a slow minute of the machine meets all of them.

    scripts/bench --quick --output ~/bench               # two minutes, for a first look
    scripts/bench --rounds 5                             # half an hour; adds its rounds to those that there are
    scripts/bench --only get-50,churn --against ../other --output ~/change    # this checkout and another one

"""

_READ = """
## How to read it

A cell is the median of all rounds, in parentheses the quartiles: half of the rounds lie between them. Shares are
taken within a round (one way by the other, minutes of the machine cancel out), then their median. Where parentheses
of two ways overlap, do not call one of them better. What was measured while other programs had more than %d %% of
the processors' time is in the raw figures, `figures.json`, and not here. Client, proxy and Redis share the processors:
with more of them all ways come closer to the first. Over loopback there is no network to wait for, so what a proxy
adds shows at its largest. Rounds: %s.

"""


class Part(t.NamedTuple):
    """One section: what it tells, its table, its picture."""

    title: str
    text: str
    table: str
    picture: str = ""


def page(machine: t.Mapping[str, str], rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str],
         pictures: t.Container[str]) -> str:
    """Return the page; `ways` in the order of the columns, the first is what others are compared with."""
    lines = [_HEAD, "## What ran\n\n", tables.table(["", ""], [list(item) for item in machine.items()]).replace(
        "---:", "---"), "\n", "".join("- **%s**: %s\n" % (way, WAYS[way]) for way in ways if way in WAYS),
             _READ % (MOST * 100, ", ".join("%s %d" % (name, sum(map(bool, found))) for name, found in rounds.items()))]
    for part in _parts(rounds, titles, ways):
        if part.table:
            lines.append("## %s\n\n%s\n\n%s\n" % (part.title, part.text, part.table))
            if part.picture in pictures:
                lines.append("![%s](%s.svg)\n\n" % (part.title, part.picture))
    return "".join(lines).rstrip() + "\n"


def _parts(rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str]) -> t.Iterator[Part]:
    busy = tables.chosen(titles, rounds, "rate")
    yield Part("Requests a second", "Shares of the first way: 1 is as fast as that. For pub/sub: messages that reached "
               "a subscriber.", tables.relative(rounds, busy, ways), "throughput")
    if "haproxy" in ways[1:]:
        others = ["haproxy"] + [way for way in ways if way not in (ways[0], "haproxy")]
        yield Part("Against HAProxy", "The same figures, as shares of HAProxy's.",
                   tables.relative(rounds, busy, others))
    yield Part("Processor time", "Milliseconds of the proxy's processor time for 1,000 requests (microseconds for "
               "each), its own and the kernel's on its behalf.", tables.absolute(rounds, busy, ways, "cpu"),
               "processor")
    yield Part("Waiting", "Microseconds until the reply to a PING is there, with one connection and nothing else to "
               "do; what is added is the difference to the first way in the same round.", tables.waits(rounds, ways),
               "waiting")
    yield Part("System calls and context switches", "Of the proxy, for each request, while the connections are "
               "open; counted in runs of their own (`strace -c -f`, `/proc/PID/task/*/status`).",
               tables.kernel(rounds, tables.chosen(titles, rounds, "switches"), ways))
    yield Part("Connections that only wait", "Resident memory (a page that processes share is counted once; what the "
               "kernel keeps for the sockets is not in it), threads and processes; then all clients close at the same "
               "time: how long until Redis has seen the end of all connections.", tables.idle(rounds, ways), "idle")
    failovers = tables.chosen(titles, rounds, "stale")
    yield Part("Failover: stale connections", "Milliseconds from the first Sentinel that names the new master to the "
               "end of the last connection to the old one; given up after %d seconds. The Sentinels look twice a "
               "second here, by default every 2 to 10 seconds: what waits for them to demote the old master waits "
               "longer there. Less than 0: it was noticed before a Sentinel said so." % LIMIT,
               tables.absolute(rounds, failovers, ways, "ended", 1000), "failover")
    yield Part("Failover: the first good write", "Milliseconds from the first Sentinel that names the new master to "
               "the first write that the new master has taken from a client that never stops trying.",
               tables.absolute(rounds, failovers, ways, "written", 1000))
