"""The deployment that the other tests rely on does what they rely on."""
import os
import socket
import time
import typing as t

import hiredis
import pytest

from tests.live.bed import Bed
from tests.live.node import Node, free_port, redis_server, redis_version
from tests.live.servers import needs
from tests.waiting import wait_until


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_new_bed_is_healthy_and_leaves_nothing_behind() -> None:
    """All nodes have their role when a bed is entered, and no process or directory is left after it."""
    with Bed(replicas=1, sentinels=2) as bed:
        nodes = bed.nodes("sessions") + t.cast(t.List[Node], bed.sentinels)
        assert [node.role() for node in nodes] == ["master", "slave", "sentinel", "sentinel"]
        assert bed.master("sessions") is nodes[0]
        assert bed.replicas("sessions") == [nodes[1]]
        assert bed.sentinel_addresses == [node.address for node in nodes[2:]]
        nodes[1].stop()  # a frozen process must go too
    assert not any(_running(node.pid) for node in nodes)
    assert not os.path.exists(bed.directory)


def test_bed_that_cannot_start_leaves_nothing_behind() -> None:
    """A node that ends at once fails with what it wrote, and the nodes before it are ended."""
    bed = Bed(redis_options={"no-such-option": "yes"})
    with pytest.raises(AssertionError, match="no-such-option"):
        bed.__enter__()
    assert not _running(bed.nodes("sessions")[0].pid)
    assert not os.path.exists(bed.directory)


def test_failover_changes_the_master(bed: Bed) -> None:
    """A failover by command ends with another master, which the old one follows; a second one can come at once."""
    first = bed.master("sessions")
    second = bed.failover("sessions")
    assert (first.role(), second.role()) == ("slave", "master")
    assert bed.failover("sessions") is not second


def test_killed_master_is_replaced_and_comes_back_as_replica(bed: Bed) -> None:
    """After a kill the Sentinels name another master, and the restarted node follows it."""
    old, before = bed.master("sessions"), time.monotonic()
    old.kill()
    assert not old.answering
    address, at = bed.wait_master("sessions", old.address)
    assert before < at <= time.monotonic()
    old.restart()
    bed.wait_healthy("sessions")
    assert bed.master("sessions").address == address
    assert old.role() == "slave"


def test_frozen_node_holds_connections_and_goes_on(bed: Bed) -> None:
    """A stopped node does not count as answering, a continued one does, and a stopped Sentinel is not asked."""
    node = bed.sentinels[0]
    node.stop()
    assert not node.answering
    assert bed.master("sessions").role() == "master"
    node.cont()
    assert node.answering
    assert node.role() == "sentinel"


def test_several_names_have_nodes_of_their_own(make_bed: t.Callable[..., Bed]) -> None:
    """A failover of one name leaves the other alone."""
    bed = make_bed(names=("cache", "sessions"), replicas=1, sentinels=1)
    cache = bed.master("cache")
    assert bed.failover("sessions") is bed.nodes("sessions")[1]
    assert bed.master("cache") is cache


@needs(6, 2)  # before that Sentinels cannot log in to each other
def test_options_and_passwords_reach_the_nodes(make_bed: t.Callable[..., Bed]) -> None:
    """Every node has its options, Redis and Sentinel ask for their passwords, and a restart adds lines."""
    bed = make_bed(replicas=1, sentinels=2, requirepass="redis", sentinel_requirepass="sentinel",
                   redis_options={"maxclients": "77"}, sentinel_options={"down-after-milliseconds": "3000"})
    master, sentinel = bed.master("sessions"), bed.sentinels[0]
    assert master.cli("CONFIG", "GET", "maxclients") == ["maxclients", "77"]
    fields = sentinel.cli("SENTINEL", "MASTER", "sessions")
    assert fields[fields.index("down-after-milliseconds") + 1] == "3000"
    for node in (master, sentinel):
        with socket.create_connection(node.address, 5) as sock:
            sock.sendall(b"ROLE\r\n")
            assert sock.recv(100).startswith(b"-NOAUTH")
    replica = bed.replicas("sessions")[0]
    replica.restart('rename-command CLIENT ""')
    with pytest.raises(hiredis.ReplyError, match="unknown command"):
        replica.cli("CLIENT", "LIST")


def test_server_is_found_by_environment_and_path(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_SERVER comes first, then PATH."""
    monkeypatch.setenv("REDIS_SERVER", "/opt/redis/redis-server")
    assert redis_server() == "/opt/redis/redis-server"
    monkeypatch.delenv("REDIS_SERVER")
    program = tmp_path / "redis-server"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server() == str(program)


def test_version_is_that_of_the_servers(bed: Bed) -> None:
    """The version that decides how quick Sentinels may be is the one that the nodes report."""
    told = bed.master("sessions").cli("INFO", "server")  # Valkey has a redis_version too, which is always 7.2.4
    assert "_version:%s\r\n" % ".".join(map(str, redis_version())) in told


def test_ports_are_never_given_twice() -> None:
    """A port is given once in a process, even while nobody listens on it."""
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)


def test_wait_until_a_node_is_gone(bed: Bed) -> None:
    """A killed replica is soon seen as down by the Sentinels, and the bed is healthy without it."""
    replica = bed.replicas("sessions")[0]
    replica.kill()
    wait_until(lambda: "s_down" in str(bed.sentinels[0].cli("SENTINEL", "REPLICAS", "sessions")), "not seen as down")
    bed.wait_healthy("sessions")
