"""One client of the web server: its request, the reply, the end; never waits."""
import email.utils
import http.client
import logging
import select
import socket
import typing as t
import zlib

from st.deadline import Deadline
from st.web.answers import Answer, refusal
from st.web.request import BadRequest, Request, parse

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds for a whole request to come, and without any of the reply being taken
LONGEST = 60.0  # seconds for all of it
LINGER = 1.0  # seconds to read on after the reply
PIECE = 65536  # bytes
KERNEL = 16384  # bytes that the kernel is to hold back for a client: with more of them a slow one seems to have stopped
SHORT = 1400  # bytes: what fits into one packet is not worth compressing
GZIP = 16 + zlib.MAX_WBITS  # what zlib calls the format

_HEAD = ("HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n"
         "Cache-Control: no-store\r\nVary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\n"
         "Content-Security-Policy: %s\r\n%s\r\n")


class Exchange:
    """Owned by the thread of the server, which calls `go_on` when there is something to do, and closes it."""

    def __init__(self, client: socket.socket, answer: t.Callable[[Request], Answer], patience: float = PATIENCE,
                 longest: float = LONGEST) -> None:
        client.setblocking(False)
        self._client = client
        self._answer = answer
        self._step = self._read
        self._patience = patience
        self._deadline = Deadline(patience)
        self._whole = Deadline(longest)
        self._received = b""
        self._reply = memoryview(b"")

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._client.fileno()

    @property
    def wanted(self) -> int:
        """What to watch it for, as `poll` has it."""
        return select.POLLOUT if self._reply else select.POLLIN

    @property
    def overdue(self) -> bool:
        """True when it has stopped, or has taken too long altogether."""
        return self._deadline.passed() or self._whole.passed()

    def go_on(self) -> bool:
        """Do what can be done at once; False when it has ended."""
        try:
            return self._step()
        except BlockingIOError:
            return True
        except OSError:
            return False  # the client is gone

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _read(self) -> bool:
        piece = self._client.recv(PIECE)
        self._received += piece
        try:
            request = parse(self._received)
        except BadRequest as error:
            return self._begin_reply(refusal(error), Request("GET", "", {}))
        if request is None:
            return bool(piece)
        return self._begin_reply(self._answered(request), request)

    def _answered(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except BadRequest as error:
            return refusal(error)
        except Exception:  # a fault of ours fails this request, and no other
            logger.exception("the request for %r failed", request.path)
            return refusal(BadRequest(500, "an error of sentinel-tunnel: its log tells more"))

    def _begin_reply(self, answer: Answer, request: Request) -> bool:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL)
        self._reply = memoryview(reply(answer, request))  # what is left of it is no copy
        self._received = b""
        self._step = self._write
        return self._write()

    def _write(self) -> bool:
        self._reply = self._reply[self._client.send(self._reply[:PIECE]) :]
        self._deadline = Deadline(self._patience)  # a slow line is no reason to end, as long as it carries
        if not self._reply:
            self._client.shutdown(socket.SHUT_WR)
            self._deadline = Deadline(LINGER)
            self._step = self._swallow
        return True

    def _swallow(self) -> bool:
        """Read on for a moment: a close with unread input would make the kernel destroy the reply on its way."""
        return bool(self._client.recv(PIECE))


def reply(answer: Answer, request: Request) -> bytes:
    """Return the bytes of a reply; one to HEAD has no body."""
    body, more = answer.body.encode("utf-8", "replace"), ""  # a name may hold half a surrogate pair
    if request.gzip and len(body) > SHORT:
        body, more = _compressed(body), "Content-Encoding: gzip\r\n"
    more += "Allow: GET, HEAD\r\n" if answer.code == 405 else ""
    head = _HEAD % (answer.code, http.client.responses[answer.code], email.utils.formatdate(usegmt=True), answer.type,
                    len(body), answer.policy, more)
    return head.encode("ascii") + (b"" if request.method == "HEAD" else body)


def _compressed(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=GZIP)
    return packer.compress(body) + packer.flush()
