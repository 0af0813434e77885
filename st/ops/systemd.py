"""Tells systemd how the process is doing: ready, reloading, stopping, a line in words, and that it is alive."""
import collections
import logging
import os
import socket
import time
import typing as t

from st.event import Event
from st.ops.status import ProcessStatus

logger = logging.getLogger(__name__)

TICK = 1.0  # seconds between two calls of `tick`, about
MOST_WAITING = 20  # messages kept while systemd takes none
LONGEST = 500  # characters of the line in words; more than a terminal shows


class Notifier:
    """Sends to $NOTIFY_SOCKET; without one, nothing. For the main thread only.

    It takes its variables out of `environ`: a command that we run must not speak for us. It never waits: what systemd
    does not take is sent again with the next `tick`.
    """

    def __init__(self, environ: t.MutableMapping[str, str]) -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        self._watchdog = _watchdog_seconds(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if path[:1] in ("/", "@") else None
        if self._socket:
            self._socket.setblocking(False)
        self._waiting = collections.deque(maxlen=MOST_WAITING)  # type: t.Deque[str]
        self._told = ""  # the line in words that systemd has
        self._fed_at = -self._watchdog
        self._stalled = []  # type: t.List[str]

    @property
    def listens(self) -> bool:
        """True when there is somebody to tell."""
        return self._socket is not None

    def ready(self) -> None:
        """Say that every address is listened on, at the start or after a reload."""
        self._send("READY=1\nMAINPID=%d" % os.getpid())

    def reloading(self) -> None:
        """Say that a reload began; `ready` ends it."""
        # systemd compares this time with that of its own request.
        self._send("RELOADING=1\nMONOTONIC_USEC=%d" % (time.clock_gettime(time.CLOCK_MONOTONIC) * 1000000))

    def stopping(self) -> None:
        """Say that the process is ending."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Show a line of text in `systemctl status`; it is sent when it is new."""
        line = " ".join(text.split())[:LONGEST]
        if line != self._told and not self._waiting and self._try("STATUS=%s" % line):
            self._told = line

    def tick(self, now: float, stalled: t.Sequence[str]) -> None:
        """Be called about once a second with the monotonic time and the threads that show no sign of life.

        While there is none, the watchdog of systemd is fed; without food it ends and restarts the process.
        """
        self._flush()
        if not self._watchdog:
            return
        if list(stalled) != self._stalled:
            self._stalled = list(stalled)
            self._log_stalled()
        if not stalled and now - self._fed_at > self._watchdog / 2 - TICK and self._try("WATCHDOG=1"):
            self._fed_at = now

    def close(self) -> None:
        """Send nothing more."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _log_stalled(self) -> None:
        if self._stalled:
            logger.error(Event("stalled", threads=", ".join(self._stalled),
                               means="systemd restarts the process within %gs unless they go on" % self._watchdog))
        else:
            logger.warning(Event("stalled_no_more"))

    def _send(self, message: str) -> None:
        self._waiting.append(message)
        self._flush()

    def _flush(self) -> None:
        while self._waiting and self._try(self._waiting[0]):
            self._waiting.popleft()

    def _try(self, message: str) -> bool:
        """Send one message; False when it must be sent again."""
        if self._socket:
            try:
                self._socket.sendto(message.encode("ascii", "backslashreplace"), self._address)
            except OSError:  # full, or systemd is restarting itself
                return False
        return True


def state_line(status: ProcessStatus) -> str:
    """Return the state of the process in words, the worst trouble first; it changes only when something happens."""
    return "%s: %s" % (status.state, "; ".join(status.troubles()) or "every tunnel has a master")


def _watchdog_seconds(microseconds: str, pid: str) -> float:
    """Return how long systemd waits for a sign of life from us; 0.0 when it does not."""
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(microseconds) / 1000000.0
