"""The table of settings, the help, the pages in docs/, README and conf/ tell the same."""
import os
import pathlib
import re
import shlex
import typing as t

import click
import pytest
from click.testing import CliRunner

from st.cli import exits
from st.cli.main import program
from st.config import load
from st.config.environment import CONFIG, PREFIX, REQUIRE_MASTER, TOLD, TUNNELS
from st.config.table import SETTINGS
from tests.made_files import MADE, ROOT, option_name, options_of

COMMANDS = (ROOT / "docs" / "commands.md").read_text("ascii")
PROSE = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")),
         *sorted(path for path in (ROOT / "conf").rglob("*") if path.is_file())]
OTHER_VARIABLES = {CONFIG, TUNNELS, REQUIRE_MASTER, *TOLD}


def commands() -> t.Dict[str, click.Command]:
    """Return all commands by their words: "run", "print unit"."""
    found = {}
    for name, command in program.commands.items():
        below = command.commands if isinstance(command, click.Group) else {}
        found.update({"%s %s" % (name, word): each for word, each in below.items()} or {name: command})
    return found


def code_exits() -> t.Set[int]:
    """Return every exit code that a command may have."""
    return {0, 1, 2} | {number for name, number in vars(exits).items() if name.isupper()}


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_made_file_is_not_stale(name: str) -> None:
    """It is what its source makes of it."""
    path = ROOT / name
    assert path.exists() and path.read_text("utf-8") == MADE[name](), \
        "%s is stale: run `python -m tests.made_files`, and commit what it made" % name


def test_the_page_of_commands_has_each_command() -> None:
    """One row each, in the words of the command line, and none of a command that is no more."""
    rows = re.findall(r"^\| `([a-z]+(?: [a-z]+)?)[^`]*` \|", COMMANDS, re.MULTILINE)
    assert sorted(rows) == sorted(commands())


def test_the_page_of_commands_has_each_exit_code() -> None:
    """A row tells what it means, and no command is said to end with another."""
    told = {int(code) for code in re.findall(r"^\| ([0-9]+) \|", COMMANDS, re.MULTILINE)}
    assert told == code_exits()
    cells = re.findall(r"^\| `.*\| ([^|]+) \|$", COMMANDS, re.MULTILINE)
    assert len(cells) == len(commands())
    assert {int(code) for cell in cells for code in re.findall(r"\b[0-9]+\b", cell)} == told


def test_the_readme_names_each_command_and_its_exit_codes() -> None:
    """Somebody who reads only that page knows what there is."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in program.commands if not re.search(r"`(sentinel-tunnel )?%s\b" % name, text)] == []
    sentence = text[text.index("Exit codes:"):].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"\b[0-9]+\b", sentence)} >= code_exits()


def test_every_option_that_is_written_about_exists() -> None:
    """In the pages of docs/ and where README shows our command."""
    known = {option for name in commands() for option in _long_options(name)} | {"--help", "--version"}
    text = COMMANDS + (ROOT / "docs" / "settings.md").read_text("utf-8")
    text += "".join(re.findall(r"sentinel-tunnel .*", (ROOT / "README.md").read_text("utf-8")))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known == set()


def _in_sentences(text: str) -> t.Set[str]:
    """Return our commands that stand between other words; where NAME stands for a word it stays."""
    shown = "".join(re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    ours = re.findall(r"`(?:sentinel-tunnel (?!\d)|(?=print ))([a-z-][^`|\\]*)", text)
    ours += re.findall(r"^sentinel-tunnel (.*)$", shown, re.MULTILINE)
    return {re.sub(r" *(?:[\[<>;].*|\d?>.*)", "", words) for words in ours}


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists(path: pathlib.Path) -> None:
    """With its options. (Those that stand in lines of their own are run, see tests/live/test_docs_commands.py.)"""
    for line in _in_sentences(path.read_text("utf-8")):
        words = shlex.split(line.split(" -- ")[0])
        result = CliRunner().invoke(program, words + ["--help"])
        assert result.exit_code == 0, "%s: %s" % (line, result.output)


def _long_options(name: str) -> t.List[str]:
    options = [each for each in commands()[name].params if isinstance(each, click.Option)]
    return [form for option in options for form in option.opts]


def test_every_variable_that_is_written_about_exists() -> None:
    """Each is made of the name of a setting, or one of the few that belong to none."""
    known = {PREFIX + name.upper() for name in SETTINGS} | OTHER_VARIABLES
    for path in PROSE:
        named = set(re.findall(r"\bSENTINEL_TUNNEL_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))
        assert named <= known, path


def test_each_setting_is_a_variable() -> None:
    """The environment says what its name says; the option, where there is one, has the same name."""
    for name, row in SETTINGS.items():
        if row.default and name not in ("sentinels", "port"):
            variable = {PREFIX + name.upper(): row.default, PREFIX + "SENTINELS": "s1"}
            loaded = load(None, {}, variable, ["a=1"], ())
            assert loaded.settings.tunnels and not loaded.warnings, name
            assert load(None, {}, dict(variable, **{PREFIX + name.upper(): ""}), ["a=1"], ()) == loaded, name
    settings = {option_name(name) for name in SETTINGS}
    own = {"--config", "--require-master", "--verbose", "--quiet", "--daemon"}
    assert set(options_of("run")) - own <= settings


@pytest.mark.parametrize("words", sorted(commands()))
def test_help_says_what_a_command_does(words: str) -> None:
    """A sentence, and a text for each option, in plain ASCII and 80 columns."""
    result = CliRunner().invoke(program, words.split() + ["--help"], terminal_width=80)
    assert result.exit_code == 0
    assert re.match(r"([ -~]{0,80}\n)+\Z", result.output), result.output
    command = commands()[words]
    assert command.help and command.help.split("\n\n")[0].strip().endswith(".")
    assert [each.name for each in command.params if isinstance(each, click.Option) and not each.help] == []


def test_the_socket_unit_fits_the_configuration() -> None:
    """A socket that is no tunnel's would be an error at the start."""
    sockets = re.findall(r"^ListenStream=(.*)$", (ROOT / "conf" / "sentinel-tunnel.socket").read_text("ascii"), re.M)
    tunnels = load(os.path.join(str(ROOT), "conf", "sentinel-tunnel.ini"), {}, {}).settings.tunnels
    assert sockets == [str(place) for tunnel in tunnels for place in tunnel.places]
