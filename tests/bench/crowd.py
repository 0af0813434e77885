"""Many connections at a time."""
import contextlib
import socket
import typing as t

from st.address import Address
from tests.waiting import FACTOR

_AT_ONCE = 50  # connections on their way at a time: a queue for new ones may be short
_LONGEST = 60  # seconds for a reply


@contextlib.contextmanager
def opened(address: Address, count: int, sent: bytes = b"PING\r\n",
           reply: bytes = b"+PONG\r\n") -> t.Iterator[t.List[socket.socket]]:
    """Give connections that have got their reply, so that each reaches to Redis; they are closed behind."""
    socks: t.List[socket.socket] = []
    try:
        add(socks, address, count, sent, reply)
        yield socks
    finally:
        for sock in socks:
            sock.close()


def add(socks: t.List[socket.socket], address: Address, count: int, sent: bytes = b"PING\r\n",
        reply: bytes = b"+PONG\r\n") -> None:
    """Open connections until there are `count`."""
    while len(socks) < count:
        fresh = []
        for _ in range(min(_AT_ONCE, count - len(socks))):
            sock = socket.create_connection(address, _LONGEST * FACTOR)
            socks.append(sock)
            fresh.append(sock)
            sock.sendall(sent)
        for sock in fresh:
            _expect(sock, reply)


def _expect(sock: socket.socket, reply: bytes) -> None:
    received = b""
    while len(received) < len(reply):
        more = sock.recv(len(reply) - len(received))
        received += more
        if not more or not reply.startswith(received):
            raise ConnectionError("%r came for %r from %s" % (received[:200], reply, sock.getpeername()))
