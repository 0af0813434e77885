"""Clients that mean harm, on every listener of a real process: one byte and no more, and 10,000 from one address."""
import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import typing as t

import pytest

from st.host.limits import raise_descriptor_limit
from tests.control import run_on
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program
from tests.tls_ends import trusting, usual_pair
from tests.tunnels import ask
from tests.waiting import FACTOR, wait_until
from tests.web import fetch

LORIS = 100  # clients on each listener that send a byte and wait
FLOOD = 10000  # connections from one address, where this process may have so many descriptors
NOFILE = 1024  # descriptors of the process under attack, as on an old host
BESIDE = 60  # threads and descriptors that do not depend on the clients
HANGS = 60 * FACTOR  # seconds; then nothing comes any more


class Attacked(t.NamedTuple):
    """A process with a plain and a TLS tunnel, HTTP and a control socket."""

    program: Program
    plain: int  # port
    tls: int  # port
    http: int  # port

    @property
    def addresses(self) -> t.Dict[str, t.Any]:
        """Where each of its listeners is."""
        ports = {"plain": self.plain, "tls": self.tls, "http": self.http}
        return dict({name: ("127.0.0.1", port) for name, port in ports.items()}, control=self.program.control)

    def serves(self) -> bool:
        """Tell whether each listener serves a client that means well."""
        with self.connect("tls") as sock, trusting().wrap_socket(sock, server_hostname="localhost") as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        with self.connect("plain") as plain, self.connect("control") as control:
            assert ask(plain, "PING") == ask(control, "PING") == b"+PONG\r\n"
        return fetch(("127.0.0.1", self.http), "/liveness").code == 200

    def connect(self, name: str) -> socket.socket:
        """Return a client of one listener."""
        address = self.addresses[name]
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        sock.settimeout(HANGS)
        sock.connect(address)
        return sock

    def used(self) -> t.Tuple[int, int]:
        """Return how many threads and descriptors it has."""
        place = "/proc/%d/" % self.program.process.pid
        return len(os.listdir(place + "task")), len(os.listdir(place + "fd"))

    def tunnel(self) -> t.Dict[str, t.Any]:
        """Return the status of the plain tunnel."""
        status = json.loads(run_on(self.program.control, "status", "--json").out)
        found: t.List[t.Dict[str, t.Any]] = [each for each in status["tunnels"] if each["name"] == "plain"]
        return found[0]


@pytest.fixture
def attacked(world: World, tmp_path: pathlib.Path) -> t.Iterator[Attacked]:
    """Give the process, which may have 1,024 descriptors; this one may have all that the host allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_descriptor_limit()
    (tmp_path / "pair").write_bytes(b"".join(usual_pair()))
    plain, tls, http = free_port(), free_port(), free_port()
    config = tmp_path / "c.ini"
    config.write_text("[sentinel-tunnel]\nsentinels = %s\nhttp = 127.0.0.1:%d\n[tunnel:plain]\nmaster = mymaster\n"
                      "port = %d\n[tunnel:tls]\nmaster = mymaster\nport = %d\nlisten_tls_cert = %s\n"
                      % (", ".join("%s:%d" % seed for seed in world.seeds), http, plain, tls, tmp_path / "pair"))
    limited = ("/bin/sh", "-c", 'ulimit -n %d; exec "$@"' % NOFILE, "sh")
    with Program(tmp_path, "run", "-c", str(config), before=limited) as program:
        program.wait_ready()
        yield Attacked(program, plain, tls, http)
        assert program.end() == 0 and " ERROR " not in program.log
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def ended(sock: socket.socket) -> bool:
    """Tell whether the other side has ended, in whatever way."""
    try:
        sock.setblocking(False)
        while sock.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_slow_clients_on_every_listener(attacked: Attacked) -> None:
    """100 on each that send one byte: others are served. TLS, HTTP and control end them; a tunnel's may be idle."""
    with contextlib.ExitStack() as stack:
        slow: t.Dict[str, t.List[socket.socket]] = {name: [] for name in attacked.addresses}
        for number in range(LORIS):
            for name, first in (("plain", b"*"), ("tls", b"\x16"), ("http", b"G"), ("control", b"*")):
                sock = stack.enter_context(attacked.connect(name))
                with contextlib.suppress(ConnectionError):  # the oldest of too many makes room
                    sock.sendall(first)
                slow[name].append(sock)
            assert number % 20 or attacked.serves()
        threads, descriptors = attacked.used()
        assert threads < 2 * LORIS + BESIDE and descriptors < 3 * LORIS + 2 * BESIDE
        for name in ("tls", "http"):
            wait_until(lambda: all([ended(sock) for sock in slow[name]]), "all of %s are ended" % name)
        assert not any([ended(sock) for sock in slow["plain"]]) and attacked.serves()
        slow["plain"][0].setblocking(True)
        slow["plain"][0].sendall(b"1\r\n$4\r\nPING\r\n")
        assert slow["plain"][0].recv(100) == b"+PONG\r\n"
    wait_until(lambda: attacked.used()[0] < BESIDE, "their threads have ended")


def test_10000_connections_from_one_address(attacked: Attacked) -> None:
    """Those beyond the room are refused; who is connected, HTTP and control are served; afterwards all is as before."""
    room = int(re.findall(r" room clients=([0-9]+)", attacked.program.log)[0])
    number = min(FLOOD, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 2 * room - 500)
    if number < 2 * room:
        pytest.skip("needs %d descriptors (ulimit -Hn)" % (4 * room + 500))
    most = (0, 0)
    with attacked.connect("plain") as other, contextlib.ExitStack() as stack:
        assert ask(other, "PING") == b"+PONG\r\n"
        for position in range(number):
            flooding = stack.enter_context(socket.socket())
            flooding.settimeout(HANGS)
            flooding.connect(attacked.addresses["plain"])
            if position % 500 == 0:
                assert ask(other, "PING") == b"+PONG\r\n"
                assert fetch(("127.0.0.1", attacked.http), "/liveness").code == 200
                most = max(most, attacked.used())
        wait_until(lambda: attacked.tunnel()["refused"].get("limit", 0) >= number - room, "all others are refused")
        assert ask(other, "PING") == b"+PONG\r\n" and attacked.tunnel()["clients"] <= room
        assert most[0] <= room + BESIDE and most[1] <= NOFILE
        with attacked.connect("plain") as late:
            assert late.recv(100) == b"-ERR max number of clients reached\r\n"
    wait_until(lambda: attacked.tunnel()["clients"] == 0, "all have gone")
    assert attacked.serves()
    wait_until(lambda: max(attacked.used()) < BESIDE, "threads and descriptors are given back")
