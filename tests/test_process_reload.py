"""A reload of the program: by HUP, from the file as it is now, refused as a whole when anything is wrong."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing as t

import pytest

from tests.fakes import Monitored, World
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.tunnels import ask
from tests.waiting import FACTOR, wait_until


class Configured:
    """A program and the file that it reads."""

    def __init__(self, world: World, directory: pathlib.Path) -> None:
        self.path = directory / "tunnel.ini"
        self.head = "[sentinel-tunnel]\nsentinels = %s\n" % ", ".join("%s:%d" % seed for seed in world.seeds)
        self.port = free_port()
        self.write("[tunnel:mymaster]\nport = %d\n" % self.port)
        self.program = Program(directory, "run", "-c", str(self.path))

    def write(self, tunnels: str, head: str = "") -> None:
        """Write the file anew."""
        self.path.write_text(self.head + head + tunnels)

    def hup(self, said: str) -> None:
        """Send HUP and wait for a text in the log."""
        self.program.send(signal.SIGHUP)
        self.program.wait_for(said)


@contextlib.contextmanager
def configured(world: World, directory: pathlib.Path) -> t.Iterator[Configured]:
    """Give a ready program with one tunnel."""
    made = Configured(world, directory)
    with made.program:
        made.program.wait_ready()
        yield made
        assert made.program.end() == 0


def connect(port: int) -> socket.socket:
    """Return a client's socket on which nothing takes longer than 20 seconds."""
    return socket.create_connection(("127.0.0.1", port), timeout=20 * FACTOR)


def test_hup_reads_the_file_again(world: World, tmp_path: pathlib.Path) -> None:
    """What changed is told in one line; an open connection goes on, the new tunnel serves."""
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(world.master.address, 0)
    with configured(world, tmp_path) as made, connect(made.port) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        port = free_port()
        made.write("[tunnel:mymaster]\nport = %d\nhold = 1s\n[tunnel:other]\nport = %d\n" % (made.port, port),
                   "drain = 1s\n")
        made.hup('changes="added: tunnel other; changed: tunnel mymaster: hold; changed: drain"')
        assert ask(client, "PING") == b"+PONG\r\n"
        with connect(port) as other:
            assert ask(other, "PING") == b"+PONG\r\n"


@pytest.mark.parametrize("tunnels, why", [
    ("[tunnel:mymaster]\nport = %(port)d\nhodl = 1s\n", "tunnel.ini:5: unknown setting 'hodl'"),
    ("[tunnel:mymaster]\nport = %(taken)d\n", "cannot listen: Address already in use"),
])
def test_a_bad_file_changes_nothing(world: World, tmp_path: pathlib.Path, tunnels: str, why: str) -> None:
    """It is said why, and the process serves as before; a good file afterwards is taken."""
    with socket.socket() as taken, configured(world, tmp_path) as made:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        with connect(made.port) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            made.write(tunnels % {"port": made.port, "taken": taken.getsockname()[1]})
            made.hup("reload_refused")
            assert why in made.program.log and "nothing has changed" in made.program.log
            made.write("[tunnel:mymaster]\nport = %d\n" % made.port, "poll = 500ms\n")
            made.hup('changes="changed: poll"')
            assert ask(client, "PING") == b"+PONG\r\n"


def test_the_log_can_move(world: World, tmp_path: pathlib.Path) -> None:
    """Level, format and file follow; a file that cannot be opened refuses all of it."""
    with configured(world, tmp_path) as made:
        tunnels = "[tunnel:mymaster]\nport = %d\n" % made.port
        made.write(tunnels, "log_file = %s\npoll = 300ms\n" % (tmp_path / "missing" / "log"))
        made.hup("reload_refused")
        assert "make its directory first" in made.program.log
        made.write(tunnels, "log_file = %s\nlog_format = json\nlog_level = debug\n" % (tmp_path / "new.log"))
        made.program.send(signal.SIGHUP)
        wait_until(lambda: (tmp_path / "new.log").exists() and "reloaded" in (tmp_path / "new.log").read_text(),
                   "the new log has the line")
        wait_until(lambda: '"level": "DEBUG"' in (tmp_path / "new.log").read_text(), "at its level")
        before = made.program.log
        assert "changed: poll" not in before


def test_the_log_stays_when_something_else_is_wrong(world: World, tmp_path: pathlib.Path) -> None:
    """A port that is taken refuses the new log file too: the reason stands in the old one."""
    with socket.socket() as taken, configured(world, tmp_path) as made:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        head = "log_file = %s\n" % (tmp_path / "new.log")
        made.write("[tunnel:mymaster]\nport = %d\n" % taken.getsockname()[1], head)
        made.hup("reload_refused")
        assert (tmp_path / "new.log").read_text() == ""
        made.write("[tunnel:mymaster]\nport = %d\n" % made.port)
        made.hup("reloaded")


def test_what_needs_a_restart_is_said(world: World, tmp_path: pathlib.Path) -> None:
    """Such as the address for HTTP."""
    with configured(world, tmp_path) as made:
        made.write("[tunnel:mymaster]\nport = %d\n" % made.port, "pid_file = %s\n" % (tmp_path / "pid"))
        made.hup('changes="needs a restart: pid_file"')


def test_a_reload_does_not_call_off_the_demand_for_a_master(world: World, tmp_path: pathlib.Path) -> None:
    """With --require-master it ends with 69, though HUP came while it waited."""
    words = ["run", "nobody=%d" % free_port(), "--require-master", "--hold", "3s"]
    words += [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]
    with Program(tmp_path, *words) as program:
        program.wait_for("no master yet", lambda: program.out)
        program.send(signal.SIGHUP)
        program.wait_for("reloaded")
        assert program.code() == 69
        assert "error: no master within 3s: nobody: " in program.log


def test_a_counted_port_stays_with_its_master(world: World, tmp_path: pathlib.Path) -> None:
    """Else a client would talk to another Redis, because HUP came after somebody had added one to the Sentinels."""
    words = [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]
    with Program(tmp_path, "run", "-p", str(free_port()), *words) as program:
        program.wait_ready()
        for sentinel in world.sentinels:
            sentinel.masters["a"] = Monitored(world.master.address, 0)
        program.send(signal.SIGHUP)
        program.wait_for('changes="added: tunnel a"')
        assert program.end() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="the limit of threads does not bind root, so that the test becomes nobody")
def test_a_reload_for_which_no_thread_is_left_changes_nothing(world: World, tmp_path: pathlib.Path) -> None:
    """It is refused like any other, the tunnel that was there serves on."""
    ports = [free_port() for _ in range(40)]
    app_script = (
        "import resource, os, sys; sys.path.insert(0, %r); from tests.tunnels import *; from st.errors import *\n"
        "seeds, ports = eval(sys.argv[1]), eval(sys.argv[2])\n"
        "text = '[sentinel-tunnel]\\nsentinels = %%s\\n' %% ', '.join('%%s:%%d' %% seed for seed in seeds)\n"
        "head = text + 'discover = no\\nevents = no\\n[tunnel:mymaster]\\nport = %%d\\n' %% ports[0]\n"
        "more = ''.join('[tunnel:t%%d]\\nmaster = mymaster\\nport = %%d\\n' %% (p, p) for p in ports[1:])\n"
        "with Running(settings(head)) as app:\n"
        "    wait_until(lambda: app.tunnel().state == 'up', 'it serves')\n"
        "    os.setuid(54321)\n"
        "    resource.setrlimit(resource.RLIMIT_NPROC, (20, 20))\n"
        "    try:\n"
        "        app.app.reload(settings(head + more))\n"
        "    except ListenError as error:\n"
        "        print(error)\n"
        "    with app.connect() as client:\n"
        "        print(ask(client, 'PING'))\n"
        "    print(len(app.app.status().tunnels), flush=True)\n"
        "    os._exit(0)\n") % ROOT  # no other user may write what coverage would
    done = subprocess.run([sys.executable, "-c", app_script, repr(list(world.seeds)), repr(ports)], cwd=str(tmp_path),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120 * FACTOR)
    said = done.stdout.decode().splitlines()
    assert "cannot listen: can't start new thread: raise the limit of processes" in said[0]
    assert said[1:] == ["b'+PONG\\r\\n'", "1"]
