"""D11, D13, D17: whether a replica could take over, and the others would follow it."""
import typing as t

from st.address import Address
from st.doctor.case import Case
from st.doctor.finding import ALIVE, NOTE, PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.findings.login import locked_out
from st.doctor.passing import UNLISTED, list_replicas, lost_links, most, replicas_of
from st.doctor.values import Fields, Login, NodeSeen, is_down
from st.secret import Secret

_OLD_DATA = "after the next failover this node holds old data and cannot be promoted"
_AUTH = ("on {node}: CONFIG SET masterauth <password>; CONFIG REWRITE (and masteruser, with ACL users); the same on "
         "every node: each may become a replica")
NO_MASTERAUTH = Kind("D11", PROBLEM, "{node} wants a password and has none for its master (masterauth)", _OLD_DATA,
                     _AUTH)
WRONG_MASTERAUTH = Kind("D11", PROBLEM, "{node} has a masterauth that is no other node's password", _OLD_DATA, _AUTH)
NO_LINK = Kind("D11", PROBLEM, "{node} cannot follow the master (link down)", _OLD_DATA,
               "look at its log; mostly the password: " + _AUTH + "; else the network between the two")
NO_REPLICA = Kind("D13", PROBLEM, "there is no replica", "when the master dies, nobody can take over",
                  "start a second Redis with `replicaof <master>`; where there is one: the Sentinels see only those "
                  "whose link stands (masterauth, D11)")
NOBODY = Kind("D13", PROBLEM, "no replica could take over", "when the master dies, it stays down",
              "bring one of them up; replica-priority must not be 0 on all of them")
NOT_THIS = Kind("D13", WARNING, "{node} could not take over ({why})", "one less to fail over to",
                "bring it up; or, if it is gone for good: SENTINEL RESET {about} on every Sentinel, 30 s apart, "
                + ALIVE)
SPARED = Kind("D13", NOTE, "{node} shall not take over (priority 0)", "one less to fail over to",
              "if that is not meant, on it: CONFIG SET replica-priority 100; CONFIG REWRITE")
FREE_WRITES = Kind("D17", NOTE, "{node} would go on taking writes when it is cut off",
                   "while the others fail over, clients beside it write what will be lost",
                   "on every node: CONFIG SET min-replicas-to-write 1; CONFIG SET min-replicas-max-lag 10; CONFIG "
                   "REWRITE; without a replica there are then no writes either: leave it for a mere cache")

_PRIORITY = "priority 0"


def follows(case: Case) -> t.Iterator[Result]:
    """D11: nodes that cannot follow a master: their passwords say so, or their links in two looks."""
    if not list_replicas(case.first):
        yield Unchecked("D11", case.name, UNLISTED)
    nodes = _of(case)
    told: t.Set[Address] = set()
    lost = lost_links(case.second, case.seen.nodes)
    linked = set(replicas_of(case.second)) - lost
    passwords = [node.login.requirepass for node in nodes if node.login]
    for node in nodes:
        if node.login is None:
            yield Unchecked("D11", case.name, node.why_closed)
            continue
        kind = _judge(node.login, passwords, node.address in linked or len(passwords) < len(nodes))
        if kind is not None:
            told.add(node.address)
            yield kind.found(case.name, _login_seen(node.login, node.address in lost), node=node.address)
    for address in sorted((lost_links(case.first, case.seen.nodes) & lost) - told):
        seen = "SENTINEL REPLICAS: master-link-status err, %s" % (
            "twice in %g s" % case.seen.again_after if case.seen.again else "once")
        yield NO_LINK.found(case.name, seen, node=address)


def _judge(login: Login, passwords: t.Sequence[Secret], may_be_right: bool) -> t.Optional[Kind]:
    """Return what is wrong with what a node says to its master; one whose link stands says the right thing."""
    if not any(password.reveal() for password in passwords):
        return None
    if not login.masterauth.reveal():
        return NO_MASTERAUTH
    # With users of ACL there are passwords that no requirepass shows.
    known = login.masterauth in passwords or login.masteruser or may_be_right
    return None if known else WRONG_MASTERAUTH


def _login_seen(login: Login, is_lost: bool) -> str:
    link = "; Sentinel lists it with master-link-status=err" if is_lost else ""
    empty = "is empty" if not login.masterauth.reveal() else "is another one"
    return "CONFIG GET: requirepass is set, masterauth %s%s" % (empty, link)


def successors(case: Case) -> t.Iterator[Result]:
    """D13: who could be promoted, say the Sentinels that see the master."""
    seeing = [teller for teller in case.second if not is_down(teller.told.fields)]
    if not list_replicas(seeing):
        why = "no Sentinel reaches the master" if not seeing else UNLISTED
        yield Unchecked("D13", case.name, why if not locked_out(case) else "no Sentinel can log in to the master")
        return
    replicas = replicas_of(seeing)
    unfit = {address: why for address, why in ((address, _unfit(told)) for address, told in replicas.items()) if why}
    if not replicas:
        yield NO_REPLICA.found(case.name, "SENTINEL REPLICAS is empty")
    elif len(unfit) == len(replicas):
        yield NOBODY.found(case.name, "; ".join("%s: %s" % each for each in sorted(unfit.items())))
    else:
        for address, why in sorted(unfit.items()):
            kind = SPARED if why == _PRIORITY else NOT_THIS
            yield kind.found(case.name, "SENTINEL REPLICAS: %s" % why, node=address, why=why)


def _unfit(told: t.Sequence[Fields]) -> str:
    """Return why a replica would not be promoted; "" when it may."""
    if most(told, is_down):
        return "down"
    return _PRIORITY if most(told, lambda fields: fields.get("slave-priority") == "0") else ""


def cut_off(case: Case) -> t.Iterator[Result]:
    """D17: whether a master that is cut off from its replicas stops taking writes."""
    node = case.master
    if node is None or node.config is None:
        yield Unchecked("D17", case.name, node.why_closed if node else "no master is named")
        return
    least = [value for name, value in node.config.items() if name.startswith("min-")]
    if least and all(value == "0" for value in least):
        yield FREE_WRITES.found(case.name, "CONFIG GET min-replicas-to-write: 0", node=node.address)


def _of(case: Case) -> t.List[NodeSeen]:
    """Return the nodes of a name."""
    master = [case.master.address] if case.master else []
    addresses = dict.fromkeys(master + sorted(replicas_of(case.first)))
    return [case.seen.nodes[address] for address in addresses if address in case.seen.nodes]
