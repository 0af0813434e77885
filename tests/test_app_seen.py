"""What can be seen and done from outside: switches, measures, clients, kill, signs of life."""
import time
import typing as t

import pytest

from st.address import Address
from st.app import App
from st.errors import UnknownMasterError
from st.ops.status import NOT_ASKED
from st.switch import Switch
from tests.fakes import Monitored, World
from tests.tunnels import ROOM, Running, ask, running, until_ended, world_settings
from tests.waiting import wait_until


class Told(Running):
    """An App in this process that keeps the switches it was told."""

    def __init__(self, world: World) -> None:
        self.switches: t.List[Switch] = []
        self.app = App(world_settings(world), ROOM, self.switches.append)


def test_a_switch_is_told_with_its_gap(world: World) -> None:
    """The first master is none; a change is one, with all that was logged."""
    app = Told(world)
    with app, app.connect() as client:
        app.wait_master(world.master)
        assert ask(client, "PING") == b"+PONG\r\n" and not app.switches
        old, new, before = world.master, world.nodes[1], time.time()
        world.switch(new)
        app.wait_master(new)
        wait_until(lambda: app.switches, "it is told")
        switch, = app.switches
        assert (switch.tunnel, switch.master_name, switch.epoch, switch.closed) == ("mymaster", "mymaster", 1, 1)
        assert (switch.old, switch.new) == (Address(*old.address), Address(*new.address))
        assert before <= switch.at <= time.time() and 0 <= switch.gap <= time.time() - before + 60
        assert switch.heard in ("event", "hint", "poll") and switch.sentinels.endswith("/3")


def test_what_is_measured(world: World) -> None:
    """Each kind of count grows where it happens."""
    with running(world) as app:
        with app.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        measures = app.app.measures()
        tunnel, sentinels = measures.tunnels["mymaster"], measures.sentinels
        assert tunnel.role_checks == {"master": 1, "replica": 0, "unknown": 0, "error": 0}
        assert tunnel.connect_seconds.observed == 1 and tunnel.gap_seconds.observed == 0
        assert sorted(sentinels) == sorted("%s:%d" % seed for seed in world.seeds)
        assert all(each.queries["ok"] >= 1 and each.query_seconds.observed >= 1 for each in sentinels.values())
        assert tunnel.unavailable_seconds > 0
        assert app.app.measures().tunnels["mymaster"].unavailable_seconds == tunnel.unavailable_seconds


def test_time_without_a_master_is_measured(world: World) -> None:
    """It grows while there is none, and stops when there is one again."""
    def unavailable() -> float:
        return app.app.measures().tunnels["mymaster"].unavailable_seconds

    with running(world) as app:
        before = unavailable()
        for node in world.nodes:
            node.role = "slave"
        wait_until(lambda: app.tunnel().state == "no_master", "there is no master")
        wait_until(lambda: unavailable() > before, "it is counted")
        world.master.role = "master"
        app.wait_master(world.master)
        assert unavailable() == unavailable() > before


def test_a_dead_master_is_time_without_one(world: World) -> None:
    """Also while all Sentinels still name it, which is most of a failover: `state` and the count say the same."""
    with running(world, poll=0.1) as app:
        before = app.app.measures().tunnels["mymaster"].unavailable_seconds
        world.master.stop()
        wait_until(lambda: app.tunnel().state == "no_master", "there is no master")
        wait_until(lambda: app.app.measures().tunnels["mymaster"].unavailable_seconds > before, "it is counted")
        world.switch(world.replicas[0])
        app.wait_master(world.master)
        after = app.app.measures().tunnels["mymaster"].unavailable_seconds
        assert app.app.measures().tunnels["mymaster"].unavailable_seconds == after


def test_failed_questions_are_counted_by_their_kind(world: World) -> None:
    """A Sentinel that does not know the name, and one that is gone."""
    world.sentinels[0].masters.clear()
    world.sentinels[1].stop()
    with running(world, sentinel_timeout=5.0) as app:
        gone, unknowing = ["%s:%d" % world.seeds[number] for number in (1, 0)]
        wait_until(lambda: app.app.measures().sentinels[gone].queries["timeout"] > 0, "it is gone")
        wait_until(lambda: app.app.measures().sentinels[unknowing].queries["unknown_name"] > 0, "it knows nothing")


def test_clients_and_kill(world: World) -> None:
    """All connections by their ids; one can be ended, and only that one."""
    with running(world) as app, app.connect() as first, app.connect() as second:
        for client in (first, second):
            assert ask(client, "PING") == b"+PONG\r\n"
        clients = app.app.clients()
        assert [each.client for each in clients] == ["%s:%d" % client.getsockname() for client in (first, second)]
        assert [each.tunnel for each in clients] == ["mymaster"] * 2
        assert [each.master for each in clients] == ["%s:%d" % world.master.address] * 2
        wait_until(lambda: [each.bytes_to_client for each in app.app.clients()] == [7, 7], "their bytes are counted")
        assert all(0 < each.since <= time.time() for each in clients)
        assert app.app.kill(clients[0].id) and not app.app.kill(10 ** 6)
        assert until_ended(first) == b"" and ask(second, "PING") == b"+PONG\r\n"
        wait_until(lambda: app.tunnel().closed == {"admin": 1}, "the reason is counted")


def test_a_held_client_has_no_master(world: World) -> None:
    """It is in the list all the same."""
    for node in world.nodes:
        node.role = "slave"
    with Running(world_settings(world, hold=3600)) as app, app.connect():
        wait_until(lambda: app.app.clients(), "it is there")
        assert [each.master for each in app.app.clients()] == [None]


def test_signs_of_life(world: World) -> None:
    """The watcher and the listeners are heard of again and again, however rarely Sentinels are asked."""
    with running(world, poll=3600.0) as app:
        assert app.app.stalled(3600) == []
        wait_until(lambda: app.app.stalled(0) == ["watcher", "listen mymaster"], "each has a time of its own")
        wait_until(lambda: app.app.stalled(8) == [], "they show signs of life")
        parts = app.app._parts
        wait_until(lambda: parts.lanes["mymaster"].follower.settled, "nothing is unusual")
        for _ in range(3):
            seen = parts.watcher.beat
            wait_until(lambda: parts.watcher.beat > seen, "the watcher shows one between two rounds")


def test_a_name_that_nobody_monitors(world: World) -> None:
    """It is an error once all were asked, most have answered, and none knows it: not for what a minority says."""
    for node in world.nodes:
        node.role = "slave"  # no master of the right name either: that is no such error
    with Running(world_settings(world)) as app:
        wait_until(lambda: len(app.app.status().sentinels) == 3 and app.tunnel().reason, "all were asked")
        app.app.check_names()
    first, second, third = world.sentinels
    second.stop()
    third.stop()
    with Running(world_settings(world, ["other"])) as app:
        wait_until(lambda: "none of them monitors" in app.tunnel("other").reason, "the first has answered")
        wait_until(lambda: all(each.error != NOT_ASKED for each in app.app.status().sentinels), "the others were asked")
        app.app.check_names()
        second.start()
        with pytest.raises(UnknownMasterError, match=r"^other: not monitored by the sentinels that answer \(2 of 3\)$"):
            wait_until(app.app.check_names, "it is an error")


def test_a_name_that_one_sentinel_has_not_spoken_about(world: World) -> None:
    """It may know it, as it does here: as long as it is neither heard nor given up, nothing is certain."""
    slow = world.sentinels[2]
    slow.masters["other"] = Monitored(world.master.address, 0)
    slow.delays["*"] = 3600
    with Running(world_settings(world, ["other"], sentinel_timeout=60)) as app:
        wait_until(lambda: sum(each.up for each in app.app.status().sentinels) == 2, "the others have answered")
        app.app.check_names()
        slow.delays.clear()
        app.wait_master(world.master, "other")
