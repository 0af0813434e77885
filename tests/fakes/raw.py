"""A client without a library: bytes out, bytes in."""
import socket

from st.testing.server import Address
from tests.waiting import FACTOR


def dial(address: Address) -> socket.socket:
    """Return a connected socket on which nothing takes longer than 10 seconds."""
    return socket.create_connection(address, timeout=10 * FACTOR)


def talk(address: Address, request: bytes) -> bytes:
    """Send `request` and the end of file, and return all that comes back until the other side ends."""
    with dial(address) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    """Return all that comes until the other side ends."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """Return the next `size` bytes; fewer when the other side ends before."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data
