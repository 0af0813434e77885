"""The doctor and a sound deployment: no false alarm, and each fault that is made and undone there is found alone."""
import os
import typing as t

import pytest

from st.address import Address
from st.doctor.case import voices
from st.doctor.examine import CHECKS
from tests.fakes import refused_address
from tests.live.bed import Bed
from tests.live.doctoring import DOWN_AFTER, SANE_REDIS, SANE_SENTINEL, Look, moved, tell_all
from tests.live.node import SentinelNode
from tests.live.servers import needs
from tests.live.talk import Talk
from tests.waiting import FACTOR

NAME = "sessions"
WITHOUT_WRITING = [check.id for check in CHECKS if check.id != "D10"]

pytestmark = needs(7, 0)  # the older ones that there are tell less: see the tests by values


@pytest.fixture(scope="module")
def sane() -> t.Iterator[Bed]:
    """Three Sentinels, a master, two replicas, with settings that nobody could find fault with."""
    with Bed(redis_options=SANE_REDIS, sentinel_options=SANE_SENTINEL) as bed:
        yield bed


@pytest.fixture
def look(sane: Bed) -> t.Iterator[Look]:
    """Look at it; what a test has spoilt must be mended at its end."""
    look = Look(sane)
    yield look
    look.wait_well()


def test_nothing_is_wrong(sane: Bed) -> None:
    """No finding of any kind, not even a note; one look; and what was not tried is not called well."""
    look = Look(sane)
    seen = look.seen()
    assert not seen.again and len(voices(seen.sentinels)) == 3 and seen.names == (NAME,)
    examined = look.examined()
    assert examined.findings == ()
    assert [(each.id, each.why) for each in examined.unchecked] == [("D10", "writes; add --write-test")]
    assert list(examined.well) == WITHOUT_WRITING and examined.exit_code(strict=True) == 0
    written = look.examined(write_test=True)
    assert written.findings == () and written.unchecked == () and "D10" in written.well


def test_one_sentinel_is_enough_to_find_the_rest(sane: Bed) -> None:
    """Sentinels that others name are asked as well, and a second name for one is not taken for a second one."""
    one = sane.sentinels[0].address
    seeds = (one, Address("localhost", one.port))
    look = Look(sane, sentinels=seeds)
    assert len(voices(look.seen().sentinels)) == 3
    assert look.ids() == []
    assert len(voices(look.seen(discover=False).sentinels)) == 1


def test_names_that_are_not_monitored(sane: Bed, look: Look) -> None:
    """D02: by nobody, with the nearest name; by one alone."""
    finding = look.one("D02", "no Sentinel monitors this name", names=("session",))
    assert finding.about == "session" and "did you mean 'sessions'?" in finding.seen
    last = sane.sentinels[2]
    last.cli("SENTINEL", "REMOVE", NAME)
    finding = look.one("D02", "%s does not monitor" % (last.address,))
    assert "SENTINEL MONITOR sessions %s %d 2" % sane.nodes(NAME)[0].address in finding.fix
    last.cli("SENTINEL", "MONITOR", NAME, *sane.nodes(NAME)[0].address + (2,))
    last.cli("SENTINEL", "SET", NAME, "down-after-milliseconds", DOWN_AFTER, "failover-timeout", int(10000 * FACTOR))
    sane.wait_healthy(NAME)


def test_settings_of_one_sentinel(sane: Bed, look: Look) -> None:
    """D03, D04, D05, D06: a quorum that nobody reaches, and a time too low, at one Sentinel: it differs too."""
    odd = sane.sentinels[1]
    odd.cli("SENTINEL", "SET", NAME, "quorum", 4, "down-after-milliseconds", 500)
    findings = look.examined().findings
    assert sorted((finding.id, finding.severity) for finding in findings) == [
        ("D03", "problem"), ("D04", "problem"), ("D05", "warning"), ("D06", "warning"), ("D06", "warning")]
    assert str(odd.address) in next(finding for finding in findings if finding.id == "D04").seen
    odd.cli("SENTINEL", "SET", NAME, "quorum", 2, "down-after-milliseconds", 40000)
    assert sorted((finding.id, finding.severity) for finding in look.examined().findings) == [
        ("D05", "note"), ("D06", "warning")]
    odd.cli("SENTINEL", "SET", NAME, "quorum", 2, "down-after-milliseconds", DOWN_AFTER)


def test_quorums(sane: Bed, look: Look) -> None:
    """D03: each Sentinel alone, and all of them."""
    tell_all(sane, "SET", NAME, "quorum", 1)
    look.one("D03", "quorum 1 of 3")
    tell_all(sane, "SET", NAME, "quorum", 3)
    look.one("D03", "quorum 3 of 3 Sentinels: losing one stops every failover")
    tell_all(sane, "SET", NAME, "quorum", 2)


def test_sentinels_that_disagree(sane: Bed, look: Look) -> None:
    """D06, D16: one names a replica as master; it is told after two looks, and not while they still change."""
    odd, other = sane.sentinels[0], sane.nodes(NAME)[1].address
    for sentinel in sane.sentinels:
        place = other if sentinel is odd else sane.nodes(NAME)[0].address
        sentinel.cli("SENTINEL", "MONITOR", "odd", *place + (2,))
        sentinel.cli("SENTINEL", "SET", "odd", "down-after-milliseconds", DOWN_AFTER)
    finding = look.one("D06", "name different masters", names=("odd",))
    assert "%s: %s" % (other, odd.address) in finding.seen
    tell_all(sane, "REMOVE", "odd")


def test_a_master_that_is_none(sane: Bed, look: Look) -> None:
    """D16: all Sentinels name a replica."""
    address = sane.nodes(NAME)[1].address
    tell_all(sane, "MONITOR", "odd", *address + (2,))
    finding = look.one("D16", "%s is named as master, and says it is a replica" % (address,), names=("odd",))
    assert finding.severity == "problem"
    tell_all(sane, "REMOVE", "odd")


def test_an_address_that_cannot_be_reached(sane: Bed, look: Look) -> None:
    """D07: from here; the Sentinels see it well, and what was tried is told."""
    node = sane.nodes(NAME)[1].address
    with refused_address() as nobody:
        finding = look.one("D07", "announce %s, which this host cannot reach" % (node,), translate=moved(node, nobody))
    assert "Connection refused" in finding.seen and "nat_map makes it %s:%d" % nobody in finding.seen


def test_clones(sane: Bed, look: Look) -> None:
    """D09: another process with the id of a Sentinel."""
    first = sane.sentinels[0]
    clone = SentinelNode(sane.directory, ["sentinel myid " + first.cli("SENTINEL", "MYID")])
    try:
        clone.start()
        finding = look.one("D09", "has the same id as %s" % (first.address,),
                           sentinels=(first.address, clone.address), names=(NAME,))
        assert finding.about == str(clone.address)
    finally:
        clone.kill()


def test_a_configuration_that_cannot_be_written(sane: Bed, look: Look) -> None:
    """D10: only when it may be tried."""
    sentinel = sane.sentinels[2]
    directory = os.path.join(sane.directory, str(sentinel.port))
    os.rename(directory, directory + ".away")
    try:
        finding = look.one("D10", "cannot write its sentinel.conf", write_test=True)
        assert finding.about == str(sentinel.address) and "FLUSHCONFIG: ERR" in finding.seen
        assert look.ids() == []
    finally:
        os.rename(directory + ".away", directory)


def test_tilt(sane: Bed, look: Look) -> None:
    """D14: a Sentinel that has just lost its sense of time."""
    sentinel = sane.sentinels[0]
    sentinel.cli("SENTINEL", "DEBUG", "tilt-trigger", 1, "tilt-period", 1000)
    finding = look.wait_for("D14", "is in TILT")
    assert finding.about == str(sentinel.address) and "sentinel_tilt:1" in finding.seen
    sentinel.cli("SENTINEL", "DEBUG", "tilt-trigger", 2000)


def test_replicas_that_could_not_take_over(sane: Bed, look: Look) -> None:
    """D13: one of two, both, and none left."""
    replicas = sane.replicas(NAME)
    replicas[0].cli("CONFIG", "SET", "replica-priority", 0)
    assert look.wait_for("D13", "shall not take over (priority 0)").severity == "note"
    replicas[1].cli("CONFIG", "SET", "replica-priority", 0)
    look.wait_for("D13", "no replica could take over")
    for replica in replicas:
        replica.cli("CONFIG", "SET", "replica-priority", 100)


def test_room_at_redis(sane: Bed, look: Look) -> None:
    """D17, D18: writes when cut off, no room for clients, idle ones ended."""
    with Talk(sane.master(NAME).address) as master:
        before = master.call("CONFIG", "GET", "maxclients")[1]
        clients = len(master.call("CLIENT", "LIST").splitlines())
        master.call("CONFIG", "SET", "min-replicas-to-write", 0, "timeout", 300, "maxclients", clients + 1)
        found = {(finding.id, finding.severity) for finding in look.examined().findings}
        assert found == {("D17", "note"), ("D18", "note"), ("D18", "problem")}
        master.call("CONFIG", "SET", "maxclients", clients + 3)
        [title] = [each.title for each in look.examined().findings if each.severity == "warning"]
        assert title.startswith("%s has " % (sane.master(NAME).address,)) and "of %d clients" % (clients + 3) in title
        master.call("CONFIG", "SET", "maxclients", clients)
        look.one("D18", "takes no more clients")
        master.call("CONFIG", "SET", "min-replicas-to-write", 1, "timeout", 0, "maxclients", before)
