"""The program as a process: what it prints and logs, its signals, its exit codes, old configurations."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing as t

import pytest

from st import __version__
from st.address import Address
from st.host.holder import holder_of
from tests.fakes import Monitored, World, read_all, refused_address
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.tunnels import ask, be_busy, command, until_ended
from tests.waiting import FACTOR, wait_until

LONG = "1h"  # a gate, not a wait
# Everything is imported first: that user may not be allowed to read this Python.
DROPPED = ("import os, subprocess, sys; from st.cli.main import main; 'x'.encode('idna'); 'x'.encode('unicode_escape');"
           "os.geteuid() or os.seteuid(65534); main(sys.argv[1:])")


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a client's socket on which nothing takes longer than 20 seconds."""
    return socket.create_connection((host, port), timeout=20 * FACTOR)


def seeds(world: World) -> t.List[str]:
    """Return the options that name the Sentinels of a world."""
    return [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]


class Started(t.NamedTuple):
    """A program with one tunnel that is ready."""

    program: Program
    port: int


@contextlib.contextmanager
def started(world: World, directory: pathlib.Path, *options: str, **environ: str) -> t.Iterator[Started]:
    """Give a ready program with one tunnel."""
    port = free_port()
    words = ["run", "mymaster=%d" % port, *seeds(world), *options]
    with Program(directory, *words, environ=environ) as program:
        program.wait_ready()
        yield Started(program, port)


def test_it_prints_the_mapping_and_serves(world: World, tmp_path: pathlib.Path) -> None:
    """Two lines on standard output; the log goes to standard error; exit 0 at TERM."""
    with started(world, tmp_path) as (program, port):
        with connect(port) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        assert program.out == "sentinel-tunnel %s\n  mymaster  127.0.0.1:%d -> %s:%d  ready\n" % (
            (__version__, port) + world.master.address)
        assert program.end() == 0
        events = [line.split()[2] for line in program.log.splitlines()]
        assert events[:2] == ["start", "room"] and events[-2:] == ["stop", "stopped"] and "master" in events


def test_a_tunnel_without_a_master_says_why(world: World, tmp_path: pathlib.Path) -> None:
    """It runs all the same: the master may come."""
    with refused_address() as nobody:
        for sentinel in world.sentinels:
            sentinel.masters["mymaster"] = Monitored(nobody, 1)
        with Program(tmp_path, "run", "mymaster=%d" % free_port(), *seeds(world)) as program:
            program.wait_for("no master yet (3 of 3 sentinels answer, %s:%d: Connection refused)\n" % nobody,
                             lambda: program.out)
            assert program.end() == 0


def test_no_configuration_at_all(world: World, tmp_path: pathlib.Path) -> None:
    """One Sentinel: its names, sorted, on ports counted up from --port; both tunnels work."""
    for sentinel in world.sentinels:
        sentinel.masters["cache"] = Monitored(world.replicas[0].address, 1)
    world.replicas[0].role = "master"
    port = two_free_ports()
    with Program(tmp_path, "run", "--sentinel", "%s:%d" % world.seeds[0], "--port", str(port)) as program:
        program.wait_for("  ready\n  mymaster", lambda: program.out)
        program.wait_for("%d  ready\n" % world.master.address[1], lambda: program.out)
        assert program.out.splitlines() == [
            "sentinel-tunnel %s: asked %s:%d; it knows 2 names" % ((__version__,) + world.seeds[0]),
            "  cache     127.0.0.1:%d -> %s:%d  ready" % ((port,) + world.nodes[1].address),
            "  mymaster  127.0.0.1:%d -> %s:%d  ready" % ((port + 1,) + world.nodes[0].address)]
        with connect(port) as cache, connect(port + 1) as sessions:
            assert ask(cache, "SET", "a", "1") == ask(sessions, "SET", "b", "2") == b"+OK\r\n"
        assert world.nodes[1].values == {b"a": b"1"} and world.nodes[0].values == {b"b": b"2"}
        assert program.end() == 0


def two_free_ports() -> int:
    """Return a port that is free like the one above it."""
    while True:
        port = free_port()
        with socket.socket() as above:
            with contextlib.suppress(OSError):
                above.bind(("127.0.0.1", port + 1))
                return port


def test_the_environment_is_a_full_configuration(world: World, tmp_path: pathlib.Path) -> None:
    """For containers: no file, no option."""
    port = free_port()
    environ = {"SENTINEL_TUNNEL_TUNNELS": "sessions=%d" % port, "SENTINEL_TUNNEL_MASTER": "mymaster",
               "SENTINEL_TUNNEL_SENTINELS": ",".join("%s:%d" % seed for seed in world.seeds)}
    with Program(tmp_path, "run", environ=environ) as program:
        program.wait_ready()
        with connect(port) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert program.end() == 0


def original_file(world: World, directory: pathlib.Path, ports: t.Mapping[str, t.Any]) -> str:
    """Write a configuration of the original tool and return its path."""
    path = directory / "old.json"
    path.write_text(json.dumps({
        "Sentinels_addresses_list": ["%s:%d" % seed for seed in world.seeds],
        "Databases": [{"Name": name, "Local_port": port} for name, port in ports.items()]}))
    return str(path)


def test_the_command_line_of_the_original_tool(world: World, tmp_path: pathlib.Path) -> None:
    """`sentinel-tunnel CONFIG.json LOGFILE`, end to end: the file works unchanged, the log goes where it is told."""
    port = free_port()
    path = original_file(world, tmp_path, {"mymaster": str(port)})
    with Program(tmp_path, path, str(tmp_path / "log")) as program:
        program.wait_ready()
        with connect(port) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        assert program.end() == 0
        log = (tmp_path / "log").read_text()
        assert program.log == "" and "tunnels listen on 127.0.0.1, where the original tool listened" in log


def test_the_original_tool_without_a_log(world: World, tmp_path: pathlib.Path) -> None:
    """/dev/null is no log; a port may be a number, and SENTINEL_TUNNEL_LISTEN opens it to other hosts again."""
    port = free_port()
    path = original_file(world, tmp_path, {"mymaster": port})
    with Program(tmp_path, path, "/dev/null", environ={"SENTINEL_TUNNEL_LISTEN": "0.0.0.0"}) as program:
        program.wait_ready()
        assert "0.0.0.0:%d -> " % port in program.out
        with connect(port, "127.0.0.2") as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert program.end() == 0 and program.log == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_drains(world: World, tmp_path: pathlib.Path, number: int) -> None:
    """New clients are refused, the idle are cut at once, one that waits for a reply gets it; exit 0."""
    world.master.replies["GET"] = lambda connection, words: None
    with started(world, tmp_path, "--drain", LONG) as (program, port):
        with connect(port) as idle, connect(port) as busy:
            assert [ask(client, "PING") for client in (idle, busy)] == [b"+PONG\r\n"] * 2
            busy.sendall(command("GET", "k"))
            wait_until(lambda: world.master.count("GET"), "the master works")
            program.send(number)
            assert until_ended(idle) == b""
            with pytest.raises(ConnectionRefusedError):
                connect(port)
            assert program.process.poll() is None
            for connection in world.master.open:
                if [b"GET", b"k"] in connection.commands:
                    connection.send(b"$5\r\nreply\r\n")
            assert read_all(busy) == b"$5\r\nreply\r\n"
            assert program.code() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(world: World, tmp_path: pathlib.Path, second: int) -> None:
    """Somebody has lost patience with the drain."""
    world.master.replies["GET"] = lambda connection, words: None
    with started(world, tmp_path, "--drain", LONG) as (program, port), connect(port) as busy:
        busy.sendall(command("GET", "k"))
        wait_until(lambda: world.master.count("GET"), "the master works")
        program.send(signal.SIGTERM)
        program.wait_for("stop drain=3600s")
        assert program.process.poll() is None
        assert program.end(second) == 0


def test_a_drain_ends_with_its_time(world: World, tmp_path: pathlib.Path) -> None:
    """A reply that does not come holds nothing up beyond it."""
    world.master.replies["GET"] = lambda connection, words: None
    with started(world, tmp_path, "--drain", "200ms") as (program, port), connect(port) as busy:
        busy.sendall(command("GET", "k"))
        wait_until(lambda: world.master.count("GET"), "the master works")
        assert program.end() == 0 and until_ended(busy) == b""


def test_hup_opens_the_log_anew(world: World, tmp_path: pathlib.Path) -> None:
    """The moved file keeps what it has; connections stay."""
    log, moved = tmp_path / "log", tmp_path / "log.1"
    with started(world, tmp_path, "--log-file", str(log)) as (program, port), connect(port) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        log.rename(moved)
        program.send(signal.SIGHUP)
        program.wait_for(" reloaded ", lambda: log.read_text() if log.exists() else "")
        assert " start " in moved.read_text() and " start " not in log.read_text()
        assert ask(client, "PING") == b"+PONG\r\n"
        assert program.end() == 0


def test_hup_makes_the_log_also_when_there_is_nothing_to_write(world: World, tmp_path: pathlib.Path) -> None:
    """logrotate's postrotate may look at the new file at once."""
    log = tmp_path / "log"
    with started(world, tmp_path, "-q", "--log-file", str(log)) as (program, _):
        log.rename(tmp_path / "log.1")
        program.send(signal.SIGHUP)
        wait_until(log.exists, "the file is made anew")
        assert program.end() == 0 and log.read_text() == ""


def test_usr1_writes_what_it_is_doing(world: World, tmp_path: pathlib.Path) -> None:
    """Status, tunnels, Sentinels and the stack of every thread, at a level that is always shown; it runs on."""
    with started(world, tmp_path, "-q") as (program, port), connect(port) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        program.send(signal.SIGUSR1)
        for text in (" status state=", " tunnel name=mymaster ", " sentinel address=", " stack thread=MainThread ",
                     " stack thread=watcher ", ' stack thread="mymaster #1" ', ' stack thread="listen mymaster" '):
            program.wait_for(text)
        assert ask(client, "PING") == b"+PONG\r\n"
        assert program.end() == 0


def test_a_busy_port_is_an_error_that_names_its_holder(world: World, tmp_path: pathlib.Path) -> None:
    """Exit 1, never silently another port."""
    with started(world, tmp_path) as (program, port):
        other = tmp_path / "other"
        other.mkdir()
        with Program(other, "run", "mymaster=%d" % port, *seeds(world)) as second:
            assert second.code() == 1
            assert "error: 127.0.0.1:%d: cannot listen: Address already in use: held by " % port in second.log
            assert "(pid %d" % program.process.pid in second.log and "Traceback" not in second.log
        assert program.end() == 0


def test_wrong_usage(tmp_path: pathlib.Path) -> None:
    """Exit 2."""
    with Program(tmp_path, "run", "mymaster=port") as program:
        assert program.code() == 2 and "'mymaster=port'" in program.log


def test_no_master_in_time(world: World, tmp_path: pathlib.Path) -> None:
    """--require-master: exit 69 with the reason, and nothing keeps listening."""
    for node in world.nodes:
        node.role = "slave"
    port = free_port()
    words = ["run", "mymaster=%d" % port, "--require-master", "--hold", "100ms", *seeds(world)]
    with Program(tmp_path, *words) as program:
        assert program.code() == 69
        assert "error: no master within 0.1s: mymaster: 3 of 3 sentinels answer, " in program.log
        with pytest.raises(ConnectionRefusedError):
            connect(port)


@pytest.mark.parametrize("options", [["--require-master"], []])
def test_a_stop_while_it_still_looks_for_masters(world: World, tmp_path: pathlib.Path, options: t.List[str]) -> None:
    """Nobody has to wait for the end of that: exit 0, no error, though no master was found."""
    for sentinel in world.sentinels:
        sentinel.fault = "silence"
    words = ["run", "mymaster=%d" % free_port(), "--hold", LONG, *options, *seeds(world)]
    with Program(tmp_path, *words, environ={"SENTINEL_TUNNEL_SENTINEL_TIMEOUT": "60s"}) as program:
        wait_until(lambda: all(sentinel.accepted for sentinel in world.sentinels), "the Sentinels are asked")
        assert program.end() == 0 and "error: " not in program.log


def test_a_required_master_that_is_there(world: World, tmp_path: pathlib.Path) -> None:
    """It runs as without the option."""
    with started(world, tmp_path, "--require-master") as (program, _):
        assert program.end() == 0


def test_no_sentinel_to_ask_for_names(tmp_path: pathlib.Path) -> None:
    """Without a configuration there is nothing to run then: exit 69."""
    with refused_address() as nobody, Program(tmp_path, "run", "-s", "%s:%d" % nobody) as program:
        assert program.code() == 69 and "error: no sentinel answers: %s:%d: Connection refused" % nobody in program.log


def test_no_permission(world: World, tmp_path: pathlib.Path) -> None:
    """Exit 77: a log file that this user may not make. (root lays its rights down for it.)"""
    tmp_path.chmod(0o500)
    words = ["run", "mymaster=%d" % free_port(), "--log-file", str(tmp_path / "log"), *seeds(world)]
    output = dropped(words)
    tmp_path.chmod(0o700)
    assert output[0] == 77 and "log: Permission denied" in output[1]


def dropped(words: t.Sequence[str]) -> t.Tuple[int, str]:
    """Run the program without the rights of root; return its exit code and what it wrote."""
    process = subprocess.Popen([sys.executable, "-c", DROPPED, *words], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output.decode()


def test_a_wrong_configuration(tmp_path: pathlib.Path) -> None:
    """Exit 78, a line for each problem."""
    (tmp_path / "bad.ini").write_text("[sentinel-tunnel]\nsentinels = s1\nholdd = 3\n[tunnel:a]\nport = 99999\n")
    with Program(tmp_path, "run", "-c", "bad.ini") as program:
        assert program.code() == 78
        assert [line.split(":")[1] for line in program.log.splitlines()] == ["3", "5"]


def test_no_password_is_ever_written(world: World, tmp_path: pathlib.Path) -> None:
    """Not at -v, not when it is wrong, not in the status: neither the Sentinels' nor Redis's."""
    for sentinel in world.sentinels[:2]:
        sentinel.password = "sentinel-secret-1"
    world.sentinels[2].password = "another-secret-2"
    world.master.password = "redis-secret-3"
    environ = {"SENTINEL_TUNNEL_SENTINEL_PASSWORD": "sentinel-secret-1",
               "SENTINEL_TUNNEL_REDIS_PASSWORD": "wrong-secret-4"}
    with started(world, tmp_path, "-v", **environ) as (program, port), connect(port) as client:
        assert ask(client, "AUTH", "redis-secret-3") == b"+OK\r\n"
        assert ask(client, "SET", "k", "value-secret-5") == b"+OK\r\n"
        world.switch(world.replicas[0])
        assert until_ended(client) == b""
        program.wait_for(" switch ")
        program.send(signal.SIGUSR1)
        program.wait_for(" stack thread=watcher ")
        assert program.end() == 0
        assert "secret" not in program.log + program.out


def test_json_lines(world: World, tmp_path: pathlib.Path) -> None:
    """Each line of the log is one JSON object with time, level and event, whatever happened."""
    with started(world, tmp_path, "-v", "--log-format", "json") as (program, port), connect(port) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        world.switch(world.replicas[0])
        assert until_ended(client) == b""
        program.wait_for('"event": "switch"')
        program.send(signal.SIGUSR1)
        program.wait_for('"event": "stack"')
        assert program.end() == 0
        lines = [json.loads(line) for line in program.log.splitlines()]
        assert all({"time", "level", "event"} <= set(line) for line in lines)
        switch = next(line for line in lines if line["event"] == "switch")
        assert (switch["level"], switch["tunnel"], switch["closed"], switch["epoch"]) == ("WARNING", "mymaster", 1, 1)
        assert switch["old"] == "%s:%d" % world.nodes[0].address and switch["new"] == "%s:%d" % world.nodes[1].address
        closed = [line for line in lines if line["event"] == "close"]
        assert [line["why"] for line in closed] == ["switch"]


def test_few_descriptors_and_a_storm_of_clients(world: World, tmp_path: pathlib.Path) -> None:
    """More clients than descriptors: no exit, no spinning, little to log, and all is well when they have gone."""
    port = free_port()
    few = ["/bin/sh", "-c", 'ulimit -n 80; exec "$@"', "sh"]
    with Program(tmp_path, "run", "mymaster=%d" % port, *seeds(world), before=few) as program:
        program.wait_ready()
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(connect(port))
            used = program.cpu()
            be_busy(1.0)  # a listener that spins would use this second
            assert program.cpu() - used < 0.5
            assert program.process.poll() is None

        def served() -> bool:
            with connect(port) as client, contextlib.suppress(ConnectionError):
                return ask(client, "PING") == b"+PONG\r\n"
            return False

        wait_until(served, "clients are served again")
        world.switch(world.replicas[0])
        program.wait_for(" switch ")
        assert program.end() == 0 and "Traceback" not in program.log


def test_a_reader_of_its_output_may_go(world: World, tmp_path: pathlib.Path) -> None:
    """A log that nobody reads any more must not stop the tunnel."""
    port = free_port()
    pipe = ["/bin/sh", "-c", '"$@" 2>&1 >out | head -1 >/dev/null', "sh"]
    with Program(tmp_path, "run", "mymaster=%d" % port, "-v", "--drain", "0", *seeds(world), before=pipe):
        wait_until(lambda: "  ready\n" in (tmp_path / "out").read_text() if (tmp_path / "out").exists() else False,
                   "it is ready")
        pid = _pid_listening(port)
        try:
            for _ in range(5):
                with connect(port) as client:
                    assert ask(client, "PING") == b"+PONG\r\n"
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not os.path.exists("/proc/%d" % pid), "it has ended")


def _pid_listening(port: int) -> int:
    holder = holder_of(Address("127.0.0.1", port))
    assert holder is not None and holder.pid is not None
    return holder.pid
