"""The doctor as a user who may not ask for everything: that is told as not checked, and never taken for a fault."""
import typing as t

import pytest

from st.secret import Secret
from st.sentinel.answers import Credentials
from tests.live.bed import Bed
from tests.live.doctoring import SANE_REDIS, SANE_SENTINEL, Look
from tests.live.node import Node
from tests.live.servers import needs

NAME = "sessions"
USER = Credentials("watcher", Secret("of-watcher"))
ADDRESS = "+sentinel|get-master-addr-by-name"

pytestmark = needs(7, 0)


@pytest.fixture(scope="module")
def sane() -> t.Iterator[Bed]:
    """Three Sentinels, a master, a replica, with settings that nobody could find fault with."""
    with Bed(replicas=1, redis_options=SANE_REDIS, sentinel_options=SANE_SENTINEL) as bed:
        yield bed


def allow(nodes: t.Sequence[Node], *rights: str) -> None:
    """Give the user these rights and no other."""
    for node in nodes:
        assert node.cli("ACL", "SETUSER", "watcher", "reset", "on", ">of-watcher", "-@all", *rights) == "OK"


@pytest.mark.parametrize("rights, unchecked", [
    (["+ping"], ["D11", "D17", "D18", "D20"]),
    (["+ping", "+role"], ["D11", "D17", "D18", "D20"]),
    (["+ping", "+info"], ["D11", "D17", "D18"]),
    (["+ping", "+role", "+config|get"], ["D20"]),
    (["+ping", "+role", "+info", "+config|get"], []),
], ids=" ".join)
def test_a_user_of_redis(sane: Bed, rights: t.List[str], unchecked: t.List[str]) -> None:
    """Without ROLE, INFO, CONFIG: nothing is found, and the reason is what Redis said."""
    allow(sane.nodes(NAME), *rights)
    examined = Look(sane, of_nodes=lambda name: USER).examined(write_test=True)
    assert examined.findings == () and sorted({each.id for each in examined.unchecked}) == unchecked
    assert all(each.why.startswith("NOPERM") for each in examined.unchecked), examined.unchecked
    assert not set(unchecked) & set(examined.well)


@pytest.mark.parametrize("rights, unchecked", [
    ([ADDRESS], ["D03", "D04", "D05", "D06", "D07", "D08", "D09", "D10", "D11", "D12", "D13", "D14", "D15", "D20"]),
    ([ADDRESS, "+sentinel|master", "+sentinel|myid", "+info"], ["D04", "D07", "D08", "D10", "D11", "D13"]),
    ([ADDRESS, "+sentinel|master", "+sentinel|replicas", "+sentinel|sentinels", "+sentinel|ckquorum"],
     ["D08", "D09", "D10", "D14", "D20"]),
    (["+sentinel", "+info"], []),
], ids=lambda words: "%d" % len(words))
def test_a_user_of_sentinel(sane: Bed, rights: t.List[str], unchecked: t.List[str]) -> None:
    """With some of SENTINEL and INFO: nothing is found, and what was refused is not called well."""
    allow(sane.sentinels, "+ping", *rights)
    examined = Look(sane, credentials=USER).examined(names=(NAME,), write_test=True)
    assert examined.findings == () and sorted({each.id for each in examined.unchecked}) == unchecked
    assert not set(unchecked) & set(examined.well)


def test_a_user_who_may_not_ask_at_all(sane: Bed) -> None:
    """D01: with a fix that mends it; who may not list the masters is asked to name one."""
    allow(sane.sentinels, "+ping")
    look = Look(sane, credentials=USER)
    findings = look.examined(names=(NAME,)).findings
    assert {(each.id, each.title) for each in findings} == {("D01", "does not let this user ask")}
    unnamed = look.examined()
    assert unnamed.findings == () and ("D02", "the Sentinels do not list their masters: name one") in [
        (each.id, each.why) for each in unnamed.unchecked]
    allow(sane.sentinels, *findings[0].fix.partition("<user> ")[2].split())
    assert look.ids() == look.ids(names=(NAME,)) == []
