"""A control socket on an App, for tests, and ways to talk to it."""
import contextlib
import os
import shutil
import socket
import subprocess
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
        sock.connect(self.path)
        return sock

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
def steered(world: World, *names: str, **changes: t.Any) -> t.Iterator[Steered]:
    """Give an App on a World with a control socket."""
    stopped = threading.Event()
    problems: t.List[str] = []
    switches: t.List[Switch] = []

    def reload() -> t.List[str]:
        if problems:
            raise ConfigError(problems)
        return ["changed: poll", "added: tunnel b"]

    with short_directory() as directory, running(world, *names, **changes) as app:
        steering = Steering(status=app.app.status, clients=app.app.clients, kill=app.app.kill, stop=stopped.set,
                            history=lambda: switches, reload=reload, config="/etc/st.ini")
        path = os.path.join(directory, "s")
        server = ControlServer(path, steering)
        server.start()
        try:
            yield Steered(path, app, server, stopped, problems, switches)
        finally:
            server.stop(Deadline(20 * FACTOR))
