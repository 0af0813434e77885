"""Findings are gathered, told once, and told as plain lines."""
import pytest

from st.config.findings import Findings, did_you_mean
from st.errors import ConfigError


def test_nothing_found_raises_nothing() -> None:
    """Warnings and notes stop nobody."""
    findings = Findings()
    findings.warning("f:1", "a")
    findings.note("f:2", "b")
    findings.raise_problems()
    assert (list(findings.warnings), list(findings.notes)) == (["f:1: a"], ["f:2: b"])


def test_problems_are_told_once_in_the_order_of_their_lines() -> None:
    """What has no line comes first."""
    findings = Findings()
    for where in ("f:10", "f:9", "f:10", "argument 'a'"):
        findings.problem(where, "x", ValueError())
    with pytest.raises(ConfigError) as caught:
        findings.raise_problems()
    assert caught.value.problems == ("argument 'a': x", "f:9: x", "f:10: x")
    assert caught.value.__cause__ is None


def test_a_finding_is_one_line_of_ascii() -> None:
    """Control characters, other scripts and undecoded bytes reach no terminal."""
    findings = Findings()
    findings.note("caf\u00e9\udce9", "a\n\x1b[2Jb")
    assert list(findings.notes) == [r"caf\xe9\udce9: a\n\x1b[2Jb"]


def test_the_nearest_word_is_proposed() -> None:
    """Only when one is near."""
    assert did_you_mean("pol", ["hold", "poll"]) == "; did you mean 'poll'?"
    assert did_you_mean("xyz", ["hold", "poll"]) == ""
