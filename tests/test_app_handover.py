"""The whole program on fakes, while a Sentinel says that it promotes a replica."""
import time
import typing as t

from st.sentinel.handover import LONGEST
from st.testing.wire import Command, Value
from tests.fakes import Connection, FakeRedis, FakeSentinel, Monitored, World
from tests.tunnels import Running, ask, command, running, until_ended
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
EVENT = "+failover-state-send-slaveof-noone"


def begin_failover(sentinel: FakeSentinel, name: str = "mymaster", to: t.Tuple[str, int] = ("10.0.0.1", 1)) -> None:
    """Let a Sentinel say, until it names another one, that it is about to promote a replica of a master."""
    old = sentinel.masters[name][0]

    def fields(connection: Connection, words: Command) -> Value:
        asked = words[2].decode()
        more = {"flags": "master,failover_in_progress", "failover-state": "send_slaveof_noone"}
        begun = asked == name and connection.masters[name][0] == old
        return dict(sentinel.master_fields(asked), **(more if begun else {}))

    sentinel.replies["SENTINEL MASTER"] = fields
    sentinel.publish(EVENT, "slave %s:%d %s %d @ %s %s %d" % (to + to + (name,) + old))


def wait_subscribed(app: Running) -> None:
    """Wait until every Sentinel is listened to."""
    wait_until(lambda: all(sentinel.events for sentinel in app.app.status().sentinels), "all are subscribed")


def test_a_planned_failover_takes_no_writes(world: World) -> None:
    """At the event the client is sent away from a master that is well, and the next one waits for the new master."""
    old, new = world.master, world.replicas[0]
    with running(world, poll=60.0) as app, app.connect() as before:
        wait_subscribed(app)
        assert ask(before, "PING") == b"+PONG\r\n"
        began = time.monotonic()
        begin_failover(world.sentinels[1], to=new.address)
        assert until_ended(before) == b""
        with app.connect() as after:
            after.sendall(command("SET", "k", "v"))
            wait_until(lambda: app.tunnel().held or old.values, "it waits")
            tunnel = app.tunnel()
            world.switch(new)
            if time.monotonic() - began < LONGEST:  # else the old master may have been let in again
                assert (tunnel.state, tunnel.switches, tunnel.held) == ("no_master", 0, 1)
                assert "failover in progress" in tunnel.reason
                assert after.recv(100) == b"+OK\r\n" and new.values == {b"k": b"v"} and not old.values
                assert app.tunnel().closed == {"switch": 1}
        wait_until(lambda: app.tunnel().switches == 1, "it is counted")


def test_an_aborted_failover(world: World) -> None:
    """Who waits gets the old master as soon as the Sentinel that said so says so no more."""
    sentinel = world.sentinels[2]
    with running(world, poll=60.0) as app, app.connect() as before:
        wait_subscribed(app)
        begin_failover(sentinel)
        assert until_ended(before) == b""
        with app.connect() as after:
            after.sendall(command("PING"))
            sentinel.replies.clear()
            sentinel.publish("-failover-abort-slave-timeout", "master mymaster %s %d" % world.master.address)
            assert after.recv(100) == b"+PONG\r\n"
        assert app.tunnel().switches == 0 and app.tunnel().state == "up"


def test_a_failover_of_another_name(world: World, fake_redis: MakeRedis) -> None:
    """The clients of the one leave, those of the other go on."""
    other = fake_redis()
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(other.address, 5)
    with running(world, "mymaster", "other") as app, app.connect() as ours, app.connect("other") as theirs:
        wait_subscribed(app)
        assert [ask(client, "PING") for client in (ours, theirs)] == [b"+PONG\r\n"] * 2
        begin_failover(world.sentinels[0], "other")
        assert until_ended(theirs) == b""
        assert ask(ours, "PING") == b"+PONG\r\n" and app.tunnel().closed == {}


def test_an_event_alone_is_no_reason(world: World) -> None:
    """Somebody who can publish, and whose Sentinel denies it when it is asked, ends no connection."""
    with running(world, poll=60.0) as app, app.connect() as client:
        wait_subscribed(app)
        assert ask(client, "PING") == b"+PONG\r\n"
        for sentinel in world.sentinels:
            asked = sentinel.count("SENTINEL MASTER")
            sentinel.publish(EVENT, "slave x 10.0.0.1 1 @ mymaster %s %d" % world.master.address)
            wait_until(lambda: sentinel.count("SENTINEL MASTER") > asked, "it is asked again")
        assert ask(client, "PING") == b"+PONG\r\n" and app.tunnel().closed == {}


def test_found_by_a_poll(world: World) -> None:
    """Without events the clients leave the master as soon as a Sentinel is asked."""
    with running(world, events=False, poll=0.1) as app, app.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        begin_failover(world.sentinels[0])
        assert until_ended(client) == b""
