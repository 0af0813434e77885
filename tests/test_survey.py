"""Asking all Sentinels once: for commands and embedders, with nothing left behind."""
import threading
import typing as t

import pytest

from st.address import Address
from st.errors import NoMasterError, NoSentinelError, PeerError, PeerUnreachable, UnknownMasterError
from st.nat import parse_nat_map
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.prober import Prober
from st.sentinel.survey import Asker, ask_each, find, masters, they_monitor
from tests.fakes import NIL_ARRAY, Error, Monitored, World, refused_address, silent_listener, unknown_command
from tests.waiting import FACTOR, wait_until
from tests.watching import ASK

LONG = 20 * FACTOR  # seconds; no test waits for it to pass
SHORT = 0.2  # seconds; for what never comes


def asker(world: World, timeout: float = LONG, **options: t.Any) -> Asker:
    """Return how to ask the Sentinels of a world, and further ones."""
    more = options.pop("more", [])
    credentials = options.pop("credentials", Credentials())
    return Asker([Address(*seed) for seed in world.seeds + more], credentials, timeout, **options)


def prober(address: Address) -> Prober:
    """Return who asks a node for its role."""
    return Prober("t", address, Credentials(), SHORT)


def test_find(world: World) -> None:
    """The master that all name is found, and nobody else is asked for its role."""
    assert tuple(find(asker(world), "mymaster")) == world.master.address
    assert not world.master.accepted
    assert tuple(find(asker(world), "mymaster", prober)) == world.master.address
    assert world.master.count("ROLE") == 1
    wait_until(lambda: not any(server.open for server in world.sentinels + world.nodes), "all connections are closed")


def test_find_goes_by_epoch(world: World) -> None:
    """The newest answer wins over the others, at a tie the majority."""
    world.sentinels[1].masters["mymaster"] = Monitored(world.nodes[1].address, 5)
    assert tuple(find(asker(world), "mymaster")) == world.nodes[1].address
    world.sentinels[1].masters["mymaster"] = Monitored(world.nodes[1].address, 0)
    assert tuple(find(asker(world), "mymaster")) == world.master.address


def test_find_asks_on_at_a_tie(world: World) -> None:
    """When they disagree the one that says that it is master is found."""
    for sentinel, node in zip(world.sentinels, reversed(world.nodes)):
        sentinel.masters["mymaster"] = Monitored(node.address, 3)
    assert tuple(find(asker(world), "mymaster", prober)) == world.master.address
    world.master.role = "slave"
    with pytest.raises(NoMasterError, match="says that it is a replica.*replica.*replica"):
        find(asker(world), "mymaster", prober)


def test_find_maps_addresses(world: World) -> None:
    """The address that can be reached is returned."""
    nat_map = parse_nat_map("127.0.0.1 -> 192.0.2.7")
    assert find(asker(world, translate=nat_map.apply), "mymaster").host == "192.0.2.7"


def test_find_with_a_password(world: World) -> None:
    """It logs in; without the password each Sentinel's refusal is told."""
    for sentinel in world.sentinels:
        sentinel.password = "p"
    credentials = Credentials(None, Secret("p"))
    assert tuple(find(asker(world, credentials=credentials), "mymaster")) == world.master.address
    with pytest.raises(NoSentinelError, match="mymaster: no sentinel answers: .*NOAUTH.*; .*NOAUTH.*; .*NOAUTH"):
        find(asker(world), "mymaster")


@pytest.mark.parametrize("reply", [b"*-2\r\n", b"*0\r\n", NIL_ARRAY, Error("ERR odd"), b"HTTP/1.1 400\r\n",
                                   unknown_command("SENTINEL"), ["?", "0"]])
def test_find_with_bad_sentinels(world: World, reply: t.Any) -> None:
    """One that answers well is enough, whatever the others do."""
    for sentinel in world.sentinels[:2]:
        sentinel.replies[ASK] = reply
    assert tuple(find(asker(world), "mymaster")) == world.master.address


def test_find_among_dead_ends(world: World) -> None:
    """Hosts that are gone, hang or have no name cost one time-out together, and the answer is there."""
    world.sentinels[0].delays["*"] = 3600
    with silent_listener() as silent, refused_address() as refused:
        more = [silent, refused, ("no-such-host.invalid", 1)]
        assert tuple(find(asker(world, SHORT, more=more), "mymaster")) == world.master.address
    world.sentinels[0].delays.clear()


def test_no_such_name(world: World) -> None:
    """A name that nobody monitors is told apart from Sentinels that do not answer, and says how many said so."""
    with pytest.raises(UnknownMasterError, match=r"nosuch: not monitored by the sentinels that answer \(3 of 3\)"):
        find(asker(world), "nosuch")
    world.sentinels[0].stop()
    with pytest.raises(UnknownMasterError, match=r"\(2 of 3\)"):
        find(asker(world), "nosuch")
    world.sentinels[1].replies[ASK] = Error("ERR odd")
    with pytest.raises(NoMasterError, match="refused; .*: ERR odd; .*: it does not monitor this name") as caught:
        find(asker(world), "nosuch")
    assert not isinstance(caught.value, (UnknownMasterError, NoSentinelError))


@pytest.mark.parametrize("names, words", [
    ((), "they monitor no master"),
    (("b", "a"), "they monitor a, b"),
    (("cache", "sessions"), "they monitor cache, sessions; did you mean 'sessions'?"),
    (["n%02d" % number for number in range(12)],
     "they monitor n00, n01, n02, n03, n04, n05, n06, n07, n08, n09, and 2 more"),
])
def test_what_they_monitor_instead(names: t.Sequence[str], words: str) -> None:
    """In the order of the names, the nearest one again; not hundreds of them."""
    assert they_monitor(names, "session") == words


def test_no_sentinel(world: World) -> None:
    """When none answers each one's reason is told."""
    for sentinel in world.sentinels:
        sentinel.stop()
    for search in (lambda: find(asker(world), "mymaster"), lambda: masters(asker(world))):
        with pytest.raises(NoSentinelError, match="no sentinel answers: .*refused; .*refused; .*refused"):
            search()


def test_no_proof(world: World) -> None:
    """A node that cannot be reached is no master for who wants proof."""
    world.master.stop()
    with pytest.raises(NoMasterError, match="mymaster: no master: .*refused"):
        find(asker(world), "mymaster", prober)
    assert tuple(find(asker(world), "mymaster")) == world.master.address


def test_masters(world: World) -> None:
    """All names of all Sentinels are told, each with the fields of the first that knows it."""
    world.sentinels[0].stop()
    world.sentinels[1].masters["only1"] = Monitored(("10.0.0.1", 1), 4)
    world.sentinels[2].masters.update({"only2": Monitored(("10.0.0.2", 2), 5), "only1": Monitored(("10.0.0.3", 3), 6)})
    found = masters(asker(world))
    assert sorted(found) == ["mymaster", "only1", "only2"]
    assert (found["only1"]["ip"], found["only1"]["config-epoch"], found["only2"]["port"]) == ("10.0.0.1", "4", "2")


def test_masters_may_be_refused(world: World) -> None:
    """Without the right to ask for all masters the reason is told."""
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL MASTERS"] = Error("NOPERM no MASTERS")
    with pytest.raises(NoMasterError, match="NOPERM no MASTERS"):
        masters(asker(world))


def test_ask_each_leaves_a_hanging_one_behind() -> None:
    """Outcomes come in the order of the Sentinels; one that does not come back is silent; errors are outcomes."""
    first, second, third = [Address("s%d" % number, 1) for number in range(3)]
    gate = threading.Event()

    def ask(sentinel: Address) -> str:
        if sentinel == second:
            gate.wait(LONG)
        if sentinel == third:
            raise PeerUnreachable("s2:1: gone")
        return "well"

    outcomes = ask_each([first, second, third], ask, 0.05)
    gate.set()
    assert list(outcomes) == [first, second, third] and outcomes[first] == "well"
    assert isinstance(outcomes[second], PeerError) and "s1:1: no reply in time" in str(outcomes[second])
    assert str(outcomes[third]) == "s2:1: gone"
