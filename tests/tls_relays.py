"""A relay with TLS on either leg or both, for tests, and the far ends of its legs."""
import contextlib
import select
import socket
import time
import typing as t

import pytest

from st.deadline import Deadline
from st.tunnel.tls_relay import TlsRelay
from st.wire.dial import interrupt
from st.wire.tls import Leg, secure
from tests.test_relay import Carried, in_thread
from tests.tls_ends import Far, presenting, trusting
from tests.tunnels import be_busy, tcp_pair
from tests.waiting import FACTOR

WAYS = ["client", "master", "both"]  # the legs with TLS
every_way = pytest.mark.parametrize("way", WAYS)


class Ends(t.NamedTuple):
    """A relay that runs, and the far ends of its two legs."""

    client: Far
    master: Far
    running: Carried
    legs: t.Tuple[Leg, Leg]  # ours

    @property
    def relay(self) -> TlsRelay:
        """The relay."""
        assert isinstance(self.running.relay, TlsRelay)
        return self.running.relay


@contextlib.contextmanager
def _leg(buffers: int, ours: str, version: str) -> t.Iterator[t.Tuple[Far, Leg]]:
    """Give the far end and ours: of plain TCP, or with TLS where ours is the "server" or the "client"."""
    with tcp_pair(buffers) as (sock, near):
        if not ours:
            yield Far(sock), near
            return
        here, there = presenting(version=version), trusting(version)
        far = Far(sock, there, "localhost") if ours == "server" else Far(sock, here)
        thread = in_thread(far.handshake)
        try:
            is_server = ours == "server"
            made = secure(near, here if is_server else there, None if is_server else "localhost",
                          Deadline(20 * FACTOR), "far")
        finally:
            thread.join()
        yield far, made


@contextlib.contextmanager
def carried(way: str, buffers: int = 0, first_reply: bytes = b"", version: str = "", **patience: t.Any
            ) -> t.Iterator[Ends]:
    """Give a running relay; its near sockets are closed behind it, as a connection does."""
    with _leg(buffers, "server" if way != "master" else "", version) as (client, near_client), \
            _leg(buffers, "client" if way != "client" else "", version) as (master, near_master):
        near_client.setblocking(False)
        near_master.setblocking(False)
        relay = TlsRelay(near_client, near_master, lambda: None, **patience)
        made = Carried(client.sock, master.sock, relay, first_reply)
        made.thread.start()
        try:
            yield Ends(client, master, made, (near_client, near_master))
        finally:
            relay.cut()
            interrupt(near_client)
            interrupt(near_master)
            made.thread.join()


def idle_for(seconds: float) -> bool:
    """Let time pass, and tell whether nobody used it: a relay that spins would use all of it."""
    before = time.process_time()
    be_busy(seconds)
    return time.process_time() - before < 0.3 * seconds


def push(sock: socket.socket, data: bytes) -> int:
    """Write until nobody has taken a byte for a while; return how much was taken."""
    writable, total = select.poll(), 0
    writable.register(sock, select.POLLOUT)
    while writable.poll(300):  # milliseconds
        total += sock.send(data[total:total + 65536], socket.MSG_DONTWAIT)
    return total
