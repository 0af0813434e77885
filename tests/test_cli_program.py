"""The group of commands: words of the original tool, near misses, exit codes."""
import os
import pathlib
import typing as t

import click
import pytest
from click.testing import CliRunner, Result

from st.cli.main import program
from st.cli.program import Program, original_words

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ORIGINAL = os.path.join(ROOT, "conf", "original.json")


def _run(*words: str, **environ: t.Optional[str]) -> Result:
    return CliRunner().invoke(program, list(words), env=environ)


def test_an_unknown_command_is_wrong_usage() -> None:
    """The nearest command is proposed."""
    result = _run("chek")
    assert result.exit_code == 2 and "no command 'chek'; did you mean 'check'?" in result.output


def test_an_unknown_option_is_wrong_usage() -> None:
    """Before and after the command."""
    assert [_run("--no-such", "check").exit_code, _run("check", "--no-such").exit_code] == [2, 2]


def test_help_shows_the_commands() -> None:
    """--help of the program and of a command exit 0."""
    assert _run("--help").exit_code == 0 and "convert" in _run("--help").output
    assert _run("run", "--help").exit_code == 0 and "--poll TIME" in _run("run", "--help").output


def test_help_of_a_command_shows_its_own_options() -> None:
    """Those that every command takes would hide them; they are taken all the same."""
    text = _run("doctor", "--help").output
    assert all(each in text for each in ("--nagios", "--config", "--sentinel HOST", "sentinel-tunnel --help"))
    assert "--poll" not in text
    assert "'never'" in _run("doctor", "--poll", "never").output  # known, and only its value is wrong


def test_no_command_is_wrong_usage_also_with_options() -> None:
    """Options alone do nothing."""
    result = _run("-v")
    assert result.exit_code == 2 and "Commands:" in result.output


def test_two_words_of_the_original_tool_run_it(tmp_path: pathlib.Path) -> None:
    """`CONFIG.json LOGFILE` is `run -c CONFIG.json --log-file LOGFILE` when the first is a file and no command."""
    path = str(tmp_path / "c.json")
    assert original_words([path, "/dev/null"], {}) == [path, "/dev/null"]
    (tmp_path / "c.json").write_text("{}")
    assert original_words([path, "/dev/null"], {}) == ["run", "-c", path, "--log-file", "/dev/null"]
    for words in ([path], [path, "a", "b"], [str(tmp_path), "a"]):
        assert original_words(words, {}) == words
    assert original_words([path, "a"], {path: None}) == [path, "a"]


def test_the_words_of_the_original_reach_the_command(tmp_path: pathlib.Path) -> None:
    """The group itself understands them."""
    seen = []
    group = Program(name="p")

    @group.command(name="run")
    @click.option("-c")
    @click.option("--log-file")
    def run(c: str, log_file: str) -> None:
        seen.append((c, log_file))

    assert CliRunner().invoke(group, [ORIGINAL, "/dev/null"]).exit_code == 0
    assert seen == [(ORIGINAL, "/dev/null")]


def test_a_wrong_configuration_exits_78(tmp_path: pathlib.Path) -> None:
    """A file that is not there is a wrong configuration."""
    result = _run("check", "-c", str(tmp_path / "none"))
    assert result.exit_code == 78
    assert result.output == "%s: cannot be read as a configuration: No such file or directory\n" % (tmp_path / "none")


@pytest.mark.skipif(not os.path.exists("/proc/1/mem"), reason="needs a file that nobody may read")
def test_a_missing_right_exits_77() -> None:
    """The cause decides the code: systemd and cron need not retry, but the mending is another."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        result = _run("check", "-c", "/proc/1/mem")
    finally:
        os.seteuid(user)
    assert result.exit_code == 77 and "Permission denied" in result.output


def test_convert_prints_ini_that_check_accepts(tmp_path: pathlib.Path) -> None:
    """The differences to the original are comments in the file."""
    result = _run("convert", ORIGINAL)
    assert result.exit_code == 0
    assert result.output.splitlines()[0].startswith("# %s: tunnels listen on 127.0.0.1" % ORIGINAL)
    (tmp_path / "new.ini").write_text(result.output)
    checked = _run("check", "-c", str(tmp_path / "new.ini"))
    assert (checked.exit_code, checked.output) == (0, "ok: 3 tunnels, 3 sentinels\n")


def test_convert_takes_options_but_not_our_environment() -> None:
    """What this host's environment says does not belong into the new file."""
    output = _run("convert", "-l", "0.0.0.0", ORIGINAL, SENTINEL_TUNNEL_POLL="9s").output
    assert "listen = 0.0.0.0" in output and "poll" not in output and "#" not in output


def test_convert_needs_a_file() -> None:
    """No file is wrong usage."""
    assert _run("convert").exit_code == 2
