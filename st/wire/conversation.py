"""Questions and replies in their order over one socket, each exchange within a deadline."""
import errno
import socket
import threading
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerGarbage, PeerRefused, PeerSilent, PeerUnreachable
from st.wire.dial import interrupt
from st.wire.resp import MORE, Command, MalformedReply, Reply, ReplyError, ReplyReader, encode
from st.wire.tls import NO_SIGNAL, Leg

CHUNK = 65536  # bytes


class Conversation:
    """One socket to one node. After any error it is over: a late reply must never answer a later question."""

    def __init__(self, sock: Leg, peer: str, reached: t.Optional[Address] = None) -> None:
        self._sock = sock
        self._reader = ReplyReader()
        self._closing = threading.Lock()  # guards _sock between close() and interrupt(): a descriptor is reused at once
        self.peer = peer  # as it is called in errors
        self.reached = reached  # the numeric address, where somebody wants to know it

    def ask(self, commands: t.Sequence[Command], deadline: Deadline) -> t.List[Reply]:
        """Send all commands in one write and return their replies in order; raise PeerError."""
        self.send(commands, deadline)
        replies: t.List[Reply] = []
        try:
            for _ in commands:
                replies.append(self.receive(deadline))
        except PeerUnreachable as error:
            # A full or protected server speaks unasked, then closes: its line explains the end.
            spoken = [reply for reply in replies if isinstance(reply, ReplyError)]
            if spoken and not isinstance(error, PeerSilent):
                raise PeerRefused("%s: %s" % (self.peer, spoken[0]), str(spoken[0]).encode()) from error
            raise
        return replies

    def send(self, commands: t.Sequence[Command], deadline: Deadline) -> None:
        """Send commands without waiting for replies."""
        try:
            self._arm(deadline)
            self._sock.sendall(encode(commands), NO_SIGNAL)
        except OSError as error:
            raise self._failure(error, "takes no bytes") from error

    def receive(self, deadline: Deadline) -> Reply:
        """Return the next reply; raise PeerUnreachable at the end of file, PeerSilent at the deadline, PeerGarbage."""
        try:
            while True:
                reply = self._reader.take()
                if reply is not MORE:
                    return reply
                self._reader.feed(self._read(deadline))
        except MalformedReply as error:
            raise PeerGarbage("%s: does not speak RESP: %s" % (self.peer, error)) from error

    def rest(self) -> bytes:
        """Return what came after the last reply that was read."""
        return self._reader.rest()

    def interrupt(self) -> None:
        """End it from another thread: a blocked call returns at once with an error."""
        with self._closing:
            interrupt(self._sock)

    def close(self) -> None:
        """Close the socket."""
        with self._closing:
            self._sock.close()

    def _read(self, deadline: Deadline) -> bytes:
        try:
            self._arm(deadline)
            data = self._sock.recv(CHUNK)
        except OSError as error:
            raise self._failure(error, "no reply in time") from error
        if not data:
            raise PeerUnreachable("%s: closed the connection" % self.peer)
        return data

    def _failure(self, error: OSError, silence: str) -> PeerUnreachable:
        # From CPython 3.10 on the kernel's ETIMEDOUT, the end of a connection, is a socket.timeout too.
        if isinstance(error, socket.timeout) and error.errno != errno.ETIMEDOUT:
            return PeerSilent("%s: %s" % (self.peer, silence))
        return PeerUnreachable("%s: %s" % (self.peer, error.strerror or error))

    def _arm(self, deadline: Deadline) -> None:
        left = deadline.left()
        if left == 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
