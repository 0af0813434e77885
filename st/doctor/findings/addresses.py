"""D07, D08: whether what is announced can be reached, by us and by the Sentinels."""
import ipaddress
import typing as t

from st.address import Address
from st.doctor.case import Case, voices
from st.doctor.finding import ALIVE, PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.findings.host import NODE_FULL
from st.doctor.passing import UNLISTED, list_replicas, most, replicas_of
from st.doctor.peers import NO_ID, Peer, at, known_as, peers
from st.doctor.values import FULL, NO_TLS, PROTECTED, TLS, NodeSeen, Seen, SentinelSeen, is_lost

_ANNOUNCE = ("replica-announce-ip and -port on each Redis, and the outside address in `sentinel monitor`; or here: "
             "nat_map = {node} -> <host>:<port>")

LOOPBACK = Kind("D07", PROBLEM, "the Sentinels announce {node}: each host's own address",
                "from here it is this host, not the one of the master; other Sentinels cannot use it either",
                "on every Sentinel: SENTINEL REMOVE {about}, SENTINEL MONITOR {about} <address that all hosts reach> "
                "<port> <quorum>; on the replicas REPLICAOF the same")
BEHIND_NAT = Kind("D07", PROBLEM, "the Sentinels announce {node}, which this host cannot reach",
                  "Docker or NAT: the address is likely valid only inside its own network", _ANNOUNCE)
NO_WAY = Kind("D07", PROBLEM, "the Sentinels announce {node}, which this host cannot reach",
              "no client of this host can use it while it is master; unless it went down just now",
              "open the way (firewall, routes, DNS), or announce an address that can be reached: " + _ANNOUNCE)
NODE_TLS = Kind("D07", PROBLEM, "{node} speaks TLS", "the tunnel does not: it finds no master there",
                "tls = yes in the tunnel, and tls_ca = FILE; or tls = passthrough, if the clients speak it")
NODE_NO_TLS = Kind("D07", PROBLEM, "with {node} no TLS comes about", "the tunnel finds no master there",
                   "check tls, tls_ca, tls_cert and tls_key of the tunnel against its port and certificate")
NODE_PROTECTED = Kind("D07", PROBLEM, "{node} is in protected mode", "it serves its own host alone",
                      "set requirepass (and masterauth) there; or, behind a firewall, `bind` its address and "
                      "`protected-mode no`")
UNHEARD = Kind("D08", PROBLEM, "is called {other} by other Sentinels, who cannot reach it there",
               "they cannot ask for its vote: behind Docker or NAT it announces an inside address",
               "in its sentinel.conf: sentinel announce-ip <outside address>, sentinel announce-port <outside port>; "
               "restart it, then SENTINEL RESET <name> on the others, " + ALIVE)
HIDDEN = Kind("D08", WARNING, "is called {other} by other Sentinels, which this host cannot reach",
              "clients that learn of Sentinels from each other get an address of no use; in another network the "
              "Sentinels would not reach it either",
              "in its sentinel.conf: sentinel announce-ip <outside address>, sentinel announce-port <outside port>")

_BY_TROUBLE = {TLS: NODE_TLS, NO_TLS: NODE_NO_TLS, PROTECTED: NODE_PROTECTED, FULL: NODE_FULL}


def reachable(case: Case) -> t.Iterator[Result]:
    """D07: nodes that this host cannot use. Those that the Sentinels call down too are told by D13 and D15."""
    down, nodes = _down(case), _nodes(case)
    own = [node for node in nodes if _is_loopback(node.dialled.host)] if _is_told_from_afar(case) else []
    if own:
        yield LOOPBACK.found(case.name, "told by %s" % _teller(case), node=", ".join(str(each.address) for each in own))
    if not list_replicas(case.first):
        yield Unchecked("D07", case.name, UNLISTED)
    if len(nodes) < len(_addresses(case)):
        yield Unchecked("D07", case.name, "there are too many nodes")
    for node in nodes:
        words = {"node": node.address}
        if node in own:
            continue
        if node.trouble is not None and node.trouble.kind in _BY_TROUBLE:
            yield _BY_TROUBLE[node.trouble.kind].found(case.name, node.trouble.words, **words)
        elif node.trouble is not None and node.address not in down:
            kind = BEHIND_NAT if _is_elsewhere(node.address.host, case) else NO_WAY
            seen = node.trouble.words + (" (nat_map makes it %s)" % (node.dialled,)
                                         if node.dialled != node.address else "")
            yield kind.found(case.name, seen, **words)


def announced(seen: Seen) -> t.Iterator[Result]:
    """D08: Sentinels that others know by an address of no use."""
    answering = voices(seen.sentinels)
    if len(answering) < 2:
        yield Unchecked("D08", "", "one Sentinel alone answers")
    elif not any(sentinel.myid for sentinel in answering):
        yield Unchecked("D08", "", "no Sentinel tells its id: %s" % NO_ID)
    elif all(told.sentinels is None for sentinel in answering for told in sentinel.told.values()):
        yield Unchecked("D08", "", "SENTINEL SENTINELS refused")
    for peer in peers(seen):
        sentinel = known_as(seen, peer)
        if sentinel is None:
            continue
        alias = at(seen, peer.address)
        if alias is None and not peer.down:
            yield Unchecked("D08", str(sentinel.address), "%s was not asked" % (peer.address,))
        elif alias is None or alias.trouble is not None:
            yield _hidden(sentinel, peer, alias)


def _hidden(sentinel: SentinelSeen, peer: Peer, alias: t.Optional[SentinelSeen]) -> Result:
    seen = "SENTINEL MYID here is the runid of %s in SENTINEL SENTINELS" % (peer.address,)
    if alias is not None and alias.trouble is not None:
        seen += "; from here: %s" % alias.trouble.words
    return (UNHEARD if peer.down else HIDDEN).found(str(sentinel.address), seen, other=peer.address)


def _nodes(case: Case) -> t.List[NodeSeen]:
    return [case.seen.nodes[address] for address in _addresses(case) if address in case.seen.nodes]


def _addresses(case: Case) -> t.Dict[Address, None]:
    """Return the masters that are named and the replicas that are listed, each once."""
    named = [teller.told.address for teller in case.first if teller.told.address]
    return dict.fromkeys(named + list(replicas_of(case.first)))


def _down(case: Case) -> t.Set[Address]:
    """Return the nodes that most of the Sentinels call down, or cannot reach themselves."""
    lost = {address for address, told in replicas_of(case.first).items()
            if most(told, is_lost)}
    if case.master and most([teller.told.fields for teller in case.first], is_lost):
        lost.add(case.master.address)
    return lost


def _is_told_from_afar(case: Case) -> bool:
    return bool(case.first) and not any(teller.sentinel.on_this_host for teller in case.first)


def _teller(case: Case) -> str:
    return ", ".join(str(teller.sentinel.address) for teller in case.first)


def _is_loopback(host: str) -> bool:
    ip = _ip(host)
    return host == "localhost" if ip is None else ip.is_loopback


def _is_elsewhere(host: str, case: Case) -> bool:
    """Tell whether an address is private, and of another network than the Sentinels that we reach: a guess."""
    ip = _ip(host)
    near = [_ip(teller.sentinel.reached.host) for teller in case.first if teller.sentinel.reached]
    return ip is not None and ip.is_private and not any(each is not None and each.version == ip.version
                                                        and each.packed[:2] == ip.packed[:2] for each in near)


def _ip(host: str) -> t.Union[None, ipaddress.IPv4Address, ipaddress.IPv6Address]:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
