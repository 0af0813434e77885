"""No password is ever shown: real programs with passwords from everywhere, and all that they write, searched."""
import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing as t
import urllib.request

import pytest

from st.event import Event
from st.log.logs import configure
from tests.configs import HEAD, loaded, problems
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.tunnels import ask, until_ended

# Each has `hunter` in it, so that one search finds them all, whole or in part.
LITERAL, IN_FILE, IN_ENV, WRONG, OF_CLIENT = "hunter-1", "hunter-2", "hunter-3", "hunter-4", "hunter-5"


def deployment(world: World, directory: pathlib.Path, *lines: str) -> t.Tuple[t.List[str], t.Dict[str, str]]:
    """Write a configuration with passwords of every source; return the words and the environment that run it."""
    for sentinel in world.sentinels:
        sentinel.password = LITERAL
    world.sentinels[2].password = WRONG + "-not-ours"
    for node in world.nodes:
        node.password = IN_FILE
    (directory / "pass").write_text(IN_FILE + "\n")
    (directory / "pass").chmod(0o600)
    seeds = ", ".join("%s:%d" % seed for seed in world.seeds)
    (directory / "st.ini").write_text("\n".join([
        "[sentinel-tunnel]", "sentinels = " + seeds, "sentinel_password = " + LITERAL, "poll = 100ms", *lines,
        "[tunnel:one]", "master = mymaster", "port = %d" % free_port(), "redis_password_file = pass",
        "[tunnel:two]", "master = mymaster", "port = %d" % free_port(), "redis_password_env = OUR_SECRET",
        "[tunnel:none]", "master = nobody", "port = %d" % free_port(), "redis_password = " + WRONG]))
    return ["-c", "st.ini"], {"OUR_SECRET": IN_ENV, "SENTINEL_TUNNEL_REDIS_PASSWORD": ""}


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_process_shows_none(world: World, tmp_path: pathlib.Path, format: str) -> None:
    """Right and wrong passwords; debug log, a switch, history, command, control, HTTP, reload, status with stacks."""
    port = free_port()
    lines = ["on_failover = sh -c 'env; exit 3'", "http = %d" % port, "log_format = " + format]
    words, environ = deployment(world, tmp_path, *lines)
    del environ["SENTINEL_TUNNEL_REDIS_PASSWORD"]
    with Program(tmp_path, "run", "-v", *words, environ=environ) as program:
        program.wait_for("  ready\n", lambda: program.out)
        one = loaded((tmp_path / "st.ini").read_text().replace("pass\n", "%s/pass\n" % tmp_path),
                     environ=environ).settings.tunnels[0]
        shown = []
        assert one.port
        with connected(one.port) as client:
            assert ask(client, "AUTH", IN_FILE) == b"+OK\r\n"
            assert ask(client, "AUTH", OF_CLIENT).startswith(b"-WRONGPASS")
            world.switch(world.replicas[0])
            until_ended(client)
        program.wait_for("on_failover_failed")
        (tmp_path / "st.ini").write_text((tmp_path / "st.ini").read_text().replace(LITERAL, LITERAL + "-new"))
        for number, awaited in ((signal.SIGUSR1, "watcher"), (signal.SIGHUP, "reloaded")):
            program.send(number)
            program.wait_for(awaited)
        (tmp_path / "st.ini").write_text((tmp_path / "st.ini").read_text() + "\nredis_password: %s\n" % WRONG)
        program.send(signal.SIGHUP)
        program.wait_for("reload_refused")
        for path in ("/", "/status", "/metrics", "/liveness"):
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=60) as reply:
                shown.append(reply.read().decode())
        for command in (["status"], ["status", "--json"], ["clients"], ["history", "--json"], ["reload"], ["stop"]):
            shown.append(output_of(tmp_path, "--control", program.control, *command))
        assert program.code() == 0
        assert "expected KEY = VALUE" in program.log and "sentinel_password" in program.log
        assert all(shown) and "hunter" not in program.log + program.out + "".join(shown)
        assert "NOAUTH" in program.log or "WRONGPASS" in program.log  # there was something to be silent about


def connected(port: int) -> socket.socket:
    """Return a client's socket."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def output_of(directory: pathlib.Path, *words: str, **environ: str) -> str:
    """Return all that a command writes, to standard output and standard error."""
    own = dict(os.environ, PYTHONPATH=ROOT, HOME=str(directory), **environ)
    done = subprocess.run([sys.executable, "-m", "st", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, cwd=str(directory), env=own, timeout=120)
    return done.stdout.decode()


def test_commands_show_none(world: World, tmp_path: pathlib.Path) -> None:
    """check, resolve and masters, with right passwords and with wrong ones."""
    words, environ = deployment(world, tmp_path)
    for command in (["check"], ["check", "-v"], ["resolve", "mymaster"], ["resolve", "nobody"], ["masters"],
                    ["resolve", "mymaster", "-v", "--verify"]):
        for changed in ({}, {"SENTINEL_TUNNEL_SENTINEL_PASSWORD": WRONG}):
            said = output_of(tmp_path, *command, *words, **dict(environ, **changed))
            assert said and "hunter" not in said, command


def test_convert_writes_the_passwords_of_the_file_and_no_other(tmp_path: pathlib.Path) -> None:
    """A converted file works as the old one did: passwords that stand in it stay, those of this host stay out."""
    (tmp_path / "old.json").write_text(json.dumps({
        "Sentinels_addresses_list": ["s1:1"], "Databases": [{"Name": "db1", "Local_port": "1"}],
        "sentinel_password": LITERAL}))
    said = output_of(tmp_path, "convert", "old.json", SENTINEL_TUNNEL_REDIS_PASSWORD=IN_ENV)
    assert "sentinel_password = %s\n" % LITERAL in said and IN_ENV not in said


@pytest.mark.parametrize("line", [
    "sentinel_password hunter-1", "sentinel_password: hunter-1", "sentinel_password:hunter-1",
    "sentinel_password: hunter=1", "sentinel_password hunter=1", "sentinel_pasword = hunter-1",
    "sentinel_password = a\n    hunter-1", "sentinel_password = hunter-1\nsentinel_password = hunter-2",
    "sentinel_password = hunter-1\nsentinel_password_env = X", "redis_password = hunter\udcff",
    "hold = 1s\nhold = 1s\nredis_password = hunter-1", "poll = x\nsentinel_password = hunter-1"])
def test_a_wrong_line_shows_none(line: str) -> None:
    """What is said of a slip in the configuration shows the key, never what may be the password."""
    found = problems(HEAD + line + "\n")
    assert found and "hunter" not in "".join(found)


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_traceback_shows_none(tmp_path: pathlib.Path, format: str, expect_error: t.Callable[[str], None]) -> None:
    """Not even when the settings themselves are what an exception tells, or a log line."""
    expect_error("broken")
    settings = loaded(HEAD + "sentinel_password = hunter-1\n[tunnel:a]\nport = 1\nredis_password = hunter-2\n")
    path = tmp_path / "log"
    with configure("debug", format, str(path)):
        try:
            raise ValueError(settings, repr(settings.settings.sentinel_password))
        except ValueError:
            logging.getLogger("st.test").exception(Event("broken", settings=settings, again=str(settings)))
    assert "hunter" not in path.read_text() and "***" in path.read_text() and "ValueError" in path.read_text()
