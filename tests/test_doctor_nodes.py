"""What the doctor makes of what Redis nodes and this host say, by values."""
import typing as t

import pytest

from st.address import Address
from st.doctor.values import FULL, NO_TLS, PROTECTED, TLS, UNREACHABLE, HostSeen, Login, Trouble
from st.secret import Secret
from st.wire.role import SENTINEL, UNKNOWN, Role
from tests.deployments import (
    NAME, NODES, PASSWORD, deployment, found, ids, listed_replica, node, sentinel, told, whys, with_replicas,
)

LOST = Trouble(UNREACHABLE, "10.0.0.9:1: No route to host")


def test_links_that_come_back() -> None:
    """D11: a link that was lost in one of two looks only is that of a first sync."""
    lost = with_replicas(listed_replica(1, link="err"), listed_replica(2))
    assert ids(lost._replace(again=lost.sentinels)) == ["D11 problem"]
    assert ids(lost._replace(again=deployment().sentinels)) == []


def test_a_link_that_stands_by_now() -> None:
    """D11: what the replica says itself is newer than what Sentinels heard up to 10 s ago."""
    lost = with_replicas(listed_replica(1, link="err"), listed_replica(2))
    for link, wanted in (("up", []), ("down", ["D11 problem"])):
        nodes = dict(lost.nodes)
        nodes[NODES[1]] = node(1, info={"redis_version": "7.0.15", "master_link_status": link})
        assert ids(lost._replace(nodes=nodes)) == wanted


@pytest.mark.parametrize("number, login, wanted", [
    (2, Login(Secret(PASSWORD), Secret(""), ""), ["D11 problem"]),
    (0, Login(Secret(PASSWORD), Secret(""), ""), ["D11 problem"]),
    (0, Login(Secret(PASSWORD), Secret("other"), ""), ["D11 problem"]),
    (2, Login(Secret(PASSWORD), Secret("other"), ""), []),  # its link stands: it is right, whatever else is shown
    (0, Login(Secret(PASSWORD), Secret("of-a-user"), "replicator"), []),
    (0, Login(Secret(""), Secret(PASSWORD), ""), []),
    (2, Login(Secret(""), Secret(""), ""), ["D11 problem"]),  # the others have a password
])
def test_passwords_for_the_master(number: int, login: Login, wanted: t.List[str]) -> None:
    """D11: what a node would say to its master, compared with what the others want to hear."""
    seen = deployment(nodes=[node(number, login=login)])
    assert ids(seen) == wanted and PASSWORD not in str(found(seen))


def test_a_wrong_password_for_the_master() -> None:
    """D11: where the link is lost it is told once; a node that cannot be asked may have the right password."""
    lost = with_replicas(listed_replica(1), listed_replica(2, link="err"))
    nodes = dict(lost.nodes)
    nodes[NODES[2]] = node(2, login=Login(Secret(PASSWORD), Secret("other"), ""))
    [finding] = found(lost._replace(nodes=nodes))
    assert "a masterauth that is no other node's password" in finding.title and "link-status=err" in finding.seen
    nodes[NODES[0]] = node(0, login=None, config=None, closed="NOPERM")
    assert "link down" in found(lost._replace(nodes=nodes))[0].title


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


@pytest.mark.parametrize("kind, wanted", [
    (TLS, "D07 10.0.0.21:6379 speaks TLS"), (NO_TLS, "D07 with 10.0.0.21:6379 no TLS comes about"),
    (PROTECTED, "D07 10.0.0.21:6379 is in protected mode"), (FULL, "D18 10.0.0.21:6379 takes no more clients")])
def test_nodes_that_turn_us_away(kind: str, wanted: str) -> None:
    """D07, D18: the reason decides what is to be done; the Sentinels see them well."""
    closed = node(0, trouble=Trouble(kind, "words"), role=None, login=None, config=None, info={})
    assert ["%s %s" % (each.id, each.title) for each in found(deployment(nodes=[closed]))] == [wanted]


def test_a_loopback_address() -> None:
    """D07: told by a Sentinel of another host, whoever answers there; on one host all is well."""
    place = Address("127.0.0.1", 6379)
    says = [sentinel(number, told(number, address=place)) for number in range(3)]
    far = deployment(*says, nodes=[node(0, address=place, dialled=place)])
    assert [each.title for each in found(far)] == ["the Sentinels announce 127.0.0.1:6379: each host's own address"]
    mapped = deployment(*says, nodes=[node(0, address=place)])
    assert ids(mapped) == []
    near = [each._replace(on_this_host=True) for each in says]
    assert ids(deployment(*near, nodes=[node(0, address=place, dialled=place)])) == []


def test_a_replica_that_nobody_reaches_is_down() -> None:
    """D13 tells it, and D07 does not."""
    down = with_replicas(listed_replica(1, "slave,s_down,disconnected"), listed_replica(2))
    assert ids(down) == ["D13 warning"]
    nodes = dict(down.nodes)
    nodes[NODES[1]] = node(1, trouble=LOST, role=None, login=None, config=None, info={})
    assert ids(down._replace(nodes=nodes)) == ["D13 warning"]


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


@pytest.mark.parametrize("wants, logins, wanted", [
    (True, (), ["D19 warning"]), (True, (NAME,), ["D19 problem"]), (False, (NAME,), ["D19 problem"]), (False, (), [])])
def test_a_password_of_ours_that_is_refused(wants: bool, logins: t.Tuple[str, ...], wanted: t.List[str]) -> None:
    """D19: nobody gets in where the tunnel logs in; else less is known, if Redis wants a password at all."""
    refusing = node(0, wants_password=wants, refusal="WRONGPASS invalid username-password pair")
    assert ids(deployment(nodes=[refusing], host=HostSeen(logins=logins))) == wanted


def test_this_host() -> None:
    """D19: everything that was seen of it."""
    host = HostSeen(warnings=("f: holds a password",), taken=((NAME, "127.0.0.1:6379: Address already in use"),),
                    unwritable=("/x/log: permission denied",), unknown=("/y: belongs to user z",), room=99, wanted=100,
                    limits="nofile 256")
    assert ids(deployment(host=host)) == ["D19 problem", "D19 problem", "D19 warning", "D19 warning"]
    assert whys(deployment(host=host)) == {"D19": "/y: belongs to user z"}
    assert ids(deployment(host=host._replace(warnings=(), taken=(), unwritable=(), room=100))) == []
