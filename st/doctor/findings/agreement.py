"""D06, D16: whether the Sentinels say the same, and whether it is true."""
import typing as t

from st.doctor.case import Case, Teller
from st.doctor.finding import PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.passing import behind, disagree, masters_named
from st.doctor.values import number
from st.wire.role import MASTER, SENTINEL, UNKNOWN

MASTERS = Kind("D06", PROBLEM, "the Sentinels name different masters",
               "who asks one of them writes where others do not read; the tunnel takes the highest epoch, then the "
               "majority",
               "see that the Sentinels reach each other (D04, D08); then, on those that are wrong: SENTINEL REMOVE "
               "{about}, SENTINEL MONITOR {about} <ip> <port> <quorum>, and the settings of the others")
SETTINGS = Kind("D06", WARNING, "{field} differs between the Sentinels",
                "the same trouble is judged in different ways: SENTINEL SET changes the Sentinel it is said to, alone",
                "on those that are wrong: SENTINEL SET {about} {field} <value>")
EPOCHS = Kind("D06", WARNING, "{sentinels} did not hear of the last failover",
              "it is cut off from the others, or came back with an old sentinel.conf",
              "see that the Sentinels reach each other and the master (D04, D08), and that it can write its "
              "sentinel.conf (D10)")
NOT_MASTER = Kind("D16", PROBLEM, "{master} is named as master, and says it is {role}",
                  "no client can write there; somebody changed the role by hand, or a failover was cut short",
                  "ask ROLE on each node; if none is master, on this one: REPLICAOF NO ONE; else wait for the "
                  "Sentinels, or on one of them: SENTINEL FAILOVER {about}")

_SETTINGS = ("quorum", "down-after-milliseconds", "failover-timeout", "parallel-syncs")  # of SENTINEL SET


def agree(case: Case) -> t.Iterator[Result]:
    """D06: different masters in two looks, settings, or epochs."""
    if case.in_failover:
        yield Unchecked("D06", case.name, "a failover is running")
        return
    if len(case.first) < 2:
        yield Unchecked("D06", case.name, "one Sentinel alone answers")
    elif sum(bool(teller.told.fields) for teller in case.first) < 2:
        yield Unchecked("D06", case.name, "SENTINEL MASTER refused")
    if disagree(case):
        named = masters_named(case.second, case.seen.nodes)
        yield MASTERS.found(case.name, "; ".join("%s: %s" % (address, _who(tellers))
                                                 for address, tellers in sorted(named.items())))
        return
    for field in _SETTINGS:
        values = _by_value(case.second, field)
        if len(values) > 1:
            seen = "; ".join("%d: %s" % (value, _who(tellers)) for value, tellers in sorted(values.items()))
            yield SETTINGS.found(case.name, seen, field=field)
    late = behind(case)
    if late:
        seen = "; ".join("epoch %d: %s" % (epoch, _who(tellers))
                         for epoch, tellers in sorted(_by_value(case.second, "config-epoch").items()))
        yield EPOCHS.found(case.name, seen, sentinels=", ".join(map(str, sorted(late))))


def is_master(case: Case) -> t.Iterator[Result]:
    """D16: what the node that is named as master says itself, or said to a Sentinel."""
    master = case.master
    if case.in_failover:
        yield Unchecked("D16", case.name, "a failover is running")
        return
    if master is not None and master.role is not None and master.role.name != UNKNOWN:
        if master.role.name != MASTER:
            yield NOT_MASTER.found(case.name, "ROLE there: %s" % master.role.name, master=master.address,
                                   role="a Sentinel" if master.role.name == SENTINEL else "a replica")
        return
    reported = [teller.told.fields.get("role-reported") or teller.told.cache.get("role", "") for teller in case.first]
    if master is not None and "slave" in reported:
        yield NOT_MASTER.found(case.name, "SENTINEL MASTER: role-reported slave", master=master.address,
                               role="a replica")
    elif not any(reported):
        yield Unchecked("D16", case.name, "neither the node nor a Sentinel tells its role")


def _by_value(tellers: t.Iterable[Teller], field: str) -> t.Dict[int, t.List[Teller]]:
    found: t.Dict[int, t.List[Teller]] = {}
    for teller in tellers:
        value = number(teller.told.fields, field)
        if value is not None:
            found.setdefault(value, []).append(teller)
    return found


def _who(tellers: t.Iterable[Teller]) -> str:
    return ", ".join(str(teller.sentinel.address) for teller in tellers)
