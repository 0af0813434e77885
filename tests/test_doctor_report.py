"""What the doctor found, as text, JSON and a line for Nagios."""
import json
import re
import typing as t

import pytest

from st import __version__
from st.doctor.examine import CHECKS, Examined, examine
from st.doctor.finding import NOTE, PROBLEM, WARNING, Finding, Unchecked
from st.doctor.report import as_json, as_nagios, as_text, nagios_line
from st.doctor.values import Seen
from tests.deployments import NAME, deployment, node, sentinel, told

EVIL = "evil\x1b[31m | name\nPROBLEM D99 \u20ac"


def finding(severity: str, id: str = "D05", **changes: str) -> Finding:
    """Return a finding."""
    return Finding(id, severity, NAME, "a title", "what was seen", "what it means", "what to do")._replace(**changes)


def examined(*findings: Finding, unchecked: t.Sequence[Unchecked] = ()) -> Examined:
    """Return an outcome."""
    return Examined(findings, tuple(unchecked), ("D01", "D02"))


SEEN = deployment(seconds=1.84)


def test_the_summary_comes_first() -> None:
    """Counts, what was looked at, how long it took, the exit code."""
    text = as_text(examined(finding(PROBLEM), finding(WARNING), finding(WARNING)), SEEN, strict=False)
    assert text.splitlines()[0] == "1 problem, 2 warnings, 2 ok       3 sentinels, 1 name, 1.8 s   (exit 1)"
    text = as_text(examined(finding(NOTE)), SEEN, False)
    assert text.startswith("0 problems, 0 warnings, 1 note, 2 ok   3 sentinels")


@pytest.mark.parametrize("severities, lenient, strict, nagios", [
    ([], 0, 0, 0), ([NOTE], 0, 0, 0), ([WARNING], 0, 1, 1), ([PROBLEM], 1, 1, 2), ([PROBLEM, WARNING, NOTE], 1, 1, 2)])
def test_exit_codes(severities: t.List[str], lenient: int, strict: int, nagios: int) -> None:
    """Problems fail, warnings when that is asked for, notes never."""
    outcome = examined(*map(finding, severities))
    assert (outcome.exit_code(False), outcome.exit_code(True)) == (lenient, strict)
    assert as_nagios(outcome, SEEN)[0] == nagios


def test_a_finding_says_seen_means_fix() -> None:
    """In lines of their own, each at most 80 columns wide."""
    text = as_text(examined(finding(PROBLEM, seen="seen " * 40, fix="word " * 40)), SEEN, False)
    block = text.split("\n\n")[1]
    assert block.splitlines()[0] == "PROBLEM D05  sessions: a title"
    assert re.findall(r"^   (\w+):", block, re.MULTILINE) == ["seen", "means", "fix"]
    assert max(map(len, text.splitlines())) <= 80 and "\n          seen seen" in block


def test_what_was_not_checked_is_drawn_together() -> None:
    """A line for each reason, with ids that follow each other as a range."""
    all_but_two = [Unchecked(check.id, "", "no Sentinel answers") for check in CHECKS if check.id not in ("D01", "D19")]
    text = as_text(examined(unchecked=all_but_two), SEEN, False)
    assert text.endswith("\n\nnot checked: D02-D18, D20 (no Sentinel answers)\n")
    twice = (("D11", "a"), ("D17", "a"), ("D11", "b"), ("D11", "a"))
    some = [Unchecked(id, about, "no password") for id, about in twice]
    some.append(Unchecked("D10", "", "writes"))
    assert as_text(examined(unchecked=some), SEEN, False).split("\n\n")[1] == (
        "not checked: D11, D17 on a; D11 on b (no password)\nnot checked: D10 (writes)\n")


def evil_deployment() -> Seen:
    """Return a deployment whose names and errors want to write to a terminal."""
    spoilt = told(0, {"down-after-milliseconds": "100"}, quorum="NOQUORUM " + EVIL)
    closed = node(0, closed=EVIL, config=None, login=None, info={})
    seen = deployment(*(sentinel(number, told={EVIL: spoilt}) for number in range(3)), nodes=[closed])
    return seen._replace(names=(EVIL,))


def test_nothing_from_outside_reaches_the_terminal() -> None:
    """Control characters and line ends of names and errors are escaped, everywhere."""
    seen = evil_deployment()
    outcome = examine(seen)
    assert {each.id for each in outcome.findings} == {"D04", "D05"}
    for text in (as_text(outcome, seen, False), as_json(outcome, seen, False), as_nagios(outcome, seen)[1]):
        assert re.match(r"[\n -~]*\Z", text)
        assert not re.search(r"^PROBLEM D99", text, re.MULTILINE)
    code, line = as_nagios(outcome, seen)
    assert code == 2 and "\n" not in line and line.count("|") == 1


def test_json_has_one_schema() -> None:
    """Every key is there whatever was found."""
    outcome = examined(finding(WARNING), unchecked=[Unchecked("D10", "", "writes")])
    told_there = json.loads(as_json(outcome, SEEN, strict=True))
    assert told_there == {
        "version": __version__, "exit_code": 1, "seconds": 1.84, "sentinels": 3, "names": [NAME],
        "problems": 0, "warnings": 1, "notes": 0, "ok": ["D01", "D02"],
        "findings": [{"id": "D05", "severity": "warning", "about": NAME, "title": "a title", "seen": "what was seen",
                      "means": "what it means", "fix": "what to do"}],
        "unchecked": [{"id": "D10", "about": "", "why": "writes"}]}
    assert set(json.loads(as_json(examined(), SEEN, False))) == set(told_there)


def test_nagios_reads_one_line() -> None:
    """State, counts, the findings in short, and performance data behind the only bar."""
    assert as_nagios(examined(finding(WARNING), finding(NOTE)), SEEN) == (
        1, "SENTINEL WARNING - 0 problems, 1 warning, 1 note, 2 ok: D05 sessions: a title | "
           "problems=0;;0 warnings=1;0 notes=1 sentinels=3 names=1 time=1.84s")
    assert as_nagios(examined(), SEEN)[1].startswith("SENTINEL OK - 0 problems, 0 warnings, 2 ok | problems=0")
    assert len(as_nagios(examined(*[finding(PROBLEM, title="x" * 90)] * 90), SEEN)[1]) < 600
    assert nagios_line(3, "f.ini:1: wrong\nf:2: wrong|too") == "SENTINEL UNKNOWN - f.ini:1: wrong\\nf:2: wrong/too"
