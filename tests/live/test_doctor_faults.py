"""The doctor and deployments with faults: passwords, too few Sentinels, nodes that are gone."""
import contextlib
import socket
import typing as t

import pytest

from st.address import Address
from st.doctor.examine import examine
from st.doctor.values import HostSeen
from tests.fakes import FakeSentinel, refused_address, silent_listener
from tests.live.bed import Bed
from tests.live.doctoring import SANE_REDIS, Look
from tests.live.node import SentinelNode, free_port
from tests.live.servers import needs
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
OF_REDIS, OF_SENTINEL = "of-redis", "of-sentinel"

pytestmark = needs(7, 0)


@pytest.fixture(scope="module")
def locked() -> t.Iterator[Bed]:
    """Three Sentinels and two nodes, with a password of their own each."""
    with Bed(replicas=1, requirepass=OF_REDIS, sentinel_requirepass=OF_SENTINEL, redis_options=SANE_REDIS,
             sentinel_options={"down-after-milliseconds": "%d" % (2000 * FACTOR)}) as bed:
        yield bed


@pytest.fixture
def look(locked: Bed) -> t.Iterator[Look]:
    """Look at it with both passwords; what a test has spoilt must be mended at its end."""
    look = Look(locked, OF_SENTINEL, OF_REDIS)
    yield look
    look.wait_well()


def test_passwords_that_are_right(locked: Bed, look: Look) -> None:
    """Nothing is wrong; without that of Redis, what needs it is told as not checked, and why."""
    assert look.examined(write_test=True).unchecked == ()
    examined = Look(locked, OF_SENTINEL).examined()
    assert examined.findings == ()
    whys = {(each.id, each.why) for each in examined.unchecked}
    assert whys == {("D10", "writes; add --write-test")} | {(id, "no Redis password given")
                                                            for id in ("D11", "D17", "D18", "D20")}


def test_a_password_of_ours_that_is_wrong(locked: Bed) -> None:
    """D19: a warning, and where the tunnel logs in for its clients a problem; what was not seen is told."""
    seen = Look(locked, OF_SENTINEL, "wrong-secret").seen()
    refused, logs_in = examine(seen), examine(seen._replace(host=HostSeen(logins=(NAME,))))
    assert any("refuses our password: WRONGPASS" in each.why for each in refused.unchecked)
    for examined, severity in ((refused, "warning"), (logs_in, "problem")):
        [finding] = examined.findings
        assert (finding.id, finding.severity) == ("D19", severity) and finding.seen.startswith("AUTH: WRONGPASS ")
    assert "secret" not in str(refused)


def test_passwords_of_sentinels(locked: Bed) -> None:
    """D01: none, and a wrong one; nothing else is claimed."""
    examined = Look(locked, "").examined()
    assert {finding.title for finding in examined.findings} == {"wants a password"}
    assert {each.why for each in examined.unchecked} == {"no Sentinel answers"} and examined.well == ("D19",)
    examined = Look(locked, "wrong-secret").examined()
    assert {finding.title for finding in examined.findings} == {"refuses our password or user"}
    assert "secret" not in str(examined)


def test_masterauth(locked: Bed, look: Look) -> None:
    """D11: missing on the master, while all still looks well to the Sentinels; and wrong on a replica."""
    master, replica = locked.master(NAME), locked.replicas(NAME)[0]
    master.cli("CONFIG", "SET", "masterauth", "")
    finding = look.one("D11", "%s wants a password and has none for its master" % (master.address,))
    assert "masterauth is empty" in finding.seen
    assert Look(locked, OF_SENTINEL).ids() == []
    master.cli("CONFIG", "SET", "masterauth", OF_REDIS)
    replica.cli("CONFIG", "SET", "masterauth", "wrong")
    replica.cli("CLIENT", "KILL", "TYPE", "master")
    blind = Look(locked, OF_SENTINEL)
    finding = blind.wait_for("D11", "%s cannot follow the master (link down)" % (replica.address,))
    assert finding.seen.endswith("master-link-status err, twice in 0.2 s")
    assert "master-link-status=err" in look.one("D11", "has a masterauth that is no other node's password").seen
    replica.cli("CONFIG", "SET", "masterauth", OF_REDIS)


def test_auth_pass(locked: Bed, look: Look) -> None:
    """D12: Sentinels that cannot log in any more, and one that never could; the master answers all the same."""
    sentinel = locked.sentinels[0]
    never = SentinelNode(locked.directory, [
        "requirepass " + OF_SENTINEL, "sentinel monitor sessions %s %d 2" % locked.master(NAME).address,
        "sentinel down-after-milliseconds sessions 1000"], OF_SENTINEL)
    try:
        never.start()
        finding = look.wait_for("D12", "cannot log in to the master (auth-pass missing or wrong)",
                                sentinels=(never.address,))
        assert "info-refresh 0; the master answers here" in finding.seen
        assert "D15" not in look.ids(sentinels=(never.address,))
    finally:
        never.kill()
    sentinel.cli("SENTINEL", "SET", NAME, "auth-pass", "wrong")
    finding = look.wait_for("D12", "%s cannot log in to the master any more" % (sentinel.address,))
    sentinel.cli("SENTINEL", "SET", NAME, "auth-pass", OF_REDIS)


@pytest.fixture(scope="module")
def poor() -> t.Iterator[Bed]:
    """One Sentinel, one Redis, quick to judge."""
    with Bed(replicas=0, sentinels=1, redis_options=SANE_REDIS,
             sentinel_options={"down-after-milliseconds": "%d" % (2000 * FACTOR)}) as bed:
        yield bed


def test_too_few(poor: Bed) -> None:
    """D03, D13: one Sentinel, then two, and no replica."""
    look = Look(poor)
    assert look.ids() == ["D03", "D13"]
    look.one("D03", "1 Sentinel: when it is down")
    look.one("D13", "there is no replica")


def test_a_sentinel_behind_nat_that_goes(poor: Bed) -> None:
    """D08, D03, D04: others know it by an address of no use; then it is gone, and still counts."""
    look = Look(poor)
    sentinel, outside = poor.sentinels[0], free_port()
    hidden = SentinelNode(poor.directory, ["sentinel announce-port %d" % outside,
                                           "sentinel monitor sessions %s %d 1" % poor.master(NAME).address])
    both = (sentinel.address, hidden.address)
    sentinel.cli("SENTINEL", "SET", NAME, "down-after-milliseconds", 600000)
    try:
        hidden.start()
        finding = look.wait_for("D08", "other Sentinels, which this host cannot reach", sentinels=both)
        assert (finding.about, finding.severity) == (str(hidden.address), "warning")
        assert finding.title.startswith("is called 127.0.0.1:%d by" % outside)
        look.wait_for("D03", "2 Sentinels, majority 2", sentinels=both)
        sentinel.cli("SENTINEL", "SET", NAME, "down-after-milliseconds", int(2000 * FACTOR))
        look.wait_for("D08", "who cannot reach it there", sentinels=both)
        assert "D04" not in [each.id for each in look.examined(sentinels=both).findings if each.about != NAME]
    finally:
        hidden.kill()
    finding = look.wait_for("D04", "is down, and still counts for the majority of sessions")
    assert finding.about == "127.0.0.1:%d" % outside
    assert "NOQUORUM" in look.wait_for("D04", "no failover is possible now").seen
    sentinel.cli("SENTINEL", "RESET", NAME)
    wait_until(lambda: look.ids() == ["D03", "D13"], "not forgotten")


def test_a_master_that_is_gone(poor: Bed) -> None:
    """D15: down, said by the only Sentinel; D07 does not take it for an address that only we cannot reach."""
    master = poor.master(NAME)
    master.kill()
    look = Look(poor)
    assert "is down, say 1 of 1" in look.wait_for("D15", "the master is down").title
    assert "D07" not in look.ids()
    master.start()
    wait_until(lambda: look.ids() == ["D03", "D13"], "not seen as up")


def test_a_failover(locked: Bed, look: Look) -> None:
    """D15: it runs, which is no problem; what differs meanwhile is not told as a fault."""
    def seen() -> bool:
        locked.sentinels[0].cli("SENTINEL", "FAILOVER", NAME)
        findings = look.examined(again_after=2 * FACTOR).findings
        locked.wait_healthy(NAME)
        assert {(finding.id, finding.title) for finding in findings} <= {("D15", "a failover is running")}
        return bool(findings)

    wait_until(seen, "no look came before its end")


def test_who_is_no_sentinel(poor: Bed) -> None:
    """D01: a plain Redis, nobody, somebody silent, somebody else, a frozen one: each is told what it is."""
    with contextlib.ExitStack() as places:
        silent = places.enter_context(silent_listener())
        refused = places.enter_context(refused_address())
        talker = FakeSentinel()
        places.callback(talker.close)
        talker.fault = "echo"
        full = places.enter_context(_full(poor))
        frozen = SentinelNode(poor.directory, [])
        places.callback(frozen.kill)
        frozen.start()
        frozen.stop()
        examined = Look(poor).examined(patience=2 * FACTOR, sentinels=tuple(Address(*each) for each in (
            poor.master(NAME).address, silent, refused, talker.address, full, frozen.address)))
    assert {finding.about: finding.title for finding in examined.findings} == {
        str(poor.master(NAME).address): "is a plain Redis, no Sentinel", "%s:%d" % silent: "cannot be reached",
        "%s:%d" % refused: "cannot be reached", "%s:%d" % talker.address: "is no Sentinel",
        str(full): "takes no more clients", str(frozen.address): "does not answer"}
    assert examined.exit_code(strict=False) == 1 and examined.well == ("D19",)


@contextlib.contextmanager
def _full(bed: Bed) -> t.Iterator[Address]:
    """Give a Sentinel whose last place for a client is taken."""
    sentinel = SentinelNode(bed.directory, ["maxclients 1"])
    try:
        sentinel.start()
        with socket.create_connection(sentinel.address, 5 * FACTOR) as sock:
            sock.sendall(b"PING\r\n")
            assert sock.recv(100).startswith((b"+PONG", b"-ERR max"))
            yield sentinel.address
    finally:
        sentinel.kill()
