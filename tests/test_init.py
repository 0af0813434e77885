"""`init`: what Sentinels know becomes a file that `check` accepts."""
import os
import pathlib
import typing as t

import pytest
from click.testing import CliRunner, Result

from st.cli.main import program
from st.config import load
from st.testing.sentinel import Monitored, Sibling
from tests.fakes import Error, World


def run(*words: str, **environ: str) -> Result:
    """Run a command with these variables beside ours."""
    return CliRunner().invoke(program, list(words), env=environ)


def asking(world: World) -> t.Sequence[str]:
    """Return the option that names the first Sentinel alone."""
    return ("-s", "%s:%d" % world.seeds[0])


@pytest.fixture
def two(world: World) -> World:
    """Give a world with one more master, whose name comes first, and is not ASCII."""
    for sentinel in world.sentinels:
        sentinel.masters["caf\u00e9"] = Monitored(("10.9.9.9", 6380), 12)
    return world


def test_all_sentinels_and_a_port_for_each_master(two: World, tmp_path: pathlib.Path) -> None:
    """Ports count up in the order of the names, and the file says what it is about."""
    result = run("init", *asking(two))
    assert result.exit_code == 0, result.output
    (tmp_path / "new.ini").write_text(result.output, encoding="utf-8")
    settings = load(str(tmp_path / "new.ini"), {}, {}).settings
    assert list(settings.sentinels) == two.seeds
    assert [(each.name, each.master, each.port, each.listen) for each in settings.tunnels] == [
        ("caf\u00e9", "caf\u00e9", 6379, ("127.0.0.1",)), ("mymaster", "mymaster", 6380, ("127.0.0.1",))]
    assert "; its master is 127.0.0.1:%d now, with 2 replicas\n[tunnel:mymaster]\n" % two.master.address[1] \
        in result.output
    assert run("check", "-c", str(tmp_path / "new.ini")).output == "ok: 2 tunnels, 3 sentinels\n"


def test_options_are_written_once(two: World, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all tunnels, with the files of passwords by whole paths; how much is logged is no matter of the file."""
    monkeypatch.chdir(tmp_path)
    for name in ("of-redis", "of-sentinel"):
        (tmp_path / name).write_text("secret\n")
        (tmp_path / name).chmod(0o600)
    for sentinel in two.sentinels:
        sentinel.password = "secret"
    output = run("init", *asking(two), "-v", "--hold", "20s", "--port", "7000", "--redis-password-file", "of-redis",
                 SENTINEL_TUNNEL_SENTINEL_PASSWORD_FILE="of-sentinel").output
    assert [output.count(line) for line in ("hold = 20s\n", "port = 7000\n", "port = 7001\n")] == [1, 1, 1], output
    assert "\nredis_password_file = %s\n" % os.path.join(os.getcwd(), "of-redis") in output
    assert "\nsentinel_password_file = %s\n" % os.path.join(os.getcwd(), "of-sentinel") in output
    assert "secret" not in output and "log_level" not in output


def test_a_password_of_the_environment_is_not_written(world: World) -> None:
    """The file says where it came from."""
    for sentinel in world.sentinels:
        sentinel.password = "secret"
    result = run("init", *asking(world), SENTINEL_TUNNEL_SENTINEL_PASSWORD="secret")
    assert result.exit_code == 0 and "secret" not in result.output
    assert "; sentinel_password: not written; the environment had it, in SENTINEL_TUNNEL_SENTINEL_PASSWORD" \
        in result.output


def test_a_sentinel_that_is_down_is_left_out(world: World) -> None:
    """It may be one that was taken away long ago; who reads the file decides."""
    world.sentinels[0].siblings.append(Sibling(("10.9.9.8", 26379), "f" * 40, "sentinel,s_down"))
    output = run("init", *asking(world)).output
    assert "; Left out, because another Sentinel says that it is down: 10.9.9.8:26379\n" in output
    assert output.count("10.9.9.8") == 1


def test_it_reads_no_configuration(world: World, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell has emptied the usual one, or it is the one that shall be replaced."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sentinel-tunnel.ini").write_text("of no use")
    assert run("init", *asking(world)).exit_code == 0
    assert run("init", "-c", "sentinel-tunnel.ini").exit_code == 2


def test_reasons_why_there_is_none(world: World) -> None:
    """No Sentinel given, none that knows a master, and a name that no configuration can hold."""
    assert run("init").exit_code == 78
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL MASTERS"] = Error("NOPERM this user has no permissions")
    refused = run("init", *asking(world))
    assert refused.exit_code == 69 and "NOPERM" in refused.output
    for sentinel in world.sentinels:
        sentinel.masters = {"evil ;\x1b[31m": Monitored(("10.9.9.9", 6380), 12)}
        sentinel.replies.clear()
    wrong = run("init", *asking(world))
    assert wrong.exit_code == 78 and "\x1b" not in wrong.output and "[tunnel" not in wrong.output
