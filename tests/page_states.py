"""What the status page may have to show, made up: healthy, during a failover, down, hostile, long, and too much."""
import math
import time
import typing as t

from st.address import Address
from st.ops.status import ProcessStatus, TunnelStatus
from st.switch import Switch
from st.web.page import Seen
from st.web.samples import Counts, Moment, Samples, Stretch
from tests.switches import switch
from tests.test_status import CACHE, SENTINELS, TUNNEL

NOW = time.mktime((2026, 11, 22, 2, 13, 14, 0, 0, -1))  # local time, as what is shown
EVIL = "<script>window.evil=1</script><img src=x onerror=window.evil=1>\"'&`\n\x1b]0;"

UP = TUNNEL._replace(since=NOW - 7500)
OTHER = CACHE._replace(master_name="cache", since=NOW - 540000, clients=33)
READER = UP._replace(name="sessions-ro", role="replica", listen="127.0.0.1:6389", epoch=None, refused={},
                     master="10.0.0.21:6379, 10.0.0.23:6379")
LOST = UP._replace(state="no_master", clients=12, held=12, sentinels_agreeing=0,
                   reason="2 of 3 sentinels answer, failover in progress")
SILENT = SENTINELS[1]._replace(up=False, events=False, latency=None, error="connection refused")
SWITCHES = [switch(at=NOW - days * 86400, gap=gap, tunnel=name, old=Address("10.0.0.21", 6379))
            for days, gap, name in ((6.02, 2.1, "sessions"), (5.1, 7.2, "cache"), (3.05, 1.9, "sessions"),
                                    (3.04, 0.4, "sessions"), (1.2, 61.0, "cache"), (7500 / 86400.0, 6.4, "sessions"))]


def status(*tunnels: TunnelStatus, **changes: t.Any) -> ProcessStatus:
    """Return a status with these tunnels and three Sentinels that answer, with changes."""
    return ProcessStatus("1.0.0", 2231, NOW - 540000, tunnels, SENTINELS)._replace(**changes)


def hour(tunnels: t.Iterable[TunnelStatus], out: t.Container[int] = ()) -> t.Dict[str, t.List[Stretch]]:
    """Return a busy hour of these tunnels; `out` are the half minutes without a master, of those that have none."""
    now = list(tunnels)
    samples, counts = Samples(), {each.name: Counts(40, 0, 0, 0, 0.0) for each in now}
    samples.add(Moment(0.0, counts))
    for half in range(120):
        counts = {each.name: _next(counts[each.name], half, each, half in out and each.state != "up") for each in now}
        moment = Moment(30.0 * (half + 1), counts)
        if half < 119:
            samples.add(moment)
    return samples.hour(moment)


def _next(before: Counts, half: int, tunnel: TunnelStatus, out: bool) -> Counts:
    if out:
        return before._replace(clients=tunnel.held, without=before.without + 30.0)
    kind = len(tunnel.name)
    busy = 1.2 + math.sin(half / 17.0 + kind) + (half * 7919 + kind * 104729) % 13 / 30.0
    clients = tunnel.clients if half == 119 else int(20 + 20 * busy)
    return Counts(clients, before.accepted + int(30 * busy), before.to_master + int(300000 * busy),
                  before.to_client + int(4000000 * busy), before.without)


def seen(of: ProcessStatus, switches: t.Sequence[Switch] = tuple(SWITCHES), out: t.Container[int] = (),
         **changes: t.Any) -> Seen:
    """Return what a page shows of a status, with an hour for each of its tunnels, and with changes."""
    made = Seen(NOW, "app-7.example", of, (), hour(of.tunnels, out), switches)
    return made._replace(**changes)


HEALTHY = seen(status(UP, OTHER, READER))
FAILING = seen(status(LOST, OTHER._replace(sentinels_agreeing=1), sentinels=(SENTINELS[0], SILENT, SENTINELS[2])),
               out=(40, 41, 119))
DOWN = seen(status(*(each._replace(state="no_master", sentinels_agreeing=0, clients=9, held=9,
                                   reason="no sentinel answers in time")
                     for each in (UP, OTHER)),
                   sentinels=tuple(each._replace(up=False, events=False, latency=None, error="timed out")
                                   for each in SENTINELS)), out=range(100, 120))
HOSTILE = seen(status(LOST._replace(name=EVIL, master_name=EVIL, reason=EVIL, master=EVIL, listen=EVIL,
                                    refused={EVIL: 1}, closed={EVIL: 1}),
                      sentinels=(SILENT._replace(address=EVIL, error=EVIL),), version=EVIL),
               [switch(tunnel=EVIL, heard=EVIL, sentinels=EVIL, old=Address(EVIL, 1), new=Address(EVIL, 2), at=NOW)],
               host=EVIL)
ONE = seen(status(UP._replace(clients=0)), switches=())
SPLIT = seen(status(UP._replace(sentinels_agreeing=2), OTHER), switches=SWITCHES[:1])
LONG = seen(status(
    LOST._replace(name="a-name-as-long-as-somebody-may-have-thought-of-" * 2, master="[2001:db8:0:1:2:3:4:22]:6379",
                  listen="[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:6379",
                  reason="2 of 3 sentinels answer, [2001:db8:0:1:2:3:4:5]:26379: Connection timed out"),
    UP._replace(name="cache", listen="/run/sentinel-tunnel/some/directory/cache.sock", clients=480),
    READER._replace(reason="no replica is listed"),
    sentinels=(SENTINELS[0]._replace(address="[2001:db8:0:1:2:3:4:11]:26379"), SILENT, SENTINELS[2])))
MANY = seen(status(*[(LOST if number in (17, 42) else UP)._replace(
    name="tunnel-%03d" % number, listen="127.0.0.1:%d" % (7000 + number), clients=number) for number in range(100)]),
    switches=[switch(at=NOW - number * 11000, gap=number % 9 * 1.5, tunnel="tunnel-%03d" % (number * 7 % 20))
              for number in reversed(range(50))])
