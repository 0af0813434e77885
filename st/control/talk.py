"""One client of the control socket, in a thread of its own."""
import logging
import select
import socket
import threading
import time
import typing as t

from st.control import protocol
from st.control.commands import Answer
from st.deadline import Deadline
from st.plain import plain
from st.unix import credentials_of

logger = logging.getLogger(__name__)

PIECE = 1 << 16  # bytes received at once
IDLE = 30.0  # seconds that a client may take for one request from its first byte on
SLOW = 10.0  # seconds that it may take to read a reply

Answering = t.Callable[[t.Sequence[str], "Talk"], Answer]


class Talk:
    """Reads requests and writes replies until one side ends. `end` is for any thread, the rest for its own.

    `hurry` comes before `run`.
    """

    def __init__(self, number: int, sock: socket.socket, answering: Answering, idle: float = IDLE,
                 slow: float = SLOW) -> None:
        self.number = number
        self.asked_at = time.monotonic()  # its latest request, or its beginning; read by the server, as the next
        self.busy = False  # it has asked, and has no answer yet
        self._sock = sock
        self._answering = answering
        self._idle = idle
        self._slow = slow
        self._waits = True  # for as long as it takes until the next request begins
        self._requests = protocol.Requests()
        self._closing = threading.Lock()  # guards the socket between shutdown and close

    def run(self) -> None:
        """Serve the client to the end; the thread's top."""
        try:
            self._converse()
        except OSError:
            pass  # it went away, does not read, or was ended by us
        finally:
            with self._closing:
                self._sock.close()

    def hurry(self, seconds: float) -> None:
        """End it when the client takes longer for a request, its silence before that included, or to read a reply.

        Nor is anything waited for longer on its behalf.
        """
        self._idle = self._slow = seconds
        self._waits = False

    def end(self) -> None:
        """End the conversation; whatever its thread waits for on the socket returns at once."""
        with self._closing:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already

    def gone(self) -> bool:
        """Tell whether the client has hung up, or was ended; one that only writes no more is still there.

        In a hurry it counts as gone when it has waited for as long as it may.
        """
        if not self._waits and time.monotonic() - self.asked_at > self._idle:
            return True
        poller = select.poll()
        poller.register(self._sock, 0)  # POLLHUP is told unasked
        return bool(poller.poll(0))

    def who(self) -> str:
        """Return the client's process and user id, as the kernel knows them."""
        return "pid %d uid %d" % credentials_of(self._sock)

    def _converse(self) -> None:
        while True:
            try:
                words = self._next_request()
            except protocol.ProtocolError as error:
                self._send(protocol.failure("ERR Protocol error: %s" % error))
                return
            if words is None:
                return
            self.asked_at, self.busy = time.monotonic(), True
            answer = self._answer(words)
            self._send(answer.reply)
            self.busy = False
            if answer.then is not None:
                answer.then()
            if answer.ends:
                return

    def _answer(self, words: t.Sequence[str]) -> Answer:
        try:
            return self._answering(words, self)
        except Exception:  # a fault of ours, which must not look like a client that went away
            logger.exception("the command %s of the control socket failed", plain(words[0][:64]))
            return Answer(protocol.failure("ERR a fault of sentinel-tunnel: look at its log"))

    def _next_request(self) -> t.Optional[t.List[str]]:
        """Return the words of the next request; None when the client sends no more, or not all of it in time."""
        words, deadline = self._requests.take(), Deadline(self._idle)
        while words is None:
            begun = self._requests.begun
            self._sock.settimeout(deadline.left() if begun else self._idle)
            try:
                data = self._sock.recv(PIECE)
            except socket.timeout:
                if begun or not self._waits:
                    return None
                continue
            if not data:
                return None
            if not begun:
                deadline = Deadline(self._idle)
            self._requests.feed(data)
            words = self._requests.take()
        return words

    def _send(self, reply: bytes) -> None:
        self._sock.settimeout(self._slow)
        self._sock.sendall(reply)
