"""What follows a switch, with the real program: its history over a kill, its command, what it says beforehand."""
import json
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

from tests.fakes import World
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.waiting import wait_until


def config(world: World, directory: pathlib.Path, *lines: str) -> t.List[str]:
    """Write a configuration with one tunnel and these lines, and return the words that run it."""
    path = directory / "st.ini"
    head = ["[sentinel-tunnel]", "sentinels = " + ", ".join("%s:%d" % seed for seed in world.seeds), "poll = 100ms"]
    path.write_text("\n".join([*head, *lines, "[tunnel:sessions]", "master = mymaster", "port = %d" % free_port()]))
    return ["run", "-c", str(path)]


def entries(directory: pathlib.Path) -> t.List[t.Dict[str, t.Any]]:
    """Return what the history file holds."""
    path = directory / "history"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_switches_are_kept_and_told(world: World, tmp_path: pathlib.Path) -> None:
    """The history has the switch, the command gets it; killed and started again the history goes on."""
    words = config(world, tmp_path, "on_failover = sh -c 'echo $SENTINEL_TUNNEL_NEW >> %s'" % (tmp_path / "told"))
    environ = {"SENTINEL_TUNNEL_HISTORY_FILE": str(tmp_path / "history")}
    for number, node in enumerate((world.nodes[1], world.nodes[2]), 1):
        own = tmp_path / str(number)
        own.mkdir()
        with Program(own, *words, environ=environ) as program:
            program.wait_ready()
            world.switch(node)
            wait_until(lambda: len(entries(tmp_path)) == number, "the switch is kept")
            wait_until(lambda: (tmp_path / "told").exists() and
                       len((tmp_path / "told").read_text().splitlines()) == number, "the command has run")
            assert program.end(signal.SIGKILL) == -signal.SIGKILL
    nodes = ["%s:%d" % node.address for node in world.nodes]
    assert (tmp_path / "told").read_text().split() == nodes[1:]
    kept = entries(tmp_path)
    assert [(entry["old"], entry["new"]) for entry in kept] == [(nodes[0], nodes[1]), (nodes[1], nodes[2])]
    assert all(entry["tunnel"] == "sessions" and entry["master_name"] == "mymaster" for entry in kept)
    assert all(0 <= entry["gap"] < 600 and abs(time.time() - entry["at"]) < 600 for entry in kept)


def test_a_command_that_hangs_delays_no_switch_and_no_stop(world: World, tmp_path: pathlib.Path) -> None:
    """The next switch is seen while it runs; TERM ends both."""
    words = config(world, tmp_path, "on_failover = sh -c 'echo $$ > %s; sleep 1000'" % (tmp_path / "pid"))
    environ = {"SENTINEL_TUNNEL_HISTORY_FILE": str(tmp_path / "history")}
    with Program(tmp_path, *words, environ=environ) as program:
        program.wait_ready()
        world.switch(world.nodes[1])
        wait_until(lambda: (tmp_path / "pid").exists(), "the command runs")
        world.switch(world.nodes[2])
        wait_until(lambda: len(entries(tmp_path)) == 2, "both switches are kept")
        assert program.end() == 0
        assert " code=-9 " in program.log


def test_the_command_inherits_nothing_of_ours(world: World, tmp_path: pathlib.Path) -> None:
    """No listening socket, no client's, no log: a port that a command keeps open could not be listened on again.

    Nor systemd's way to us: what it says there would be taken for our words.
    """
    command = "sh -c 'ls -l /proc/$$/fd > %s/new; env >> %s/new; mv %s/new %s/seen'" % ((tmp_path,) * 4)
    words = config(world, tmp_path, "http = %d" % free_port(), "log_file = log", "on_failover = " + command)
    with Program(tmp_path, *words, environ={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as program:
        program.wait_ready()
        world.switch(world.nodes[1])
        wait_until(lambda: (tmp_path / "seen").exists(), "the command has run")
        assert program.end() == 0
    seen = (tmp_path / "seen").read_text()
    targets = {line.split(" -> ")[1].split(":")[0] for line in seen.splitlines() if " -> " in line}
    assert {"/dev/null", "pipe"} <= targets <= {"/dev/null", "pipe", str(tmp_path / "new")}
    assert "SENTINEL_TUNNEL_NEW=" in seen and "NOTIFY_SOCKET" not in seen


def test_a_missing_command_is_told_beforehand(world: World, tmp_path: pathlib.Path) -> None:
    """By check, and at the start, which does not fail: it may be installed later."""
    words = config(world, tmp_path, "on_failover = /does/not/exist now")
    checked = subprocess.run([sys.executable, "-m", "st", "check", *words[1:]], stdout=subprocess.PIPE, cwd=ROOT,
                             stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    assert checked.returncode == 0
    assert checked.stderr.startswith("warning: on_failover: no program '/does/not/exist': write its whole path")
    with Program(tmp_path, *words) as program:
        program.wait_ready()
        assert "no program '/does/not/exist'" in program.log
        world.switch(world.nodes[1])
        program.wait_for(" ERROR on_failover_not_started program=/does/not/exist tunnel=sessions")
        assert program.end() == 0


def test_a_reload_changes_the_command(world: World, tmp_path: pathlib.Path) -> None:
    """From the next switch on."""
    words = config(world, tmp_path)
    with Program(tmp_path, *words) as program:
        program.wait_ready()
        text = pathlib.Path(words[2]).read_text()
        line = "poll = 100ms\non_failover = sh -c 'echo told > %s'" % (tmp_path / "told")
        pathlib.Path(words[2]).write_text(text.replace("poll = 100ms", line))
        program.send(signal.SIGHUP)
        program.wait_for(" reloaded ")
        world.switch(world.nodes[1])
        wait_until(lambda: (tmp_path / "told").exists(), "the new command has run")
        assert program.end() == 0
