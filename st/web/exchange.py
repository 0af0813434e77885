"""One client of the web server: its request, the reply, the end; never waits."""
import email.utils
import http.client
import logging
import select
import socket
import typing as t

from st.deadline import Deadline
from st.web.answers import Answer, refusal
from st.web.request import BadRequest, Request, parse

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds for a whole request to come and for its reply to be taken
LINGER = 1.0  # seconds to read on after the reply
PIECE = 65536  # bytes

_HEAD = ("HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n"
         "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: %s\r\n%s\r\n")


class Exchange:
    """Owned by the thread of the server, which calls `go_on` when there is something to do, and closes it."""

    def __init__(self, client: socket.socket, answer: t.Callable[[Request], Answer]) -> None:
        client.setblocking(False)
        self._client = client
        self._answer = answer
        self._step = self._read
        self._deadline = Deadline(PATIENCE)
        self._received = b""
        self._reply = b""

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._client.fileno()

    @property
    def wanted(self) -> int:
        """What to watch it for, as `poll` has it."""
        return select.POLLOUT if self._reply else select.POLLIN

    @property
    def overdue(self) -> bool:
        """True when it has taken too long."""
        return self._deadline.passed()

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
            return self._begin_reply(refusal(error), "GET")
        if request is None:
            return bool(piece)
        return self._begin_reply(self._answered(request), request.method)

    def _answered(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except BadRequest as error:
            return refusal(error)
        except Exception:  # a fault of ours fails this request, and no other
            logger.exception("the request for %r failed", request.path)
            return refusal(BadRequest(500, "an error of sentinel-tunnel: its log tells more"))

    def _begin_reply(self, answer: Answer, method: str) -> bool:
        self._reply = reply(answer, method)
        self._received = b""
        self._step = self._write
        return self._write()

    def _write(self) -> bool:
        self._reply = self._reply[self._client.send(self._reply[:PIECE]) :]
        if not self._reply:
            self._client.shutdown(socket.SHUT_WR)
            self._deadline = Deadline(LINGER)
            self._step = self._swallow
        return True

    def _swallow(self) -> bool:
        """Read on for a moment: a close with unread input would make the kernel destroy the reply on its way."""
        return bool(self._client.recv(PIECE))


def reply(answer: Answer, method: str) -> bytes:
    """Return the bytes of a reply; one to HEAD has no body."""
    body = answer.body.encode("utf-8", "replace")  # a name may hold half a surrogate pair
    more = "Allow: GET, HEAD\r\n" if answer.code == 405 else ""
    head = _HEAD % (answer.code, http.client.responses[answer.code], email.utils.formatdate(usegmt=True), answer.type,
                    len(body), answer.policy, more)
    return head.encode("ascii") + (b"" if method == "HEAD" else body)
