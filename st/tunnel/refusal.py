"""Refuse a client in words: one RESP error line, and a close that does not destroy it."""
import re
import select
import socket
import typing as t

from st.deadline import Deadline
from st.wire.tls import NO_SIGNAL, Leg

LINGER = 0.5  # seconds to read on after the line
FULL = b"ERR max number of clients reached"  # Redis's own words: clients know them


class Refused(Exception):
    """Ends a connection before it carried bytes: `line` is for the client (b"": none), `why` for the log."""

    def __init__(self, why: str, line: bytes = b"") -> None:
        super().__init__(why)
        self.why = why
        self.line = line


def no_target(wanted: str, master_name: str, reason: str) -> bytes:
    """Return the error for a client that waited in vain. Clients take LOADING for an error worth a retry."""
    said = "LOADING sentinel-tunnel: no %s for '%s' (%s). Retry." % (wanted, master_name, reason)
    # A reason may hold what a Sentinel said, and a client may print it on a terminal.
    return re.sub(br"[^ -~]", b" ", said.encode("ascii", "backslashreplace"))


def told_once(failure: str, reason: str) -> str:
    """Return both as one, without those parts of the first that the second tells as well."""
    told = " %s;" % reason
    parts = [part for part in failure.split("; ") if not any(" %s%s" % (part, end) in told for end in ";,")]
    return "; ".join(dict.fromkeys(filter(None, [*parts, reason])))


def say(client: Leg, line: bytes) -> None:
    """Send the line and the end of the stream, never blocking; a client that is gone is no error."""
    try:
        client.setblocking(False)
        client.send(b"-%s\r\n" % line, NO_SIGNAL)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # nobody is left to be told


def linger(client: Leg) -> None:
    """Read on for a moment: a close with unread input would make the kernel destroy the line on its way."""
    deadline, poller = Deadline(LINGER), select.poll()
    poller.register(client.fileno(), select.POLLIN)
    while not deadline.passed() and poller.poll((deadline.left() or 0) * 1000):
        if not swallow(client):
            break


def swallow(client: Leg) -> t.Optional[bytes]:
    """Read what has come and forget it; nothing at the end of the stream."""
    try:
        return client.recv(65536)
    except BlockingIOError:
        return b"nothing yet"
    except OSError:
        return None
