"""All that is looked for, and what of it was found. Pure."""
import typing as t

from st.doctor.case import Case, case_of, voices
from st.doctor.finding import PROBLEM, SEVERITIES, WARNING, Finding, Result, Unchecked
from st.doctor.findings import addresses, agreement, host, login, majority, reach, replication, timing
from st.doctor.values import Seen


class Check(t.NamedTuple):
    """Something to look for: its stable id, its name, and what is needed to see it."""

    id: str
    title: str
    needs: str
    look: t.Callable[[Seen], t.Iterator[Result]]


class Examined(t.NamedTuple):
    """What came of it: findings, the worst first; what could not be looked at; the ids of what is well."""

    findings: t.Tuple[Finding, ...]
    unchecked: t.Tuple[Unchecked, ...]
    well: t.Tuple[str, ...]

    def count(self, severity: str) -> int:
        """Return how many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def exit_code(self, strict: bool) -> int:
        """Return 1 when there is a problem, or with `strict` a warning."""
        return int(bool(self.count(PROBLEM) or (strict and self.count(WARNING))))


def _each(look: t.Callable[[Case], t.Iterator[Result]], id: str) -> t.Callable[[Seen], t.Iterator[Result]]:
    """Return what looks at each name by itself."""
    def look_at_each(seen: Seen) -> t.Iterator[Result]:
        for name in seen.names:
            case = case_of(seen, name)
            if case.first:
                yield from look(case)
            else:
                yield Unchecked(id, name, "no Sentinel monitors it")
        if not seen.names:
            yield Unchecked(id, "", "no master name is known")

    return look_at_each


def _both(*looks: t.Callable[[Seen], t.Iterator[Result]]) -> t.Callable[[Seen], t.Iterator[Result]]:
    def look_at_both(seen: Seen) -> t.Iterator[Result]:
        for look in looks:
            yield from look(seen)

    return look_at_both


def _check(id: str, title: str, needs: str, look: t.Callable[[Case], t.Iterator[Result]]) -> Check:
    return Check(id, title, needs, _each(look, id))


NOTHING, SENTINEL = "nothing", "a Sentinel"  # what is needed
CHECKS = (
    Check("D01", "Sentinels that cannot be asked", NOTHING, reach.reached),
    Check("D02", "names that are not monitored", SENTINEL, majority.unknown),
    _check("D03", "too few Sentinels, a quorum that does not fit", SENTINEL, majority.enough),
    Check("D04", "no quorum now, Sentinels that are gone", SENTINEL,
          _both(_each(majority.able, "D04"), majority.ghosts)),
    _check("D05", "down-after-milliseconds", SENTINEL, timing.patience),
    _check("D06", "Sentinels that disagree", "all Sentinels", agreement.agree),
    _check("D07", "announced addresses that cannot be reached", "a Sentinel, TCP to Redis", addresses.reachable),
    Check("D08", "Sentinels behind NAT", "two Sentinels, 6.2", addresses.announced),
    Check("D09", "Sentinels with one id", "Sentinels 6.2", reach.cloned),
    Check("D10", "sentinel.conf that cannot be written", "Sentinels 7.0, --write-test", reach.writable),
    _check("D11", "replicas that cannot follow (masterauth)", "a Sentinel; better Redis with its password",
           replication.follows),
    _check("D12", "Sentinels that cannot log in (auth-pass)", "a Sentinel, TCP to Redis", login.logged_in),
    _check("D13", "no replica that could take over", SENTINEL, replication.successors),
    Check("D14", "Sentinels in TILT", SENTINEL, reach.tilted),
    _check("D15", "a master that is down, a failover that runs or is stuck", SENTINEL, timing.failing_over),
    _check("D16", "an announced master that is none", SENTINEL, agreement.is_master),
    _check("D17", "writes on a master that is cut off", "Redis", replication.cut_off),
    _check("D18", "room for clients at Redis", "a Sentinel; better Redis", host.room),
    Check("D19", "this host and the configuration", NOTHING, host.this_host),
    Check("D20", "versions that are too old", SENTINEL, reach.too_old),
)


def examine(seen: Seen) -> Examined:
    """Return everything that is to be told of what was seen."""
    results: t.List[Result] = []
    for check in CHECKS:
        if check.needs == NOTHING or voices(seen.sentinels):
            results += check.look(seen)
        else:
            results.append(Unchecked(check.id, "", "no Sentinel answers"))
    findings = [result for result in results if isinstance(result, Finding)]
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.id))
    unchecked = tuple(dict.fromkeys(result for result in results if isinstance(result, Unchecked)))
    ill = {result.id for result in results}
    return Examined(tuple(findings), unchecked, tuple(check.id for check in CHECKS if check.id not in ill))
