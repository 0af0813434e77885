"""A hostile Sentinel and a hostile master: what they make us hold, log and print stays bounded and plain."""
import pathlib
import re
import socket
import typing as t

import pytest

from st.address import Address
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.client import SentinelClient
from st.testing.connection import Connection
from st.testing.wire import Command, Error
from tests.certificates import self_signed
from tests.control import run_on
from tests.fakes import World
from tests.fakes.dead_ends import endless_line
from tests.live.node import free_port
from tests.programs import Program
from tests.test_security_resp import BOMBS
from tests.tls_ends import presenting, served, trusting
from tests.tunnels import ask, until_ended
from tests.waiting import FACTOR, wait_until

MOST_MEMORY = 150 << 10  # kB; an idle process has 30 MB, and three Sentinels may each fill 4 MiB a few times over
MOST_LOG = 200000  # bytes
OFTEN = 5  # bombs that each target gets at the least

NASTY = "ERR \x1b[2J\x1b]0;owned\x07 2026-01-01 INFO forged=yes %s " + "x" * 100000


class Endless:
    """Sends the same again and again until the other side ends the connection; a value for `replies`."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self._head = head
        self._piece = piece
        self.times = 0

    def __call__(self, connection: Connection, command: Command) -> bytes:
        self.times += 1
        connection.send(self._head)
        while not connection.ended:
            connection.send(self._piece)
        return b""


def running(directory: pathlib.Path, world: World, port: int, *words: str) -> Program:
    """Return the program with one tunnel on a port."""
    seeds = [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]
    return Program(directory, "run", "mymaster=%d" % port, *seeds, "--poll", "100ms", *words)


def peak(program: Program) -> int:
    """Return the most resident memory that it has had, in kB."""
    with open("/proc/%d/status" % program.process.pid) as file:
        return int(re.findall(r"VmHWM:\s+([0-9]+)", file.read())[0])


def pinged(port: int) -> bytes:
    """Return what a new client gets for its PING."""
    with socket.create_connection(("127.0.0.1", port), timeout=60 * FACTOR) as client:
        return ask(client, "PING")


@pytest.mark.parametrize("bomb", ["1 GB announced", "a line without an end", "large and nested", "endless replies",
                                  "events"])
def test_a_sentinel_that_sends_bombs(world: World, tmp_path: pathlib.Path, bomb: str) -> None:
    """One of three sends them for each question, or events without an end: clients are served, memory is bounded."""
    message = b"*3\r\n$7\r\nmessage\r\n$5\r\n+tilt\r\n$1\r\nx\r\n"
    endless = Endless(*BOMBS.get(bomb, (b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n" * 40, message * 1000)))
    port = free_port()
    with running(tmp_path, world, port) as program:
        program.wait_ready()
        hostile = world.sentinels[0]
        hostile.replies = {"SUBSCRIBE" if bomb == "events" else "SENTINEL": endless}
        hostile.drop_all()
        began = world.sentinels[1].count("SENTINEL MASTER")
        wait_until(lambda: endless.times >= (1 if bomb == "events" else OFTEN), "the bombs are asked for", 60)
        wait_until(lambda: world.sentinels[1].count("SENTINEL MASTER") >= began + 20, "the others are asked on", 60)
        assert pinged(port) == b"+PONG\r\n"
        assert peak(program) < MOST_MEMORY and len(program.log) < MOST_LOG and " ERROR " not in program.log
        hostile.replies = {}
        hostile.drop_all()
        assert program.end() == 0


@pytest.mark.parametrize("bomb", ["1 GB announced", "a line without an end", "large and nested"])
def test_a_master_that_sends_bombs(world: World, tmp_path: pathlib.Path, bomb: str) -> None:
    """In the place of its role: its clients are refused in words, and served when it speaks again."""
    port = free_port()
    with running(tmp_path, world, port, "--hold", "1s") as program:
        program.wait_ready()
        world.master.replies = {"ROLE": Endless(*BOMBS[bomb])}
        clients = [socket.create_connection(("127.0.0.1", port), timeout=60 * FACTOR) for _ in range(OFTEN)]
        for client in clients:
            assert until_ended(client).startswith(b"-LOADING sentinel-tunnel: no master for 'mymaster' (")
            client.close()
        assert peak(program) < MOST_MEMORY and len(program.log) < MOST_LOG
        world.master.replies = {}
        world.master.drop_all()
        wait_until(lambda: pinged(port) == b"+PONG\r\n", "clients are served again")


def test_a_master_that_speaks_on_without_an_end(world: World, tmp_path: pathlib.Path) -> None:
    """A client that does not read stops it: what it sends is not kept."""
    port = free_port()
    with running(tmp_path, world, port) as program:
        program.wait_ready()
        world.master.replies = {"GET": endless_line}
        with socket.create_connection(("127.0.0.1", port), timeout=60 * FACTOR) as client:
            client.sendall(b"GET a\r\n")
            assert client.recv(1) == b"+"
            assert pinged(port) == b"+PONG\r\n"
            assert peak(program) < MOST_MEMORY


def seen(program: Program, port: int) -> t.Dict[str, str]:
    """Return all that people see of a process: its log, its status, and what a client is told."""
    with socket.create_connection(("127.0.0.1", port), timeout=60 * FACTOR) as client:
        told = until_ended(client)
    return {"log": program.log, "client": told.decode("latin-1"), "out": program.out,
            "status": run_on(program.control, "status").out, "json": run_on(program.control, "status", "--json").out}


def test_what_a_sentinel_says_is_shown_plain(world: World, tmp_path: pathlib.Path) -> None:
    """Errors with escape sequences, forged lines and 100 kB of text: one short line of ASCII wherever they appear."""
    for number, sentinel in enumerate(world.sentinels):
        sentinel.replies["SENTINEL"] = Error(NASTY % number)
    port = free_port()
    with running(tmp_path, world, port, "--hold", "0") as program:
        program.wait_for("no_master")
        for where, text in seen(program, port).items():
            lines = text.split("\n")
            assert all(re.match(r"[ -~]*\r?\Z", line) for line in lines), (where, text)
            assert max(map(len, lines)) < 8000 and "x" * 1000 not in text, where
            assert not any(line.startswith("2026-01-01") for line in lines)


def test_names_of_masters_are_shown_plain(world: World, tmp_path: pathlib.Path) -> None:
    """`masters` lists what a Sentinel tells, and `run` refuses a name that could not be printed."""
    world.sentinels[0].masters["a\x1b[2J\r\nforged"] = world.sentinels[0].masters["mymaster"]
    seed = "%s:%d" % world.seeds[0]
    with Program(tmp_path, "masters", "-s", seed) as program:
        assert program.code() == 0 and re.match(r"[ -~\n]*\Z", program.out) and "\\x1b" in program.out
    with Program(tmp_path, "run", "-s", seed, "-p", str(free_port())) as program:
        assert program.code() == 78 and re.match(r"[ -~\n]*\Z", program.log)


def test_no_password_is_said_before_the_certificate_fits() -> None:
    """Whoever stands in the way of a Sentinel's address learns nothing: TLS fails before we log in."""
    heard: t.List[bytes] = []

    def pose(sock: socket.socket) -> None:
        with presenting(self_signed()).wrap_socket(sock, server_side=True) as client:
            heard.append(client.recv(1000))

    with served(pose) as address:
        client = SentinelClient(Address(*address), Credentials(None, Secret("hidden"), trusting()))
        report = client.report(["mymaster"], 20 * FACTOR)
    assert "its certificate is " in report.error and not any(heard)
