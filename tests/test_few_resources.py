"""The program on a host that gives it little: it tells why it cannot start, or can be steered whatever clients do."""
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import typing as t

import pytest

from tests.control import run_on, short_directory
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.test_process import connect, seeds
from tests.tunnels import ask, until_ended
from tests.waiting import FACTOR, wait_until
from tests.web import get

LIMITED = ("sh", "-c", 'ulimit -n "$0" && exec "$@"')
NOBODY = 100000 + os.getpid() % 1000000  # a user without any other process, even if others run this test too
# Everything is imported first: that user may not be allowed to read this Python.
AS_NOBODY = (
    "import os, resource, sys; from st.cli.main import main; 'x'.encode('idna'); 'x'.encode('unicode_escape')\n"
    "os.setuid(%d); limit = int(sys.argv.pop(1)); resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))\n"
    "main(sys.argv[1:])\n") % NOBODY

HOG = ("import os, threading; os.setuid(%d)\n"
       "for _ in range(60): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
       "print(flush=True); input()") % NOBODY

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without any other process")


def test_too_few_descriptors(world: World, tmp_path: pathlib.Path) -> None:
    """It says which limit, and what it needs; with just that it serves, and can be steered in a flood of clients."""
    http, port = free_port(), free_port()
    words = ["run", "mymaster=%d" % port, "--http", str(http), "--drain", "0", *seeds(world)]
    with Program(tmp_path, *words, before=[*LIMITED, "12"]) as program:
        assert program.code() == 1 and "Traceback" not in program.log
        assert "error: too few open files: the limit is 12 (ulimit -n), and 1 tunnel and 3 Sentinels" in program.log
        least, = re.findall("need at least ([0-9]+)", program.log)
    with Program(tmp_path, *words, before=[*LIMITED, least]) as program, contextlib.ExitStack() as stack:
        program.wait_ready()
        client = stack.enter_context(connect(port))
        assert ask(client, "PING") == b"+PONG\r\n"
        assert until_ended(stack.enter_context(connect(port))) == b"-ERR max number of clients reached\r\n"
        for _ in range(2 * int(least)):
            stack.enter_context(connect(http))
        program.wait_for("accept_paused http=")
        assert [get(http, path).code for path in ("/liveness", "/readiness")] == [200, 503]
        told = run_on(program.control, "status")
        assert told.out.startswith("degraded: tunnel mymaster is full"), told.err + program.log
        assert ask(client, "PING") == b"+PONG\r\n"
        assert run_on(program.control, "stop").code == 0 and program.code() == 0


@as_root
def test_too_few_threads(world: World) -> None:
    """It says that there are too few; where they run out later it is alive, not ready, and obeys."""
    http, port = free_port(), free_port()
    words = ["run", "mymaster=%d" % port, "--http", str(http), *seeds(world)]
    with short_directory() as directory:
        os.chmod(directory, 0o777)
        control = os.path.join(directory, "s")

        with nobody(directory, "5", *words) as (process, log):
            assert process.wait(60 * FACTOR) == 1 and "Traceback" not in log()
            assert re.search("error: too few threads: [0-4] more can be started here, and 1 tunnel and 3 Sen", log())
        with nobody(directory, "50", *words, "--control", control) as (process, log):
            wait_until(lambda: " master tunnel=mymaster" in log(), "it has a master")
            assert get(http, "/readiness").code == 200
            with all_threads_taken():
                assert get(http, "/liveness").code == 200
                assert get(http, "/readiness").code == 503 and "no thread can be" in get(http, "/readiness").body
                assert run_on(control, "status").out.startswith("ok: ") and "no_thread control=" in log()
                with socket.socket(socket.AF_UNIX) as silent:
                    silent.connect(control)  # it is waited for, but not for ever
                    assert run_on(control, "stop").code == 0
                assert process.wait(60 * FACTOR) == 0


@contextlib.contextmanager
def nobody(directory: str, *words: str) -> t.Iterator[t.Tuple["subprocess.Popen[bytes]", t.Callable[[], str]]]:
    """Give the program as a user with so many threads, and what it has logged so far."""
    path = os.path.join(directory, "log")
    ours = ("SENTINEL_TUNNEL_", "COVERAGE_")  # that user may not write to where coverage is measured
    own = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own.update(PYTHONPATH=ROOT, SENTINEL_TUNNEL_HISTORY_FILE=os.path.join(directory, "history"))
    with open(path, "wb") as file:
        process = subprocess.Popen([sys.executable, "-c", AS_NOBODY, *words], cwd=directory, env=own,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file)
    try:
        yield process, lambda: pathlib.Path(path).read_text()
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def all_threads_taken() -> t.Iterator[None]:
    """Let that user have more threads, elsewhere, than the program may have."""
    hog = subprocess.Popen([sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert hog.stdin and hog.stdout
    try:
        assert hog.stdout.read(1) == b"\n"
        yield
    finally:
        hog.kill()
        hog.communicate()
