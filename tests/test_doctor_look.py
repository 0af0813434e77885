"""How the doctor looks: side by side, twice where that is worth it, at those that others name, by the address map."""
import contextlib
import time
import typing as t

from st.address import Address
from st.doctor.case import case_of, voices
from st.doctor.examine import examine
from st.doctor.look import AGAIN_AFTER, Plan, look
from st.doctor.values import HostSeen, Seen
from st.sentinel.answers import Credentials
from tests.fakes import Connection, FakeSentinel, Monitored, Replica, World, silent_listener
from tests.waiting import FACTOR

NAME = "mymaster"
UNLINKED = "redis_version:7.0.15\r\nmaster_link_status:down\r\n"


def nobody_waits(seconds: float) -> None:
    """Stand for the time between two looks where there is to be one look only."""
    raise AssertionError("a second look in %g s" % seconds)


def seen_of(world: World, wait: t.Callable[[float], None] = nobody_waits, **plan: t.Any) -> Seen:
    """Look at a deployment of fakes."""
    whole = Plan(tuple(Address(*seed) for seed in world.seeds), (), Credentials(), lambda name: Credentials(),
                 lambda address: address)
    return look(whole._replace(**plan), HostSeen(), wait)


def found(seen: Seen) -> t.List[str]:
    """Return the ids of what was found."""
    return [finding.id for finding in examine(seen).findings]


def test_all_is_seen(world: World) -> None:
    """Every Sentinel and every node, once."""
    seen = seen_of(world)
    assert seen.names == (NAME,) and len(voices(seen.sentinels)) == 3
    assert sorted(seen.nodes) == sorted(node.address for node in world.nodes)
    assert [server.accepted for server in [*world.sentinels, *world.nodes]] == [1] * 6
    assert found(seen) == []


class Counting(FakeSentinel):
    """A Sentinel that counts how many times somebody waits for it."""

    batches = 0

    def begin_batch(self, connection: Connection) -> None:
        """Count the commands that came together once."""
        self.batches += 1
        super().begin_batch(connection)


def test_many_names_are_not_asked_about_one_by_one(world: World) -> None:
    """With 60 of them, far away, that would take longer than there is time: a well Sentinel would seem to be silent."""
    with contextlib.closing(Counting()) as sentinel:
        sentinel.masters.update(("m%d" % number, Monitored(world.master.address, 1)) for number in range(60))
        seen = seen_of(world, sentinels=(Address(*sentinel.address),), names=())
        assert len(seen.names) == 60 and all(seen.sentinels[0].told[name].address for name in seen.names)
        assert sentinel.batches < 30


def test_hosts_that_are_silent_cost_their_time_once(world: World) -> None:
    """Sentinels and nodes that take no connection are waited for side by side."""
    with contextlib.ExitStack() as places:
        silent = [Address(*places.enter_context(silent_listener())) for _ in range(20)]
        for sentinel in world.sentinels:
            sentinel.replicas[NAME] += [Replica(each) for each in silent[:10]]
        started = time.monotonic()
        seeds = [Address(*seed) for seed in world.seeds] + silent[10:]
        seen = seen_of(world, sentinels=tuple(seeds), patience=FACTOR)
        took = time.monotonic() - started
    assert found(seen).count("D01") == found(seen).count("D07") == 10
    assert took < 8 * FACTOR  # seconds: twice 1, and not 20 times


def test_a_node_that_says_nothing(world: World) -> None:
    """One that takes the connection and is silent costs as much, and is told with what it did not do."""
    world.replicas[0].fault = "silence"
    [finding] = examine(seen_of(world, patience=FACTOR)).findings
    assert finding.id == "D07" and "no reply in time" in finding.seen


def test_a_second_look_at_what_may_pass(world: World) -> None:
    """A link that was lost is told when it is still so later; the wait is as long as Sentinels need to see a change."""
    place = world.replicas[0].address
    world.replicas[0].replies["INFO"] = UNLINKED
    waits: t.List[float] = []

    def set_link(link: str) -> None:
        for sentinel in world.sentinels:
            sentinel.replicas[NAME] = [each._replace(link=link if each.address == place else "ok")
                                       for each in sentinel.replicas[NAME]]

    def mend(seconds: float) -> None:
        waits.append(seconds)
        set_link("ok")

    set_link("err")
    assert found(seen_of(world, mend)) == [] and waits == [AGAIN_AFTER]
    set_link("err")
    assert found(seen_of(world, waits.append)) == ["D11"]


def test_a_second_look_while_there_is_time(world: World) -> None:
    """It comes earlier where `within` leaves less, and not at all where nothing is left."""
    waits: t.List[float] = []
    for replica in world.replicas:
        replica.replies["INFO"] = UNLINKED
    for sentinel in world.sentinels:
        sentinel.replicas[NAME] = [each._replace(link="err") for each in sentinel.replicas[NAME]]
    seen = seen_of(world, waits.append, again_after=1000.0, patience=FACTOR, within=11 * FACTOR)
    assert len(waits) == 1 and 0 < waits[0] <= 10 * FACTOR and seen.again_after == waits[0]
    seen = seen_of(world, waits.append, again_after=1000.0, patience=5 * FACTOR, within=5 * FACTOR)
    assert len(waits) == 1 and set(found(seen)) == {"D11"}
    assert {finding.seen for finding in examine(seen).findings} == {"SENTINEL REPLICAS: master-link-status err, once"}


def test_all_of_it_ends_in_time(world: World) -> None:
    """Whoever is silent, also where each of them might take longer than there is."""
    world.replicas[0].fault = "silence"
    with silent_listener() as silent:
        started = time.monotonic()
        seen = seen_of(world, sentinels=tuple(Address(*each) for each in (world.seeds[0], silent)), patience=1000.0,
                       within=FACTOR)
        took = time.monotonic() - started
    assert sorted(found(seen)) == ["D01", "D07"] and took < 60 * FACTOR
    assert {finding.title for finding in examine(seen).findings if finding.id == "D01"} == {"does not answer"}


def test_sentinels_that_agree_later(world: World) -> None:
    """Different masters too are told when they still differ."""
    other = world.sentinels[0]
    right, wrong = other.masters[NAME], Monitored(world.replicas[0].address, 0)

    def mend(seconds: float) -> None:
        other.masters[NAME] = right

    other.masters[NAME] = wrong
    assert "D06" not in found(seen_of(world, mend))
    other.masters[NAME] = wrong
    assert "D06" in found(seen_of(world, lambda seconds: None))


def test_a_master_that_was_down_for_a_moment(world: World) -> None:
    """A Sentinel that calls a new master down, while that answers, is heard twice; in a failover that is no wonder."""
    one = world.sentinels[0]
    well = one.masters[NAME]

    def mend(seconds: float) -> None:
        one.masters[NAME] = well

    one.masters[NAME] = Monitored(world.master.address, 0, "master,s_down")
    assert found(seen_of(world, mend)) == []
    one.masters[NAME] = Monitored(world.master.address, 0, "master,s_down")
    assert found(seen_of(world, lambda seconds: None)) == ["D15"]
    one.masters[NAME] = Monitored(world.master.address, 0, "master,s_down,o_down,failover_in_progress")
    assert found(seen_of(world)) == ["D15"]


def test_a_master_that_is_gone_needs_one_look(world: World) -> None:
    """D15: Sentinels that have lost it, as we have, need not have called it down yet."""
    world.master.stop()
    for sentinel in world.sentinels:
        sentinel.masters[NAME] = Monitored(world.master.address, 0, "master,disconnected")
    outcome = examine(seen_of(world))
    assert [(finding.id, finding.title) for finding in outcome.findings] == [
        ("D15", "the master is down, say 3 of 3 Sentinels")]
    assert ("D12", "the master cannot be asked") in [(each.id, each.why) for each in outcome.unchecked]


def test_those_that_others_name(world: World) -> None:
    """They are asked too, by the address map, unless discover = no."""
    one = (Address(*world.seeds[0]),)
    assert len(voices(seen_of(world, sentinels=one).sentinels)) == 3
    assert len(voices(seen_of(world, sentinels=one, discover=False).sentinels)) == 1
    inside = Address("172.18.0.2", 26379)
    for sentinel in world.sentinels:
        sentinel.siblings = [each._replace(address=inside) if each.address == world.seeds[1] else each
                             for each in sentinel.siblings]
    seen = seen_of(world, sentinels=one, translate=lambda address: Address(*world.seeds[1]) if address == inside
                   else address)
    assert len(voices(seen.sentinels)) == 3 and found(seen) == []
    before = world.sentinels[1].accepted
    seen_of(world, translate=lambda address: Address(*world.seeds[1]) if address == inside else address)
    assert world.sentinels[1].accepted == before + 1  # once, as the one that is configured


def test_nodes_by_the_address_map(world: World) -> None:
    """What is announced is told, what the map makes of it is dialled."""
    inside = Address("172.18.0.9", 6379)
    for sentinel in world.sentinels:
        sentinel.masters[NAME] = Monitored(inside, 1)
    seen = seen_of(world, translate=lambda address: Address(*world.master.address) if address == inside else address)
    node = case_of(seen, NAME).master
    assert node is not None and (node.address, node.dialled) == (inside, world.master.address)
    assert found(seen) == []


def test_odd_replies(world: World) -> None:
    """Nothing that a node can say ends the look."""
    for reply in ([], [None, [1, [b"x"]]], 5, "", [["a"]], None):
        world.master.replies["CONFIG"] = world.master.replies["INFO"] = reply
        world.sentinels[0].replies["SENTINEL INFO-CACHE"] = reply
        world.sentinels[1].replies["SENTINEL MASTER"] = reply
        world.sentinels[2].replies["SENTINEL REPLICAS"] = reply
        world.sentinels[2].replies["SENTINEL SENTINELS"] = reply
        world.sentinels[0].replies["INFO"] = reply
        assert "D01" not in found(seen_of(world))


def test_who_turns_us_away(world: World) -> None:
    """What a full or protected server says before it closes, unasked, is the reason."""
    world.sentinels[0].greeting = b"-DENIED Redis is running in protected mode because ...\r\n"
    world.sentinels[1].greeting = b"-ERR max number of clients reached\r\n"
    titles = {finding.about: finding.title for finding in examine(seen_of(world)).findings}
    assert titles["%s:%d" % world.seeds[0]] == "is in protected mode"
    assert titles["%s:%d" % world.seeds[1]] == "takes no more clients"
