"""The watcher while Sentinels vanish, come back, are too few, are named twice, or are found through others."""
from st.address import Address
from st.deadline import Deadline
from tests.fakes import Monitored, World, refused_address
from tests.waiting import wait_until
from tests.watching import STOP, Watching, thread_names


def test_all_sentinels_gone_and_back(world: World) -> None:
    """The target stays while nobody answers; what happened meanwhile is followed when they are back, without events."""
    with Watching(world.seeds) as watch:
        watch.wait_master(world.master)
        for sentinel in world.sentinels:
            sentinel.stop()
        watch.wait_reason("0 of 3 sentinels answer")
        watch.wait_rounds()
        assert watch.now().target is not None and watch.now().generation == 1
        world.switch(world.nodes[1])
        for sentinel in world.sentinels:
            sentinel.start()
        watch.wait_master(world.nodes[1])
        wait_until(lambda: watch.now().reason == "", "all is well")


def test_failovers_while_sentinels_come_and_go(world: World) -> None:
    """Ten failovers in a row are all followed, with another Sentinel down at each."""
    with Watching(world.seeds, events="yes", sentinel_timeout="500ms") as watch:
        for number in range(10):
            down = world.sentinels[number % 3]
            down.stop()
            node = world.nodes[(number + 1) % 3]
            world.switch(node)
            watch.wait_master(node)
            down.start()


def test_a_minority_is_not_followed_back(world: World) -> None:
    """Cut off with the old master and its Sentinel, after the new one was seen: nobody goes back."""
    with Watching(world.seeds) as watch:
        old = world.master
        watch.wait_master(old)
        world.switch(world.nodes[1])
        watch.wait_master(world.nodes[1])
        for sentinel in world.sentinels[1:]:
            sentinel.stop()
        world.sentinels[0].masters[world.name] = Monitored(old.address, 0)
        old.role = "master"
        watch.wait_rounds(5)
        assert watch.master() == world.nodes[1].address and watch.now().generation == 2


def test_outage_refused(world: World) -> None:
    """With sentinel_outage = refuse nobody new is let in while no Sentinel answers, and all are when one does."""
    with Watching(world.seeds, sentinel_outage="refuse") as watch:
        watch.wait_master(world.master)
        for sentinel in world.sentinels:
            sentinel.stop()
        wait_until(lambda: watch.now().target is None, "new connections are held")
        assert "sentinel_outage is refuse" in watch.now().reason and watch.stale == [("mymaster", 1)]
        world.sentinels[1].start()
        released = watch.rows["mymaster"].wait_usable(Deadline(STOP))
        assert released.target is not None and released.generation == 1


def test_min_sentinels(world: World) -> None:
    """Below the number that must agree new connections are held; from it on they are released."""
    with Watching(world.seeds, min_sentinels="2") as watch:
        watch.wait_master(world.master)
        wait_until(lambda: watch.now().target is not None, "enough agree")
        world.sentinels[0].stop()
        world.sentinels[1].masters.clear()
        watch.wait_reason("only 1 agree on the master, min_sentinels is 2")
        assert watch.now().target is None and watch.master() == world.master.address
        world.sentinels[0].start()
        assert watch.rows["mymaster"].wait_usable(Deadline(STOP)).target is not None


def test_one_sentinel_under_two_names_is_one(world: World) -> None:
    """It has one vote, and is counted once among those of which a majority is needed."""
    port = world.seeds[0][1]
    with Watching([("localhost", port), ("127.0.0.1", port)], min_sentinels="2", discover="no") as watch:
        watch.wait_reason("only 1 agree")
    world.sentinels[0].masters[world.name] = Monitored(world.master.address, 5)
    with Watching([("localhost", port), ("127.0.0.1", port)], discover="no") as watch:
        watch.wait_master(world.master)
        world.sentinels[0].masters[world.name] = Monitored(world.nodes[1].address, 0)
        world.nodes[1].role = "master"
        watch.wait_master(world.nodes[1])


def test_the_address_map(world: World) -> None:
    """Addresses that only the Sentinels can reach are mapped, for masters and for other Sentinels."""
    hidden = [("192.0.2.%d" % (1 + number), 1) for number in range(3)]
    rules = ["192.0.2.9:6379 -> 127.0.0.1:%d" % world.master.address[1]]
    rules += ["%s:1 -> 127.0.0.1:%d" % (hidden[number][0], world.seeds[number][1]) for number in range(3)]
    for sentinel in world.sentinels:
        sentinel.masters[world.name] = Monitored(("192.0.2.9", 6379), 0)
        sentinel.siblings = [sibling._replace(address=hidden[world.seeds.index(sibling.address)])
                             for sibling in sentinel.siblings]
    with Watching(world.seeds[:1], nat_map=", ".join(rules)) as watch:
        watch.wait_master(world.master)
        wait_until(lambda: watch.sentinels() == set(world.seeds), "all Sentinels are found")
        target = watch.now().target
        assert target is not None and target.address == Address(*world.master.address)


def test_discovery(world: World) -> None:
    """Others are found through one seed, once each, without those of port 0; forgotten ones that are gone go."""
    seed, second, third = world.sentinels
    with refused_address() as dead:
        seed.siblings += [seed.siblings[0], seed.siblings[0]._replace(address=("127.0.0.1", 0), runid="0" * 40),
                          seed.siblings[0]._replace(address=dead, runid="d" * 40, flags="sentinel,s_down")]
        second.siblings[0] = second.siblings[0]._replace(address=("localhost", seed.address[1]))
        with Watching(world.seeds[:1], events="yes") as watch:
            watch.wait_master(world.master)
            wait_until(lambda: watch.sentinels() == set(world.seeds), "all three are found")
            watch.wait_rounds(15)
            assert watch.sentinels() == set(world.seeds)
            third.stop()
            seed.siblings, second.siblings = seed.siblings[:1], second.siblings[:1]
            wait_until(lambda: third.address not in watch.sentinels(), "the forgotten one goes")
            wait_until(lambda: not thread_names("%s:%d" % third.address), "its threads end")
            seed.stop()
            world.switch(world.nodes[1])
            watch.wait_master(world.nodes[1])
            assert seed.address in watch.sentinels()


def test_no_discovery(world: World) -> None:
    """With discover = no nobody but the seeds is asked, or asked for others."""
    with Watching(world.seeds[:1], discover="no") as watch:
        watch.wait_master(world.master)
        watch.wait_rounds(12)
        assert watch.sentinels() == set(world.seeds[:1])
    assert not world.sentinels[0].count("SENTINEL SENTINELS") and not world.sentinels[1].accepted
