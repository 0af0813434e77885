"""One client of the web server, step by step, without the server."""
import contextlib
import select
import socket
import typing as t

from st.web.answers import TEXT, Answer
from st.web.exchange import Exchange
from tests.tunnels import tcp_pair
from tests.waiting import wait_until

HEAD = b"GET / HTTP/1.0\r\n\r\n"


@contextlib.contextmanager
def exchange(body: str = "hello") -> t.Iterator[t.Tuple[socket.socket, Exchange]]:
    """Give a client's socket and what serves it with a body."""
    with tcp_pair() as (far, near):
        yield far, Exchange(near, lambda request: Answer(200, TEXT, body))


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


def test_a_reply_that_does_not_fit() -> None:
    """It waits until the client takes more, and no longer than it may."""
    with exchange("x" * 50000000) as (far, served):
        far.sendall(HEAD)
        assert served.go_on() and served.wanted == select.POLLOUT
        taken = 0
        while served.wanted == select.POLLOUT and taken < 10000000:
            taken += len(far.recv(65536))
            assert served.go_on()
        assert served.wanted == select.POLLOUT
        wait_until(lambda: served.go_on() and served.overdue, "it has taken too long")


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
