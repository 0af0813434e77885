"""The pages for users: what they quote is what the program says, and their links lead somewhere."""
import os
import pathlib
import re
import typing as t

import pytest

from tests.programs import ROOT
from tests.test_docs_sentinel import rows_of

PAGES = [pathlib.Path(ROOT, "README.md"), *sorted(pathlib.Path(ROOT, "docs").rglob("*.md"))]
# Redis's own words, and those of the operating system.
NOT_OURS = re.compile("[A-Z]{6}|refused|Connection ")


def _source() -> str:
    return "".join(path.read_text("utf-8") for path in sorted(pathlib.Path(ROOT, "st").rglob("*.py")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(os.path.relpath(str(page), ROOT)))
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    """Each file that a page links to is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_what_the_page_of_troubles_quotes_is_said() -> None:
    """The words by which somebody finds a row stand in the code."""
    rows = rows_of(pathlib.Path(ROOT, "docs", "troubleshooting.md").read_text("utf-8"),
                   "What status says, and what lies behind it")
    quoted = [words for row in rows for words in re.findall("`([^`]+)`", row[0])]
    ours = [words for words in quoted if not NOT_OURS.search(words)]
    source = _source()
    assert len(ours) >= 5 and [words for words in ours if words not in source] == []


def _paths_named(text: str) -> t.Set[str]:
    return set(re.findall(r"`((?:conf|scripts|docs)/[\w./-]+)`", text))


def test_paths_that_are_named_exist() -> None:
    """What a page calls conf/..., scripts/... or docs/... is there."""
    named = {path for page in PAGES for path in _paths_named(page.read_text("utf-8"))}
    assert len(named) > 5 and sorted(path for path in named if not os.path.exists(os.path.join(ROOT, path))) == []


def test_every_example_of_a_client_is_in_the_table() -> None:
    """No file of docs/clients is left without a link to it."""
    page = pathlib.Path(ROOT, "docs", "clients", "README.md")
    links = set(re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")))
    assert {path.name for path in page.parent.iterdir()} - {page.name, "__pycache__"} <= links
