"""The watcher on real sockets: who is master is learned, followed and kept, with Sentinels and nodes that behave."""
import logging
import typing as t

import pytest

from st.deadline import Deadline
from st.sentinel.client import EVENTS
from tests.fakes import Error, FakeRedis, FakeSentinel, Monitored, World
from tests.waiting import wait_until
from tests.watching import ASK, STOP, Watching

MakeRedis = t.Callable[..., FakeRedis]


def tell(world: World, node: FakeRedis, epoch: int, sentinels: t.Optional[t.Sequence[FakeSentinel]] = None) -> None:
    """Let Sentinels (all of them) name a node at an epoch, without any event."""
    for sentinel in world.sentinels if sentinels is None else sentinels:
        sentinel.masters[world.name] = Monitored(node.address, epoch)


def quiet_switch(world: World, epoch: int = 1) -> FakeRedis:
    """Make the first replica the master without any event, and return it."""
    old, new = world.master, world.replicas[0]
    old.role, new.role = "slave", "master"
    tell(world, new, epoch)
    return new


def test_the_master_is_found(world: World) -> None:
    """The first rounds adopt the master that all name, once it said that it is one."""
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        assert watch.stale == [("mymaster", 1)]
        wait_until(lambda: watch.followers["mymaster"].agreeing == 3, "all agree")
    assert world.master.count("ROLE") and not any(node.count("ROLE") for node in world.replicas)


def test_a_poll_finds_a_switch(world: World) -> None:
    """Without events the next poll follows, and each switch is one generation."""
    with Watching(world.seeds) as watch:
        for number, node in enumerate([world.master, world.nodes[1], world.nodes[2], world.nodes[0]]):
            if number:
                world.switch(node)
            watch.wait_master(node)
        assert watch.stale == [("mymaster", number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("number", range(3))
def test_an_event_of_any_sentinel_wakes_the_poll(world: World, number: int) -> None:
    """With a poll that never comes, an event of one Sentinel is enough to follow."""
    with Watching(world.seeds, poll="1h", events="yes") as watch:
        watch.wait_master(world.master)
        new = settle_and_switch(world, watch)
        world.sentinels[number].publish("+promoted-slave", "slave x 10.0.0.1 1 @ mymaster 10.0.0.2 2")
        watch.wait_master(new)


def settle_and_switch(world: World, watch: Watching) -> FakeRedis:
    """Wait until nothing is left to do but to wait, then switch without a word; nobody notices by himself."""
    wait_until(lambda: all(map(watch.crew.hears_events, watch.crew.sentinels())), "all are subscribed")
    asked = [0]

    def settled() -> bool:
        before, asked[0] = asked[0], sum(sentinel.count(ASK) for sentinel in world.sentinels)
        idle = not watch.watcher._inbox.qsize() and watch.watcher._again is None
        return before == asked[0] and idle and watch.followers["mymaster"].settled

    for _ in range(20):  # 20 looks in a row that found it idle
        wait_until(settled, "it waits")
    return quiet_switch(world)


def test_every_event_wakes_the_poll(world: World) -> None:
    """Whatever event it is, all Sentinels are asked again after it."""
    with Watching(world.seeds, poll="1h", events="yes") as watch:
        watch.wait_master(world.master)
        wait_until(lambda: all(map(watch.crew.hears_events, watch.crew.sentinels())), "all are subscribed")
        for channel in EVENTS:
            asked = [sentinel.count(ASK) for sentinel in world.sentinels]
            world.sentinels[1].publish(channel, "master mymaster 10.0.0.1 1")
            wait_until(lambda: all(sentinel.count(ASK) > before for sentinel, before in zip(world.sentinels, asked)),
                       "%s makes it ask" % channel)
        assert watch.now().generation == 1


def test_a_hint_wakes_the_poll(world: World) -> None:
    """A connection that saw something odd makes it ask at once; many hints are one reason."""
    with Watching(world.seeds, poll="1h") as watch:
        watch.wait_master(world.master)
        new = quiet_switch(world)
        for _ in range(1000):
            watch.watcher.wake("hint", "connect failed")
        watch.wait_master(new)
        assert world.sentinels[0].count(ASK) < 100


def test_it_asks_again_after_subscribing(world: World) -> None:
    """A switch that came before the subscription stood is not missed."""
    for sentinel in world.sentinels:
        sentinel.delays["SUBSCRIBE"] = 3600
    with Watching(world.seeds, poll="1h", events="yes", sentinel_timeout="30s") as watch:
        watch.wait_master(world.master)
        wait_until(lambda: watch.followers["mymaster"].settled, "it waits")
        new = quiet_switch(world)
        del world.sentinels[2].delays["SUBSCRIBE"]
        watch.wait_master(new)
        for sentinel in world.sentinels:
            sentinel.delays.clear()


def test_a_lost_subscription_is_renewed(world: World) -> None:
    """After all subscriptions were lost events are heard again."""
    with Watching(world.seeds, events="yes") as watch:
        for _ in range(2):
            before = len(watch.heard)
            for sentinel in world.sentinels:
                sentinel.drop_all()
            wait_until(lambda: watch.heard[before:].count("subscribed") >= 3, "all are subscribed anew")
        wait_until(lambda: any(s.publish("+odown", "master mymaster x 1") for s in world.sentinels), "somebody listens")
        wait_until(lambda: "+odown" in watch.heard, "events are heard again")


def test_no_right_to_subscribe(world: World) -> None:
    """Without rights to listen the poll follows all the same, and the others' events are heard."""
    world.sentinels[0].replies["SUBSCRIBE"] = Error("NOPERM no SUBSCRIBE")
    with Watching(world.seeds, events="yes") as watch:
        watch.wait_master(world.master)
        wait_until(lambda: sum(map(watch.crew.hears_events, watch.crew.sentinels())) == 2, "two are subscribed")
        for sentinel in world.sentinels:
            sentinel.replies["SUBSCRIBE"] = Error("NOPERM no SUBSCRIBE")
            sentinel.drop_all()
        watch.wait_master(quiet_switch(world))


@pytest.mark.parametrize("command", ["SENTINEL MASTER", "SENTINEL SENTINELS", "SENTINEL MYID"])
def test_minimal_rights(world: World, command: str) -> None:
    """Each question but one may be refused by all: the master is found and followed, at majority if need be."""
    for sentinel in world.sentinels:
        sentinel.replies[command] = Error("NOPERM no")
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        watch.wait_master(quiet_switch(world))
        assert watch.sentinels() == set(world.seeds) or command == "SENTINEL MYID"


def test_epochs(world: World) -> None:
    """A newer epoch of one wins; an older one of a minority does not, of a majority it does."""
    a, b, c = world.nodes
    a.role = b.role = c.role = "master"
    with Watching(world.seeds) as watch:
        watch.wait_master(a)
        tell(world, b, 5, world.sentinels[:1])
        watch.wait_master(b)
        tell(world, b, 5)
        tell(world, c, 4, world.sentinels[2:])
        watch.wait_rounds()
        world.sentinels[0].stop()
        watch.wait_rounds()
        assert watch.master() == b.address
        world.sentinels[0].start()
        tell(world, c, 4, world.sentinels[1:])
        world.sentinels[0].masters.clear()
        watch.wait_master(c)
        assert watch.now().generation == 3


def test_back_again_between_two_polls(world: World) -> None:
    """A to B and back to A unseen is another generation all the same."""
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        tell(world, world.master, 2)
        wait_until(lambda: watch.now().generation == 2, "the new reign is seen")
        assert watch.master() == world.master.address
        watch.wait_rounds()
        assert watch.now().generation == 2


def test_a_tie_does_not_flap(world: World) -> None:
    """Three Sentinels with three answers at one epoch: the current master stays as long as it is one."""
    a, b, c = world.nodes
    with Watching(world.seeds) as watch:
        watch.wait_master(a)
        a.role = b.role = c.role = "master"
        for sentinel, node in zip(world.sentinels, world.nodes):
            tell(world, node, 0, [sentinel])
        watch.wait_rounds(6)
        assert watch.master() == a.address and watch.now().generation == 1
        a.role = c.role = "slave"
        watch.wait_master(b)
        watch.wait_rounds()
        assert watch.now().generation == 2


def test_a_host_name_for_the_same_node(world: World) -> None:
    """Sentinels that announce a name and such that announce its number agree on one node."""
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        for count in (1, 2, 3, 0, 2):
            for number, sentinel in enumerate(world.sentinels):
                host = "localhost" if number < count else "127.0.0.1"
                sentinel.masters[world.name] = Monitored((host, world.master.address[1]), 0)
            watch.wait_rounds(2)
        assert watch.now().generation == 1 and watch.stale == [("mymaster", 1)]


def test_two_masters(world: World, fake_redis: MakeRedis) -> None:
    """Two names are followed apart: a switch of one leaves the other alone, also with answers that dawdle."""
    other = fake_redis()
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(other.address, 4)
        sentinel.delays[ASK] = 0.01
    with Watching(world.seeds, names=["mymaster", "other"]) as watch:
        watch.wait_master(world.master)
        watch.wait_master(other, "other")
        for node in (world.nodes[1], world.nodes[2], world.nodes[0]):
            world.switch(node)
            watch.wait_master(node)
        assert watch.now("other").generation == 1 and watch.master("other") == other.address


@pytest.mark.parametrize("role_delay", [0, 0.2])
def test_a_sentinel_that_is_slower_than_the_rounds(world: World, role_delay: float) -> None:
    """With rounds that are due when they end the master is found all the same, and a reset is followed."""
    world.sentinels[0].delays["SENTINEL MYID"] = 0.4
    for node in world.nodes:
        node.delays["ROLE"] = role_delay
    tell(world, world.master, 7)
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        watch.wait_master(quiet_switch(world, epoch=0))


def test_switches_are_logged(world: World, caplog: t.Any) -> None:
    """One WARNING tells a switch, where it was heard, and who agreed."""
    caplog.set_level(logging.INFO, "st")
    with Watching(world.seeds, events="yes", poll="1h") as watch:
        watch.wait_master(world.master)
        old = world.master.address
        wait_until(lambda: all(map(watch.crew.hears_events, watch.crew.sentinels())), "all are subscribed")
        world.switch(world.nodes[1])
        watch.wait_master(world.nodes[1])
    switches = [record.getMessage() for record in caplog.records if record.getMessage().startswith("switch ")]
    assert len(switches) == 1 and "old=%s:%d new=%s:%d" % (old + world.nodes[1].address) in switches[0]
    assert "epoch=1 heard=event sentinels=" in switches[0]


def test_stop(world: World) -> None:
    """Stopping twice, or before the start, is fine; nothing is left that could still write."""
    watch = Watching(world.seeds, events="yes")
    watch.watcher.stop(Deadline(STOP))
    with Watching(world.seeds, events="yes") as watch:
        watch.wait_master(world.master)
        watch.watcher.stop(Deadline(STOP))
    wait_until(lambda: not any(server.open for server in world.sentinels + world.nodes), "all connections are closed")
