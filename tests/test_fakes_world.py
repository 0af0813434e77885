"""The small world: nodes and Sentinels that agree, before and after a switch."""
import typing as t

import pytest
import redis

from tests.fakes import Monitored, World, dial, read_exactly


def test_world_switches(world: World) -> None:
    """After a switch the roles, every Sentinel and the event agree on the new master and epoch."""
    old, new = world.master, world.nodes[2]
    with dial(world.seeds[1]) as sock:
        sock.sendall(b"PSUBSCRIBE *\r\n")
        read_exactly(sock, len(b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n"))
        world.switch(new, epoch=9)
        event = "mymaster %s %d %s %d" % (old.address + new.address)
        end = "$14\r\n+switch-master\r\n$%d\r\n%s\r\n" % (len(event), event)
        assert read_exactly(sock, len("*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n" + end)).decode().endswith(end)
    assert [node.role for node in world.nodes] == ["slave", "slave", "master"]
    assert old.master == new.address and new.replicas == [node.address for node in world.nodes[:2]]
    assert {sentinel.masters["mymaster"] for sentinel in world.sentinels} == {Monitored(new.address, 9)}
    world.switch(old)
    assert (world.epoch, world.master) == (10, old)


def test_world_serves_a_client_library(world: World, redis_client: t.Callable[..., redis.Redis]) -> None:
    """The Sentinel client of redis-py finds the master and the replicas, and reads what it wrote."""
    sentinel = redis.sentinel.Sentinel([])
    sentinel.sentinels = [redis_client(seed) for seed in world.seeds]
    assert sentinel.discover_master("mymaster") == world.master.address
    assert sentinel.discover_slaves("mymaster") == [node.address for node in world.replicas]
    client = redis_client(world.master.address)
    client.set("a", 41)
    assert (client.incr("a"), client.get("a")) == (42, b"42")
    with pytest.raises(redis.exceptions.ReadOnlyError):
        redis_client(world.replicas[0].address).set("a", 1)
