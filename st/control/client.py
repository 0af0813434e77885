"""Asks a running process over its control socket: one command, one reply, within a deadline."""
import contextlib
import errno
import os
import socket
import time
import typing as t

from st.control import protocol
from st.deadline import Deadline
from st.errors import LocalError, SentinelTunnelError
from st.host.kernel import stat_fields
from st.unix import credentials_of

PATIENCE = 10.0  # seconds in which a process that works has answered
_PIECE = 1 << 16  # bytes received at once
_LOOK = 0.05  # seconds between two looks whether a process is still there
_ZOMBIE = ("Z", "X")


class NotRunning(SentinelTunnelError):
    """Nobody listens on the control socket."""


class Unanswered(SentinelTunnelError):
    """Somebody listens, but does not answer, or not as we would."""


class Silent(Unanswered):
    """Somebody listens, but says nothing."""


class Gone(Unanswered):
    """The process has ended, or closed the connection, before it answered."""


class Refused(SentinelTunnelError):
    """The process says no; the message is its own, without the ERR."""


class Client:
    """A connection to the control socket at `path`; a context manager. Raises SentinelTunnelError of four kinds."""

    def __init__(self, path: str, seconds: float = PATIENCE) -> None:
        """Connect; raise NotRunning, Unanswered, or LocalError when it may not be done."""
        self._path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.settimeout(seconds)
            self._connect(seconds)
            credentials = credentials_of(self._sock)
        except BaseException:
            self._sock.close()
            raise
        self.pid = credentials.pid  # 0: in a container that we do not see into
        self._born = _birth(self.pid)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._sock.close()

    def ask(self, *words: str, seconds: float = PATIENCE) -> str:
        """Send a command and return the reply; raise Refused or Unanswered."""
        deadline, data = Deadline(seconds), b""
        try:
            self._sock.settimeout(deadline.left())
            with contextlib.suppress(BrokenPipeError):  # one that takes no more clients has said so before
                self._sock.sendall(protocol.request(words))
            reply = protocol.parse_reply(data)
            while reply is None:
                data += self._receive(deadline)
                reply = protocol.parse_reply(data)
        except protocol.ErrorReply as error:
            text = str(error)
            raise Refused(text[4:] if text.startswith("ERR ") else text) from error
        except protocol.ProtocolError as error:
            raise Unanswered("%s: not the control socket of a sentinel-tunnel: %s" % (self._path, error)) from error
        except socket.timeout as error:
            raise self._silent(seconds) from error
        except OSError as error:
            raise Gone("%s: %s: it has just ended, or look at its log" % (self._path, error.strerror)) from error
        return reply

    def wait_end(self, deadline: Deadline) -> bool:
        """Wait until the process is gone; False when it is not by then."""
        try:
            while not deadline.passed():
                self._sock.settimeout(max(deadline.left() or 0, _LOOK))
                if not self._sock.recv(_PIECE):
                    break
        except OSError:
            pass  # the connection ended in another way, or not in time
        while self.pid and self._born and _birth(self.pid) == self._born:
            if deadline.passed():
                return False
            time.sleep(_LOOK)
        return True

    def _connect(self, seconds: float) -> None:
        deadline = Deadline(seconds)
        while True:
            try:
                return self._sock.connect(self._path)
            except (FileNotFoundError, ConnectionRefusedError) as error:
                raise NotRunning("not running: nobody listens on %s" % self._path) from error
            except socket.timeout as error:
                raise self._silent(seconds) from error
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise LocalError("control socket %s: %s%s" % (self._path, error.strerror or error, _advice(error)),
                                     error.errno) from error
                if deadline.passed():
                    raise self._silent(seconds) from error
            time.sleep(_LOOK)  # its queue is full

    def _receive(self, deadline: Deadline) -> bytes:
        left = deadline.left()
        if left == 0:
            raise socket.timeout
        self._sock.settimeout(left)
        data = self._sock.recv(_PIECE)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed without an answer")
        return data

    def _silent(self, seconds: float) -> Silent:
        pid = getattr(self, "pid", 0)
        steps = "; kill -USR1 %d writes into it what each thread does, kill -9 %d ends it" % (pid, pid) if pid else ""
        return Silent("%s does not answer within %.3gs (hung?): look at its log%s"
                      % ("pid %d" % pid if pid else self._path, seconds, steps))


def _advice(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return ": only the user who runs it, and root, may use it (you are user %d)" % os.geteuid()
    return ""


def _birth(pid: int) -> str:
    """Return when a process began, in clock ticks; "" when it has ended, also if nobody has fetched its exit code."""
    fields = stat_fields(pid)
    return fields[19] if len(fields) > 19 and fields[0] not in _ZOMBIE else ""
