"""The web server on real sockets: whole replies, and clients that are slow, idle, many or mad."""
import contextlib
import os
import re
import resource
import socket
import time
import typing as t

import pytest

from st.address import Address
from st.deadline import Deadline
from st.errors import ListenError
from st.web.answers import Answer
from st.web.exchange import reply
from st.web.server import MOST, WebServer
from tests.fakes import World, read_all
from tests.test_status import BOTH
from tests.tunnels import ask, be_busy, running, until_ended
from tests.waiting import FACTOR, wait_until
from tests.web import connect, fetch, served, views, views_of

GET = b"GET /liveness HTTP/1.1\r\nHost: h\r\n\r\n"
MANY = 200  # clients


def is_alive(server: WebServer) -> bool:
    """Tell whether a probe gets its reply."""
    return fetch(server.address, "/liveness").code == 200


def test_a_whole_reply() -> None:
    """Length, type and an end; nothing that tells strangers which Python to attack."""
    with served() as server:
        found = fetch(server.address, "/liveness")
        assert (found.code, found.body) == (200, '{"alive": true}\n')
        wanted = {"content-type": "application/json", "connection": "close", "cache-control": "no-store"}
        assert wanted.items() <= found.headers.items() and int(found.headers["content-length"]) == len(found.body)
        assert "server" not in found.headers and "python" not in str(found.headers).lower()
        assert not [name for name in found.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/startup", "/liveness", "/readiness", "/status", "/metrics", "/nix"])
def test_head_is_get_without_the_body(path: str) -> None:
    """The same head, and nothing behind it."""
    with served() as server:
        with connect(server) as client:
            client.sendall(b"HEAD %s HTTP/1.1\r\nHost: h\r\n\r\n" % path.encode())
            head, _, body = until_ended(client).partition(b"\r\n\r\n")
        get = fetch(server.address, path)
        length, = re.findall(br"Content-Length: (\d+)", head)
        assert body == b"" and head.startswith(b"HTTP/1.1 %d " % get.code)
        if path != "/metrics":  # which tells how many seconds of CPU were used
            assert int(length) == len(get.body)


def test_a_body_does_not_destroy_the_reply() -> None:
    """What nobody reads would make the kernel reset the connection with the reply still on its way."""
    with served() as server:
        found = fetch(server.address, "/status", "POST", body=b"x" * 300000)
        assert (found.code, found.headers["allow"]) == (405, "GET, HEAD") and "GET or HEAD" in found.body


def test_half_a_character() -> None:
    """A text that is no Unicode is sent all the same, with the length of what is sent."""
    head, _, body = reply(Answer(200, "text/plain", "\u00fc\udc80"), "GET").partition(b"\r\n\r\n")
    assert body == b"\xc3\xbc?" and b"Content-Length: 3\r\n" in head


def test_a_client_that_says_no_more() -> None:
    """It has shut down its side, as `nc -N` does: the reply comes all the same."""
    with served() as server, connect(server) as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("sent", [b"", b"GET /live", b"\r\n"])
def test_a_client_that_goes_away(sent: bytes) -> None:
    """Half a request and an end: no reply, and nothing is left of it."""
    with served() as server, connect(server) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""


def test_a_request_in_pieces() -> None:
    """Each byte in a packet of its own."""
    with served() as server, connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(GET)):
            client.sendall(GET[number : number + 1])
        assert read_all(client).endswith(b'{"alive": true}\n')


def test_one_reply_to_a_connection() -> None:
    """`Connection: close` is meant: a second request on it is not looked at."""
    with served() as server, connect(server) as client:
        client.sendall(GET + GET)
        assert read_all(client).count(b"HTTP/1.1") == 1


def test_bad_requests_are_told_why() -> None:
    """The reply comes although the request was not read to its end."""
    with served() as server:
        for sent, code in ((b"garbage\r\n\r\n", 400), (b"GET /" + b"a" * 100000, 414),
                           (b"GET / HTTP/1.1\r\nX: " + b"a" * 100000, 431)):
            with connect(server) as client:
                client.sendall(sent)
                said = read_all(client)
                assert said.startswith(b"HTTP/1.1 %d " % code) and b"\r\n\r\nerror: " in said
        assert is_alive(server)


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


def test_a_fault_in_a_view_fails_one_request(expect_error: t.Callable[[str], None]) -> None:
    """500, the traceback in the log, none of it in the reply; other paths work."""
    expect_error("ZeroDivisionError")
    with served(views(status=lambda: 1 // 0)) as server:
        found = fetch(server.address, "/status")
        assert found.code == 500 and "ZeroDivision" not in found.body
        assert is_alive(server)


def test_no_descriptors_left(expect_error: t.Callable[[str], None], caplog: pytest.LogCaptureFixture) -> None:
    """It pauses and says so once, and does not spin; with descriptors it goes on by itself."""
    expect_error("accept_paused")
    with served() as server, socket.socket() as client, socket.socket() as lowest:
        client.settimeout(20 * FACTOR)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        number = lowest.fileno()
        lowest.close()  # from here to the limit none is free but this one
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
        try:
            client.connect(server.address)
            client.sendall(GET)
            used = time.process_time()
            be_busy(1.0)  # a loop that spins would use this second
            assert time.process_time() - used < 0.5
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert read_all(client).endswith(b'{"alive": true}\n')
    assert len([record for record in caplog.records if "accept_paused" in record.getMessage()]) == 1


def test_stop_ends_everything() -> None:
    """Open connections are closed, the port is free for the next at once; twice is fine."""
    with served() as server, connect(server) as client, connect(server) as other:
        other.sendall(GET)
        assert read_all(other)
        server.stop(Deadline(20 * FACTOR))
        assert until_ended(client) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(server)
        server.stop(Deadline(20 * FACTOR))
        again = WebServer(server.address, views())
        again.stop(Deadline(20 * FACTOR))  # without ever having been started


def test_a_taken_port_names_its_holder() -> None:
    """At its making, before anything else has begun."""
    with served() as server:
        with pytest.raises(ListenError) as caught:
            WebServer(server.address, views())
        wanted = "http %s: cannot listen: Address already in use: held by " % (server.address,)
        assert str(caught.value).startswith(wanted) and "pid %d" % os.getpid() in str(caught.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_of_this_host(host: str) -> None:
    """The error names it."""
    with pytest.raises(ListenError) as caught:
        WebServer(Address(host, 18080), views())
    assert str(caught.value).startswith("http %s:18080: cannot listen: " % host)


def test_ipv6() -> None:
    """On an address in brackets."""
    server = WebServer(Address("::1", 0), views())
    server.start()
    assert is_alive(server) and str(server.address).startswith("[::1]:")
    server.stop(Deadline(20 * FACTOR))
