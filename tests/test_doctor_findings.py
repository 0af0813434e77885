"""What the doctor makes of what Sentinels say, by values: what real ones of one version do not show, or not soon."""
import typing as t

import pytest

from st.address import Address
from st.doctor.examine import examine
from st.doctor.values import PASSWORD, RIGHTS, SILENT, UNREACHABLE, Seen, SentinelSeen, Told, Trouble
from tests.deployments import (
    NODES, SENTINELS, deployment, found, ids, listed_replica, listed_sentinel, node, sentinel, told, whys,
    with_replicas,
)

LOST = Trouble(UNREACHABLE, "10.0.0.9:1: No route to host")


def everywhere(**fields: str) -> Seen:
    """Return a deployment in which all Sentinels say this of the master."""
    names = {name.replace("_", "-"): value for name, value in fields.items()}
    return deployment(*(sentinel(number, told(number, names)) for number in range(3)))


def test_a_sound_deployment() -> None:
    """Nothing is found, and everything was looked at."""
    examined = examine(deployment())
    assert (examined.findings, examined.unchecked, len(examined.well)) == ((), (), 20)


@pytest.mark.parametrize("seen, wanted", [
    (everywhere(num_other_sentinels="3"), ["D03 note"]),
    (everywhere(num_other_sentinels="1"), ["D03 warning"]),
    (everywhere(num_other_sentinels="0", quorum="1"), ["D03 warning"]),
    (everywhere(down_after_milliseconds="1999"), ["D05 warning"]),
    (everywhere(down_after_milliseconds="30001"), ["D05 note"]),
    (everywhere(down_after_milliseconds="30000"), []),
    (everywhere(flags="master,o_down,s_down", s_down_time="120001"), ["D12 problem", "D15 problem"]),
    (everywhere(flags="master,failover_in_progress,o_down,s_down", s_down_time="130000"), ["D15 problem"]),
    (everywhere(flags="master,failover_in_progress,force_failover,s_down", s_down_time="100"), ["D15 warning"]),
    (everywhere(flags="master,s_down,o_down", s_down_time="100"), ["D12 problem"]),
    (everywhere(role_reported="slave"), []),  # it says itself that it is master
    (with_replicas(listed_replica(1, "slave,s_down"), listed_replica(2, "slave,o_down,s_down")), ["D13 problem"]),
    (with_replicas(listed_replica(1, "slave,s_down"), listed_replica(2)), ["D13 warning"]),
    (with_replicas(listed_replica(1, priority="0"), listed_replica(2, priority="0")), ["D13 problem"]),
    (with_replicas(listed_replica(1, priority="0"), listed_replica(2)), ["D13 note"]),
    (with_replicas(listed_replica(1, link="err"), listed_replica(2)), ["D11 problem"]),
    (with_replicas(), ["D13 problem"]),
])
def test_what_sentinels_say(seen: Seen, wanted: t.List[str]) -> None:
    """Each is found, and nothing else."""
    assert ids(seen) == wanted


def test_a_ping_that_is_slow_for_its_limit() -> None:
    """D05: the shortest of all Sentinels counts."""
    slow = [sentinel(number, ping=0.3) for number in range(3)]
    [finding] = found(deployment(*slow))
    assert (finding.id, finding.title) == ("D05", "down-after-milliseconds is 5000, and a PING from here takes 300 ms")
    assert found(deployment(*slow[:2])) == []


def test_one_that_calls_a_master_down() -> None:
    """D15: without a password it is a doubt of that Sentinel alone, by name; with one it is the password."""
    doubting = sentinel(1, told(1, {"flags": "master,s_down"}))
    open_node = node(0, wants_password=False)
    [finding] = found(deployment(doubting, nodes=[open_node]))
    assert (finding.id, finding.severity, finding.title) == (
        "D15", "warning", "the master is down, says only 10.0.0.12:26379")
    assert ids(deployment(doubting)) == ["D12 problem"]


def test_who_cannot_be_asked() -> None:
    """D01: one of the configuration is a problem; one that others name is a warning, unless they call it down."""
    silent = sentinel(1, trouble=Trouble(SILENT, "no reply in time"), told={})
    assert ids(deployment(silent)) == ["D01 problem"]
    assert ids(deployment(silent._replace(announced=SENTINELS[1]))) == ["D01 warning"]
    rights = sentinel(1, trouble=Trouble(RIGHTS, "NOPERM no permission"), told={})
    assert "sentinel|get-master-addr-by-name" in found(deployment(rights))[0].fix
    listing = [sentinel(number, told(number, sentinels=(listed_sentinel(1, "s_down,sentinel,disconnected",
                                                                        **{"last-ok-ping-reply": "3600000"}),)))
               for number in (0, 2)]
    [finding] = found(deployment(*listing, silent._replace(announced=SENTINELS[1])))
    assert (finding.id, finding.severity) == ("D04", "warning")
    assert finding.seen.endswith("no good reply for 1h")
    assert ids(deployment(*listing, silent)) == ["D01 problem"]
    [finding] = found(deployment(*listing))
    assert finding.title == "is down for 10.0.0.11:26379, 10.0.0.13:26379, though it answers here"


def test_ids_and_addresses_of_sentinels() -> None:
    """D08, D09: a process is known by its run id; its id at an address of no use is a fault, a second way is none."""
    inside = Address("172.18.0.2", 26379)
    listing = sentinel(0, told(0, sentinels=(listed_sentinel(1, ip=inside.host), listed_sentinel(2))))
    lost = SentinelSeen(inside, inside, LOST)
    [finding] = found(deployment(listing, lost))
    assert (finding.id, finding.severity, finding.about) == ("D08", "warning", "10.0.0.12:26379")
    assert "from here: 10.0.0.9:1: No route to host" in finding.seen
    same = sentinel(1, address=inside, announced=inside, reached=inside)
    assert ids(deployment(listing, same)) == []
    clone = same._replace(info=dict(same.info, run_id="another"))
    assert "D09 problem" in ids(deployment(listing, clone))
    unheard = sentinel(0, told(0, sentinels=(listed_sentinel(1, "s_down,sentinel", ip=inside.host),)))
    assert ids(deployment(unheard, sentinel(2, told(2, sentinels=())), lost)) == ["D08 problem"]
    assert whys(deployment(listing)) == {"D08": "172.18.0.2:26379 was not asked"}


def test_epochs_that_differ() -> None:
    """D06, D10: who is behind; one that has started lately, and says nothing of its file, has forgotten."""
    behind = sentinel(1, told(1, {"config-epoch": "5"}))
    [finding] = found(deployment(behind))
    assert finding.title == "10.0.0.12:26379 did not hear of the last failover"
    later = deployment(behind)._replace(again=deployment().sentinels)
    assert ids(later) == [] and ids(deployment()._replace(again=deployment(behind).sentinels)) == []
    for version in ("6.2.1", "7.0.15"):
        young = behind._replace(info=dict(behind.info, redis_version=version, uptime_in_seconds="60"), written="")
        findings = found(deployment(young))
        assert [each.id for each in findings] == ["D06", "D10"]
        assert findings[1].seen == "started 1m ago, and is at epoch 5 of sessions, others at 7"
        assert ids(deployment(young)._replace(again=deployment().sentinels)) == []
    assert ids(deployment(young._replace(written="OK"))) == ["D06 warning"]


@pytest.mark.parametrize("info_refresh, replicas, wanted", [
    ("0", "0", "(auth-pass missing or wrong)"), ("9000", "0", "any more (auth-pass)"),
    ("0", "2", "any more (auth-pass)")])
def test_sentinels_that_cannot_log_in(info_refresh: str, replicas: str, wanted: str) -> None:
    """D12: one that never read INFO never could; one that has could before."""
    fields = {"flags": "master,s_down,disconnected", "info-refresh": info_refresh, "num-slaves": replicas}
    [finding] = found(deployment(sentinel(1, told(1, fields))))
    assert finding.title == "10.0.0.12:26379 cannot log in to the master %s" % wanted


def test_successors_that_nobody_sees() -> None:
    """D13: without a Sentinel that sees the master there is nothing to judge, and the reason is told."""
    down = everywhere(flags="master,s_down")
    assert whys(down)["D13"] == "no Sentinel can log in to the master"
    opened = dict(down.nodes)
    opened[NODES[0]] = node(0, wants_password=False)
    assert whys(down._replace(nodes=opened))["D13"] == "no Sentinel reaches the master"
    silent = [sentinel(number, told(number, replicas=None)) for number in range(3)]
    assert whys(deployment(*silent))["D13"] == "SENTINEL REPLICAS refused"


def test_a_failover_is_no_disagreement() -> None:
    """While one runs, different masters and epochs are what must be."""
    changes = {"flags": "master,failover_in_progress", "config-epoch": "8"}
    running = sentinel(0, told(0, changes, address=NODES[1]))
    seen = deployment(running)
    assert ids(seen) == ["D15 warning"] and whys(seen) == dict.fromkeys(("D06", "D16"), "a failover is running")


def test_old_versions() -> None:
    """D20: before 5.0.1 a Sentinel knows no password, before 2.8.12 Redis has no ROLE."""
    old = sentinel(0, info=dict(sentinel(0).info, redis_version="4.0.14"), written="")
    assert ids(deployment(old)) == [] and whys(deployment(old)) == {"D10": "Redis says it from 7.0 on"}
    assert ids(deployment(old, has_sentinel_password=True)) == ["D20 warning"]
    ancient = node(1, info={"redis_version": "2.8.11"})
    assert found(deployment(nodes=[ancient]))[0].title == "is too old (2.8.11)"


def test_an_old_sentinel_is_asked_for_what_it_knows() -> None:
    """What it does not know is not checked, and no fault."""
    unknown = "ERR Unknown sentinel subcommand 'ckquorum'"
    old = [sentinel(number, told(number, quorum="", refused={"CKQUORUM": unknown}), myid="", info={}, written="")
           for number in range(3)]
    assert ids(deployment(*old)) == []
    assert sorted(whys(deployment(*old))) == ["D04", "D08", "D09", "D10", "D14", "D20"]
    told_nothing = [sentinel(number, Told(NODES[0], refused={"MASTER": "NOPERM", "CKQUORUM": "NOPERM"}))
                    for number in range(3)]
    seen = deployment(*told_nothing)
    assert ids(seen) == [] and {"D03", "D04", "D05", "D12", "D13", "D15"} <= set(whys(seen))


def test_one_sentinel_compares_nothing() -> None:
    """D06, D08: what needs two is not called well with one."""
    alone = deployment()._replace(sentinels=(sentinel(0),))
    assert whys(alone) == dict.fromkeys(("D06", "D08"), "one Sentinel alone answers")


def test_no_sentinel_and_no_name() -> None:
    """Nothing is claimed of what nobody tells."""
    nobody = [sentinel(number, trouble=Trouble(PASSWORD, "NOAUTH"), told={}) for number in range(3)]
    examined = examine(deployment(*nobody))
    assert [each.id for each in examined.findings] == ["D01"] * 3
    assert examined.well == ("D19",) and {each.why for each in examined.unchecked} == {"no Sentinel answers"}
    unlisted = [sentinel(number, told={}, masters=(), lists_masters=False) for number in range(3)]
    seen = deployment(*unlisted, names=())
    assert ids(seen) == [] and whys(seen)["D02"] == "the Sentinels do not list their masters: name one"
    assert whys(deployment(names=("other",)))["D13"] == "no Sentinel monitors it"
    assert whys(deployment(left_out=7))["D02"] == "too many: name those that matter"
