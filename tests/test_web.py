"""The web server on real sockets: whole replies, bad requests, faults, its start and its end."""
import os
import re
import socket
import typing as t
import zlib

import pytest

from st.address import Address
from st.deadline import Deadline
from st.errors import ListenError
from st.web.answers import Answer
from st.web.exchange import GZIP, reply
from st.web.request import Request
from st.web.server import WebServer
from tests.fakes import read_all
from tests.test_status import BOTH
from tests.tunnels import until_ended
from tests.waiting import FACTOR, wait_until
from tests.web import GET, connect, fetch, is_alive, served, views


def test_a_whole_reply() -> None:
    """Length, type and an end; nothing that tells strangers which Python to attack."""
    with served() as server:
        found = fetch(server.address, "/liveness")
        assert (found.code, found.body) == (200, '{"alive": true}\n')
        wanted = {"content-type": "application/json", "connection": "close", "cache-control": "no-store"}
        assert wanted.items() <= found.headers.items() and int(found.headers["content-length"]) == len(found.body)
        assert "server" not in found.headers and "python" not in str(found.headers).lower()
        assert not [name for name in found.headers if name.startswith("access-control")]
        assert found.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


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
        if path not in ("/", "/metrics"):  # which tell rates of this moment, and the seconds of CPU
            assert int(length) == len(get.body)


def test_a_compressed_page() -> None:
    """For browsers and Prometheus, which ask for it; what is served is the same."""
    with served(views(BOTH._replace(tunnels=BOTH.tunnels * 9))) as server:
        plain, packed = [ask(server, "/status", encoding) for encoding in ("identity", "gzip, deflate, br")]
        assert len(packed) < len(plain) / 2 and zlib.decompress(packed, GZIP) == plain


def ask(server: WebServer, path: str, encoding: str) -> bytes:
    """Return the body of a reply as it is sent to a client that takes an encoding."""
    with connect(server) as client:
        client.sendall(b"GET %s HTTP/1.0\r\nAccept-Encoding: %s\r\n\r\n" % (path.encode(), encoding.encode()))
        return read_all(client).partition(b"\r\n\r\n")[2]


def test_a_body_does_not_destroy_the_reply() -> None:
    """What nobody reads would make the kernel reset the connection with the reply still on its way."""
    with served() as server:
        found = fetch(server.address, "/status", "POST", body=b"x" * 300000)
        assert (found.code, found.headers["allow"]) == (405, "GET, HEAD") and "GET or HEAD" in found.body


def test_half_a_character() -> None:
    """A text that is no Unicode is sent all the same, with the length of what is sent."""
    head, _, body = reply(Answer(200, "text/plain", "\u00fc\udc80"), Request("GET", "/", {})).partition(b"\r\n\r\n")
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


def test_the_thread_takes_samples() -> None:
    """From its start on, so that the page can tell rates whenever it is looked at."""
    with served() as server:
        wait_until(lambda: "Rates come" not in fetch(server.address, "/").body, "there are rates")
        assert len(server._samples._moments) == 1  # the next one comes half a minute later
        assert fetch(server.address, "/").headers["content-security-policy"].startswith("default-src 'none'; style-src")


def test_a_fault_in_a_sample_costs_nothing_else(expect_error: t.Callable[[str], None]) -> None:
    """The traceback in the log, and probes are answered."""
    expect_error("a sample for the status page failed")
    with served(views(measures=lambda: 1 // 0)) as server:
        assert is_alive(server)


def test_a_fault_in_a_view_fails_one_request(expect_error: t.Callable[[str], None]) -> None:
    """500, the traceback in the log, none of it in the reply; other paths work."""
    expect_error("ZeroDivisionError")
    with served(views(status=lambda: 1 // 0)) as server:
        found = fetch(server.address, "/status")
        assert found.code == 500 and "ZeroDivision" not in found.body
        assert is_alive(server)


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
    with served(host="::1") as server:
        assert is_alive(server) and str(server.address).startswith("[::1]:")
