"""A connection whose client or master speaks TLS: what is said to whom, and who holds up nobody."""
import logging
import socket
import ssl
import threading
import typing as t

import pytest

from st.tunnel.connection import HANDSHAKE
from st.tunnel.shared import Legs
from tests.fakes import FakeRedis, read_all
from tests.tls_ends import VERSIONS, TlsCoding, presenting, served, trusting
from tests.tunnels import OneTunnel, ask, silent_for, target_at
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]


def _with_tls(tunnel: OneTunnel, version: str = "") -> ssl.SSLSocket:
    """Return a client that speaks TLS with the tunnel."""
    return trusting(version).wrap_socket(tunnel.connect(), server_hostname="localhost")


def _ending_tls(node: t.Optional[FakeRedis] = None, **changes: t.Any) -> OneTunnel:
    return OneTunnel(node, legs=Legs(client=presenting()), **changes)


def test_a_client_with_tls_is_carried(fake_redis: MakeRedis) -> None:
    """The tunnel ends its TLS, and what the client says first reaches a plain Redis."""
    with _ending_tls(fake_redis()) as tunnel, _with_tls(tunnel) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert tunnel.registry.counts().to_master == 14  # bytes of plain text


@pytest.mark.parametrize("version", VERSIONS)
def test_the_error_line_reaches_a_client_with_tls(version: str) -> None:
    """No master in time: the same line as without TLS, and an end that is told."""
    with _ending_tls(hold=0.1) as tunnel, _with_tls(tunnel, version) as client:
        assert read_all(client).startswith(b"-LOADING sentinel-tunnel: no master for 'mymaster'")


def test_no_error_line_on_tls_that_is_not_ours() -> None:
    """With passthrough it would be garbage within the client's handshake: only the end is told."""
    with OneTunnel(hold=0.1, tls="passthrough", legs=Legs(upstream=trusting())) as tunnel, tunnel.connect() as client:
        assert read_all(client) == b""


def test_the_role_is_checked_apart_from_the_clients_tls(fake_redis: MakeRedis) -> None:
    """With passthrough on a connection of our own: on the client's, a word of ours would break its handshake."""
    node = fake_redis()
    through: t.Dict[str, t.Any] = dict(hold=0.1, tls="passthrough", legs=Legs(upstream=trusting()))
    with _ending_tls(node, role_check="no") as redis, OneTunnel(**through) as tunnel:  # the first acts as a Redis
        tunnel.row.adopt(target_at(redis.address))
        with _with_tls(tunnel) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert [each.commands for each in node.connections] in ([[[b"ROLE"]], [[b"PING"]]], [[[b"PING"]], [[b"ROLE"]]])
        node.role = "slave"
        with tunnel.connect() as refused:
            assert read_all(refused) == b""
        assert tunnel.server.gauges.role_checks.counts()["master"] == 1
        assert tunnel.server.gauges.role_checks.counts()["replica"] >= 1


def test_over_the_limit_nothing_is_said_in_plain(fake_redis: MakeRedis) -> None:
    """Redis's words would be garbage to a client that waits for a handshake; its silence holds up nobody."""
    with _ending_tls(fake_redis(), room=1) as tunnel, _with_tls(tunnel) as first, tunnel.connect() as second:
        assert read_all(second) == b"" and ask(first, "PING") == b"+PONG\r\n"
        with tunnel.connect() as third:  # the listener goes on
            assert read_all(third) == b""


def test_a_plain_client_at_a_tls_port(fake_redis: MakeRedis, caplog: pytest.LogCaptureFixture) -> None:
    """It is closed, and one line at INFO says what it was; nothing of it reaches the master."""
    caplog.set_level(logging.INFO, "st")
    node = fake_redis()
    with _ending_tls(node) as tunnel, tunnel.connect() as client:
        client.sendall(b"PING\r\n" * 10)
        assert b"PONG" not in _until_any_end(client)
        wait_until(lambda: tunnel.closed("client"), "it is closed")
        told = [record.getMessage() for record in caplog.records if "no_tls" in record.getMessage()]
        assert len(told) == 1 and "does not speak TLS here: a plain port, or a plain client?" in told[0]
        assert caplog.records[-1].levelname == "INFO" and not node.accepted


def test_a_client_that_does_not_trust_us(fake_redis: MakeRedis, caplog: pytest.LogCaptureFixture) -> None:
    """The line in the log says whose fault it is."""
    caplog.set_level(logging.INFO, "st")
    with _ending_tls(fake_redis()) as tunnel, tunnel.connect() as client:
        with pytest.raises(ssl.SSLError):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(client, server_hostname="localhost")
        wait_until(lambda: "does not trust our certificate" in caplog.text, "the log says so")


def _until_any_end(sock: socket.socket) -> bytes:
    try:
        return read_all(sock)
    except ConnectionError:
        return b""


def test_a_silent_client_is_closed_and_holds_up_nobody(fake_redis: MakeRedis) -> None:
    """It connects and says nothing, or one byte now and then: others are served, and in the end it is closed."""
    with _ending_tls(fake_redis()) as tunnel, tunnel.connect() as silent, tunnel.connect() as slow:
        slow.sendall(b"\x16\x03\x01")
        for _ in range(5):
            with _with_tls(tunnel) as client:
                assert ask(client, "PING") == b"+PONG\r\n"
        assert silent_for(silent, 0) and silent_for(slow, 0)
        slow.sendall(b"\x02")
        for sock in (silent, slow):
            sock.settimeout(HANDSHAKE + 20 * FACTOR)
            assert _until_any_end(sock) == b""


def test_a_client_that_says_all_with_its_handshake(fake_redis: MakeRedis) -> None:
    """Its command comes with the last bytes of the handshake, and its end right behind: it is obeyed all the same."""
    node = fake_redis()
    with _ending_tls(hold=20 * FACTOR) as tunnel, tunnel.connect() as sock:
        machine = TlsCoding(trusting("1.3"), "localhost")
        while not _agreed(machine):
            sock.sendall(machine.outgoing.read())
            machine.incoming.write(sock.recv(65536))
        sock.sendall(machine.outgoing.read() + machine.seal(b"SET k v\r\n") + machine.farewell())
        sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(tunnel.registry), "it waits for a master")
        tunnel.switch(node)
        wait_until(lambda: [b"SET", b"k", b"v"] in [command for each in node.connections for command in each.commands],
                   "the command has arrived")


def _agreed(machine: TlsCoding) -> bool:
    try:
        machine.tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.mark.parametrize("what", ["handshake of the client", "handshake of the master"])
def test_a_cut_ends_a_handshake(what: str) -> None:
    """Whoever is silent in a handshake: a shutdown, or a switch, need not wait for it."""
    silence = threading.Event()
    with served(lambda sock: silence.wait(60 * FACTOR)) as address:
        legs = Legs(client=presenting()) if "client" in what else Legs(upstream=trusting())
        with OneTunnel(tls="yes", hold=3600, legs=legs) as tunnel, tunnel.connect() as client:
            if "master" in what:
                tunnel.row.adopt(target_at(address))
            wait_until(lambda: len(tunnel.registry) == 1, "it is accepted")
            assert silent_for(client, 0.3)
            tunnel.registry.cut_all("shutdown")
            assert _until_any_end(client) == b""
            wait_until(lambda: tunnel.closed("shutdown") == 1, "it is closed for that reason")
        silence.set()
        socket.create_connection(address).close()  # where nobody else has come


def test_a_switch_ends_a_handshake_with_the_old_master(fake_redis: MakeRedis) -> None:
    """A master that hangs in its handshake is left for the new one at once, though the client would wait."""
    silence = threading.Event()
    node = fake_redis()
    with served(lambda sock: silence.wait(60 * FACTOR)) as address:
        with OneTunnel(hold=3600, tls="yes", legs=Legs(upstream=trusting())) as tunnel, tunnel.connect() as client:
            tunnel.row.adopt(target_at(address))
            wait_until(lambda: len(tunnel.registry) == 1, "it is accepted")
            assert silent_for(client, 0.3)
            tunnel.switch(node)
            wait_until(lambda: node.accepted, "it tries the new one")
        silence.set()
