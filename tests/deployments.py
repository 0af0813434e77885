"""What a doctor might have seen, as values: a sound deployment, to be spoilt by tests."""
import typing as t

from st.address import Address
from st.doctor.examine import examine
from st.doctor.finding import Finding
from st.doctor.values import Fields, Login, NodeSeen, Seen, SentinelSeen, Told
from st.secret import Secret
from st.wire.role import MASTER, REPLICA, Role

NAME = "sessions"
SENTINELS = [Address("10.0.0.%d" % number, 26379) for number in (11, 12, 13)]
NODES = [Address("10.0.0.%d" % number, 6379) for number in (21, 22, 23)]
PASSWORD = "of-redis"


def told(number: int, fields: Fields = {}, **changes: t.Any) -> Told:
    """Return what one of three Sentinels says when all is well, with other fields of SENTINEL MASTER."""
    own = {"flags": "master", "quorum": "2", "num-other-sentinels": "2", "num-slaves": "2", "config-epoch": "7",
           "down-after-milliseconds": "5000", "failover-timeout": "60000", "parallel-syncs": "1",
           "role-reported": "master", "info-refresh": "4000"}
    others = tuple(listed_sentinel(other) for other in range(3) if other != number)
    return Told(NODES[0], False, dict(own, **fields), (listed_replica(1), listed_replica(2)), others,
                "OK 3 usable Sentinels.", {"connected_clients": "10", "maxclients": "10000"})._replace(**changes)


def listed_sentinel(number: int, flags: str = "sentinel", **changes: str) -> Fields:
    """Return how a Sentinel is listed by another."""
    place = SENTINELS[number]
    return dict({"ip": place.host, "port": str(place.port), "runid": "id%d" % number, "flags": flags,
                 "last-ok-ping-reply": "100"}, **changes)


def listed_replica(number: int, flags: str = "slave", link: str = "ok", priority: str = "100") -> Fields:
    """Return how a replica is listed by a Sentinel."""
    place = NODES[number]
    return {"ip": place.host, "port": str(place.port), "flags": flags, "master-link-status": link,
            "slave-priority": priority}


def sentinel(number: int, what: t.Optional[Told] = None, **changes: t.Any) -> SentinelSeen:
    """Return one Sentinel as it is seen when all is well."""
    info = {"run_id": "run%d" % number, "redis_version": "7.0.15", "sentinel_tilt": "0", "uptime_in_seconds": "99999"}
    return SentinelSeen(SENTINELS[number], None, None, SENTINELS[number], False, "id%d" % number, info, 0.001,
                        {NAME: what or told(number)}, (NAME,), True, "OK")._replace(**changes)


def node(number: int, **changes: t.Any) -> NodeSeen:
    """Return one Redis node as it is seen when all is well."""
    secret = Secret(PASSWORD)
    return NodeSeen(NODES[number], NODES[number], NODES[number], None, Role(REPLICA if number else MASTER), "", True,
                    {"redis_version": "7.0.15", "connected_clients": "10"},
                    {"min-replicas-to-write": "1", "maxclients": "10000", "timeout": "0"},
                    Login(secret, secret, ""))._replace(**changes)


def deployment(*sentinels: SentinelSeen, nodes: t.Sequence[NodeSeen] = (), **changes: t.Any) -> Seen:
    """Return a whole deployment; sentinels and nodes stand in for the sound ones, in their places if they have one."""
    all_nodes = {each: node(number) for number, each in enumerate(NODES)}
    all_nodes.update((each.address, each) for each in nodes)
    seen = {each.address: each for each in [sentinel(0), sentinel(1), sentinel(2), *sentinels]}
    return Seen((NAME,), tuple(seen.values()), all_nodes)._replace(**changes)


def found(seen: Seen) -> t.List[Finding]:
    """Return the findings."""
    return list(examine(seen).findings)


def ids(seen: Seen) -> t.List[str]:
    """Return the ids of the findings, with their severity."""
    return ["%s %s" % (finding.id, finding.severity) for finding in found(seen)]


def whys(seen: Seen) -> t.Dict[str, str]:
    """Return what was not checked: the reason by id."""
    return {each.id: each.why for each in examine(seen).unchecked}


def with_replicas(*replicas: Fields) -> Seen:
    """Return a deployment in which all Sentinels list these replicas."""
    return deployment(*(sentinel(number, told(number, replicas=replicas)) for number in range(3)))
