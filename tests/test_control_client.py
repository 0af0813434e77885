"""The client of the control socket against listeners of every bad kind."""
import contextlib
import os
import socket
import threading
import typing as t

import pytest

from st.control.client import Client, Gone, NotRunning, Refused, Unanswered
from st.deadline import Deadline
from st.errors import LocalError
from tests.control import short_directory, steered
from tests.fakes import World


@pytest.fixture
def listening() -> t.Iterator[t.Tuple[str, socket.socket]]:
    """Give a path and the socket that listens there."""
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as sock:
        path = os.path.join(directory, "s")
        sock.bind(path)
        sock.listen(1)
        yield path, sock


def test_a_reply_of_several_pieces(world: World) -> None:
    """Commands one after the other on one connection, long replies whole, errors as such."""
    with steered(world) as control, Client(control.path) as client:
        assert client.pid == os.getpid()
        long = "x" * 60000
        assert client.ask("PING", long) == long and client.ask("PING") == "PONG"
        with pytest.raises(Refused, match=r"\Aunknown command 'NO'; there are PING, .*, QUIT\Z"):
            client.ask("NO")
        assert client.ask("PING") == "PONG"


def test_nobody_is_not_running() -> None:
    """No file, and a file on which nobody listens."""
    with short_directory() as directory:
        path = os.path.join(directory, "s")
        with pytest.raises(NotRunning, match="not running: nobody listens on " + path):
            Client(path)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
        with pytest.raises(NotRunning):
            Client(path)


def test_silence_is_no_answer(listening: t.Tuple[str, socket.socket]) -> None:
    """The kernel takes the connection, nobody answers: it says who, and what to do."""
    with Client(listening[0]) as client:
        with pytest.raises(Unanswered, match=r"pid %d does not answer within 0.1s \(hung\?\): .*USR1" % os.getpid()):
            client.ask("PING", seconds=0.1)


def test_who_is_refused_at_once_hears_why(listening: t.Tuple[str, socket.socket]) -> None:
    """Also when the other end is closed before the question is sent; without a word it is gone."""
    for said, kind in ((b"-ERR no thread is left\r\n", Refused), (b"", Gone)):
        with Client(listening[0]) as client:
            with listening[1].accept()[0] as sock:
                sock.sendall(said)
            with pytest.raises(kind, match="no thread is left" if said else "closed without an answer"):
                client.ask("PING")


def test_a_full_queue_is_no_answer(listening: t.Tuple[str, socket.socket]) -> None:
    """So many wait already that the kernel takes no more connections."""
    with contextlib.ExitStack() as stack:
        with pytest.raises(Unanswered, match="does not answer within"):
            for _ in range(10):
                stack.enter_context(Client(listening[0], 0.2))


@pytest.mark.parametrize("bytes_of_it, error", [
    (b"", Gone), (b"$5\r\nab", Gone), (b"HTTP/1.1 400\r\n", Unanswered), (b"*1\r\n$1\r\nx\r\n", Unanswered)])
def test_somebody_else_listens(listening: t.Tuple[str, socket.socket], bytes_of_it: bytes,
                               error: t.Type[Exception]) -> None:
    """An end in the middle, and what is no reply of ours."""
    path, listener = listening

    def serve() -> None:
        with listener.accept()[0] as sock:
            sock.recv(100)
            sock.sendall(bytes_of_it)

    thread = threading.Thread(target=serve)
    thread.start()
    with Client(path) as client, pytest.raises(error, match=path):
        client.ask("PING")
    thread.join()


def test_a_drip_of_bytes_has_the_same_deadline(listening: t.Tuple[str, socket.socket]) -> None:
    """The time is for the whole reply."""
    path, listener = listening
    done = threading.Event()

    def serve() -> None:
        with listener.accept()[0] as sock, contextlib.suppress(BrokenPipeError):
            sock.sendall(b"$100000\r\n")
            while not done.wait(0.02):
                sock.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    with Client(path) as client, pytest.raises(Unanswered, match="does not answer within 0.3s"):
        client.ask("PING", seconds=0.3)
    done.set()
    thread.join()


def test_what_is_no_socket_says_so() -> None:
    """A path with a file in its middle, or a name that is too long."""
    for path in ("/dev/null/s", "/tmp/" + "x" * 200):
        with pytest.raises(LocalError, match="control socket " + path):
            Client(path)


def test_the_end_of_a_process_that_stays_is_not_awaited_for_ever(listening: t.Tuple[str, socket.socket]) -> None:
    """This one, here."""
    with Client(listening[0]) as client:
        assert not client.wait_end(Deadline(0.1))
