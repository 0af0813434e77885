"""docs/security.md names only tests that exist, and shows each of its points."""
import os

from tests.programs import ROOT
from tests.test_docs_sentinel import existing_tests, rows_of, unknown_tests, unproved_rows, wrong_numbers

PAGE = os.path.join(ROOT, "docs", "security.md")
ATTACKERS = ("A hostile client", "A hostile Sentinel", "A hostile master", "Another user of this host")


def test_the_page_proves_what_it_says() -> None:
    """Every test that it names exists, each row has one, and the rows are numbered through."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    problems, number = unknown_tests(text, existing_tests()), 1
    for heading in ATTACKERS:
        rows = rows_of(text, heading)
        assert rows, "no table below %s" % heading
        problems += unproved_rows(text, heading) + wrong_numbers(text, heading, set(range(number, number + len(rows))))
        number += len(rows)
    assert not problems, "\n".join(problems)
