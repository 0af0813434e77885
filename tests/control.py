"""A control socket on an App, for tests, and ways to talk to it."""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import typing as t

import pytest

from st.control.server import ControlServer
from st.control.steering import Steering
from st.deadline import Deadline
from st.errors import ConfigError
from st.switch import Switch
from tests.fakes import World
from tests.programs import ROOT, own_places
from tests.tunnels import Running, running
from tests.waiting import FACTOR

needs_redis_cli = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="no redis-cli on this host")


class Steered(t.NamedTuple):
    """A control socket, the App behind it, and what was asked of it."""

    path: str
    app: Running
    server: ControlServer
    stopped: threading.Event
    problems: t.List[str]  # a reload is refused for these
    switches: t.List[Switch]

    def connect(self) -> socket.socket:
        """Return a connected client on which nothing takes longer than 20 seconds."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20 * FACTOR)
        try:
            sock.connect(self.path)
        except OSError:
            sock.close()
            raise
        return sock

    def reachable(self) -> bool:
        """Tell whether somebody listens: a file is there a moment before."""
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def ask(self, request: bytes) -> bytes:
        """Send bytes and the end of them, and return all that comes back."""
        with self.connect() as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def redis_cli(self, *words: str, stdin: bytes = b"") -> str:
        """Return what a real redis-cli prints."""
        done = subprocess.run(["redis-cli", "-s", self.path] + list(words), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60 * FACTOR)
        return done.stdout.decode("ascii")


@contextlib.contextmanager
def short_directory() -> t.Iterator[str]:
    """Give a directory whose path is short enough for unix sockets."""
    directory = tempfile.mkdtemp(prefix="st-")
    yield directory
    shutil.rmtree(directory)


@contextlib.contextmanager
def steered(world: World, path: str = "") -> t.Iterator[Steered]:
    """Give an App on a World with a control socket, at `path` or in a directory of its own."""
    stopped = threading.Event()
    problems: t.List[str] = []
    switches: t.List[Switch] = []

    def reload() -> t.List[str]:
        if problems:
            raise ConfigError(problems)
        return ["changed: poll", "added: tunnel b"]

    with short_directory() as directory, running(world) as app:
        steering = Steering(status=app.app.status, clients=app.app.clients, kill=app.app.kill, stop=stopped.set,
                            history=lambda: switches, reload=reload, config="/etc/st.ini")
        path = path or os.path.join(directory, "s")
        server = ControlServer(path, steering)
        server.start()
        try:
            yield Steered(path, app, server, stopped, problems, switches)
        finally:
            server.stop(Deadline(20 * FACTOR))


class Ended(t.NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


def run_on(control: str, *words: str, code: t.Sequence[str] = ("-m", "st")) -> Ended:
    """Run a command of the program that looks for the process at a control socket."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SENTINEL_TUNNEL_")}
    own.update(own_places(os.path.dirname(control)), SENTINEL_TUNNEL_CONTROL=control, PYTHONPATH=ROOT)
    done = subprocess.run([sys.executable, *code, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, env=own, cwd=os.path.dirname(control),
                          timeout=100 * FACTOR)
    return Ended(done.returncode, done.stdout, done.stderr)
