"""Partitions: packets that vanish between hosts, as in a data centre where a switch or a power supply fails."""
import time
import typing as t

import hiredis
import pytest

from tests.live.clients import KINDS, PATIENCE, Waiting
from tests.live.counter import Counter, report, switches
from tests.live.hosts import NoHosts
from tests.live.netbed import DATA, NAME, NetBed
from tests.live.node import Node
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

APP, OTHER_APP = "app", "other-app"
ENDED_BY_TUNNEL_ONLY = {"hold": "60s", "keepalive": "0", "user_timeout": "0"}  # not by the kernel


@pytest.fixture(scope="module")
def network() -> t.Iterator[NetBed]:
    """Three data hosts and two for applications."""
    try:
        with NetBed([APP, OTHER_APP]) as bed:
            yield bed
    except NoHosts as error:
        pytest.skip(str(error))


@pytest.fixture
def net(network: NetBed) -> NetBed:
    """The hosts, with what the last test has broken mended."""
    network.heal()
    return network


def test_old_master_with_clients_of_its_own(net: NetBed) -> None:
    """Cut off with the old master a tunnel goes on with it, and after the healing goes to the one that others have."""
    old, far = _master_and_others(net)
    with net.tunnel(APP, hold="60s") as ours, net.tunnel(OTHER_APP, hold="60s") as theirs, Waiting() as waiting:
        with Counter("ours", net.hosts[APP], ours) as near, Counter("theirs", net.hosts[OTHER_APP], theirs) as lonely:
            _open_each(waiting, net, OTHER_APP, theirs)
            _wait_for_writes(near, lonely)
            net.hosts.cut([net.place(old), OTHER_APP], far + [APP])
            cut_at = time.monotonic()
            new, _ = net.wait_master(NAME, old.address)
            [our_switch] = wait_until(lambda: switches(ours), "the majority's tunnel does not follow")
            _wait_for_writes(near, since=our_switch)
            _wait_for_writes(lonely)
            assert waiting.look() == set(KINDS) and not switches(theirs)
            net.hosts.heal()
            [their_switch] = wait_until(lambda: switches(theirs), "the minority's tunnel does not follow")
            wait_until(lambda: not waiting.look(), "connections to the old master are open")
            _wait_for_writes(lonely, since=their_switch)
    net.wait_healthy(NAME)
    assert net.master(NAME).address == new
    lost = lonely.missing(net.master(NAME))
    print(report(lost, their_switch))
    assert lost and cut_at - 1 < lost[0].sent and lost[-1].sent < their_switch, report(lost, their_switch)
    assert not [write for write in near.missing(net.master(NAME)) if write.sent > our_switch]


def test_minority_sentinel_after_a_newer_epoch(net: NetBed) -> None:
    """A tunnel that has seen the new master does not go back when it sees the old one and its Sentinel only."""
    old, far = _master_and_others(net)
    with net.tunnel(APP, hold="2s") as tunnel:
        net.hosts.cut([net.place(old)], far)
        new, _ = net.wait_master(NAME, old.address)
        wait_until(lambda: switches(tunnel), "the tunnel does not follow")
        assert _reached(net, APP, tunnel) == new.port
        net.hosts.cut([APP], far)
        wait_until(lambda: tunnel.events("no_master"), "the log does not tell that there is no master")
        with pytest.raises(hiredis.ReplyError, match="^LOADING .*1 of 3 sentinels answer"):
            _reached(net, APP, tunnel)
        assert old.role() == "master" and len(switches(tunnel)) == 1
        net.hosts.heal(APP)
        wait_until(lambda: tunnel.events("master_ok") or tunnel.events("sentinels_disagree"), "it stays lost")
        assert _reached(net, APP, tunnel) == new.port
        assert len(switches(tunnel)) == 1


def test_minority_sentinel_alone(net: NetBed) -> None:
    """Who never saw the new master is led to the old one, but for min_sentinels = 2: new connections wait then."""
    old, far = _master_and_others(net)
    with net.tunnel(OTHER_APP, hold="2s", min_sentinels="2") as careful, Waiting() as waiting:
        _open_each(waiting, net, OTHER_APP, careful)
        net.hosts.cut([net.place(old), APP, OTHER_APP], far)
        with net.tunnel(APP) as careless:
            new, _ = net.wait_master(NAME, old.address)
            assert _reached(net, APP, careless) == old.port
            wait_until(lambda: careful.events("no_master"), "the log does not tell that there is no master")
            with pytest.raises(hiredis.ReplyError, match="^LOADING .*only 1 agree .* min_sentinels is 2"):
                _reached(net, OTHER_APP, careful)
            assert waiting.look() == set(KINDS)
            net.hosts.heal()
            for tunnel, application in ((careless, APP), (careful, OTHER_APP)):
                wait_until(lambda: switches(tunnel), "%s does not follow" % application)
                assert _reached(net, application, tunnel) == new.port
            wait_until(lambda: not waiting.look(), "connections to the old master are open")


def test_power_loss(net: NetBed) -> None:
    """Connections to a host that vanished end at the switch, and what they still held never reaches it."""
    old, _ = _master_and_others(net)
    with net.tunnel(APP, **ENDED_BY_TUNNEL_ONLY) as tunnel, Waiting() as waiting:
        with Counter("busy", net.hosts[APP], tunnel, 3) as counter, net.hosts[APP].inside():
            _open_each(waiting, net, APP, tunnel)
            late = Talk(tunnel.addresses[NAME], timeout=PATIENCE)
            assert late.call("PING") == "PONG"
            _wait_for_writes(counter)
            net.hosts.isolate(net.place(old))
            with pytest.raises(OSError):
                late.call("APPEND", "late", "1")
            wait_until(lambda: not waiting.look(), "connections to the vanished master are open")
            late.close()
            [switch] = wait_until(lambda: switches(tunnel), "the log does not tell of a switch")
            _wait_for_writes(counter, since=switch)
    assert int(tunnel.switches()[0]["closed"]) == len(KINDS) + len(counter.writers) + 1
    net.heal()
    assert "cmdstat_append" not in old.cli("INFO", "commandstats")
    assert not [write for write in counter.missing(net.master(NAME)) if write.sent > switch]


@pytest.mark.parametrize("way", ["from the master", "to the master"])
def test_one_way_cut_between_master_and_sentinels(net: NetBed, way: str) -> None:
    """A master that its Sentinels lose, and the tunnel does not, is left at the switch."""
    old, far = _master_and_others(net)
    ways = ([net.place(old)], far) if way == "from the master" else (far, [net.place(old)])
    with net.tunnel(APP, hold="60s") as tunnel, Waiting() as waiting:
        with Counter("steady", net.hosts[APP], tunnel) as counter:
            _open_each(waiting, net, APP, tunnel)
            _wait_for_writes(counter)
            net.hosts.cut_one_way(*ways)
            wait_until(lambda: not waiting.look(), "connections to the old master are open")
            [switch] = wait_until(lambda: switches(tunnel), "the log does not tell of a switch")
            _wait_for_writes(counter, since=switch)
            assert old.role() == "master"
        net.heal()
        assert len(switches(tunnel)) == 1
    assert not [write for write in counter.missing(net.master(NAME)) if write.sent > switch]


@pytest.mark.parametrize("way", ["from the master", "to the master"])
def test_one_way_cut_between_master_and_tunnel(net: NetBed, way: str) -> None:
    """A master that only the tunnel loses stays the master: open connections stay, new ones wait until it is back."""
    master, _ = _master_and_others(net)
    ways = ([net.place(master)], [APP]) if way == "from the master" else ([APP], [net.place(master)])
    with net.tunnel(APP, hold="3s") as tunnel, Waiting() as waiting:
        _open_each(waiting, net, APP, tunnel)
        net.hosts.cut_one_way(*ways)
        with pytest.raises(hiredis.ReplyError, match="^LOADING .*no connection in time"):
            _reached(net, APP, tunnel)
        wait_until(lambda: tunnel.events("no_master"), "the log does not tell that there is no master")
        assert waiting.look() == set(KINDS)
        net.hosts.heal()
        wait_until(lambda: tunnel.events("master_ok"), "the log does not tell that all is well")
        assert _reached(net, APP, tunnel) == master.port
        assert waiting.look() == set(KINDS) and not switches(tunnel)


@pytest.mark.parametrize("events", ["yes", "no"])
def test_failover_while_the_tunnel_sees_no_sentinel(net: NetBed, events: str) -> None:
    """Cut off from every Sentinel during a whole failover, and whether or not events reach it, the tunnel follows."""
    old, _ = _master_and_others(net)
    with net.tunnel(APP, events=events) as tunnel, Waiting() as waiting:
        _open_each(waiting, net, APP, tunnel)
        for sentinel in net.sentinels:
            net.hosts.cut([APP], [net.place(sentinel)], sentinel.port)
        wait_until(lambda: len(tunnel.events("sentinel_down")) == 3, "the log does not tell of all")
        assert _reached(net, APP, tunnel) == old.port and waiting.look() == set(KINDS)
        new = net.failover(NAME)
        assert not switches(tunnel)
        net.hosts.heal()
        wait_until(lambda: switches(tunnel), "the tunnel does not follow")
        wait_until(lambda: not waiting.look(), "connections to the old master are open")
        assert _reached(net, APP, tunnel) == new.port
        assert events == "yes" or tunnel.switches()[0]["heard"] != "event"


def test_failover_to_a_master_out_of_reach(net: NetBed) -> None:
    """While the tunnel cannot reach the new master it holds new connections, and serves them once it can."""
    with net.tunnel(APP, hold="2s") as tunnel, net.tunnel(OTHER_APP, hold="60s") as patient:
        for node in net.replicas(NAME):
            net.hosts.cut([APP, OTHER_APP], [net.place(node)], node.port)
        new = net.failover(NAME)
        wait_until(lambda: tunnel.events("no_master"), "the log does not tell that there is no master")
        with pytest.raises(hiredis.ReplyError, match="^LOADING .*3 of 3 sentinels answer"):
            _reached(net, APP, tunnel)
        assert not switches(tunnel)
        with net.hosts[OTHER_APP].inside(), Talk(patient.addresses[NAME], timeout=PATIENCE) as held:
            net.hosts.heal()
            assert int(held.call("CONFIG", "GET", "port")[1]) == new.port
        wait_until(lambda: switches(tunnel), "the tunnel does not follow")
        assert _reached(net, APP, tunnel) == new.port


def _master_and_others(net: NetBed) -> t.Tuple[Node, t.List[str]]:
    """Return the master and the names of the data hosts that it is not on."""
    master = net.master(NAME)
    return master, [name for name in DATA if name != net.place(master)]


def _open_each(waiting: Waiting, net: NetBed, application: str, tunnel: Tunnel) -> None:
    with net.hosts[application].inside():
        waiting.open_each(tunnel.addresses[NAME])


def _wait_for_writes(*counters: Counter, since: t.Optional[float] = None) -> None:
    moment = time.monotonic() if since is None else since
    for counter in counters:
        wait_until(lambda: counter.all_since(moment), "not every writer writes", PATIENCE)


def _reached(net: NetBed, application: str, tunnel: Tunnel) -> int:
    """Return the port of the Redis that a new connection of an application reaches; no two nodes have the same."""
    with net.hosts[application].inside(), Talk(tunnel.addresses[NAME], timeout=PATIENCE) as talk:
        return int(talk.call("CONFIG", "GET", "port")[1])
