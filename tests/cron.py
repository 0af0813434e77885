"""A host on which cron starts the program: hardly an environment, and a process that outlives the command."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import typing as t

from st.host.lock import holder_pid
from tests.fakes import refused_address
from tests.live.node import free_port
from tests.programs import ROOT, is_alive, own_places
from tests.waiting import FACTOR, wait_until


class Ended(t.NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


class Host:
    """Runs commands as cron does, and ends the processes that they leave.

    The Sentinel of its configuration, `seed`, need not exist: who listens is ready.
    """

    def __init__(self, directory: pathlib.Path, seed: t.Tuple[str, int]) -> None:
        self.directory = directory
        self.port = free_port()
        self.config = directory / "tunnel.ini"
        self.config.write_text("[sentinel-tunnel]\nsentinels = %s:%d\ndrain = 0\n[tunnel:a]\nport = %d\n"
                               % (seed + (self.port,)))
        self._private = tempfile.mkdtemp(prefix="st-")  # a unix socket's path must be short
        places = own_places(os.path.join(self._private, "run"))
        self.control = places["SENTINEL_TUNNEL_CONTROL"]
        self.lock = self.control[: -len("sock")] + "lock"
        self.told = pathlib.Path(self.lock + ".told")
        measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        self.environ = dict(places, PATH="/usr/bin:/bin", PYTHONPATH=ROOT, **measured)

    def words(self, *words: str) -> t.List[str]:
        """Return a command of the program, in words."""
        return [sys.executable, "-m", "st", *words]

    def popen(self, *words: str, **options: t.Any) -> "subprocess.Popen[bytes]":
        """Start a command."""
        options = dict({"stdin": subprocess.DEVNULL, "cwd": str(self.directory), "env": self.environ}, **options)
        return subprocess.Popen(self.words(*words), **options)

    def run(self, *words: str, **options: t.Any) -> Ended:
        """Run a command to its end, and to that of its output: nothing may keep it open."""
        process = self.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        try:
            out, errors = process.communicate(timeout=60 * FACTOR)
        finally:
            process.kill()
        return Ended(process.returncode, out.decode("ascii"), errors.decode("ascii"))

    def ensure(self, *words: str, **options: t.Any) -> Ended:
        """Run ensure with the configuration."""
        return self.run("ensure", "-c", str(self.config), *words, **options)

    @property
    def pid(self) -> int:
        """The process that holds the lock."""
        pid = holder_pid(self.lock)
        assert pid is not None and is_alive(pid), "no process: %s" % pid
        return pid

    def serves(self) -> bool:
        """Tell whether something listens on the port of the tunnel."""
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), 20):
            return True
        return False

    def processes(self) -> t.List[int]:
        """Return all processes with our environment that have not ended, whatever their words are."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open("/proc/%s/environ" % name, "rb") as file:
                if os.fsencode(self._private) in file.read() and is_alive(int(name)):
                    found.append(int(name))
        return found

    def close(self) -> None:
        """End what runs still."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes(), "all processes have ended")
        shutil.rmtree(self._private)


@contextlib.contextmanager
def hosted(directory: pathlib.Path) -> t.Iterator[Host]:
    """Give a host with a configuration for one process."""
    with refused_address() as nobody:
        made = Host(directory, nobody)
        try:
            yield made
        finally:
            made.close()
