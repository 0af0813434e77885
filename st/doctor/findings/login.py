"""D12: whether the Sentinels can log in to the master."""
import typing as t

from st.doctor.case import Case, Teller
from st.doctor.finding import PROBLEM, Kind, Result, Unchecked
from st.doctor.passing import calling_down
from st.doctor.values import number
from st.wire.role import MASTER, UNKNOWN

NEVER = Kind("D12", PROBLEM, "{sentinels} cannot log in to the master (auth-pass missing or wrong)",
             "it takes the master for dead, sees no replica, and cannot fail over; yet it still names the master",
             "on it: SENTINEL SET {about} auth-pass <password of Redis> (and auth-user, with ACL users)")
NO_MORE = Kind("D12", PROBLEM, "{sentinels} cannot log in to the master any more (auth-pass)",
               "it takes a master for dead that answers: it may begin a failover, and cannot end it",
               "on it: SENTINEL SET {about} auth-pass <password of Redis>; if that is right, look at the network from "
               "there to the master")


def locked_out(case: Case) -> t.List[Teller]:
    """Return the Sentinels that call a master down which answers us and wants a password."""
    master = case.master
    if master is None or master.trouble is not None or not master.wants_password or master.role is None:
        return []
    if master.role.name not in (MASTER, UNKNOWN):
        return []
    return calling_down(case)


def logged_in(case: Case) -> t.Iterator[Result]:
    """D12: they cannot log in, or not any more."""
    out = locked_out(case)
    if not out and not any(teller.told.fields for teller in case.first):
        yield Unchecked("D12", case.name, "SENTINEL MASTER refused")
    if not out and (case.master is None or case.master.trouble) and calling_down(case):
        yield Unchecked("D12", case.name, "the master cannot be asked")
    never = [teller for teller in out if not number(teller.told.fields, "info-refresh")
             and not number(teller.told.fields, "num-slaves")]
    no_more = [teller for teller in out if teller not in never]
    if no_more and case.in_failover:  # one that was asked for begins with a master that is called down (Valkey 9)
        yield Unchecked("D12", case.name, "a failover is running")
        no_more = []
    for kind, tellers in ((NEVER, never), (NO_MORE, no_more)):
        if tellers:
            seen = ["%s: flags %s, info-refresh %s" % (teller.sentinel.address, teller.told.fields.get("flags", ""),
                                                       teller.told.fields.get("info-refresh", "?"))
                    for teller in tellers]
            yield kind.found(case.name, "%s; the master answers here" % "; ".join(seen),
                             sentinels=", ".join(str(teller.sentinel.address) for teller in tellers))
