"""The commands that steer a running process, and those that look at it, as processes on a real one."""
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

from st.control.place import Place
from st.host.places import RUN, instance
from tests.control import Ended, run_on, short_directory, steered
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.tunnels import ask
from tests.waiting import FACTOR, wait_until

# Everything is imported first: that user may not be allowed to read this Python.
DROPPED = ("import os, sys; from st.cli.main import main; 'x'.encode('idna'); b'x'.decode('utf-8-sig');"
           "'x'.encode('unicode_escape');"
           "os.seteuid(65534); os.setreuid(65534, -1); main(sys.argv[1:])")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextlib.contextmanager
def ready(world: World, directory: pathlib.Path, *options: str) -> t.Iterator[Program]:
    """Give a ready process with a configuration file `st.ini`."""
    text = "[sentinel-tunnel]\nsentinels = %s\npoll = 0.1\n[tunnel:mymaster]\nport = %d\n"
    (directory / "st.ini").write_text(text % (",".join("%s:%d" % seed for seed in world.seeds), free_port()))
    with Program(directory, "run", "-c", "st.ini", *options) as program:
        yield program.wait_ready()


def test_stop_waits_for_the_end(world: World, tmp_path: pathlib.Path) -> None:
    """When it returns the process is gone; a second time it says that nothing runs, and that is fine."""
    with ready(world, tmp_path) as program:
        assert run_on(program.control, "stop") == Ended(0, "stopped pid %d\n" % program.process.pid, "")
        assert program.process.poll() == 0
        assert run_on(program.control, "stop") == Ended(
            0, "not running: nobody listens on %s\n" % program.control, "")


def test_stop_that_does_not_succeed_says_so(tmp_path: pathlib.Path) -> None:
    """Somebody listens who is no sentinel-tunnel."""
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as other:
        path = os.path.join(directory, "s")
        other.bind(path)
        other.listen(1)
        process = subprocess.Popen([sys.executable, "-m", "st", "stop", "--control", path], cwd=ROOT,
                                   stderr=subprocess.PIPE)
        with other.accept()[0] as sock:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n")
            errors = process.communicate(timeout=60 * FACTOR)[1]
    assert process.returncode == 1 and b"%s: not the control socket of a sentinel-tunnel" % path.encode() in errors


def test_reload_prints_what_changed(world: World, tmp_path: pathlib.Path) -> None:
    """Lines on success; the reasons and exit 1 when it is refused, with nothing changed."""
    with ready(world, tmp_path) as program:
        assert run_on(program.control, "reload") == Ended(0, "nothing has changed\n", "")
        good = (tmp_path / "st.ini").read_text()
        second = "[tunnel:second]\nmaster = mymaster\nport = %d\n" % free_port()
        (tmp_path / "st.ini").write_text(good + "hold = 5s\n" + second)
        assert run_on(program.control, "reload") == Ended(
            0, "added: tunnel second\nchanged: tunnel mymaster: hold\n", "")
        (tmp_path / "st.ini").write_text(good + "hodl = 5s\npolll = 3\n")
        ended = run_on(program.control, "reload")
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("error: reload refused: st.ini:6: unknown setting 'hodl'; did you mean 'hold'?; ")
        assert ended.err.count("\n") == 1 and "polll" in ended.err
        assert len(json.loads(run_on(program.control, "status", "--json").out)["tunnels"]) == 2


def test_a_broken_configuration_hides_no_process(world: World, tmp_path: pathlib.Path) -> None:
    """status and stop work while somebody edits the file."""
    with ready(world, tmp_path) as program:
        (tmp_path / "st.ini").write_text("[sentinel-tunnel\n")
        ended = run_on(program.control, "status", "-c", str(tmp_path / "st.ini"))
        assert (ended.code, ended.err) == (0, "") and ended.out.startswith("ok: ")
        assert str(tmp_path / "st.ini") in ended.out.replace("\n    ", "")
        assert run_on(program.control, "stop", "-c", str(tmp_path / "st.ini")).out.startswith("stopped pid ")


def test_not_running_says_where_it_was_looked_for(tmp_path: pathlib.Path) -> None:
    """The place, and that the configuration could not be read; exit 3 for status, 1 for those that need it."""
    (tmp_path / "broken.ini").write_text("[sentinel-tunnel]\nsentinels = s1\nhodl = 1\n")
    words = ["-c", "broken.ini"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": ROOT}
    for command, code in (("status", 3), ("clients", 1), ("reload", 1)):
        process = subprocess.Popen([sys.executable, "-m", "st", command] + words, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=environ, cwd=str(tmp_path))
        out, errors = process.communicate(timeout=60 * FACTOR)
        assert (process.returncode, out) == (code, b"")
        assert b"not running: nobody listens on " in errors and b"/broken-" in errors
        assert b"--control PATH names another" in errors and b"broken.ini:3: unknown setting 'hodl'" in errors
        assert (b"  next: sentinel-tunnel ensure" in errors) == (command == "status")


def test_without_a_control_socket_there_is_no_steering() -> None:
    """control = off is a wrong configuration for these commands, with another way named."""
    with short_directory() as directory:
        ended = run_on(os.path.join(directory, "s"), "status", "--control", "off")
    assert ended.code == 78 and "use signals (TERM stops" in ended.err


def test_wait_waits_for_the_process_and_its_masters(world: World, tmp_path: pathlib.Path) -> None:
    """Silent and 0 once every tunnel has a master, also when the process starts later."""
    with short_directory() as directory:
        control = os.path.join(directory, "s")
        waiting = subprocess.Popen([sys.executable, "-m", "st", "wait", "--timeout", "5m", "--control", control],
                                   cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            with ready(world, tmp_path, "--control", control):
                assert waiting.communicate(timeout=60 * FACTOR)[0] == b"" and waiting.returncode == 0
                assert run_on(control, "wait", "--timeout", "0") == Ended(0, "", "")
        finally:
            waiting.kill()
            waiting.wait()


def test_wait_tells_who_has_no_master(world: World, tmp_path: pathlib.Path) -> None:
    """Exit 69 with the reasons; a wrong time is wrong usage."""
    with ready(world, tmp_path) as program:
        for sentinel in world.sentinels:
            sentinel.masters.clear()
        world.master.role = "slave"
        program.wait_for(" no_master ")
        ended = run_on(program.control, "wait", "--timeout", "300ms")
        assert (ended.code, ended.out) == (69, "") and ended.err.startswith(
            "error: not ready within 0.3s: no master: mymaster: 3 of 3 sentinels answer, none of them monitors")
        assert run_on(program.control, "wait", "--timeout", "soon").code == 2


def test_clients_are_listed_and_ended(world: World, tmp_path: pathlib.Path) -> None:
    """All, those of one tunnel, and one less."""
    with ready(world, tmp_path) as program:
        port = int(program.out.rpartition(" -> ")[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20 * FACTOR) as sock:
            assert ask(sock, "PING") == b"+PONG\r\n"
            for words in ([], ["mymaster"]):
                listed = run_on(program.control, "clients", *words).out
                assert " %d " % os.getpid() in listed and listed.startswith("mymaster -> ")
            number = listed.splitlines()[2].split()[0]
            assert run_on(program.control, "clients", "--kill", number).out == "ended connection %s\n" % number
            assert sock.recv(100) == b""
        ended = run_on(program.control, "clients", "--kill", number)
        assert ended.code == 1 and "no connection has the id %s" % number in ended.err
        assert run_on(program.control, "clients", "mymaster", "--kill", "1").code == 2
        assert run_on(program.control, "clients", "nobody").code == 1


def test_the_history_outlives_the_process(world: World, tmp_path: pathlib.Path) -> None:
    """From the process while it runs, from its file when it does not."""
    with ready(world, tmp_path) as program:
        world.switch(world.replicas[0])
        program.wait_for(" switch ")
        wait_until(lambda: " -> %s:%d" % world.master.address in run_on(program.control, "history").out, "it is told")
        before = run_on(program.control, "history", "--json")
        assert [switch["tunnel"] for switch in json.loads(before.out)] == ["mymaster"]
        run_on(program.control, "stop")
        assert run_on(program.control, "history", "--json") == before
        assert "no switch" in run_on(program.control, "history", "another").out


def test_a_process_that_hangs_is_told_from_one_that_does_not_run(world: World, tmp_path: pathlib.Path) -> None:
    """It does not answer: exit 1, with its pid and what to do."""
    with ready(world, tmp_path) as program:
        program.send(signal.SIGSTOP)
        try:
            ended = [run_on(program.control, command) for command in ("status", "reload")]
            waited = run_on(program.control, "wait", "--timeout", "1")
        finally:
            program.send(signal.SIGCONT)
        pid = program.process.pid
        assert [(each.code, each.out) for each in ended] == [(1, "")] * 2 and ended[0] == ended[1]
        assert ended[0].err.startswith("error: pid %d does not answer within 10s (hung?)" % pid)
        assert ended[0].err.endswith(", kill -9 %d ends it\n" % pid)
        # That of a health check, which has its own idea of how long it may take.
        assert waited.code == 69 and waited.err.startswith("error: not ready within 1s: pid %d does not answer" % pid)


@needs_root
def test_who_may_not_is_told(world: World, tmp_path: pathlib.Path) -> None:
    """Another user than the one who runs it: exit 77, not `not running`."""
    with steered(world) as control:
        os.chmod(os.path.dirname(control.path), 0o755)
        ended = run_on(control.path, "status", code=("-c", DROPPED))
    assert ended.code == 77 and "Permission denied: only the user who runs it, and root, may use it" in ended.err


def _remove_if_empty(directory: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(directory)


@needs_root
def test_a_service_of_another_user_is_not_taken_for_stopped(tmp_path: pathlib.Path) -> None:
    """Its socket lies where only its user may make one; whoever may not use it is told so."""
    with short_directory() as directory, contextlib.ExitStack() as stack:
        os.chmod(directory, 0o755)
        config = os.path.join(directory, "st.ini")
        pathlib.Path(config).write_text("[sentinel-tunnel]\nsentinels = s1\n[tunnel:a]\nport = 1\n")
        stack.callback(_remove_if_empty, RUN)
        place = Place(os.path.join(RUN, instance(config, os.environ) + ".sock"))
        stack.callback(place.close)
        environ = {"PATH": "/usr/bin:/bin", "HOME": directory, "PYTHONPATH": ROOT}
        process = subprocess.Popen([sys.executable, "-c", DROPPED, "status", "-c", config], cwd=directory, env=environ,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors = process.communicate(timeout=60 * FACTOR)[1]
    assert process.returncode == 77 and place.path.encode() + b": Permission denied" in errors, errors


SERVICE = """
import sys, threading
from st.control.server import ControlServer
from st.control.steering import Steering
from st.ops.measures import ClientStatus
from st.ops.status import ProcessStatus, TunnelStatus
import os
client, listen, path = sys.argv[1:]
tunnel = TunnelStatus("a", "a", "master", listen, "up", "m:1", 1, 1.0, True, 1, 1, 0, 9, 1, {}, {}, 0, 0, 0, "")
"x".encode("idna")
os.setuid(65534)
server = ControlServer(path, Steering(
    status=lambda: ProcessStatus("1", os.getpid(), 1.0, (tunnel,), ()), kill=lambda number: False, history=list,
    clients=lambda: [ClientStatus(1, "a", client, "m:1", 1.0, 0, 0)], reload=list, stop=lambda: None, config=""))
server.start()
print("started", flush=True)
input()
"""


@needs_root
def test_root_sees_whose_the_clients_of_a_service_are(tmp_path: pathlib.Path) -> None:
    """The service itself may not look at other users' processes; root who asks may."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        os.chmod(directory, 0o777)
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        ends = ["%s:%d" % sock.getsockname() for sock in (client, listener)]
        path = os.path.join(directory, "s")
        service = subprocess.Popen([sys.executable, "-c", SERVICE] + ends + [path], cwd=ROOT, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        try:
            assert service.stdout and service.stdout.readline() == b"started\n"
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                sock.sendall(b"CLIENTS JSON\r\n")
                assert b'"pid": null, "program": null, "user": "root"' in sock.recv(65536)
            assert " root  %d " % os.getpid() in run_on(path, "clients").out
        finally:
            service.communicate(b"\n", timeout=60 * FACTOR)
