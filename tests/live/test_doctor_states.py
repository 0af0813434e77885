"""The doctor and what comes of crashes and upgrades: nodes that are gone, forgotten failovers, servers of old."""
import typing as t

import pytest

from tests.live.bed import Bed
from tests.live.doctoring import SANE_REDIS, Look, tell_all
from tests.live.node import Node, SentinelNode
from tests.live.servers import is_before, needs, running
from tests.waiting import FACTOR, wait_until

NAME = "sessions"


@pytest.fixture(scope="module")
def quick() -> t.Iterator[Bed]:
    """Three Sentinels that judge soon, a master, two replicas."""
    with Bed(redis_options=SANE_REDIS, sentinel_options={"down-after-milliseconds": "%d" % (2000 * FACTOR)}) as bed:
        yield bed


@pytest.fixture
def look(quick: Bed) -> t.Iterator[Look]:
    """Look at it; what a test has spoilt must be mended at its end."""
    look = Look(quick)
    yield look
    quick.mend()
    look.wait_well()


@needs(7, 0)
def test_a_replica_that_is_gone(quick: Bed, look: Look) -> None:
    """D13: one of two; nobody takes it for an address that only we cannot reach."""
    replica = quick.replicas(NAME)[0]
    replica.kill()
    look.wait_for("D13", "%s could not take over (down)" % (replica.address,))
    assert look.ids() == ["D13"]


@needs(7, 0)
def test_a_number_that_is_even(quick: Bed, look: Look) -> None:
    """D03: a fourth Sentinel, which is forgotten again."""
    fourth = SentinelNode(quick.directory, ["sentinel monitor sessions %s %d 2" % quick.master(NAME).address])
    try:
        fourth.start()
        assert look.wait_for("D03", "4 Sentinels, majority 3: no more may be lost than of 3").severity == "note"
    finally:
        fourth.kill()
    for sentinel in quick.sentinels:
        assert sentinel.cli("SENTINEL", "RESET", NAME) == 1


@needs(7, 0)
def test_a_time_that_is_low(quick: Bed, look: Look) -> None:
    """D05: between one second and two it is not called far too low."""
    low = quick.sentinels[0]
    low.cli("SENTINEL", "SET", NAME, "down-after-milliseconds", 1500)
    look.one("D05", "down-after-milliseconds is 1500, which is low")
    low.cli("SENTINEL", "SET", NAME, "down-after-milliseconds", int(2000 * FACTOR))


@needs(7, 0)
def test_a_failover_that_cannot_end(quick: Bed, look: Look) -> None:
    """D15: no replica may take over, and the master is down for more than twice the time that a failover may take."""
    before = quick.sentinels[0].cli("SENTINEL", "MASTER", NAME)
    timeout = before[before.index("failover-timeout") + 1]
    tell_all(quick, "SET", NAME, "failover-timeout", 1000)
    replicas = quick.replicas(NAME)
    for replica in replicas:
        replica.cli("CONFIG", "SET", "replica-priority", 0)
    look.wait_for("D13", "no replica could take over")
    quick.master(NAME).kill()
    finding = look.wait_for("D15", "a failover does not come to an end")
    assert finding.severity == "problem" and "o_down" in finding.seen
    quick.mend()
    for replica in replicas:
        replica.cli("CONFIG", "SET", "replica-priority", 100)
    tell_all(quick, "SET", NAME, "failover-timeout", timeout)


@needs(7, 0)
def test_a_failover_that_one_did_not_hear_of(quick: Bed, look: Look) -> None:
    """D06: all name the same master, and one of them by an older epoch."""
    quick.failover(NAME)
    tell_all(quick, "DEBUG", "publish-period", 600000)  # or the others tell it, at once
    deaf, settings = quick.sentinels[0], quick.sentinels[1].cli("SENTINEL", "MASTER", NAME)
    master = quick.master(NAME).address
    deaf.cli("SENTINEL", "REMOVE", NAME)
    deaf.cli("SENTINEL", "MONITOR", NAME, *master + (2,))
    for word in ("down-after-milliseconds", "failover-timeout"):
        deaf.cli("SENTINEL", "SET", NAME, word, settings[settings.index(word) + 1])
    finding = look.wait_for("D06", "%s did not hear of the last failover" % (deaf.address,))
    assert "epoch 0: %s" % (deaf.address,) in finding.seen
    tell_all(quick, "DEBUG", "publish-period", 500)


def test_a_sentinel_with_a_state_of_old(quick: Bed) -> None:
    """D10, D06: a container made anew from its first sentinel.conf; no other Sentinel knows the address that it has."""
    look, old = Look(quick), quick.master(NAME)
    anew = SentinelNode(quick.directory, ["sentinel monitor sessions %s %d 2" % old.address])
    all_of_them = tuple(quick.sentinel_addresses[:2]) + (anew.address,)
    quick.failover(NAME)
    old.kill()
    try:
        anew.start()
        finding = look.wait_for("D10", "came back with an old state", sentinels=all_of_them)
        assert finding.about == str(anew.address) and "is at epoch 0 of sessions, others at " in finding.seen
        finding = look.one("D06", "name different masters", sentinels=all_of_them)
        assert "%s: %s" % (old.address, anew.address) in finding.seen
    finally:
        anew.kill()
    quick.mend()


def test_a_sentinel_of_old(quick: Bed) -> None:
    """D20: before 5.0.1 it takes no password; what it does not know is not checked, and no fault."""
    old = SentinelNode(quick.directory, ["sentinel monitor old %s %d 1" % quick.master(NAME).address])
    words = {"sentinels": (old.address,), "names": ("old",), "discover": False}
    try:
        with running(is_before(5, 0, 1), "a server before 5.0.1"):
            old.start()
        wait_until(lambda: Look(quick).ids(**words) == ["D03"], "more is found than that it is alone")
        examined = Look(quick, "any-password").examined(**words)
        assert [each.title[:29] for each in examined.findings if each.id == "D20"] == ["is too old for a password (2."]
        assert {each.id for each in examined.unchecked} >= {"D08", "D09", "D10"} and "any-pass" not in str(examined)
    finally:
        old.kill()


def test_a_redis_of_old(quick: Bed) -> None:
    """D20: before 2.8.12 a Redis has no ROLE, and is known by INFO."""
    old, sentinel = Node(quick.directory, []), quick.sentinels[0]
    try:
        with running(is_before(2, 8, 12), "a server before 2.8.12"):
            old.start()
        sentinel.cli("SENTINEL", "MONITOR", "old", *old.address + (1,))
        look = Look(quick, sentinels=(sentinel.address,), names=("old",), discover=False)
        finding = look.wait_for("D20", "is too old (2.")
        assert finding.about == str(old.address) and not {"D07", "D16"} & set(look.ids())
        sentinel.cli("SENTINEL", "REMOVE", "old")
    finally:
        old.kill()
