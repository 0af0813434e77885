"""What some servers do in a way of their own."""
import time
import typing as t

import pytest

from tests.live.bed import Bed
from tests.live.clients import KINDS, PATIENCE, PLAIN, Repeated, Waiting
from tests.live.servers import is_valkey, running
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"
RedisClient = t.Callable[..., t.Any]  # returns redis.Redis


@pytest.fixture
def tunnel(bed: Bed) -> t.Iterator[Tunnel]:
    """A tunnel to a deployment of three nodes and three Sentinels."""
    with Tunnel(bed, "--hold", "60s") as tunnel:
        yield tunnel


@pytest.fixture
def deaf() -> t.Iterator[Bed]:
    """Nodes without the command CLIENT, to which Sentinels cannot end connections: the tunnel must."""
    with running(is_valkey(9), "Valkey 9 or newer"):
        with Bed(redis_options={"rename-command": 'CLIENT ""'},
                 sentinel_options={"rename-command": "CLIENT EXISTS"}) as bed:
            yield bed


def test_coordinated_failover(deaf: Bed, redis_client: RedisClient) -> None:
    """The old master hands over and lives on: every connection to it ends, and no acknowledged write is lost."""
    with Tunnel(deaf, "--hold", "60s") as tunnel:
        old, address = deaf.master(NAME), tunnel.addresses[NAME]
        client = redis_client(address, **PLAIN)
        with Waiting() as waiting, Repeated(lambda: client.incr("writes")) as writer:
            waiting.open_each(address)
            wait_until(lambda: writer.results, "nothing was written")
            assert waiting.look() == set(KINDS)
            assert deaf.sentinels[0].cli("SENTINEL", "FAILOVER", NAME, "COORDINATED") == "OK"
            new, _ = deaf.wait_master(NAME, old.address)
            wait_until(lambda: not waiting.look(), "not every connection has ended")
            moved = time.monotonic()
            wait_until(lambda: len(writer.since(moved)) > 20, "the writer does not write again", PATIENCE)
        deaf.wait_healthy(NAME)
        assert old.role() == "slave"
        # Until the tunnel has heard of it the old master refuses every write.
        assert len([failure for failure in writer.failures if "read only" not in failure.value]) <= 1, writer.failures
        assert int(deaf.node(NAME, new).cli("GET", "writes")) >= len(writer.results)
        assert [(event["old"], event["new"]) for event in tunnel.switches()] == [(str(old.address), str(new))]


def test_failover_by_command(bed: Bed, tunnel: Tunnel) -> None:
    """Whatever the server does with the clients of a demoted master, the tunnel ends them all: subscribers too."""
    with Waiting() as waiting:
        waiting.open_each(tunnel.addresses[NAME])
        new = bed.failover(NAME)
        wait_until(lambda: not waiting.look(), "not every connection has ended")
    with Talk(tunnel.addresses[NAME], timeout=PATIENCE) as talk:
        assert talk.call("ROLE")[0] == "master"
        assert talk.call("CONFIG", "GET", "port")[1] == str(new.port)
