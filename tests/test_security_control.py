"""Somebody who listens where our process should, such as on a path below /tmp, and replies what he likes."""
import contextlib
import os
import socket
import threading
import typing as t

import pytest

from st.control.client import Client, Unanswered
from st.control.protocol import LONGEST_LINE, LONGEST_REPLY
from tests.control import run_on, short_directory
from tests.waiting import FACTOR


@contextlib.contextmanager
def replying(head: bytes, piece: bytes = b"") -> t.Iterator[str]:
    """Give the path of a socket where a client gets `head` for each question, then `piece` again and again."""
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(directory, "s")
        listener.bind(path)
        listener.listen(5)
        listener.settimeout(20 * FACTOR)

        def serve() -> None:
            with listener.accept()[0] as client, contextlib.suppress(OSError):
                while client.recv(100):
                    client.sendall(head)
                    while piece:
                        client.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join()


@pytest.mark.parametrize("head, most", [(b"$999999999\r\n", LONGEST_REPLY), (b"+", LONGEST_LINE), (b"-", LONGEST_LINE)])
def test_a_reply_without_an_end_is_given_up(head: bytes, most: int) -> None:
    """It does not fill the memory of who asks."""
    with replying(head, b"x" * 65536) as path, Client(path) as client:
        with pytest.raises(Unanswered, match="more than %d bytes" % most):
            client.ask("STATUS", seconds=100 * FACTOR)


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["history"], ["reload"]])
@pytest.mark.parametrize("kind", ["$29\r\n%s\r\n", "+%s\r\n", "-%s\r\n"])
def test_no_command_prints_what_moves_a_terminal(words: t.List[str], kind: str) -> None:
    """Escape sequences in a reply of any kind are shown as text."""
    text = "\x1b[2J\x1b]0;owned\x07\u202eabc".ljust(27)
    with replying((kind % text).encode("utf-8")) as path:
        shown = run_on(path, *words)
        assert "owned" in shown.out + shown.err
        assert not set("\x1b\x07\u202e") & set(shown.out + shown.err) and "Traceback" not in shown.err
