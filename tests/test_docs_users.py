"""The pages for users: what they quote is what the program says, and their links lead somewhere."""
import os
import pathlib
import re
import typing as t

import pytest

from st.config import load
from tests.programs import ROOT
from tests.test_docs_sentinel import rows_of

PAGES = [pathlib.Path(ROOT, "README.md"), *sorted(pathlib.Path(ROOT, "docs").rglob("*.md"))]
# Redis's own words, and those of the operating system.
NOT_OURS = re.compile("[A-Z]{6}|refused|Connection ")


def _source() -> str:
    return "".join(path.read_text("utf-8") for path in sorted(pathlib.Path(ROOT, "st").rglob("*.py")))


def _name(page: pathlib.Path) -> str:
    return os.path.relpath(str(page), ROOT)


def _links(page: pathlib.Path) -> t.List[t.Tuple[pathlib.Path, str]]:
    """Return the files that a page links to, itself too, each with the heading in it, which may be ""."""
    links = re.findall(r"\]\(([^)#:]*)(?:#([^):]*))?\)", page.read_text("utf-8"))
    return [(page.parent / path if path else page, heading) for path, heading in links]


def _headings(page: pathlib.Path) -> t.Set[str]:
    """Return the anchors that a page has when it is shown as a web page: small letters, "-" for spaces."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    """Each file that a page links to is there, and so is the heading in it."""
    lost = [(str(path), heading) for path, heading in _links(page)
            if not path.exists() or (heading and heading not in _headings(path))]
    assert lost == []


def test_every_page_can_be_found() -> None:
    """From the README, by links alone."""
    found, left = set(), [PAGES[0]]  # type: t.Set[pathlib.Path], t.List[pathlib.Path]
    while left:
        page = left.pop().resolve()
        if page not in found:
            found.add(page)
            left += [path for path, _ in _links(page) if path.suffix == ".md"]
    assert [str(page) for page in PAGES if page.resolve() not in found] == []


@pytest.mark.parametrize("page", [page for page in PAGES if "```ini" in page.read_text("utf-8")], ids=_name)
def test_configurations_that_are_shown_are_right(page: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """`check` would accept each of them."""
    for block in re.findall(r"^```ini\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        path = tmp_path / "shown.ini"
        path.write_text(block, "ascii")
        assert load(str(path), {}, {}).settings.tunnels


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
