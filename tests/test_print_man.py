"""The manual page that `print man` prints, as man(1) reads it."""
import re
import subprocess

import pytest

from st.cli.main import program
from st.printed.manual import EXIT_CODES, Command, Option, manual
from tests.installed import Host, need
from tests.made_files import options_of
from tests.test_in_step import code_exits, commands
from tests.waiting import FACTOR


def formatted(page: str, columns: int = 10000) -> str:
    """Return a page as a terminal shows it, without a warning."""
    need("groff")
    done = subprocess.run(["groff", "-man", "-Tascii", "-P-c", "-ww", "-rLL=%dn" % columns], input=page.encode("ascii"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * FACTOR)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return re.sub(".\b", "", done.stdout.decode("ascii"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page as the command prints it."""
    return Host(tmp_path_factory.mktemp("host")).run("print", "man")


def test_the_page_has_every_command(page: str) -> None:
    """With the options that are its own; those of all commands stand there once."""
    text = formatted(page)
    assert [words for words in commands() if not re.search(r"^ {7}%s\b" % words, text, re.MULTILINE)] == []
    assert len(re.findall(r"^ +--hold TIME$", text, re.MULTILINE)) == 1
    with_json = [name for name in program.commands if "--json" in options_of(name)]
    assert len(re.findall(r"^ +--json ", text, re.MULTILINE)) == len(with_json) > 1
    assert re.search(r"^ +-c, --config FILE$", text, re.MULTILINE)


def test_names_stay_whole(page: str) -> None:
    """At 80 columns too: somebody copies them from there."""
    text = formatted(page, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "/etc/sentinel-tunnel.ini" in text and "SENTINEL_TUNNEL_HOLD" in text


def test_the_page_has_every_exit_code() -> None:
    """No more and no fewer than there are, with those of `exec`."""
    assert {code for code, _ in EXIT_CODES} == code_exits() | {125, 126, 127}


@pytest.mark.parametrize("text, shown", [
    (".SH no order", r"\.SH no order"), ("'so no order", "'so no order"), (r"a\fBb\n", r"a\\fBb\\n"),
    ("two\nlines", "two lines"), ("one\n\nanother", "one\n\n +another"), ("\b\nkept\n  so", "kept\n +so")])
def test_what_would_be_an_order_is_text(text: str, shown: str) -> None:
    """Points and backslashes stay; lines are filled, but those that click leaves alone."""
    made = manual("1", "what", [Command("x", text, (Option("-o, --other", text),))], [])
    assert len(re.findall(shown, formatted(made))) == 2, formatted(made)
