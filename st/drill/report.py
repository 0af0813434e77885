"""What came of a drill, in words and as JSON. Values in, text out."""
import json
import typing as t

from st.drill.caller import Attempt
from st.drill.outcome import CRASH, Outcome, acknowledged, errors_of, outage
from st.log.lines import local_time
from st.ops.tables import wrapped
from st.plain import plain

WHY_LOST = ("Redis replicates after it has answered: what the old master took, and the new one did not have yet when "
            "it was promoted, is lost with the old one.")

MOST_ERRORS = 5  # that are told to a person


def as_text(outcome: Outcome) -> str:
    """Return the report for a person: what came of it, what clients saw, and when what happened."""
    lines = [_headline(outcome)]
    writes, reads = acknowledged(outcome.writes), acknowledged(outcome.reads)
    lost = "not known how many of them are lost" if outcome.lost is None else "%d of them lost" % len(outcome.lost)
    lines.append("  writes: none for %s; %d acknowledged, %s, %d failed" % (
        _length(outcome.writes, outcome.until), len(writes), lost, len(outcome.writes) - len(writes)))
    lines.append("  reads:  none for %s; %d answered, %d failed" % (
        _length(outcome.reads, outcome.until), len(reads), len(outcome.reads) - len(reads)))
    for error, times in errors_of([*outcome.writes, *outcome.reads])[:MOST_ERRORS]:
        lines.append(wrapped("  failed: %d x %s" % (times, plain(error)), " " * 10))
    if outcome.lost:
        first, last = outcome.lost[0].ended - outcome.zero, outcome.lost[-1].ended - outcome.zero
        lines.append(wrapped("  lost:   acknowledged from %.2f s to %.2f s. %s" % (first, last, WHY_LOST), " " * 10))
    lines.append("")
    for phase in outcome.phases:
        lines.append(("%8.2f s  %-12s %s" % (phase.moment - outcome.zero, phase.name, plain(phase.detail))).rstrip())
    return "\n".join(lines) + "\n"


def as_json(outcome: Outcome) -> str:
    """Return the same as one line of JSON; times are seconds since `at`."""
    writes, reads = acknowledged(outcome.writes), acknowledged(outcome.reads)
    return json.dumps({
        "name": outcome.name, "kind": outcome.kind, "at": outcome.at, "passed": outcome.passed,
        "old": str(outcome.old), "new": outcome.new and str(outcome.new), "problem": outcome.problem,
        "writes": {"acknowledged": len(writes), "failed": len(outcome.writes) - len(writes),
                   "lost": None if outcome.lost is None else len(outcome.lost),
                   "lost_at": [round(each.ended - outcome.zero, 3) for each in outcome.lost or ()],
                   "outage": _seconds(outcome.writes, outcome.until)},
        "reads": {"answered": len(reads), "failed": len(outcome.reads) - len(reads),
                  "outage": _seconds(outcome.reads, outcome.until)},
        "errors": dict(errors_of([*outcome.writes, *outcome.reads])),
        "phases": [{"phase": phase.name, "seconds": round(phase.moment - outcome.zero, 3), "detail": phase.detail}
                   for phase in outcome.phases]}) + "\n"


def _headline(outcome: Outcome) -> str:
    when = local_time(outcome.at, "seconds")
    what = "a failover%s from %s" % (" (after a crash)" if outcome.kind == CRASH else "", str(outcome.old))
    if outcome.new is None:
        text = "%s did not come about: %s" % (what, outcome.problem)
    elif outcome.problem:
        text = "%s to %s: %s" % (what, str(outcome.new), outcome.problem)
    else:
        text = "%s to %s worked%s" % (what, str(outcome.new), ", but writes were lost" if outcome.lost else "")
    return wrapped("%s %s: %s" % (when, plain(outcome.name), plain(text)), "  ")


def _length(attempts: t.Sequence[Attempt], until: float) -> str:
    found = outage(attempts, until)
    if found is None:
        return "all the time"
    return "%.2f s" % ((found.first_good or until) - found.last_good) + ("" if found.first_good else " to the end")


def _seconds(attempts: t.Sequence[Attempt], until: float) -> t.Optional[float]:
    """Return the length of the outage; None when it did not end."""
    found = outage(attempts, until)
    return None if found is None or found.first_good is None else round(found.first_good - found.last_good, 3)
