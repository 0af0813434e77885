"""What the doctor makes of what was seen, by values: where real servers of one version cannot show it, or not fast."""
import typing as t

import pytest

from st.address import Address
from st.doctor.examine import examine
from st.doctor.values import (
    PASSWORD as WANTS_PASSWORD, RIGHTS, SILENT, UNREACHABLE, HostSeen, Login, Seen, SentinelSeen, Told, Trouble,
)
from st.secret import Secret
from st.wire.role import SENTINEL, UNKNOWN, Role
from tests.deployments import (
    NAME, NODES, PASSWORD, SENTINELS, deployment, found, ids, listed_replica, listed_sentinel, node, sentinel, told,
    whys,
)

LOST = Trouble(UNREACHABLE, "10.0.0.9:1: No route to host")


def everywhere(**fields: str) -> Seen:
    """Return a deployment in which all Sentinels say this of the master."""
    names = {name.replace("_", "-"): value for name, value in fields.items()}
    return deployment(*(sentinel(number, told(number, names)) for number in range(3)))


def with_replicas(*replicas: t.Mapping[str, str]) -> Seen:
    """Return a deployment in which all Sentinels list these replicas."""
    return deployment(*(sentinel(number, told(number, replicas=replicas)) for number in range(3)))


def test_a_sound_deployment() -> None:
    """Nothing is found, and everything was looked at."""
    examined = examine(deployment())
    assert (examined.findings, examined.unchecked, len(examined.well)) == ((), (), 20)


@pytest.mark.parametrize("seen, wanted", [
    (everywhere(num_other_sentinels="3"), ["D03 note"]),
    (everywhere(down_after_milliseconds="1999"), ["D05 warning"]),
    (everywhere(down_after_milliseconds="30001"), ["D05 note"]),
    (everywhere(down_after_milliseconds="30000"), []),
    (everywhere(flags="master,o_down,s_down", s_down_time="120001"), ["D12 problem", "D15 problem"]),
    (everywhere(flags="master,failover_in_progress,o_down,s_down", s_down_time="130000"),
     ["D12 problem", "D15 problem"]),
    (everywhere(flags="master,s_down,o_down", s_down_time="100"), ["D12 problem"]),
    (everywhere(role_reported="slave"), []),  # it says itself that it is master
    (with_replicas(listed_replica(1, "slave,s_down"), listed_replica(2, "slave,o_down,s_down")), ["D13 problem"]),
    (with_replicas(listed_replica(1, "slave,s_down"), listed_replica(2)), ["D13 warning"]),
    (with_replicas(listed_replica(1, priority="0"), listed_replica(2, priority="0")), ["D13 problem"]),
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
    assert (finding.id, finding.title) == ("D05", "down-after-milliseconds is 5000, and a PING takes 300 ms")
    assert found(deployment(*slow[:2])) == []


def test_one_that_calls_a_master_down() -> None:
    """D15: without a password it is a doubt of that Sentinel alone, by name; with one it is the password."""
    doubting = sentinel(1, told(1, {"flags": "master,s_down"}))
    open_node = node(0, wants_password=False)
    [finding] = found(deployment(doubting, nodes=[open_node]))
    assert (finding.id, finding.severity, finding.title) == (
        "D15", "warning", "the master is down, says only 10.0.0.12:26379")
    assert ids(deployment(doubting)) == ["D12 problem"]


def test_links_that_come_back() -> None:
    """D11: a link that was lost in one of two looks only is that of a first sync."""
    lost = with_replicas(listed_replica(1, link="err"), listed_replica(2))
    assert ids(lost._replace(again=lost.sentinels)) == ["D11 problem"]
    assert ids(lost._replace(again=deployment().sentinels)) == []


@pytest.mark.parametrize("login, wanted", [
    (Login(Secret(PASSWORD), Secret(""), ""), ["D11 problem"]),
    (Login(Secret(PASSWORD), Secret("other"), ""), ["D11 problem"]),
    (Login(Secret(PASSWORD), Secret("of-a-user"), "replicator"), []),
    (Login(Secret(""), Secret(PASSWORD), ""), []),
    (Login(Secret(""), Secret(""), ""), ["D11 problem"]),  # the others have a password
])
def test_passwords_for_the_master(login: Login, wanted: t.List[str]) -> None:
    """D11: what a node would say to its master, compared with what the others want to hear."""
    assert ids(deployment(nodes=[node(2, login=login)])) == wanted
    assert PASSWORD not in str(found(deployment(nodes=[node(2, login=login)])))


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


@pytest.mark.parametrize("host, wanted", [
    ("172.18.0.2", "Docker or NAT: the address is likely valid only inside its own network"),
    ("10.0.7.7", "no client of this host can use it while it is master; unless it went down just now"),
    ("8.8.8.8", "no client of this host can use it while it is master; unless it went down just now"),
    ("redis.internal", "no client of this host can use it while it is master; unless it went down just now"),
])
def test_addresses_that_cannot_be_reached(host: str, wanted: str) -> None:
    """D07: a private address of another network is taken for one behind NAT."""
    address = Address(host, 6379)
    seen = [sentinel(number, told(number, address=address)) for number in range(3)]
    findings = found(deployment(*seen, nodes=[node(0, address=address, dialled=address, trouble=LOST, role=None)]))
    assert [(each.means, each.title) for each in findings if each.id == "D07"] == [
        (wanted, "the Sentinels announce %s, which this host cannot reach" % (address,))]


def test_a_replica_that_nobody_reaches_is_down() -> None:
    """D13 tells it, and D07 does not."""
    down = with_replicas(listed_replica(1, "slave,s_down,disconnected"), listed_replica(2))
    assert ids(down._replace(nodes=dict(down.nodes, **{}))) == ["D13 warning"]
    nodes = dict(down.nodes)
    nodes[NODES[1]] = node(1, trouble=LOST, role=None, login=None, config=None, info={})
    assert ids(down._replace(nodes=nodes)) == ["D13 warning"]


def test_epochs_that_differ() -> None:
    """D06, D10: who is behind; one that has started lately, and says nothing of its file, has forgotten."""
    behind = sentinel(1, told(1, {"config-epoch": "5"}))
    [finding] = found(deployment(behind))
    assert finding.title == "10.0.0.12:26379 did not hear of the last failover"
    old = dict(behind.info, redis_version="6.2.1", uptime_in_seconds="60")
    findings = found(deployment(behind._replace(info=old, written="")))
    assert [each.id for each in findings] == ["D06", "D10"]
    assert findings[1].seen == "started 1m ago, and is at epoch 5 of sessions, others at 7"


def test_a_failover_is_no_disagreement() -> None:
    """While one runs, different masters and epochs are what must be."""
    changes = {"flags": "master,failover_in_progress", "config-epoch": "8"}
    running = sentinel(0, told(0, changes, address=NODES[1]))
    seen = deployment(running)
    assert ids(seen) == ["D15 warning"] and whys(seen) == dict.fromkeys(("D06", "D16"), "a failover is running")


def test_one_node_under_two_names_is_one() -> None:
    """D06: Sentinels may spell an address in different ways."""
    spelt = Address("redis-1.internal", 6379)
    seen = deployment(sentinel(1, told(1, address=spelt)), nodes=[node(0, address=spelt)])
    assert [each.id for each in found(seen)] == []


@pytest.mark.parametrize("role, wanted", [(SENTINEL, "a Sentinel"), ("slave", "a replica")])
def test_a_master_that_is_none(role: str, wanted: str) -> None:
    """D16: what it says itself."""
    [finding] = found(deployment(nodes=[node(0, role=Role(role))]))
    assert finding.title == "10.0.0.21:6379 is named as master, and says it is %s" % wanted


def test_a_master_that_tells_nothing() -> None:
    """D16, D11, D17, D18: what a Sentinel has of it; what nobody tells is not checked."""
    closed = node(0, role=Role(UNKNOWN, "NOAUTH"), closed="no Redis password given", info={}, config=None, login=None)
    assert ids(deployment(nodes=[closed])) == []
    why = dict.fromkeys(("D11", "D17", "D18", "D20"), "no Redis password given")
    assert whys(deployment(nodes=[closed])) == why
    says = [sentinel(number, told(number, {"role-reported": "slave"})) for number in range(3)]
    assert ids(deployment(*says, nodes=[closed])) == ["D16 problem"]
    silent = [sentinel(number, told(number, {"role-reported": ""}, cache={})) for number in range(3)]
    assert whys(deployment(*silent, nodes=[closed]))["D16"] == "neither the node nor a Sentinel tells its role"


@pytest.mark.parametrize("clients, wanted", [
    ("79", []), ("80", ["D18 warning"]), ("94", ["D18 warning"]), ("95", ["D18 problem"])])
def test_room_at_redis(clients: str, wanted: t.List[str]) -> None:
    """D18: the node's own numbers before those of a Sentinel, which are up to 10 s old."""
    config = {"min-replicas-to-write": "1", "maxclients": "100", "timeout": "0"}
    assert ids(deployment(nodes=[node(0, info={"connected_clients": clients, "redis_version": "7.0.1"},
                                      config=config)])) == wanted


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
    assert sorted(whys(deployment(*old))) == ["D04", "D09", "D10", "D14", "D20"]
    told_nothing = [sentinel(number, Told(NODES[0], refused={"MASTER": "NOPERM", "CKQUORUM": "NOPERM"}))
                    for number in range(3)]
    seen = deployment(*told_nothing)
    assert ids(seen) == [] and {"D03", "D04", "D05", "D12", "D13"} <= set(whys(seen))


def test_no_sentinel_and_no_name() -> None:
    """Nothing is claimed of what nobody tells."""
    nobody = [sentinel(number, trouble=Trouble(WANTS_PASSWORD, "NOAUTH"), told={}) for number in range(3)]
    examined = examine(deployment(*nobody))
    assert [each.id for each in examined.findings] == ["D01"] * 3
    assert examined.well == ("D19",) and {each.why for each in examined.unchecked} == {"no Sentinel answers"}
    unlisted = [sentinel(number, told={}, masters=(), lists_masters=False) for number in range(3)]
    seen = deployment(*unlisted, names=())
    assert ids(seen) == [] and whys(seen)["D02"] == "the Sentinels do not list their masters: name one"
    assert whys(deployment(names=("other",)))["D13"] == "no Sentinel monitors it"
    assert whys(deployment(left_out=7))["D02"] == "too many: name those that matter"


def test_this_host() -> None:
    """D19: everything that was seen of it."""
    host = HostSeen(warnings=("f: holds a password",), taken=((NAME, "127.0.0.1:6379: Address already in use"),),
                    unwritable=("/x/log: permission denied",), unknown=("/y: belongs to user z",), room=99, wanted=100,
                    limits="nofile 256")
    assert ids(deployment(host=host)) == ["D19 problem", "D19 problem", "D19 warning", "D19 warning"]
    assert whys(deployment(host=host)) == {"D19": "/y: belongs to user z"}
    assert ids(deployment(host=host._replace(warnings=(), taken=(), unwritable=(), room=100))) == []
