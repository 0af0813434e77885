"""The detached process: what it keeps of the one that starts it (nothing), and what that one hears of it."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest

from tests.programs import ROOT, is_alive
from tests.waiting import FACTOR, wait_until

# The parent prints what came of it; `body` runs in the detached process, which ends when the gate is removed.
START = """
import json, os, signal, sys, time
from st.host.daemon import detach
pid_file, gate, body = sys.argv[1:4]

def run(ready):
    with open(pid_file + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(pid_file + ".new", pid_file)
    return eval(body)

def wait():
    while os.path.exists(gate):
        time.sleep(0.01)
    return 0

def facts():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {"cwd": os.getcwd(), "session": os.getsid(0), "umask": os.umask(0o22), "pid": os.getpid(),
            "blocked": [number for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
            "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
            "standard": [os.readlink("/proc/self/fd/%d" % number) for number in (0, 1, 2)],
            "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))}

def note(value):
    with open(pid_file + ".new", "w") as file:
        json.dump(value, file)
    os.rename(pid_file + ".new", pid_file + ".facts")

print(json.dumps(detach(run, float(sys.argv[4]))))
"""

# As it is mostly: what is printed waits in a buffer.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


class Cradle:
    """Starts detached processes from a directory, and ends what is left of them."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.pid_file = directory / "pid"
        self.gate = directory / "gate"
        self.gate.write_text("")

    def words(self, body: str, patience: float = 60 * FACTOR) -> t.List[str]:
        """Return the words of a command that starts one."""
        return [sys.executable, "-c", START, str(self.pid_file), str(self.gate), body, str(patience)]

    def start(self, body: str, patience: float = 60 * FACTOR) -> t.List[t.Any]:
        """Start one, and return the outcome: its code and text."""
        output = subprocess.check_output(self.words(body, patience), cwd=ROOT, timeout=60 * FACTOR, env=BUFFERED)
        return t.cast(t.List[t.Any], json.loads(output.decode()))

    @property
    def pid(self) -> int:
        """The detached process."""
        return int(wait_until(lambda: self.pid_file.exists() and self.pid_file.read_text(), "it has started"))

    def facts(self) -> t.Any:
        """Return what the process has noted about itself."""
        file = pathlib.Path(str(self.pid_file) + ".facts")
        return json.loads(str(wait_until(lambda: file.exists() and file.read_text(), "it has noted the facts")))

    def ended(self) -> bool:
        """Tell whether the process has ended."""
        return not is_alive(self.pid)

    def open_gate(self) -> None:
        """Let the process go on that waits; twice is fine."""
        with contextlib.suppress(FileNotFoundError):
            self.gate.unlink()

    def close(self) -> None:
        """End the process, kindly at first."""
        self.open_gate()
        if self.pid_file.exists():
            with contextlib.suppress(ProcessLookupError):
                wait_until(self.ended, "it ends with the gate")


@pytest.fixture
def cradle(tmp_path: pathlib.Path) -> t.Iterator[Cradle]:
    """Give a way to start a detached process."""
    made = Cradle(tmp_path)
    yield made
    made.close()


def test_ready_while_it_lives(cradle: Cradle) -> None:
    """The parent returns, and whoever reads its output sees the end of it; what was printed comes along."""
    assert cradle.start("print('hello') or ready() or print('lost') or wait()") == [0, "hello"]
    assert not cradle.ended()


def test_nothing_is_kept_of_the_parent(cradle: Cradle) -> None:
    """Its session, directory, loose umask, signals and descriptors, such as that of a lock in a script."""
    kept = os.open(os.devnull, os.O_RDONLY)
    try:
        words = cradle.words("ready() or note(facts()) or wait()")
        process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[kept],
                                   preexec_fn=_strange)
        process.communicate(timeout=60 * FACTOR)
        assert process.returncode == 0
    finally:
        os.close(kept)
    facts = cradle.facts()
    assert facts["cwd"] == "/" and facts["umask"] == 0o22 and facts["blocked"] == [] and facts["child"]
    assert facts["session"] not in (facts["pid"], os.getsid(0))  # no leader: it can never get a terminal
    assert facts["standard"] == [os.devnull] * 3 and kept not in facts["open"]


def _strange() -> None:
    os.umask(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def test_a_strict_umask_stays(cradle: Cradle) -> None:
    """Who lets no other user read files means it."""
    words = ["sh", "-c", 'umask 77; exec "$@"', "sh"] + cradle.words("ready() or note(facts()) or wait()")
    assert subprocess.call(words, cwd=ROOT, stdout=subprocess.DEVNULL) == 0
    assert cradle.facts()["umask"] == 0o77


def test_a_failure_is_told_with_its_code(cradle: Cradle) -> None:
    """What it printed on either stream is the text."""
    code, text = cradle.start("print('a') or print('b', file=sys.stderr) or 78")
    assert code == 78 and sorted(text.splitlines()) == ["a", "b"]
    wait_until(cradle.ended, "it has ended")


def test_a_traceback_is_told(cradle: Cradle) -> None:
    """Even a fault of ours must not be lost."""
    code, text = cradle.start("1 / 0")
    assert code == 1 and text.startswith("Traceback ") and text.endswith("ZeroDivisionError: division by zero")


def test_one_that_is_killed_is_told(cradle: Cradle) -> None:
    """It has no chance to say so itself."""
    code, text = cradle.start("os.kill(os.getpid(), signal.SIGKILL)")
    assert code == 1 and text == "error: the process was killed before it was ready: see the kernel's log (dmesg)"


def test_one_that_is_late_goes_on(cradle: Cradle) -> None:
    """The parent says that it does not know; nobody listens any more, which harms nothing."""
    body = "print('a', flush=True) or wait() or ready() or print('b', flush=True) or note('well')"
    assert cradle.start(body, 1.0) == [None, "a"]
    cradle.open_gate()
    assert cradle.facts() == "well"


def test_a_parent_that_is_killed_harms_nothing(cradle: Cradle) -> None:
    """Such as by Ctrl-C, which reaches the whole group of a terminal."""
    process = subprocess.Popen(cradle.words("wait() or ready() or note('well')"), cwd=ROOT, stdout=subprocess.DEVNULL,
                               preexec_fn=os.setsid)
    wait_until(cradle.pid_file.exists, "it has started")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    cradle.open_gate()
    assert cradle.facts() == "well"


def test_a_late_end_goes_to_nobody(cradle: Cradle) -> None:
    """The pipe's number belongs to something else by then, such as to a client."""
    body = "ready() or globals().update(kept=[open(pid_file + '.kept', 'wb') for _ in range(9)]) or 7"
    assert cradle.start(body) == [0, ""]
    wait_until(cradle.ended, "it has ended")
    assert pathlib.Path(str(cradle.pid_file) + ".kept").read_bytes() == b""


def test_no_process_can_be_had(cradle: Cradle) -> None:
    """A limit of processes is an error that says where to look."""
    code = "import resource; from st.host.daemon import detach; resource.setrlimit(resource.RLIMIT_NPROC, (1, 1));"
    code += "os = __import__('os'); os.geteuid() or os.setuid(65534); detach(lambda ready: 0, 1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, timeout=60 * FACTOR)
    if done.returncode == 0:
        pytest.skip("this kernel does not limit processes")
    assert b"LocalError: cannot start a process: Resource temporarily unavailable: see ulimit -u" in done.stderr
