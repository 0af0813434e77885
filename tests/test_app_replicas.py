"""A tunnel to replicas: who gets which, and whose connection ends when."""
import collections
import contextlib
import re
import logging
import socket
import typing as t

import pytest

from st.deadline import Deadline
from st.nat import parse_nat_map
from tests.fakes import FakeRedis, Replica, World
from tests.tunnels import OneTunnel, Running, ask, target_of, until_ended, world_settings
from tests.waiting import wait_until

PONG = b"+PONG\r\n"


def names(nodes: t.Iterable[FakeRedis]) -> str:
    """Return the addresses of nodes as the status has them."""
    return ", ".join(sorted("%s:%d" % node.address for node in nodes))


def list_replicas(world: World, *replicas: Replica) -> None:
    """Let every Sentinel list these."""
    for sentinel in world.sentinels:
        sentinel.replicas[world.name] = list(replicas)


class Reading(Running):
    """An App with one tunnel, to the replicas of a World; polling every 0.1 s."""

    def __init__(self, world: World, **changes: t.Any) -> None:
        super().__init__(world_settings(world, **dict({"role": "replica", "poll": 0.1}, **changes)))
        self.world = world

    def __enter__(self) -> "Reading":
        super().__enter__()
        return self

    def wait_for(self, *nodes: FakeRedis) -> None:
        """Wait until new connections go to these nodes."""
        wait_until(lambda: self.tunnel().master == names(nodes) and self.tunnel().state == "up", "is up")

    def open(self, stack: contextlib.ExitStack, clients: int) -> t.Dict[FakeRedis, t.List[socket.socket]]:
        """Connect clients one after the other, and return them by the node that they reached."""
        found: t.Dict[FakeRedis, t.List[socket.socket]] = collections.defaultdict(list)
        for node in self.world.nodes:
            node.values[b"who"] = b"%d" % node.address[1]
        for _ in range(clients):
            client = stack.enter_context(self.connect())
            answer = ask(client, "GET", "who").split()[1]
            found[[node for node in self.world.nodes if b"%d" % node.address[1] == answer][0]].append(client)
        return found


def test_clients_are_spread_over_the_replicas(world: World) -> None:
    """Evenly, and none of them reaches the master; the status shows what there is."""
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        found = app.open(stack, 10)
        assert {node: len(clients) for node, clients in found.items()} == dict.fromkeys(world.replicas, 5)
        tunnel = app.tunnel()
        assert (tunnel.role, tunnel.verified, tunnel.switches, tunnel.clients) == ("replica", True, 0, 10)
        assert {client.master for client in app.app.clients()} == {names([node]) for node in world.replicas}


def test_the_counts_follow_who_has_gone(world: World) -> None:
    """A replica whose clients have left is the least busy one."""
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        found = app.open(stack, 6)
        left, other = world.replicas
        for client in found[left]:
            client.close()
        wait_until(lambda: app.tunnel().clients == 3, "three are left")
        assert set(app.open(stack, 3)) == {left} and len(found[other]) == 3


def test_a_promoted_replica_loses_its_clients(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Those of the other replica go on, and the old master joins it."""
    caplog.set_level(logging.INFO, "st")
    promoted, other = world.replicas
    old = world.master
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        found = app.open(stack, 4)
        world.switch(promoted)
        assert [until_ended(client) for client in found[promoted]] == [b"", b""]
        assert [ask(client, "PING") for client in found[other]] == [PONG, PONG]
        app.wait_for(other, old)
        assert app.tunnel().closed == {"switch": 2} and app.tunnel().switches == 0
        down, = [str(record.msg) for record in caplog.records if str(record.msg).startswith("replica_down")]
        assert "replica=%s" % names([promoted]) in down and "closed=2" in down and "says that it is master" in down
    assert not [record for record in caplog.records if str(record.msg).startswith(("switch", "no_replica"))]


def test_a_removed_replica_loses_its_clients(world: World) -> None:
    """As soon as the Sentinels do not list it any more."""
    removed, other = world.replicas
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        found = app.open(stack, 4)
        list_replicas(world, Replica(other.address))
        assert [until_ended(client) for client in found[removed]] == [b"", b""]
        assert [ask(client, "PING") for client in found[other]] == [PONG, PONG]


@pytest.mark.parametrize("flags, link", [("slave,s_down", "ok"), ("slave,disconnected", "ok"), ("slave", "err")])
def test_an_ill_replica_gets_no_clients(world: World, flags: str, link: str) -> None:
    """By what the Sentinels say of it."""
    ill, well = world.replicas
    list_replicas(world, Replica(ill.address, flags, link), Replica(well.address))
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(well)
        assert set(app.open(stack, 3)) == {well}


def test_a_replica_that_says_master_gets_no_clients(world: World) -> None:
    """By its own word."""
    liar, well = world.replicas
    liar.role = "master"
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(well)
        assert set(app.open(stack, 3)) == {well}


def test_a_replica_that_dies_leaves_its_clients_to_the_other(world: World) -> None:
    """New ones find their way at once."""
    dead, other = world.replicas
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        found = app.open(stack, 2)
        dead.close()
        assert until_ended(found[dead][0]) == b""
        assert set(app.open(stack, 4)) == {other}


def test_a_full_replica_sends_nobody_away(world: World) -> None:
    """It refuses new connections while ours goes on: who comes to it gets another at once, not an error."""
    full, other = world.replicas
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        full.greeting = b"-ERR max number of clients reached\r\n"
        assert set(app.open(stack, 6)) == {other}
        assert "cannot connect" not in app.tunnel().reason and app.tunnel().closed == {}


def test_a_hung_replica_is_not_waited_for(world: World) -> None:
    """Longer than connect_timeout, though a client would be held for much longer."""
    hung, other = world.replicas
    with Reading(world, connect_timeout=0.5, hold=600.0) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        hung.fault = "silence"
        assert set(app.open(stack, 4)) == {other}


def test_a_write_to_a_replica_alarms_nobody(fake_redis: t.Callable[..., FakeRedis]) -> None:
    """READONLY is the right answer: the Sentinels need not be asked because of it."""
    node = fake_redis(role="slave")
    with OneTunnel() as tunnel, tunnel.connect() as client:
        tunnel.row.adopt(target_of(node)._replace(role="slave"))
        assert ask(client, "SET", "k", "v").startswith(b"-READONLY")
        assert ask(client, "PING") == PONG and tunnel.hints == []


def test_a_reload_leaves_readers_alone(world: World) -> None:
    """Another setting of the process: connections and places stay; another role replaces the tunnel."""
    made = world_settings(world, role="replica", poll=0.1)
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(*world.replicas)
        found = app.open(stack, 2)
        app.app.reload(made._replace(poll=0.2))
        app.wait_for(*world.replicas)
        assert [ask(clients[0], "PING") for clients in found.values()] == [PONG, PONG]
        changes = app.app.reload(made._replace(tunnels=(made.tunnels[0]._replace(role="master"),)))
        assert changes.replaced == ("mymaster",)
        assert [until_ended(clients[0]) for clients in found.values()] == [b"", b""]
        app.wait_master(world.master)


def test_without_replicas_the_master_is_used(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its clients are left in peace when a replica is back: they end by themselves, or with a switch."""
    caplog.set_level(logging.INFO, "st")
    listed = [Replica(node.address) for node in world.replicas]
    list_replicas(world)
    with Reading(world) as app, contextlib.ExitStack() as stack:
        app.wait_for(world.master)
        assert "no replica is listed" in app.tunnel().reason
        on_master, = app.open(stack, 1)[world.master]
        list_replicas(world, *listed)
        app.wait_for(*world.replicas)
        assert world.master not in app.open(stack, 4) and ask(on_master, "PING") == PONG
        world.switch(world.replicas[0])
        assert until_ended(on_master) == b""
    assert [str(record.msg) for record in caplog.records if "no_replica" in str(record.msg)] == [
        'no_replica tunnel=mymaster why="3 of 3 sentinels answer, no replica is listed (Sentinels do not see one '
        'without masterauth)" means="new clients get the master"']


def test_refuse_instead_of_the_master(world: World) -> None:
    """Clients are held, then told why; the replica that comes in time serves them."""
    listed = [Replica(node.address) for node in world.replicas]
    list_replicas(world)
    with Reading(world, replica_fallback="refuse", hold=1.0) as app, contextlib.ExitStack() as stack:
        wait_until(lambda: app.tunnel().state == "no_master", "it is known that there is none")
        with app.connect() as client:
            client.sendall(b"PING\r\n")
            said = until_ended(client).decode()
        assert re.match(r"-LOADING sentinel-tunnel: no replica for 'mymaster' \([23] of 3 sentinels .*no rep", said)
        wait_until(lambda: app.tunnel().refused == {"no_master": 1}, "one was refused")
        assert "no replica is listed" in app.app.wait_master(Deadline(0))[0] and not world.master.count("PING")
        list_replicas(world, *listed)
        app.wait_for(*world.replicas)
        assert set(app.open(stack, 2)) == set(world.replicas)


def test_the_address_map_is_for_replicas_too(world: World) -> None:
    """What the Sentinels list is translated before it is dialled."""
    one = world.replicas[0]
    list_replicas(world, Replica(("10.9.9.9", one.address[1])))
    with Reading(world, nat_map=parse_nat_map("10.9.9.9 -> 127.0.0.1")) as app:
        app.wait_for(one)


def test_an_old_sentinel_is_asked_in_old_words(world: World) -> None:
    """Before Redis 5 there was no SENTINEL REPLICAS."""
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL REPLICAS"] = b"-ERR Unknown sentinel subcommand 'REPLICAS'\r\n"
    with Reading(world) as app:
        app.wait_for(*world.replicas)
        assert world.sentinels[0].count("SENTINEL REPLICAS") == 1  # on each connection
