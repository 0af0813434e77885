"""One client of the web server, step by step, without the server."""
import contextlib
import select
import socket
import time
import typing as t
import zlib

from st.web.answers import TEXT, Answer
from st.web.exchange import GZIP, PATIENCE, Exchange, reply
from st.web.request import Request
from tests.tunnels import tcp_pair
from tests.waiting import FACTOR, wait_until

HEAD = b"GET / HTTP/1.0\r\n\r\n"
BIG = "x" * 40000000


@contextlib.contextmanager
def exchange(body: str = "hello", patience: float = PATIENCE,
             **limits: float) -> t.Iterator[t.Tuple[socket.socket, Exchange]]:
    """Give a client's socket and what serves it with a body."""
    with tcp_pair() as (far, near):
        yield far, Exchange(near, lambda request: Answer(200, TEXT, body), patience, **limits)


def test_it_reads_on_after_the_reply() -> None:
    """To the client's end: closing with unread bytes would make the kernel destroy the reply on its way."""
    with exchange() as (far, served):
        far.sendall(HEAD)
        assert served.go_on() and not served.overdue
        assert far.recv(65536).endswith(b"\r\n\r\nhello") and far.recv(1) == b""
        for _ in range(3):
            far.sendall(b"some of a body")
            assert served.go_on()
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: not served.go_on(), "the end is seen")


def test_reading_on_has_a_limit() -> None:
    """A client that keeps its connection open, whatever it sends, is overdue in the end."""
    with exchange() as (far, served):
        far.sendall(HEAD)
        assert served.go_on() and served.wanted == select.POLLIN
        wait_until(lambda: served.go_on() and served.overdue, "it has taken too long")


def test_a_client_that_stops_reading() -> None:
    """What does not fit waits until the client takes more, and no longer than it may."""
    with exchange(BIG, patience=1.0 * FACTOR) as (far, served):
        far.sendall(HEAD)
        assert served.go_on() and served.wanted == select.POLLOUT
        assert not take_some(far, served) and served.wanted == select.POLLOUT
        wait_until(lambda: served.go_on() and served.overdue, "it has taken too long")


def test_a_client_that_reads_slowly() -> None:
    """A slow line may take longer than a silent one: what counts is that it carries."""
    with exchange(BIG, patience=1.0 * FACTOR) as (far, served):
        far.sendall(HEAD)
        assert served.go_on()
        begun = time.monotonic()
        for piece in range(1, 16):
            wait_until(lambda: time.monotonic() > begun + 0.1 * FACTOR * piece, "it takes its time")
            assert not take_some(far, served)


def test_a_client_that_reads_for_ever() -> None:
    """However steady it is, the whole has a limit."""
    with exchange(BIG, patience=1000.0, longest=0.2) as (far, served):
        far.sendall(HEAD)
        assert served.go_on()
        wait_until(lambda: take_some(far, served), "it has taken too long")
        assert served.wanted == select.POLLOUT


def take_some(far: socket.socket, served: Exchange) -> bool:
    """Read at a client's end until there is room for more, let that be sent, and tell whether it is overdue."""
    while not select.select([], [served], [], 0)[1]:
        if select.select([far], [served], [], 20 * FACTOR)[0]:
            assert far.recv(4096)
    assert served.go_on()
    return served.overdue


def test_little_waits_in_the_kernel() -> None:
    """With a lot of it there a slow client would not be seen to take anything for too long."""
    with exchange(BIG) as (far, served):
        far.sendall(HEAD)
        while select.select([], [served], [], 0)[1]:
            assert served.go_on()
        held = len(BIG) - len(served._reply)
        assert held < 500000  # most of it in the client's own kernel, which is none of ours


def test_a_compressed_reply() -> None:
    """For who takes it: much shorter, and the same in the end; HEAD tells its length; a short one stays as it is."""
    long, short = Answer(200, TEXT, "a page " * 1000), Answer(200, TEXT, "a page")
    head, _, body = reply(long, Request("GET", "/", {}, gzip=True)).partition(b"\r\n\r\n")
    assert head.endswith(b"\r\nContent-Encoding: gzip") and b"\r\nContent-Length: %d\r\n" % len(body) in head
    assert len(body) < 200 and zlib.decompress(body, GZIP).decode() == long.body
    assert reply(long, Request("HEAD", "/", {}, gzip=True)).partition(b"\r\n\r\n")[0] == head
    for answer, gzip in ((long, False), (short, True)):
        head, _, body = reply(answer, Request("GET", "/", {}, gzip)).partition(b"\r\n\r\n")
        assert b"Content-Encoding" not in head and body.decode() == answer.body


def test_half_a_request_and_an_end() -> None:
    """It has ended at once: nothing more can come."""
    with exchange() as (far, served):
        far.sendall(HEAD[:9])
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: not served.go_on(), "the end is seen")
        assert not served.overdue


def test_a_client_that_is_gone() -> None:
    """No exception: it has ended."""
    with exchange() as (far, served):
        far.sendall(HEAD)
        far.close()
        wait_until(lambda: not served.go_on(), "the end is seen")
