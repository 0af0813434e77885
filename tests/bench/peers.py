"""What is compared: ways from a client to the master of a bed, each a process, or none."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import typing as t

from st.address import Address
from tests.bench.machine import room
from tests.live.bed import Bed
from tests.live.node import HOST, free_port
from tests.live.talk import Talk
from tests.live.tunnel import PROGRAM, Tunnel
from tests.waiting import FACTOR, wait_until

NAME = "sessions"

# The role check of the HAProxy documentation; what closes the connections of a master that is none any more is not in
# it, but whoever cares for what this benchmark measures has it.
HAPROXY = """global
    maxconn %(room)d
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
listen redis
    bind %(host)s:%(port)d
    option tcp-check
    tcp-check send PING\\r\\n
    tcp-check expect string +PONG
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master
    tcp-check send QUIT\\r\\n
    tcp-check expect string +OK
    default-server check inter 1s fall 1 rise 1 on-marked-down shutdown-sessions
"""


class Peer:
    """One way to the master, from a bed; a context manager. This one is the straight way."""

    title = "straight to Redis"
    knows_masters = False  # tells a new master from an old one
    pid: t.Optional[int] = None  # of the process in between

    def __init__(self, name: str, bed: Bed) -> None:
        self.name = name
        self._bed = bed

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        pass

    @property
    def address(self) -> Address:
        """Where clients connect to."""
        return self._bed.master(NAME).address


class TunnelPeer(Peer):
    """sentinel-tunnel with its own defaults and further options."""

    knows_masters = True

    def __init__(self, name: str, bed: Bed, program: t.Sequence[str] = PROGRAM, options: t.Sequence[str] = ()) -> None:
        super().__init__(name, bed)
        self._tunnel = Tunnel(bed, *options, program=program)

    def __enter__(self) -> "TunnelPeer":
        self._tunnel.__enter__()
        self.pid = self._tunnel.process.pid
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._tunnel.kill()  # as all others are: how it stops is not measured

    @property
    def address(self) -> Address:
        return self._tunnel.addresses[NAME]


class Command(Peer):
    """A program that listens on one port; `words` start it in the foreground."""

    def __init__(self, name: str, bed: Bed) -> None:
        super().__init__(name, bed)
        self._address = Address(HOST, free_port())
        self._process: t.Optional["subprocess.Popen[bytes]"] = None

    def __enter__(self) -> "Command":
        with open(self._path("log"), "wb") as log:
            self._process = subprocess.Popen(self.words(), stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT, start_new_session=True)
        self.pid = self._process.pid
        try:
            # HAProxy takes each node for a master, and each in turn, until it has asked it.
            wait_until(self._leads_to_the_master, "%s leads to the master" % self.name, 10)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: t.Any) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # a session of its own: with all that it has started
            self._process.wait(10 * FACTOR)

    @property
    def address(self) -> Address:
        return self._address

    def words(self) -> t.List[str]:
        """Return the words that start it."""
        raise NotImplementedError

    def _path(self, end: str) -> str:
        return os.path.join(self._bed.directory, "%s-%d.%s" % (self.name, self._address.port, end))

    def _file(self, end: str, text: str) -> str:
        with open(self._path(end), "w") as file:
            file.write(text)
        return self._path(end)

    def _leads_to_the_master(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "%s ended at once:\n%s" % (
            self.name, pathlib.Path(self._path("log")).read_text(errors="replace"))
        try:
            return all(self._role() == "master" for _ in self._bed.nodes(NAME) * 2)
        except OSError:
            return False

    def _role(self) -> str:
        with Talk(self._address) as talk:
            return str(talk.call("ROLE")[0])


class Socat(Command):
    """socat to the address that was the master's at the start: a process for each connection."""

    def words(self) -> t.List[str]:
        return ["socat", "TCP-LISTEN:%d,bind=%s,reuseaddr,fork,backlog=1024,nodelay" % (self._address.port, HOST),
                "TCP:%s:%d,nodelay" % self._bed.master(NAME).address]


class HAProxy(Command):
    """HAProxy, which asks each node for its role once a second."""

    knows_masters = True

    def words(self) -> t.List[str]:
        servers = ["    server r%d %s\n" % (index, node.address) for index, node in enumerate(self._bed.nodes(NAME))]
        text = HAPROXY % {"host": HOST, "port": self._address.port, "room": room()} + "".join(servers)
        return ["haproxy", "-db", "-f", self._file("cfg", text)]


class Original(Command):
    """The original tunnel, in Go, which asks a Sentinel once for each connection."""

    knows_masters = True

    def __init__(self, name: str, bed: Bed, program: str) -> None:
        super().__init__(name, bed)
        self._program = program

    def words(self) -> t.List[str]:
        config = {"Sentinels_addresses_list": [str(address) for address in self._bed.sentinel_addresses],
                  "Databases": [{"Name": NAME, "Local_port": str(self._address.port)}]}
        return [self._program, self._file("json", json.dumps(config)), os.devnull]


Maker = t.Callable[[Bed], Peer]
