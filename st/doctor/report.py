"""What was found, told to people, to programs and to Nagios. Values in, text out."""
import json
import re
import typing as t

from st import __version__
from st.doctor.case import voices
from st.doctor.examine import Examined
from st.doctor.finding import NOTE, PROBLEM, WARNING, Finding, Unchecked
from st.doctor.values import Seen
from st.ops.tables import wrapped
from st.plain import plain

_INDENT = " " * 10
NAGIOS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")  # by exit code
UNKNOWN = 3
_LONGEST_LINE = 400  # characters: Nagios shows one line, and NRPE carries 1 kB


def as_text(examined: Examined, seen: Seen, strict: bool) -> str:
    """Return the findings for a person, the summary first."""
    left = _summary(examined)
    right = "%s, %s, %.1f s   (exit %d)" % (_count(_sentinels(seen), "sentinel"), _count(len(seen.names), "name"),
                                            seen.seconds, examined.exit_code(strict))
    blocks = ["%s%s" % (left.ljust(34) if len(left) < 34 else left + "   ", right)]
    blocks += [_block(finding) for finding in examined.findings]
    if examined.unchecked:
        blocks.append("\n".join(_unchecked(examined.unchecked)))
    return "\n\n".join(blocks) + "\n"


def as_json(examined: Examined, seen: Seen, strict: bool) -> str:
    """Return all of it as one line of JSON."""
    return json.dumps({
        "version": __version__, "exit_code": examined.exit_code(strict), "seconds": round(seen.seconds, 3),
        "sentinels": _sentinels(seen), "names": list(seen.names),
        "problems": examined.count(PROBLEM), "warnings": examined.count(WARNING), "notes": examined.count(NOTE),
        "findings": [dict(finding._asdict()) for finding in examined.findings],
        "unchecked": [dict(unchecked._asdict()) for unchecked in examined.unchecked],
        "ok": list(examined.well),
    })


def as_nagios(examined: Examined, seen: Seen) -> t.Tuple[int, str]:
    """Return the exit code that Nagios wants, and one line with the counts as performance data."""
    code = 2 if examined.count(PROBLEM) else 1 if examined.count(WARNING) else 0
    told = "; ".join("%s %s: %s" % (finding.id, finding.about, finding.title) for finding in examined.findings
                     if finding.severity != NOTE)
    data = "problems=%d;;0 warnings=%d;0 notes=%d sentinels=%d names=%d time=%.2fs" % (
        examined.count(PROBLEM), examined.count(WARNING), examined.count(NOTE), len(voices(seen.sentinels)),
        len(seen.names), seen.seconds)
    return code, "%s | %s" % (nagios_line(code, _summary(examined) + (": " + told if told else "")), data)


def nagios_line(code: int, text: str) -> str:
    """Return one line for Nagios without performance data, which begins at the first bar."""
    line = plain(text).replace("|", "/")
    return "SENTINEL %s - %s" % (NAGIOS[code], line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "...")


def _summary(examined: Examined) -> str:
    counts = [(PROBLEM, "problem"), (WARNING, "warning")] + [(NOTE, "note")] * bool(examined.count(NOTE))
    return ", ".join([_count(examined.count(severity), noun) for severity, noun in counts]
                     + ["%d ok" % len(examined.well)])


def _sentinels(seen: Seen) -> int:
    return len(voices(seen.sentinels)) + sum(sentinel.configured and sentinel.trouble is not None
                                             for sentinel in seen.sentinels)


def _count(number: int, noun: str) -> str:
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def _block(finding: Finding) -> str:
    head = "%-7s %s  %s: %s" % (finding.severity.upper(), finding.id, finding.about, finding.title)
    lines = [("seen", finding.seen), ("means", finding.means), ("fix", finding.fix)]
    return "\n".join([_wrapped(head)] + [_wrapped("   %-7s%s" % (what + ":", text)) for what, text in lines if text])


def _unchecked(unchecked: t.Iterable[Unchecked]) -> t.List[str]:
    """Return what was not checked, in one line for each reason."""
    reasons: t.Dict[str, t.Dict[str, t.List[str]]] = {}
    for each in unchecked:
        ids = reasons.setdefault(each.why, {}).setdefault(each.about, [])
        if each.id not in ids:
            ids.append(each.id)
    lines = []
    for why, abouts in reasons.items():
        alike: t.Dict[str, t.List[str]] = {}
        for about, ids in abouts.items():
            alike.setdefault(", ".join(_ranges(ids)), []).append(about)
        what = [ids + (" on %s" % ", ".join(filter(None, names)) if any(names) else "") for ids, names in alike.items()]
        lines.append(_wrapped("not checked: %s (%s)" % ("; ".join(what), why)))
    return lines


def _ranges(ids: t.Sequence[str]) -> t.List[str]:
    """Return ids with those that follow each other drawn together: D03-D18."""
    runs: t.List[t.List[str]] = []
    for id in ids:
        if runs and int(id[1:]) == int(runs[-1][-1][1:]) + 1:
            runs[-1].append(id)
        else:
            runs.append([id])
    return [run[0] if len(run) == 1 else "%s-%s" % (run[0], run[-1]) for run in runs]


def _wrapped(line: str) -> str:
    # Masters may have any name, and errors any text: no line of ours is theirs to make.
    return wrapped(re.sub(r"[^ -~]", lambda match: ascii(match.group())[1:-1], line), _INDENT)
