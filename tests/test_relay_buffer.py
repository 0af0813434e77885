"""One step of the relay with the leader's buffer, as when many sockets are readable at the same time."""
import contextlib
import os
import socket
import typing as t

import pytest

from st.tunnel.relay import Relay
from st.wire.at_once import SIZE, Buffer
from tests.fakes import read_all, read_exactly
from tests.test_relay import SMALL
from tests.tunnels import reset, silent_for, tcp_pair
from tests.waiting import wait_until


class Stepped:
    """A relay that moves only when the test says so."""

    def __init__(self, client: socket.socket, master: socket.socket, near: t.Sequence[socket.socket]) -> None:
        self.client, self.master, self._near = client, master, near
        self.hints: t.List[int] = []
        self.relay = Relay(near[0], near[1], lambda: self.hints.append(1))
        self.buffer = Buffer()

    def step(self, who: str) -> bool:
        """Move what the client or the master has sent; False when it takes the connection's own thread."""
        source, flow = {"client": (self._near[0], self.relay.to_master), "master": (self._near[1], self.relay.to_client)
                        }[who]
        return self.relay._move(source.fileno(), flow, self.buffer)


@pytest.fixture
def each() -> t.Iterator[Stepped]:
    """Give a relay whose client has little room."""
    with contextlib.ExitStack() as stack:
        client, near_client = stack.enter_context(tcp_pair())
        master, near_master = stack.enter_context(tcp_pair())
        near_client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        near_client.setblocking(False)
        near_master.setblocking(False)
        yield Stepped(client, master, (near_client, near_master))


def say(sock: socket.socket, data: bytes, near: socket.socket) -> None:
    """Send, and wait until it has come."""
    sock.sendall(data)
    wait_until(lambda: len(near.recv(SIZE, socket.MSG_PEEK)) == min(len(data), SIZE), "it has come")


def test_both_ways(each: Stepped) -> None:
    """Bytes pass unchanged and are counted; the last ones say whether a reply may be on its way."""
    say(each.client, b"\x00PING", each._near[0])
    assert each.step("client") and read_exactly(each.master, 5) == b"\x00PING" and each.relay.asked
    say(each.master, b"+P", each._near[1])
    assert each.step("master") and read_exactly(each.client, 2) == b"+P" and not each.relay.asked
    assert (each.relay.to_master.carried, each.relay.to_client.carried) == (5, 2)


def test_readonly_is_a_hint(each: Stepped) -> None:
    """From the master, in what has come now: what the buffer held before is another one's."""
    say(each.client, b"-READONLY", each._near[0])
    assert each.step("client") and not each.hints
    say(each.master, b"-R", each._near[1])
    assert each.step("master") and not each.hints
    say(each.master, b"-READONLY x\r\n", each._near[1])
    assert each.step("master") and each.hints == [1]
    assert read_exactly(each.client, 15) == b"-R-READONLY x\r\n"


def test_what_is_not_taken_is_kept(each: Stepped) -> None:
    """And its own thread goes on with it: no byte is lost, none comes twice."""
    pieces = [os.urandom(SIZE - 1)]
    say(each.master, pieces[-1], each._near[1])
    while each.step("master"):
        pieces.append(os.urandom(SIZE - 1))
        say(each.master, pieces[-1], each._near[1])
    assert each.relay.to_client.pending
    each.master.shutdown(socket.SHUT_WR)
    each.client.shutdown(socket.SHUT_WR)
    pending = bytes(each.relay.to_client.pending)
    sent = b"".join(pieces)
    assert each.relay.to_client.carried + len(pending) == len(sent) and sent.endswith(pending)
    assert read_exactly(each.client, len(sent) - len(pending)) == sent[:-len(pending)]


def test_much_is_for_its_own_thread(each: Stepped) -> None:
    """More than the buffer holds may be much more: others must not wait for it."""
    say(each.client, b"x" * 2 * SIZE, each._near[0])
    assert not each.step("client")
    assert read_exactly(each.master, SIZE) == b"x" * SIZE


def test_nothing_an_end_a_reset(each: Stepped) -> None:
    """Nothing is nothing; an end is passed on, and is for its own thread; a broken sink too."""
    assert each.step("client") and each.step("master")
    each.client.shutdown(socket.SHUT_WR)
    wait_until(lambda: not each.step("client"), "the end has come")
    assert read_all(each.master) == b"" and each.relay.to_master.done
    reset(each.client)
    say(each.master, b"x", each._near[1])
    wait_until(lambda: not each.step("master"), "the client has gone")
    assert each.relay.to_client.pending or each.relay.to_client.ended


def test_once_cut_nothing_moves(each: Stepped) -> None:
    """What came between the cut and the wake-up stays where it is."""
    say(each.client, b"stale", each._near[0])
    each.relay.cut()
    assert not each.step("client")
    assert silent_for(each.master, 0) and each.relay.to_master.carried == 0
