"""docs/sentinel.md names only tests that exist, and leaves no requirement and no scenario out."""
import ast
import glob
import os
import re
import typing as t

import pytest

from tests.programs import ROOT

PAGE = os.path.join(ROOT, "docs", "sentinel.md")
REQUIREMENTS = set(range(1, 31))
SCENARIOS = set(range(1, 63)) - {7, 10, 13, 15, 17, 20, 31, 42, 47, 48, 49, 58}  # those were merged into others
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[[^`]*\])?`")
NO_TEST_BECAUSE = ("not met yet", "design: ")  # what may stand in the place of a test

Tests = t.Mapping[str, t.Set[str]]  # by the path of a file, the names of its test functions


def names_of_tests(source: str) -> t.Set[str]:
    """Return the names of the test functions of a module, those of parametrized tests once."""
    return {node.name for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def existing_tests() -> Tests:
    """Return the tests of this checkout."""
    found = {}
    for path in glob.glob(os.path.join(ROOT, "tests", "**", "test_*.py"), recursive=True):
        with open(path, encoding="utf-8") as file:
            found[os.path.relpath(path, ROOT)] = names_of_tests(file.read())
    return found


def unknown_tests(text: str, tests: Tests) -> t.List[str]:
    """Return what a page names as a test and is none, in any spelling that has a path in it."""
    named = [(path, name) for path, name in TEST.findall(text) if name not in tests.get(path, set())]
    spelt = re.findall(r"tests/[\w/]*\.py::|`tests/[^`]*::", text)
    wrong = ["a test that is not written as `tests/file.py::name`"] if len(spelt) != len(TEST.findall(text)) else []
    return ["%s::%s does not exist" % each for each in named] + wrong


def rows_of(text: str, heading: str) -> t.List[t.List[str]]:
    """Return the cells of each row of the table below a heading, without its head."""
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    below = next((each for each in section if each.startswith(heading + "\n")), "")
    lines = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def unproved_rows(text: str, heading: str) -> t.List[str]:
    """Return the rows of a table whose last cell has neither a test nor a reason why there is none."""
    return ["%s: %s: no test" % (heading, row[0]) for row in rows_of(text, heading)
            if not TEST.search(row[-1]) and not any(reason in row[-1] for reason in NO_TEST_BECAUSE)]


def wrong_numbers(text: str, heading: str, wanted: t.Set[int]) -> t.List[str]:
    """Return which numbers of a table are missing, there twice, or too many."""
    numbers = [row[0] for row in rows_of(text, heading)]
    missing = sorted(wanted - {int(number) for number in numbers if number.isdigit()})
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    odd = [number for number in numbers if not number.isdigit() or int(number) not in wanted]
    told = [("missing", list(map(str, missing))), ("twice", twice), ("odd", odd)]
    return ["%s: %s: %s" % (heading, what, ", ".join(which)) for what, which in told if which]


def test_the_page_proves_what_it_says() -> None:
    """Every test that it names exists, and each row of each table has one or a reason."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    problems = unknown_tests(text, existing_tests())
    problems += wrong_numbers(text, "Requirements", REQUIREMENTS) + wrong_numbers(text, "Scenarios", SCENARIOS)
    for heading in ("Requirements", "Scenarios", "Replies, passwords, roles, events", "Traps of Python"):
        assert rows_of(text, heading), "no table below %s" % heading
        problems += unproved_rows(text, heading)
    assert not problems, "\n".join(problems)


KNOWN = {"tests/test_a.py": {"test_x"}, "tests/live/test_b.py": {"test_y"}}


@pytest.mark.parametrize("text, wrong", [
    ("`tests/test_a.py::test_x` and `tests/live/test_b.py::test_y`", []),
    ("`tests/test_a.py::test_x[one-2]`", []),
    ("`tests/live/` and `tests/test_a.py` are no tests", []),
    ("`tests/test_a.py::test_y`", ["tests/test_a.py::test_y does not exist"]),
    ("`tests/test_c.py::test_x`", ["tests/test_c.py::test_x does not exist"]),
    ("`tests/live/test_b.py::test_y_too`", ["tests/live/test_b.py::test_y_too does not exist"]),
    ("tests/test_a.py::test_x", ["a test that is not written as `tests/file.py::name`"]),
    ("`tests/test_a::test_x`", ["a test that is not written as `tests/file.py::name`"]),
])
def test_a_test_that_does_not_exist_is_found(text: str, wrong: t.List[str]) -> None:
    """A wrong file, a wrong name, a spelling that the checker would pass over."""
    assert unknown_tests(text, KNOWN) == wrong


TABLE = ("## Other\n\n| 9 |\n|---|\n| 9 |\n\n## Numbers\n\n| | what | shown by |\n|---|---|---|\n%s"
         "\n## Next\n\n| 8 | x |\n")


@pytest.mark.parametrize("rows, wrong", [
    ("| 1 | a | `tests/test_a.py::test_x` |\n| 2 | b | not met yet: why |\n| 3 | c | design: why |\n", []),
    ("| 1 | a | not met yet |\n| 3 | b | not met yet |\n", ["Numbers: missing: 2"]),
    ("| 1 | a | design: a |\n| 2 | b | design: b |\n| 2 | b | design: b |\n| 3 | c | design: c |\n",
     ["Numbers: twice: 2"]),
    ("| 1 | design: a |\n| 2 | design: b |\n| 3 | design: c |\n| 4 | design: d |\n| x | design: e |\n",
     ["Numbers: odd: 4, x"]),
    ("| 1 | a | |\n| 2 | `tests/test_a.py::test_x` | surely |\n| 3 | c | `tests/test_a.py` |\n",
     ["Numbers: 1: no test", "Numbers: 2: no test", "Numbers: 3: no test"]),
    ("", ["Numbers: missing: 1, 2, 3"]),
])
def test_a_row_that_is_missing_or_unproved_is_found(rows: str, wrong: t.List[str]) -> None:
    """The numbers are those of the one table below the heading, and its last cell is what counts."""
    text = TABLE % rows
    assert wrong_numbers(text, "Numbers", {1, 2, 3}) + unproved_rows(text, "Numbers") == wrong


def test_functions_of_a_module_are_its_tests() -> None:
    """Parametrized ones by their name; helpers, classes and what is inside of others are none."""
    source = ("@mark.parametrize('a', [1, 2])\ndef test_many(a):\n    def test_inner(): pass\n"
              "def helper(): pass\ndef test_one(): pass\n# def test_comment(): pass\n")
    assert names_of_tests(source) == {"test_many", "test_one"}
