"""The control socket as its clients see it: real redis-cli, redis-py, lines typed by hand."""
import json
import os
import pty
import subprocess
import time
import typing as t

import pytest
import redis

from st.address import Address
from st.switch import Switch
from tests.control import Steered, needs_redis_cli, steered
from tests.fakes import World
from tests.tunnels import ask, command, until_ended
from tests.waiting import FACTOR, wait_until


@pytest.fixture
def control(world: World) -> t.Iterator[Steered]:
    """Give a control socket on an App with one tunnel."""
    with steered(world) as made:
        yield made


@needs_redis_cli
def test_redis_cli_shows_the_status(control: Steered) -> None:
    """Text for people, JSON of the one schema for programs, in whatever case it is asked."""
    text = control.redis_cli("STATUS")
    assert text.startswith("ok: every tunnel has a master") and "configuration /etc/st.ini\n" in text
    assert json.loads(control.redis_cli("status", "json")).keys() == control.app.app.status().as_dict().keys()
    assert control.redis_cli("PING") == "PONG\n" and control.redis_cli("-3", "PING") == "PONG\n"


@needs_redis_cli
def test_redis_cli_reads_commands_from_a_pipe(control: Steered) -> None:
    """Several commands on one connection, as a script gives them."""
    assert control.redis_cli(stdin=b"PING\nHISTORY\nWAIT 0\n").split("\n") == ["PONG", "no switch so far", "", "OK", ""]


@needs_redis_cli
def test_an_interactive_redis_cli_gets_its_prompt(control: Steered) -> None:
    """What it asks for by itself, such as COMMAND DOCS, is answered so that it goes on."""
    ours, its = pty.openpty()
    process = subprocess.Popen(["redis-cli", "-s", control.path], stdin=its, stdout=its, stderr=its,
                               env=dict(os.environ, TERM="dumb"))
    os.close(its)
    shown = b""
    try:
        os.write(ours, b"PING\nQUIT\n")
        while b"PONG" not in shown:
            shown += os.read(ours, 4096)
        assert process.wait(20 * FACTOR) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_redis_py_connects(control: Steered) -> None:
    """A pool of a client library, with its handshake, in both protocols."""
    # redis-py 7 cannot speak RESP3 on a unix socket: it wants a host to be told of maintenance.
    for protocol in (2,) if redis.VERSION[:1] == (7,) else (2, 3):
        options: t.Dict[str, t.Any] = {"protocol": protocol} if redis.VERSION >= (5,) else {}
        client = redis.Redis(unix_socket_path=control.path, client_name="admin", decode_responses=True, **options)
        try:
            assert client.ping() and client.execute_command("WAIT", "0") in ("OK", True)
            assert json.loads(client.execute_command("STATUS JSON"))["pid"] == os.getpid()
            with pytest.raises(redis.ResponseError, match="unknown command 'GET'; there are PING, STATUS, "):
                client.get("key")
        finally:
            client.connection_pool.disconnect()


def test_lines_typed_by_hand(control: Steered) -> None:
    """`printf 'PING\\r\\n' | nc -U` works, also without the carriage return; empty lines ask for nothing."""
    assert control.ask(b"PING\r\n") == control.ask(b"\n\r\nping\n") == b"+PONG\r\n"
    assert control.ask(b"PING 'two words'\n") == b"$9\r\ntwo words\r\n"


def test_commands_in_one_piece_are_answered_in_order(control: Steered) -> None:
    """Pipelining: arrays and lines, a wrong one among them; after QUIT nothing more."""
    pieces = [command("PING", "1"), b"KILL 9\r\n", command("nope"), b"*0\r\n", command("PING", "2"), b"QUIT\r\nPING\n"]
    assert control.ask(b"".join(pieces)).split(b"\r\n") == [
        b"$1", b"1", b"-ERR no connection has the id 9: CLIENTS lists them",
        b"-ERR unknown command 'nope'; there are PING, STATUS, CLIENTS, KILL, HISTORY, RELOAD, STOP, WAIT, HELP, QUIT",
        b"$1", b"2", b"+OK", b""]


def test_a_command_may_come_byte_by_byte(control: Steered) -> None:
    """However TCP's or a terminal's pieces fall."""
    with control.connect() as sock:
        for byte in command("PING", "x"):
            sock.sendall(bytes([byte]))
        assert sock.recv(100) == b"$1\r\nx\r\n"


def test_the_clients_are_listed_and_one_is_ended(control: Steered) -> None:
    """The table names this process; KILL ends exactly one connection, whose client sees an end."""
    with control.app.connect() as first, control.app.connect() as second:
        assert ask(first, "PING") == ask(second, "PING") == b"+PONG\r\n"
        listed = json.loads(control.ask(b"CLIENTS JSON mymaster\r\n").split(b"\r\n")[1].decode("ascii"))
        assert [each["pid"] for each in listed] == [os.getpid()] * 2
        assert [each["client"] for each in listed] == ["%s:%d" % sock.getsockname() for sock in (first, second)]
        assert b" %d " % os.getpid() in control.ask(b"CLIENTS\r\n")
        assert control.ask(b"KILL %d\r\n" % listed[0]["id"]) == b"+OK\r\n"
        assert until_ended(first) == b"" and ask(second, "PING") == b"+PONG\r\n"
        wait_until(lambda: control.app.tunnel().closed == {"admin": 1}, "it is counted as ended by an admin")


def test_the_history_is_shown(control: Steered) -> None:
    """All switches or those of one tunnel; a name that never was is an error."""
    switch = Switch("mymaster", "mymaster", Address("10.0.0.1", 1), Address("10.0.0.2", 2), 7, 1e9, 7.2, 41, 0.01,
                    "event", "2/3")
    control.switches.append(switch)
    assert b"10.0.0.1:1 -> 10.0.0.2:2" in control.ask(b"HISTORY\r\n")
    assert json.loads(control.ask(b"HISTORY JSON mymaster\r\n").split(b"\r\n")[1].decode("ascii"))[0]["gap"] == 7.2
    assert control.ask(b"HISTORY mymastre\r\n") == b"-ERR no tunnel 'mymastre'; did you mean 'mymaster'?\r\n"


def test_reload_tells_what_changed_or_all_that_is_wrong(control: Steered) -> None:
    """A refusal is one line, however many problems there are."""
    assert control.ask(b"RELOAD\r\n") == b"$30\r\nchanged: poll\nadded: tunnel b\n\r\n"
    control.problems.extend(["f:3: unknown setting", "f:4: no port"])
    assert control.ask(b"RELOAD\r\n") == b"-ERR reload refused: f:3: unknown setting; f:4: no port\r\n"


def test_stop_is_answered_before_it_happens(control: Steered) -> None:
    """The reply reaches the client, then the process is told."""
    assert not control.stopped.is_set()
    assert control.ask(b"STOP\r\n") == b"+OK\r\n"
    wait_until(control.stopped.is_set, "the process is told to stop")


def test_wait_waits_for_a_master(control: Steered, world: World) -> None:
    """At once with one; without, until the time is over, with the reason."""
    assert control.ask(b"WAIT 60\r\n") == b"+OK\r\n"
    for sentinel in world.sentinels:
        sentinel.masters.clear()
    world.master.role = "slave"
    wait_until(lambda: control.app.tunnel().state == "no_master", "there is no master any more")
    began = time.monotonic()
    assert control.ask(b"WAIT 0.3\r\n").startswith(b"-ERR no master: mymaster: ")
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("line", [
    b"KILL", b"KILL x", b"KILL -1", b"KILL 1 2", b"STATUS XML", b"STATUS JSON x", b"CLIENTS mymaster JSON", b"WAIT",
    b"WAIT -1", b"WAIT nan", b"WAIT 9999", b"RELOAD now", b"STOP now", b"CLIENT LIST", b"HELLO 4", b"CLIENTS nobody"])
def test_wrong_words_are_an_error_and_do_nothing(control: Steered, line: bytes) -> None:
    """One error line each, and the connection goes on."""
    answers = control.ask(line + b"\r\nPING\r\n").split(b"\r\n")
    assert answers[0][:1] == b"-" and answers[1:] == [b"+PONG", b""]
    assert not control.stopped.is_set()


def test_help_names_every_command_for_people(control: Steered) -> None:
    """Each line of it names a command that is known."""
    lines = control.ask(b"HELP\r\n").decode("ascii").split("\n")[1:-1]
    names = [line.split()[0] for line in lines if line.strip()]
    assert names == ["PING", "STATUS", "CLIENTS", "KILL", "HISTORY", "RELOAD", "STOP", "WAIT", "HELP", "QUIT"]
    assert all(b"unknown" not in control.ask(name.encode() + b"\r\n") for name in names if name != "STOP")


def test_what_comes_from_outside_is_shown_in_plain_ascii(control: Steered) -> None:
    """A word cannot forge a reply or move a cursor."""
    reply = control.ask(command("x\n+OK\x1b[2J\u00e9"))
    assert reply.count(b"\r\n") == 1 and reply.startswith(b"-ERR unknown command 'x; +OK\\x1b[2J\\xe9'")
