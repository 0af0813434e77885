"""Options stand before and after the command; the later one wins."""
import typing as t

import click
import pytest
from click.testing import CliRunner, Result

from st.cli.options import Chosen, check_names, common_options, is_quiet, load_settings, requires_master
from st.config import Loaded
from st.config.table import SETTINGS


class Seen:
    """What the command `probe` was given."""

    chosen = Chosen()
    loaded: t.Optional[Loaded] = None
    quiet = False
    require_master = False


@click.group(name="group")
@common_options
def group() -> None:
    """Stand in for the program."""


@group.command(name="probe")
@click.argument("names", nargs=-1, callback=check_names)
@common_options
@click.pass_context
def probe(context: click.Context, names: t.Sequence[str]) -> None:
    """Write down what a command gets."""
    Seen.chosen = context.ensure_object(Chosen)
    Seen.quiet = is_quiet(context)
    Seen.require_master = requires_master(context)
    Seen.loaded = load_settings(context, names)


def _run(*words: str, **environ: t.Optional[str]) -> Result:
    return CliRunner().invoke(group, list(words), env=environ)


def _settings(*words: str) -> t.Dict[str, str]:
    result = _run(*words)
    assert result.exit_code == 0, result.output
    return Seen.chosen.settings


def test_options_stand_before_and_after_the_command() -> None:
    """Either place will do, and the later option wins."""
    assert _settings("--poll", "2s", "probe", "-s", "s1", "--hold", "3s") == {
        "poll": "2s", "sentinels": "s1", "hold": "3s"}
    assert _settings("--poll", "2s", "-s", "s1", "probe", "--poll", "3s")["poll"] == "3s"
    assert _settings("-s", "s1", "probe", "--poll", "2s", "--poll", "3s")["poll"] == "3s"


def test_sentinels_add_up() -> None:
    """-s is repeatable, also around the command."""
    assert _settings("-s", "s1", "-s", "s2", "probe", "-s", "s3")["sentinels"] == "s1,s2,s3"
    assert Seen.loaded and [address.host for address in Seen.loaded.settings.sentinels] == ["s1", "s2", "s3"]


def test_every_option_reaches_its_setting() -> None:
    """The names of the options are those of the table."""
    values = {"listen": "::1", "port": "7000", "sentinel_user": "u", "sentinel_password_file": "/none",
              "redis_user": "r", "redis_password_file": "/none", "max_connections": "5", "connect_timeout": "1s",
              "hold": "1s", "drain": "1s", "poll": "1s", "log_file": "/tmp/l", "log_format": "json"}
    words = [word for name, value in values.items() for word in ("--" + name.replace("_", "-"), value)]
    _run(*words, "probe", "-s", "s1", "-v")
    assert Seen.chosen.settings == dict(values, sentinels="s1", log_level="debug")


@pytest.mark.parametrize("words, level", [
    (["-v"], "debug"), (["-q"], "warning"), (["-v", "-q"], "warning"), (["-q", "-v"], "debug"), ([], None),
])
def test_v_and_q_are_log_levels(words: t.List[str], level: t.Optional[str]) -> None:
    """The later one wins; without either the file decides."""
    assert _settings("-s", "s1", "probe", *words).get("log_level") == level
    assert Seen.quiet == (level == "warning")


def test_a_wrong_value_is_wrong_usage() -> None:
    """The option is named, and what is wrong with its value."""
    result = _run("probe", "--poll", "x")
    assert result.exit_code == 2 and "--poll" in result.output and "'x' is not a time" in result.output


def test_a_wrong_name_is_wrong_usage() -> None:
    """Words are looked at before anything is loaded."""
    result = _run("probe", "a=b")
    assert result.exit_code == 2 and "'a=b': 'b' is not a port number" in result.output


def test_names_become_tunnels() -> None:
    """load_settings takes the words of a command."""
    _settings("probe", "-s", "s1", "a=1", "b=[::1]:2")
    assert Seen.loaded and [(tunnel.name, tunnel.port) for tunnel in Seen.loaded.settings.tunnels] == [
        ("a", 1), ("b", 2)]


def test_a_master_can_be_required() -> None:
    """By the option or its variable, which takes the words for yes and no."""
    _settings("--require-master", "probe", "-s", "s1")
    assert Seen.require_master
    for text, required in (("yes", True), ("off", False), ("", False)):
        assert _run("probe", "-s", "s1", SENTINEL_TUNNEL_REQUIRE_MASTER=text).exit_code == 0
        assert Seen.require_master is required
    result = _run("probe", "-s", "s1", SENTINEL_TUNNEL_REQUIRE_MASTER="x")
    assert result.exit_code == 2
    assert "environment SENTINEL_TUNNEL_REQUIRE_MASTER: 'x' is neither yes nor no" in result.output


def test_no_password_is_taken_from_the_command_line() -> None:
    """Anyone could read it with ps."""
    assert _run("probe", "--redis-password", "p").exit_code == 2
    assert _run("probe", "--sentinel-password", "p").exit_code == 2


def test_help_comes_from_the_table() -> None:
    """Each option shows the help of its setting, and its default."""
    text = " ".join(_run("probe", "--help").output.split())
    for name in ("listen", "hold", "poll", "drain", "log_format", "sentinel_user", "max_connections"):
        assert SETTINGS[name].help in text, name
    assert "no master [10s]" in text
