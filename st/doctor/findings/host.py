"""D18, D19: room for clients, at Redis and on this host."""
import typing as t

from st.doctor.case import Case, case_of
from st.doctor.finding import NOTE, PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.values import Fields, Seen, number

_RAISE = "raise maxclients there, and find out who opens so many connections (CLIENT LIST)"
NODE_FULL = Kind("D18", PROBLEM, "{node} takes no more clients", "every new client is turned away", _RAISE)
NEARLY_FULL = Kind("D18", PROBLEM, "{node} has room for {left} more clients", "soon every new client is turned away",
                   _RAISE)
FILLING = Kind("D18", WARNING, "{node} has {clients} of {most} clients", "not many more fit", _RAISE)
IDLE = Kind("D18", NOTE, "{node} ends connections that are idle for {timeout} s", "clients must expect that theirs end",
            "CONFIG SET timeout 0 there, and let keepalive find the dead ones; or let clients ping more often")
CONFIG = Kind("D19", WARNING, "the configuration has a warning", "it works, but is hardly meant", "change it there; "
              "`sentinel-tunnel check` looks without any network")
TAKEN = Kind("D19", PROBLEM, "tunnel {about} cannot listen", "the program will not start",
             "end that process, or choose another port or path for the tunnel")
UNWRITABLE = Kind("D19", PROBLEM, "a file of ours cannot be written", "the program will not start",
                  "make its directory writable for the user who runs the program, or name another place")
LIMITED = Kind("D19", WARNING, "this host has room for {room} clients", "{wanted} shall be served: some will be "
               "refused", "raise the limits: ulimit -n and -u, LimitNOFILE= and TasksMax= in a unit")
_RIGHT_ONE = "correct redis_user and redis_password_file (or redis_password) of the tunnel; then sentinel-tunnel reload"
TURNED_AWAY = Kind("D19", PROBLEM, "{node} refuses the login of the tunnel", "with login = yes every client is turned "
                   "away", _RIGHT_ONE)
REFUSED = Kind("D19", WARNING, "{node} refuses our password or user", "the tunnel cannot ask it whether it is the "
               "master, and takes the word of the Sentinels; doctor sees less", _RIGHT_ONE)

_NEARLY, _FILLING = 0.95, 0.8


def room(case: Case) -> t.Iterator[Result]:
    """D18: how many clients the master has room for, and how long it lets them be idle."""
    node = case.master
    infos = ([node.info] if node else []) + [teller.told.cache for teller in case.first]
    config = (node.config if node else None) or {}
    clients = _first(infos, "connected_clients")
    most = number(config, "maxclients") or _first(infos, "maxclients")
    if clients is None or not most or node is None:
        yield Unchecked("D18", case.name, "neither the master nor a Sentinel tells how many clients it has room for")
        return
    clients += _first(infos, "connected_slaves") or 0  # replicas take a place too, and are not among the clients
    words = {"node": node.address, "clients": clients, "most": most, "left": max(0, most - clients)}
    if clients >= _FILLING * most:
        kind = NEARLY_FULL if clients >= _NEARLY * most else FILLING
        yield kind.found(case.name, "INFO: %d clients and replicas, maxclients %d" % (clients, most), **words)
    timeout = number(config, "timeout")
    if timeout is None:
        yield Unchecked("D18", case.name, node.why_closed)
    elif timeout:
        yield IDLE.found(case.name, "CONFIG GET timeout: %d" % timeout, timeout=timeout, **words)


def _first(infos: t.Iterable[Fields], name: str) -> t.Optional[int]:
    return next((found for found in (number(info, name) for info in infos) if found is not None), None)


def this_host(seen: Seen) -> t.Iterator[Result]:
    """D19: what stands in the way of the program on this host."""
    host = seen.host
    for tunnel, why in host.taken:
        yield TAKEN.found(tunnel, why)
    for text in host.unwritable:
        yield UNWRITABLE.found("this host", text)
    for text in host.warnings:
        yield CONFIG.found("this host", text)
    if host.wanted is not None and host.room < host.wanted:
        yield LIMITED.found("this host", host.limits, room=host.room, wanted=host.wanted)
    for name in seen.names:
        yield from _refused(case_of(seen, name))
    for text in host.unknown:
        yield Unchecked("D19", "", text)


def _refused(case: Case) -> t.Iterator[Result]:
    node = case.master
    if node is not None and node.refusal:
        logs_in = case.name in case.seen.host.logins
        if logs_in or node.wants_password:  # else a password too many, which does no harm
            yield (TURNED_AWAY if logs_in else REFUSED).found(case.name, "AUTH: " + node.refusal, node=node.address)
