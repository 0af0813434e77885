"""The watcher among Sentinels and nodes that hang, lie, refuse, vanish and come back."""
import contextlib
import itertools
import time
import typing as t

import pytest

from st.deadline import Deadline
from tests.fakes import (NIL_ARRAY, Error, FakeRedis, FakeSentinel, Monitored, World, silent_listener, unknown_command)
from tests.waiting import wait_until
from tests.watching import ASK, STOP, Watching, thread_names

Spoil = t.Callable[[FakeSentinel], None]


def fault(name: str) -> Spoil:
    """Return what puts a fault in force, on open connections too."""
    def spoil(sentinel: FakeSentinel) -> None:
        sentinel.fault = name
        if name in ("close", "reset"):
            sentinel.drop_all()
    return spoil


def answering(reply: t.Any, command: str = ASK) -> Spoil:
    """Return what makes a Sentinel give one reply to one command."""
    return lambda sentinel: sentinel.replies.update({command: reply})


def greeting(line: bytes) -> Spoil:
    """Return what makes a Sentinel say one line to each connection, unasked, and close."""
    def spoil(sentinel: FakeSentinel) -> None:
        sentinel.greeting = line
        sentinel.drop_all()
    return spoil


FAULTS = {
    "nil": answering(NIL_ARRAY), "nil bulk": answering(None), "error": answering(Error("ERR odd")),
    "garbage": answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "empty array": answering(b"*0\r\n"),
    "negative array": answering(b"*-2\r\n"), "huge array": answering(b"*1000000000\r\n"),
    "map": answering(b"%1\r\n*0\r\n+a\r\n"), "line without end": answering(b"+" + b"x" * (5 << 20)),
    "port 0": answering(["127.0.0.1", "0"]),
    "placeholder": answering(["?", "6379"]), "odd epoch": answering(["config-epoch", "\u00b2"], "SENTINEL MASTER"),
    "no sentinel": answering(unknown_command("SENTINEL"), "SENTINEL"),
    "noauth": answering(Error("NOAUTH Authentication required."), "*"),
    "closes in between": answering(lambda connection, command: connection.close(), "SENTINEL MASTER"),
    "half": fault("half"), "silence": fault("silence"), "one byte": fault("one_byte"), "echo": fault("echo"),
    "close": fault("close"), "reset": fault("reset"), "stop reading": fault("stop_reading"),
    "denied": greeting(b"-DENIED Redis is running in protected mode\r\n"),
    "full": greeting(b"-ERR max number of clients reached\r\n"), "gone": lambda sentinel: sentinel.stop(),
}


@contextlib.contextmanager
def spoiled(sentinel: FakeSentinel, spoil: Spoil) -> t.Iterator[None]:
    """Let a Sentinel be faulty for a while, and well again for the end of the test."""
    spoil(sentinel)
    yield
    sentinel.fault, sentinel.greeting = "", b""
    sentinel.replies.clear()
    sentinel.delays.clear()
    sentinel.start()


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_one_faulty_sentinel_of_three(world: World, kind: str, number: int) -> None:
    """Whatever one Sentinel does, before the start or after it, the master is found and followed."""
    quick = {"sentinel_timeout": "200ms", "events": "yes"}
    with spoiled(world.sentinels[number], FAULTS[kind]), Watching(world.seeds, **quick) as watch:
        watch.wait_master(world.master)
        world.switch(world.nodes[1])
        watch.wait_master(world.nodes[1])
    with Watching(world.seeds, **quick) as watch:
        watch.wait_master(world.nodes[1])
        with spoiled(world.sentinels[number], FAULTS[kind]):
            world.switch(world.nodes[2])
            watch.wait_master(world.nodes[2])
        world.switch(world.nodes[0])
        watch.wait_master(world.nodes[0])
        wait_until(lambda: set(watch.up().values()) == {True}, "all are well again")
        ways = [way for way, _ in itertools.groupby(watch.went)]  # a demotion seen before its switch cuts once more
        assert ways == [world.nodes[number].address for number in (1, 2, 0)]


@pytest.mark.parametrize("hung", [fault("silence"), fault("stop_reading"), lambda s: s.delays.update({"*": 3600})])
def test_a_hung_sentinel_holds_up_nobody(world: World, hung: Spoil) -> None:
    """A switch that the others tell is followed while the hung one still has an hour to answer."""
    with Watching(world.seeds, sentinel_timeout="60s") as watch:
        watch.wait_master(world.master)
        with spoiled(world.sentinels[0], hung):
            for node in (world.nodes[1], world.nodes[2], world.nodes[0]):
                world.switch(node)
                watch.wait_master(node)
            assert watch.up()[world.seeds[0]]  # it has not been given up
            watch.watcher.stop(Deadline(STOP))


def test_news_end_the_wait_for_a_hung_sentinel(world: World) -> None:
    """An event that comes while a round waits for the hung one makes it ask the others again."""
    hung = world.sentinels[0]
    with Watching(world.seeds, events="yes", sentinel_timeout="60s") as watch:
        watch.wait_master(world.master)
        wait_until(lambda: all(map(watch.crew.hears_events, watch.crew.sentinels())), "all are subscribed")
        hung.delays["SENTINEL"] = 3600
        asked = len(hung.commands)
        wait_until(lambda: len(hung.commands) > asked and len(watch.watcher._now(False).reports) == 2, "one is awaited")
        world.switch(world.nodes[1])
        watch.wait_master(world.nodes[1])
        assert watch.up()[hung.address]  # it has not been given up
        watch.watcher.stop(Deadline(STOP))
        hung.delays.clear()


@pytest.mark.parametrize("node_fault", ["silence", "close", "echo"])
def test_a_hung_node_holds_up_nobody(world: World, node_fault: str) -> None:
    """The old master hangs, as with a stopped process: the new one is adopted all the same."""
    with Watching(world.seeds, connect_timeout="60s") as watch:
        watch.wait_master(world.master)
        world.master.fault = node_fault
        world.switch(world.nodes[1])
        watch.wait_master(world.nodes[1])
        world.nodes[0].fault = ""


def test_a_name_lookup_holds_up_nobody(world: World) -> None:
    """A Sentinel whose name means nothing is one that is down."""
    with Watching(world.seeds[:2] + [("no-such-host.invalid", 26379)]) as watch:
        watch.wait_master(world.master)
        world.switch(world.nodes[1])
        watch.wait_master(world.nodes[1])
        wait_until(lambda: not watch.up().get(("no-such-host.invalid", 26379), True), "it is told to be down")


def test_a_sentinel_that_drops_every_packet_holds_up_nobody(world: World) -> None:
    """Its host is gone: the master is found and each switch followed by what the others say (go-redis#3652)."""
    with silent_listener() as silent, Watching([silent] + world.seeds[1:], sentinel_timeout="500ms",
                                               discover="no") as watch:
        watch.wait_master(world.master)
        for node in (world.nodes[1], world.nodes[2]):
            world.switch(node)
            watch.wait_master(node)
        wait_until(lambda: watch.up() == {silent: False, world.seeds[1]: True, world.seeds[2]: True}, "one is down")


@pytest.mark.parametrize("spoil", [lambda node: setattr(node, "role", "slave"),
                                   lambda node: setattr(node, "role", "sentinel"),
                                   lambda node: setattr(node, "fault", "close"),
                                   lambda node: setattr(node, "fault", "echo"), lambda node: node.stop(),
                                   lambda node: node.replies.update({"ROLE": b"*-2\r\n"}),
                                   lambda node: setattr(node, "greeting", b"-DENIED no\r\n")])
def test_no_target_without_proof(world: World, spoil: t.Callable[[FakeRedis], None]) -> None:
    """What all Sentinels name is adopted only once it says that it is master; until then the old one stays."""
    new = world.nodes[1]
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        world.switch(new)
        old = world.nodes[0]
        assert watch.master() in (old.address, new.address)
    spoil(new)
    with Watching(world.seeds) as watch:
        watch.wait_reason("3 of 3 sentinels answer, ")
        watch.wait_rounds()
        assert watch.now().target is None and watch.now().generation == 0
        new.fault, new.greeting, new.role = "", b"", "master"
        new.replies.clear()
        new.start()
        watch.wait_master(new)


def test_a_target_behind_a_dead_end(world: World) -> None:
    """A master that cannot be reached is not adopted; one that can takes its place at once."""
    with silent_listener() as silent, Watching(world.seeds, connect_timeout="100ms") as watch:
        for sentinel in world.sentinels:
            sentinel.masters[world.name] = Monitored(silent, 1)
        watch.wait_reason("no connection in time")
        world.switch(world.nodes[1], epoch=2)
        watch.wait_master(world.nodes[1])


def test_a_password_of_the_nodes(world: World) -> None:
    """Without it a node is used as named; with it a replica is found out."""
    for node in world.nodes:
        node.password = "p"
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        target = watch.now().target
        assert target is not None and not target.verified
    world.master.role = "slave"
    with Watching(world.seeds, redis_password="p") as watch:
        watch.wait_reason("says that it is a replica")
    with Watching(world.seeds, role_check="strict") as watch:
        watch.wait_reason("does not tell its role")


def test_stop_while_everything_hangs(world: World) -> None:
    """Sentinels and nodes that accept and say nothing do not keep a stop waiting: every thread ends with it."""
    for sentinel in world.sentinels[1:]:
        sentinel.delays["*"] = 3600
    watch = Watching(world.seeds, events="yes", sentinel_timeout="60s", connect_timeout="600s")
    with watch:
        world.sentinels[0].delays["SUBSCRIBE"] = 3600
        for node in world.nodes:
            node.fault = "silence"
        wait_until(lambda: all(sentinel.commands for sentinel in world.sentinels), "all are asked")
        start = time.monotonic()
        watch.watcher.stop(Deadline(STOP))
        assert time.monotonic() - start < STOP and not thread_names("ask ") + thread_names("events ")
        assert not thread_names("role ") and not thread_names("watcher")
    for sentinel in world.sentinels:
        sentinel.delays.clear()


def test_stop_while_a_lookup_or_connect_hangs(world: World) -> None:
    """What cannot be interrupted is left behind at the deadline: stop() returns all the same."""
    with silent_listener() as silent:
        watch = Watching([silent] + world.seeds, sentinel_timeout="1s", connect_timeout="1s")
        with watch:
            wait_until(lambda: world.sentinels[0].count(ASK), "it works")
            watch.watcher.stop(Deadline(0.05))
        wait_until(lambda: not thread_names("ask "), "the threads end after the time-out")
