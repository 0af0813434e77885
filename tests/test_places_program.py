"""Tunnels on unix sockets and on several addresses, in the real program: its files, its commands, its reloads."""
import json
import os
import pathlib
import pwd
import signal
import socket
import stat
import subprocess
import typing as t

import pytest

from st.address import Address
from st.config import Settings
from st.errors import ListenError
from st.host.passed import Passed, PassedSockets
from tests.control import Ended, needs_redis_cli, run_on, short_directory
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program
from tests.test_passed import started
from tests.tunnels import Running, ask, connect_to, tunnel_settings, until_ended, world_settings
from tests.waiting import FACTOR, wait_until


@pytest.fixture
def path() -> t.Iterator[str]:
    """Give a path for a socket in a directory of its own."""
    with short_directory() as directory:
        yield os.path.join(directory, "t.sock")


def write(directory: pathlib.Path, world: World, tunnel: str) -> str:
    """Write a configuration with one tunnel and return its path."""
    seeds = ", ".join("%s:%d" % seed for seed in world.seeds)
    (directory / "st.ini").write_text("[sentinel-tunnel]\nsentinels = %s\npoll = 0.1\ndrain = 0\n[tunnel:mymaster]\n%s"
                                      % (seeds, tunnel))
    return str(directory / "st.ini")


@needs_redis_cli
def test_a_real_client_comes_by_a_path(world: World, tmp_path: pathlib.Path, path: str) -> None:
    """redis-cli -s; the mapping, `status` and `clients` show the path and who is there; the end takes the file away."""
    port = free_port()
    config = write(tmp_path, world, "port = %d\nlisten = 127.0.0.1, %s\n" % (port, path))
    with Program(tmp_path, "run", "-c", config) as program:
        program.wait_ready()
        assert "  mymaster  127.0.0.1:%d, %s -> " % (port, path) in program.out
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        assert subprocess.check_output(["redis-cli", "-s", path, "set", "k", "v"], timeout=60 * FACTOR) == b"OK\n"
        with connect_to(path) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            told = run_on(program.control, "clients").out.splitlines()[-1].split()
            assert told[1] == "unix" and told[3:5] == [pwd.getpwuid(os.geteuid()).pw_name, str(os.getpid())]
        status = json.loads(run_on(program.control, "status", "--json").out)
        assert status["tunnels"][0]["listen"] == "127.0.0.1:%d, %s" % (port, path)
        assert program.end() == 0
    assert not os.path.lexists(path)


def test_a_word_and_no_port(world: World, tmp_path: pathlib.Path, path: str) -> None:
    """After kill -9 the file is there still, and the next start replaces it."""
    words = ["run", "mymaster=%s" % path, "-s", "%s:%d" % world.seeds[0]]
    with Program(tmp_path, *words) as program:
        program.wait_ready()
        program.end(signal.SIGKILL)
    assert os.path.exists(path)
    with Program(tmp_path, *words) as program:
        program.wait_for("mymaster  %s -> " % path, lambda: program.out)
        wait_until(lambda: program.out.count("ready\n") == 2, "the second is ready")
        with connect_to(path) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert program.end() == 0


def test_a_path_that_is_in_use_is_an_error_with_its_code(world: World, tmp_path: pathlib.Path, path: str) -> None:
    """1 when somebody is there."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(1)
        with Program(tmp_path, "run", "mymaster=%s" % path, "-s", "%s:%d" % world.seeds[0]) as program:
            assert program.code() == 1
            assert "error: %s: cannot listen: another process listens there: stop it" % path in program.log


def test_check_tells_what_overlaps(world: World, tmp_path: pathlib.Path) -> None:
    """Exit 78, with file and line; a configuration that is right is counted."""
    config = write(tmp_path, world, "listen = /run/x, 127.0.0.1\nport = 1\n[tunnel:b]\nlisten = /run/x\n")
    with Program(tmp_path, "check", "-c", config) as program:
        assert program.code() == 78
        assert "%s:9: tunnel 'b' listens on /run/x, tunnel 'mymaster' already on /run/x (%s:6)" % (config, config) \
            in program.log
    with Program(tmp_path, "check", "-c", write(tmp_path, world, "listen = /run/x\n")) as program:
        assert program.code() == 0 and "ok: 1 tunnel, " in program.out


def test_a_reload_moves_a_tunnel_from_path_to_path(world: World, tmp_path: pathlib.Path, path: str) -> None:
    """The list is another: its connections end, the old file goes, the new one is there."""
    with Program(tmp_path, "run", "-c", write(tmp_path, world, "listen = %s\n" % path)) as program:
        program.wait_ready()
        with connect_to(path) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            write(tmp_path, world, "listen = %s2, 127.0.0.1\nport = %d\n" % (path, free_port()))
            assert run_on(program.control, "reload") == Ended(
                0, "replaced: tunnel mymaster, its connections end\n", "")
            assert until_ended(client) == b"" and not os.path.lexists(path)
        with connect_to(path + "2") as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert program.end() == 0


def on(made: Settings, *listen: str, port: t.Optional[int] = None) -> Settings:
    """Return settings whose one tunnel listens elsewhere."""
    return made._replace(tunnels=(made.tunnels[0]._replace(listen=listen, port=port),))


def test_a_reload_keeps_the_place_that_stays_in_the_list(world: World, path: str) -> None:
    """The old listener makes room for the new one on the same path; a name may change as well."""
    made = world_settings(world, drain=0)
    with Running(on(made, path)) as app:
        assert app.app.reload(on(made, path, "127.0.0.1", port=free_port())).replaced == ("mymaster",)
        with connect_to(path) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        renamed = on(made, path)
        app.app.reload(renamed._replace(tunnels=(renamed.tunnels[0]._replace(name="other"),)))
        app.wait_master(world.master, "other")
        with connect_to(path) as client:
            assert ask(client, "PING") == b"+PONG\r\n"


def test_a_refused_reload_leaves_every_place_as_it_was(world: World, path: str) -> None:
    """One of the new places is taken: the old ones are listened on again, and the clients were not touched."""
    made = world_settings(world, drain=0)
    with Running(on(made, "127.0.0.1", path, port=free_port())) as app, connect_to(path) as client, \
            socket.socket() as taken:
        listen = app.tunnel().listen
        assert ask(client, "PING") == b"+PONG\r\n"
        taken.bind(("127.0.0.2", 0))
        taken.listen(1)
        with pytest.raises(ListenError, match="127.0.0.2:.*held by "):
            app.app.reload(on(made, path, "127.0.0.2", port=taken.getsockname()[1]))
        assert app.tunnel().listen == listen and ask(client, "PING") == b"+PONG\r\n"
        with connect_to(path) as another:
            assert ask(another, "PING") == b"+PONG\r\n"


def test_systemd_passes_a_path(world: World, tmp_path: pathlib.Path, path: str) -> None:
    """By ListenStream=/PATH; the other place of the tunnel is opened, and systemd's file stays at the end."""
    port = free_port()
    config = write(tmp_path, world, "port = %d\nlisten = 127.0.0.1, %s\n" % (port, path))
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(path)
        passed.listen(10)
        with connect_to(path) as early, started(tmp_path, config, [passed]) as program:
            assert ask(early, "PING") == b"+PONG\r\n"
            program.wait_ready()
            with socket.create_connection(("127.0.0.1", port), 20 * FACTOR) as client:
                assert ask(client, "PING") == b"+PONG\r\n"
            assert program.end() == 0
        assert os.path.exists(path)


def test_sockets_that_bear_its_name_are_all_that_a_tunnel_has() -> None:
    """Whatever its own places are; without a name each socket takes the place that it listens on."""
    with socket.socket() as one, socket.socket() as two:
        tunnel = tunnel_settings(name="a", listen=("127.0.0.1", "::1", "/run/x"), port=1)
        passed = PassedSockets([Passed("a", Address("127.0.0.1", 9), one), Passed("a", "/run/y", two)])
        assert passed.assign([tunnel]) == {"a": [one, two]} and passed.useless([tunnel]) == []
        passed = PassedSockets([Passed("", "/run/x", one), Passed("", "/run/y", two)])
        assert passed.assign([tunnel]) == {"a": [("127.0.0.1", 1), ("::1", 1), one]}
        problem, = passed.useless([tunnel])
        assert "listens on /run/y, but no tunnel does" in problem
