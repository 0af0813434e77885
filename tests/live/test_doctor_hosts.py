"""The doctor on a host of its own: what only another host can get wrong, in network namespaces."""
import typing as t

import pytest

from st.address import Address
from st.doctor.examine import examine
from st.doctor.finding import Finding
from st.doctor.look import Plan, look
from st.doctor.values import HostSeen
from st.sentinel.answers import Credentials
from tests.live.doctoring import tell_all
from tests.live.hosts import NoHosts
from tests.live.netbed import DATA, NAME, NetBed
from tests.live.servers import needs
from tests.live.talk import Talk
from tests.waiting import FACTOR, wait_until

pytestmark = needs(7, 0)


@pytest.fixture(scope="module")
def far() -> t.Iterator[NetBed]:
    """Three hosts with a Redis and a Sentinel each, and one with the doctor."""
    try:
        with NetBed(["app"], {"min-replicas-to-write": "1"}) as bed:
            yield bed
    except NoHosts as error:
        pytest.skip(str(error))


class Watch:
    """Looks from the application's host; times are short, and the low down-after of the bed is not told."""

    def __init__(self, bed: NetBed) -> None:
        self._bed = bed

    def findings(self, *sentinels: Address, **plan: t.Any) -> t.Tuple[Finding, ...]:
        """Return what is found."""
        whole = Plan(sentinels or tuple(self._bed.sentinel_addresses), (), Credentials(), lambda name: Credentials(),
                     lambda address: address, patience=FACTOR, again_after=0.2, within=20 * FACTOR)
        with self._bed.hosts["app"].inside():  # the threads of the doctor are made here, too
            return examine(look(whole._replace(**plan), HostSeen())).findings

    def titles(self, *sentinels: Address, **plan: t.Any) -> t.List[str]:
        """Return ids and titles of what is found."""
        return ["%s %s: %s" % (each.id, each.about, each.title) for each in self.findings(*sentinels, **plan)
                if each.id != "D05"]

    def wait_for(self, title: str) -> t.List[str]:
        """Wait until this is found, and return all that is."""
        return wait_until(lambda: [each for each in [self.titles()] if title in each], "%r is not found" % title)[0]

    def mend(self) -> None:
        """Heal the network, and wait until nothing is found any more."""
        self._bed.hosts.heal()
        wait_until(lambda: not self.titles(), "something is found still")


@pytest.fixture
def watch(far: NetBed) -> t.Iterator[Watch]:
    """Look at it; what a test has cut is mended at its end."""
    watch = Watch(far)
    yield watch
    watch.mend()


def test_nothing_is_wrong(watch: Watch) -> None:
    """From another host all is well, too."""
    assert watch.titles() == []


def test_a_loopback_address_told_by_another_host(far: NetBed, watch: Watch) -> None:
    """D07: `sentinel monitor far 127.0.0.1`."""
    sentinel, port = far.sentinels[0], far.nodes(NAME)[0].port
    sentinel.cli("SENTINEL", "MONITOR", "far", "127.0.0.1", port, 1)
    titles = watch.titles(sentinel.address, names=("far",), discover=False)
    sentinel.cli("SENTINEL", "REMOVE", "far")
    assert "D07 far: the Sentinels announce 127.0.0.1:%d: each host's own address" % port in titles


def test_an_address_of_another_network(far: NetBed, watch: Watch) -> None:
    """D07: a private one, as Docker gives them: the Sentinel beside it reaches it, nobody here does."""
    sentinel, inside = far.sentinels[0], "172.18.0.2"
    node = next(each for each in far.nodes(NAME) if each.host == sentinel.host)
    far.hosts[far.place(node)].add_address(inside)
    bound = node.cli("CONFIG", "GET", "bind")[1]
    node.cli("CONFIG", "SET", "bind", "%s %s" % (bound, inside))
    sentinel.cli("SENTINEL", "MONITOR", "far", inside, node.port, 1)

    def found() -> t.List[Finding]:
        findings = watch.findings(sentinel.address, names=("far",), discover=False)
        return [each for each in findings if each.id == "D07" and "%s:%d" % (inside, node.port) in each.title]

    [finding] = wait_until(found, "nothing is found")
    assert finding.means.startswith("Docker or NAT") and "Network is unreachable" in finding.seen
    sentinel.cli("SENTINEL", "REMOVE", "far")
    node.cli("CONFIG", "SET", "bind", bound)


def test_a_node_behind_a_firewall(far: NetBed, watch: Watch) -> None:
    """D07: cut off from us alone."""
    node = far.master(NAME)
    far.hosts.cut(["app"], [far.place(node)], node.port)
    assert watch.titles() == ["D07 sessions: the Sentinels announce %s, which this host cannot reach" % (node.address,)]


def test_a_node_in_protected_mode(far: NetBed, watch: Watch) -> None:
    """D07: it answers its own host alone."""
    node = far.replicas(NAME)[0]
    with far.hosts[far.place(node)].inside(), Talk(node.address) as talk:
        talk.call("CONFIG", "SET", "protected-mode", "yes")
        assert watch.titles() == ["D07 sessions: %s is in protected mode" % (node.address,)]
        talk.call("CONFIG", "SET", "protected-mode", "no")


def test_a_sentinel_in_protected_mode(far: NetBed, watch: Watch) -> None:
    """D01: it answers its own host alone."""
    sentinel = far.sentinels[2]
    sentinel.restart("protected-mode yes")
    [title] = [each for each in watch.titles(sentinel.address) if each.startswith("D01")]
    assert title == "D01 %s: is in protected mode" % (sentinel.address,)
    sentinel.restart("protected-mode no")


def test_a_sentinel_behind_a_firewall(far: NetBed, watch: Watch) -> None:
    """D01: others name it, it is not configured, and cut off from us alone."""
    sentinel, *others = far.sentinels
    far.hosts.cut(["app"], [far.place(sentinel)], sentinel.port)
    assert watch.titles(*[each.address for each in others]) == [
        "D01 %s: cannot be asked, though other Sentinels name it" % (sentinel.address,)]


def test_a_slow_way(far: NetBed, watch: Watch) -> None:
    """D05: a time that is long enough nearby, and short for a network on which a PING takes long."""
    tell_all(far, "SET", NAME, "down-after-milliseconds", 2000)
    far.hosts.slow("app", 0.06)  # seconds each way
    [title] = [each.title for each in watch.findings(patience=5 * FACTOR) if each.id == "D05"]
    assert title.startswith("down-after-milliseconds is 2000, and a PING from here takes ")
    tell_all(far, "SET", NAME, "down-after-milliseconds", int(1000 * FACTOR))


def test_sentinels_that_are_cut_off(far: NetBed, watch: Watch) -> None:
    """D04, D15: one cannot hear another, though both answer us; one cannot reach the master, though it answers us."""
    first, second = (next(each for each in far.sentinels if far.place(each) == name) for name in DATA[:2])
    far.hosts.cut([DATA[1]], [DATA[0]], first.port)
    watch.wait_for("D04 %s: is down for %s, though it answers here" % (first.address, second.address))
    watch.mend()
    master = far.master(NAME)
    other = next(each for each in far.sentinels if far.place(each) != far.place(master))
    far.hosts.cut([far.place(other)], [far.place(master)], master.port)
    watch.wait_for("D15 sessions: the master is down, says only %s" % (other.address,))
