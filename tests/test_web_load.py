"""Clients of the web server that are slow, idle, deaf, endless or too many, and a host without descriptors."""
import contextlib
import socket
import time
import typing as t

import pytest

from st.web.server import MOST
from tests.fakes import World, read_all
from tests.test_status import BOTH
from tests.tunnels import ask, be_busy, descriptors, running, until_ended
from tests.waiting import FACTOR, wait_until
from tests.web import GET, connect, fetch, is_alive, served, views, views_of

MANY = 200  # clients


def test_a_client_that_takes_too_long_is_closed() -> None:
    """In silence, byte by byte, with a reply it does not read, or with no end of what it sends: all have a limit."""
    big = views(BOTH._replace(version="x" * 10000000))
    with served(big) as server, contextlib.ExitStack() as stack:
        silent, slow, deaf, endless = [stack.enter_context(connect(server)) for _ in range(4)]
        deaf.sendall(b"GET /status HTTP/1.0\r\n\r\n")
        endless.sendall(b"GET /liveness HTTP/1.0\r\n\r\n")
        left = {silent: b"", slow: b"a", endless: b"a" * 1000}

        def closed() -> bool:
            for sock, more in list(left.items()):
                if is_closed(sock, more):
                    del left[sock]
            return not left

        wait_until(closed, "all are closed")
        wait_until(lambda: not server._exchanges, "nothing is kept of the one that does not read")
        assert len(until_ended(deaf)) < 10000000 and is_alive(server)


def is_closed(sock: socket.socket, more: bytes) -> bool:
    """Send some more, and tell whether the other side has ended."""
    try:
        sock.sendall(more)
        sock.setblocking(False)
        while sock.recv(65536):
            pass
        return not more  # an end after a reply is no end of what we may send: that is a reset
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        sock.settimeout(20 * FACTOR)


@pytest.mark.parametrize("sent", [b"", b"GET /liveness HTTP/1.1\r\nHos", b"GET /metrics HTTP/1.0\r\n\r\n"])
def test_many_clients_that_do_not_go_on(world: World, sent: bytes) -> None:
    """200 at once, idle or with half a request or deaf: probes are answered, and the tunnels carry."""
    with running(world) as app, served(views_of(app.app)) as server, contextlib.ExitStack() as stack:
        client = stack.enter_context(app.connect())
        for number in range(MANY):
            stack.enter_context(connect(server)).sendall(sent)
            if number % 50 == 0:
                assert is_alive(server)
        assert is_alive(server) and fetch(server.address, "/readiness").code == 200
        assert ask(client, "PING") == b"+PONG\r\n"
        assert len(server._exchanges) <= MOST and app.app.stalled(20 * FACTOR) == []


def test_a_storm_of_probes() -> None:
    """More at a time than it takes: each is answered in the end when it comes again, as probes do."""
    with served() as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(MANY)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(GET)
        replies = [until_ended(client) for client in clients]
        assert sum(each.endswith(b'{"alive": true}\n') for each in replies) >= MOST and is_alive(server)


def test_no_descriptors_left(expect_error: t.Callable[[str], None], caplog: pytest.LogCaptureFixture) -> None:
    """It pauses and says so once, and does not spin; with descriptors it goes on by itself."""
    expect_error("accept_paused")
    with served() as server, socket.socket() as client:
        client.settimeout(20 * FACTOR)
        with descriptors(3):  # fewer than there are: its spare one is of no use
            client.connect(server.address)
            client.sendall(GET)
            used = time.process_time()
            be_busy(1.0)  # a loop that spins would use this second
            assert time.process_time() - used < 0.5
        assert read_all(client).endswith(b'{"alive": true}\n')
    assert len([record for record in caplog.records if "accept_paused" in record.getMessage()]) == 1


def test_the_last_descriptor_is_for_probes(expect_error: t.Callable[[str], None],
                                           caplog: pytest.LogCaptureFixture) -> None:
    """When clients have taken all of them it is alive, not ready, and one that is silent keeps nobody out."""
    expect_error("accept_paused")
    with served() as server, socket.socket() as silent, socket.socket() as client, socket.socket() as lowest:
        for sock in (silent, client):
            sock.settimeout(20 * FACTOR)
        number = lowest.fileno()
        lowest.close()
        assert fetch(server.address, "/readiness").code == 200
        with descriptors(number):  # from here to the limit none is free
            silent.connect(server.address)
            client.connect(server.address)
            client.sendall(b"GET /readiness HTTP/1.0\r\n\r\n")
            reply = read_all(client)
            assert reply.startswith(b"HTTP/1.1 503") and b"no room for another client: Too many open files" in reply
        assert until_ended(silent) == b"" and "the oldest client makes room" in caplog.text
        assert fetch(server.address, "/readiness").code == 200


def test_a_drain_is_no_stall(world: World) -> None:
    """Threads that have ended as they should show no sign of life: no reason to kill what still drains."""
    with running(world) as app:
        wait_until(lambda: app.app.stalled(0), "a moment without a sign of life is seen")
        app.app.stop(0)
        assert app.app.stopping and app.app.stalled(0) == []
