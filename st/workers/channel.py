"""What a process and its workers say to each other: datagrams on a pair of unix sockets, some with sockets in them."""
import array
import os
import socket
import struct
import typing as t

# To a worker:
CARRY = b"c"  # with two sockets, the client's and the master's: carry bytes between them, first these to the client
PING = b"p"
# From a worker:
ENDED = b"e"  # both sockets are closed there; the text tells who ended first
READONLY = b"r"  # the master said -READONLY
FAILED = b"f"  # the same as ENDED, but for a fault that the text describes
PONG = b"o"

MOST = 1 << 17  # bytes of a datagram; far below what the kernel takes for one (net.core.wmem_default, 212,992)
_HEADER = struct.Struct("!cQ")
_INTS = array.array("i")


class Message(t.NamedTuple):
    """One datagram: what is said, of which connection, the rest, and the descriptors that came with it."""

    kind: bytes
    number: int
    data: bytes = b""
    descriptors: t.Tuple[int, ...] = ()


def pair() -> t.Tuple[socket.socket, socket.socket]:
    """Return both ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Message) -> None:
    """Send a message; any thread may. Raise OSError when the other end is gone."""
    parts = [_HEADER.pack(message.kind, message.number), message.data]
    if message.descriptors:
        rights = array.array("i", message.descriptors)
        channel.sendmsg(parts, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    else:
        channel.sendmsg(parts)


def receive(channel: socket.socket) -> t.Optional[Message]:
    """Return the next message, None at the end. Where the limit of descriptors is reached, some are missing."""
    data, ancillary, _, _ = channel.recvmsg(_HEADER.size + MOST, socket.CMSG_SPACE(2 * _INTS.itemsize))
    if not data:
        return None
    descriptors = array.array("i")
    for level, kind, rights in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(rights[:len(rights) - len(rights) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    kind, number = _HEADER.unpack_from(data)
    return Message(kind, number, data[_HEADER.size:], tuple(descriptors))
