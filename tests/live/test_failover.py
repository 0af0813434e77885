"""A failover with real servers, as the clients of a tunnel see it."""
import time
import typing as t

import pytest

from tests.live.bed import Bed
from tests.live.clients import KINDS, PATIENCE, PLAIN, SOON_AGAIN, Repeated, Waiting, reached
from tests.live.node import Node
from tests.live.servers import older_than
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME, OTHER = "sessions", "cache"
HOLD = ("--hold", "60s")  # longer than the Sentinels need, even when their first vote is split

Address = t.Tuple[str, int]
RedisClient = t.Callable[..., t.Any]  # returns redis.Redis; its own types differ from release to release


@pytest.fixture(scope="module")
def two() -> t.Iterator[Bed]:
    """Two master names."""
    with Bed(names=(OTHER, NAME), sentinel_options=SOON_AGAIN) as bed:
        yield bed


@pytest.fixture
def tunnel(two: Bed) -> t.Iterator[Tunnel]:
    """A tunnel for each of the two names; what the last test has killed or frozen is mended."""
    two.mend()
    with Tunnel(two, *HOLD) as tunnel:
        yield tunnel


@pytest.fixture(scope="module")
def deaf() -> t.Iterator[Bed]:
    """Nodes without the command CLIENT: Sentinel cannot end connections to a demoted master, so the tunnel must."""
    # To Sentinel it is renamed, or the transaction that it is part of, with SLAVEOF, would fail as a whole.
    with Bed(redis_options={"rename-command": 'CLIENT ""'},
             sentinel_options={"rename-command": "CLIENT EXISTS"}) as bed:
        yield bed


def test_killed_master(two: Bed, tunnel: Tunnel, redis_client: RedisClient) -> None:
    """After kill -9 of the master every connection ends, and who connects again writes to the new one."""
    old, address = two.master(NAME), tunnel.addresses[NAME]
    client = redis_client(address, **PLAIN)
    with Waiting() as waiting, Repeated(lambda: client.incr("writes")) as writer:
        waiting.open_each(address)
        wait_until(lambda: writer.results, "nothing was written")
        assert waiting.look() == set(KINDS)
        old.kill()
        killed = time.monotonic()
        wait_until(lambda: not waiting.look(), "not every connection has ended")
        wait_until(lambda: len(writer.since(killed)) > 20, "the writer does not write again", PATIENCE)
    assert len(writer.failures) <= 1, writer.failures  # the end of its old connection; then it waited, and wrote
    two.wait_healthy(NAME)
    switch = _only_switch(two, tunnel, old)
    assert switch["closed"] == "0"  # all had ended with the master
    assert float(switch["gap"].rstrip("s")) > 0.5  # Sentinel waits for a second before it calls a master down
    old.restart()
    two.wait_healthy(NAME)
    _only_switch(two, tunnel, old)
    # What was sent by half reached nobody, neither then nor later.
    assert two.master(NAME).cli("EXISTS", "half") == 0


def test_frozen_master(two: Bed, tunnel: Tunnel) -> None:
    """Connections to a frozen master end at the switch; nobody reaches it when it wakes up and says that it is one."""
    old, address = two.master(NAME), tunnel.addresses[NAME]
    calls: t.List[float] = []

    def visit() -> int:
        calls.append(time.monotonic())
        return reached(address)

    with Waiting() as waiting:
        waiting.open_each(address)
        old.stop()
        with Repeated(visit, threads=8) as visitors:
            wait_until(lambda: len(calls) == 8, "not everybody came")
            came = time.monotonic()
            wait_until(lambda: not waiting.look(), "not every connection has ended", PATIENCE)
            # The frozen master accepts connections too: who waits for its word is sent on to the new one.
            wait_until(lambda: sum(result.began < came for result in visitors.results) == 8, "not all got through")
            old.cont()
            thawed = time.monotonic()
            assert old.role() == "master"
            wait_until(lambda: _is_replica(old), "the old master was not demoted")
            wait_until(lambda: len(visitors.since(thawed)) > 20, "nobody comes through any more")
    two.wait_healthy(NAME)
    assert {result.value for result in visitors.results} == {two.master(NAME).port} and not visitors.failures
    switch = _only_switch(two, tunnel, old)
    assert switch["closed"] == str(len(KINDS))
    assert float(switch["gap"].rstrip("s")) > 0.5


@pytest.mark.skipif(older_than(6, 0), reason="Redis 5's Sentinels find no good replica for minutes after that")
def test_master_demoted_behind_the_sentinels(two: Bed, tunnel: Tunnel) -> None:
    """No new client reaches a node that Sentinels still call master and that says it is none."""
    old, address = two.master(NAME), tunnel.addresses[NAME]
    with Repeated(_asking_anew(address, "INCR", "writes"), threads=4) as visitors:
        old.cli("REPLICAOF", *two.replicas(NAME)[0].address)
        demoted = time.monotonic()
        wait_until(lambda: len(visitors.since(demoted)) > 20, "nobody comes through any more", PATIENCE)
    assert not [failure for failure in visitors.failures if failure.began > demoted], visitors.failures


def test_names_side_by_side(two: Bed, tunnel: Tunnel) -> None:
    """A failover of one name leaves the other's connections open, and no client reaches the wrong name."""
    for name in two.names:
        wait_until(lambda: two.master(name).cli("SET", "marker", name) == "OK", "no master")
        wait_until(lambda: two.master(name).cli("WAIT", 2, 500) == 2, "a replica does not have it")
    theirs, ours = (_asking_anew(tunnel.addresses[name], "GET", "marker") for name in (OTHER, NAME))
    with Waiting() as waiting, Repeated(theirs, 4) as others, Repeated(ours, 4) as visitors:
        waiting.open_each(tunnel.addresses[OTHER])
        two.failover(NAME)
        done = time.monotonic()
        wait_until(lambda: len(visitors.since(done)) > 20 and len(others.since(done)) > 20, "nobody comes through")
        assert waiting.look() == set(KINDS)
    assert {result.value for result in others.results} == {OTHER} and not others.failures
    assert {result.value for result in visitors.results} == {NAME}
    assert {switch["tunnel"] for switch in tunnel.switches()} == {NAME}


def test_demoted_master_that_redis_does_not_leave(deaf: Bed, redis_client: RedisClient) -> None:
    """All connections to a demoted master that lives end by the tunnel alone, and no new one is told READONLY."""
    with Tunnel(deaf, *HOLD) as tunnel:
        old, address = deaf.master(NAME), tunnel.addresses[NAME]
        client = redis_client(address, **PLAIN)
        write = _asking_anew(address, "INCR", "writes")
        with Waiting() as waiting, Repeated(write, 4) as visitors, Repeated(lambda: client.incr("writes")) as writer:
            waiting.open_each(address)
            wait_until(lambda: writer.results and visitors.results, "nothing was written")
            assert waiting.look() == set(KINDS)
            deaf.failover(NAME)
            done = time.monotonic()
            wait_until(lambda: not waiting.look(), "not every connection has ended")
            wait_until(lambda: len(writer.since(done)) > 20 and len(visitors.since(done)) > 20, "nothing is written")
            assert old.role() == "slave"
        assert not [failure for failure in visitors.failures if "READONLY" in failure.value]
        assert len(writer.failures) <= 1, writer.failures  # the end of its old connection
        assert int(_only_switch(deaf, tunnel, old)["closed"]) >= len(KINDS) + 1


def test_subscribers_of_a_demoted_master(deaf: Bed) -> None:
    """Every subscriber of a demoted master is sent away, and hears the new one when it comes back."""
    with Tunnel(deaf, *HOLD) as tunnel, Waiting() as waiting:
        address = tunnel.addresses[NAME]
        for number in range(20):
            waiting.open(address, "subscribe", "subscriber %d" % number)
        new = deaf.failover(NAME)
        wait_until(lambda: not waiting.look(), "not every subscriber was sent away")
        with Talk(address, timeout=PATIENCE) as talk:
            assert talk.call("SUBSCRIBE", "news") == ["subscribe", "news", 1]
            assert new.cli("PUBSUB", "NUMSUB", "news") == ["news", 1]


def _only_switch(bed: Bed, tunnel: Tunnel, old: Node) -> t.Dict[str, str]:
    """Return the one switch of the name, once it is found to be right."""
    [switch] = [switch for switch in tunnel.switches() if switch["tunnel"] == NAME]
    assert (switch["old"], switch["new"]) == (str(old.address), str(bed.master(NAME).address))
    reply = bed.sentinels[0].cli("SENTINEL", "MASTER", NAME)
    assert switch["epoch"] == dict(zip(reply[::2], reply[1::2]))["config-epoch"]
    return switch


def _is_replica(node: Node) -> bool:
    try:
        return node.role() == "slave"
    except OSError:  # Sentinel ends all connections to a node when it demotes it, this one too
        return False


def _asking_anew(address: Address, *words: str) -> t.Callable[[], t.Any]:
    """Return a function that asks over a new connection each time."""
    def ask() -> t.Any:
        with Talk(address, timeout=PATIENCE) as talk:
            return talk.call(*words)

    return ask
