"""D01, D09, D10, D14, D20: each Sentinel by itself."""
import typing as t

from st.doctor.case import case_of, voices
from st.doctor.finding import ALIVE, PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.passing import behind, epochs
from st.doctor.peers import NO_ID, known_as, peers
from st.doctor.values import (
    FULL, GARBAGE, NO_TLS, PASSWORD, PLAIN_REDIS, PROTECTED, RIGHTS, SILENT, TLS, UNREACHABLE, WRONG_PASSWORD, Seen,
    SentinelSeen, number, version,
)
from st.ops.tables import duration

_LESS = "this Sentinel counts for nothing here, and the tunnel does without it"
_RIGHTS = ("on it: ACL SETUSER <user> +auth +hello +ping +role +sentinel|get-master-addr-by-name +sentinel|master "
           "+sentinel|masters +sentinel|myid +sentinel|replicas +sentinel|sentinels +subscribe")

TROUBLES = {
    UNREACHABLE: Kind("D01", PROBLEM, "cannot be reached", _LESS,
                      "see that it runs there; check address, port, firewall and DNS from this host"),
    SILENT: Kind("D01", PROBLEM, "does not answer", _LESS + ", after a time-out each time",
                 "look at its process there (stopped? swapping? a slow network?); restart it if it hangs"),
    PLAIN_REDIS: Kind("D01", PROBLEM, "is a plain Redis, no Sentinel", "it cannot tell who is master",
                      "name the port of the Sentinel (mostly 26379), or start one: redis-sentinel "
                      "/etc/redis/sentinel.conf"),
    PASSWORD: Kind("D01", PROBLEM, "wants a password", _LESS,
                   "sentinel_password_file = FILE; it is the Sentinel's own, not that of Redis"),
    WRONG_PASSWORD: Kind("D01", PROBLEM, "refuses our password or user", _LESS,
                         "compare sentinel_user and sentinel_password_file with requirepass or the users of the "
                         "Sentinel: it has passwords of its own"),
    RIGHTS: Kind("D01", PROBLEM, "does not let this user ask", _LESS, _RIGHTS),
    PROTECTED: Kind("D01", PROBLEM, "is in protected mode", "it answers to its own host alone",
                    "in its sentinel.conf: `bind` its own address and `protected-mode no`, or requirepass; behind a "
                    "firewall"),
    FULL: Kind("D01", PROBLEM, "takes no more clients", _LESS, "raise maxclients in its sentinel.conf, and find out "
               "who opens so many connections (CLIENT LIST)"),
    TLS: Kind("D01", PROBLEM, "speaks TLS", _LESS, "sentinel_tls = yes, and sentinel_tls_ca = FILE of its authority"),
    NO_TLS: Kind("D01", PROBLEM, "no TLS comes about", _LESS,
                 "check sentinel_tls, sentinel_tls_ca, _cert and _key against the port and the certificate"),
    GARBAGE: Kind("D01", PROBLEM, "is no Sentinel", "something else answers there",
                  "check address and port: Sentinels mostly listen on 26379"),
}
HIDDEN = Kind("D01", WARNING, "cannot be asked, though other Sentinels name it",
              "it counts for their majority, and the tunnel cannot hear it: {why}",
              "open its port for this host (26379), or discover = no if the tunnel is not meant to use it")
CLONED = Kind("D09", PROBLEM, "has the same id as {other}",
              "the others take both for one Sentinel: one vote less than you count, and failovers may not come about",
              "stop one, delete the line `sentinel myid` in its sentinel.conf (it was copied), start it; then on every "
              "other one: SENTINEL RESET <name>, " + ALIVE)
UNWRITABLE = Kind("D10", PROBLEM, "cannot write its sentinel.conf",
                  "after a restart it comes back with an old master, and failovers may end in the middle",
                  "let its user write the file and the directory (chown redis: /etc/redis /etc/redis/sentinel.conf); "
                  "in containers mount the directory, not the file")
CAME_BACK = Kind("D10", WARNING, "came back with an old state",
                 "it may not be able to write its sentinel.conf: what it learned is lost with each restart",
                 "let its user write the file and the directory; in containers mount the directory, not the file")
TILT = Kind("D14", PROBLEM, "is in TILT",
            "its clock jumped or it stood still: for 30 s it takes part in no failover",
            "wait for 30 s; if it comes again, look at the clock (NTP) and the load of its host or virtual machine")
OLD_SENTINEL = Kind("D20", WARNING, "is too old for a password ({version})",
                    "Sentinel knows passwords from Redis 5.0.1 on: ours is ignored, and so is anybody's",
                    "upgrade it, or leave sentinel_password out and keep others away with a firewall")
OLD_REDIS = Kind("D20", WARNING, "is too old ({version})",
                 "before 2.8.12 Redis has no ROLE and no CLIENT KILL TYPE: a wrong master is found out late",
                 "upgrade it")

_SAVED = "OK"  # the reply to FLUSHCONFIG
_YOUNG = 24 * 3600  # seconds
_SAVES = (7, 0)  # the first version that says whether it could
_FIRST_PASSWORD = (5, 0, 1)
_FIRST_ROLE = (2, 8, 12)


def reached(seen: Seen) -> t.Iterator[Result]:
    """D01: which Sentinels could not be asked, and why. Of those that others call down, D04 tells."""
    elsewhere = {peer.address for peer in peers(seen) if peer.down or known_as(seen, peer)}
    for sentinel in seen.sentinels:
        if sentinel.trouble is not None and sentinel.announced not in elsewhere:
            told = TROUBLES[sentinel.trouble.kind]
            kind = told if sentinel.configured else HIDDEN
            yield kind.found(str(sentinel.address), sentinel.trouble.words, why=told.title)


def cloned(seen: Seen) -> t.Iterator[Result]:
    """D09: two processes with one id, which a copied sentinel.conf makes."""
    first: t.Dict[str, SentinelSeen] = {}
    for sentinel in voices(seen.sentinels):
        other = first.setdefault(sentinel.myid, sentinel)
        if not sentinel.myid:
            yield Unchecked("D09", str(sentinel.address), "it does not tell its id: %s" % NO_ID)
        elif other is not sentinel:
            seen_there = "SENTINEL MYID is %s at both" % sentinel.myid
            yield CLONED.found(str(sentinel.address), seen_there, other=other.address)


def writable(seen: Seen) -> t.Iterator[Result]:
    """D10: a Sentinel that cannot write its configuration, by asking it to write, or by what it forgot."""
    for sentinel in voices(seen.sentinels):
        about = str(sentinel.address)
        if sentinel.written.startswith("NOPERM"):
            yield Unchecked("D10", about, sentinel.written)
        elif sentinel.written and sentinel.written != _SAVED:
            yield UNWRITABLE.found(about, "SENTINEL FLUSHCONFIG: %s" % sentinel.written)
        elif version(sentinel.info) and version(sentinel.info) < _SAVES:
            yield _came_back(sentinel, seen) or Unchecked("D10", about, "Redis says it from 7.0 on")
        elif not sentinel.written:
            yield _came_back(sentinel, seen) or Unchecked("D10", "", "writes; add --write-test")


def _came_back(sentinel: SentinelSeen, seen: Seen) -> t.Optional[Result]:
    """Return what a Sentinel forgot when it was started, lately; others soon tell it, if it can reach them or Redis."""
    uptime = number(sentinel.info, "uptime_in_seconds")
    if uptime is None or uptime >= _YOUNG:
        return None
    for name in seen.names:
        case = case_of(seen, name)
        if sentinel.address in behind(case) and not case.in_failover:
            told = epochs(case.second)
            return CAME_BACK.found(str(sentinel.address), "started %s ago, and is at epoch %d of %s, others at %d"
                                   % (duration(uptime), told[sentinel.address], name, max(told.values())))
    return None


def tilted(seen: Seen) -> t.Iterator[Result]:
    """D14: a Sentinel that does nothing because it lost its sense of time."""
    for sentinel in voices(seen.sentinels):
        told = sentinel.info.get("sentinel_tilt")
        if told is None:
            yield Unchecked("D14", str(sentinel.address), "INFO refused")
        elif told != "0":
            since = number(sentinel.info, "sentinel_tilt_since_seconds")
            yield TILT.found(str(sentinel.address), "sentinel_tilt:%s%s"
                             % (told, "" if since is None else " for %s" % duration(since)))


def too_old(seen: Seen) -> t.Iterator[Result]:
    """D20: versions that lack what the tunnel or its password needs."""
    for sentinel in voices(seen.sentinels):
        known = version(sentinel.info)
        if not known:
            yield Unchecked("D20", str(sentinel.address), "INFO refused")
        elif seen.has_sentinel_password and known < _FIRST_PASSWORD:
            text = sentinel.info["redis_version"]
            yield OLD_SENTINEL.found(str(sentinel.address), "redis_version:%s" % text, version=text)
    for node in seen.nodes.values():
        if not version(node.info):
            yield Unchecked("D20", "Redis", node.why_closed)
        elif version(node.info) < _FIRST_ROLE:
            text = node.info["redis_version"]
            yield OLD_REDIS.found(str(node.address), "redis_version:%s" % text, version=text)
