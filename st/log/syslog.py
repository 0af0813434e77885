"""Lines for syslog: how they look there (RFC 3164), and a way to the local one that never blocks."""
import errno
import os
import socket
import time
import typing as t

from st.log.lines import Line, json_line, traced

PATH = "/dev/log"
NAME = "sentinel-tunnel"

_DAEMON = 3 << 3  # the facility
_SEVERITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_MOST = 8192  # bytes of a message; syslog daemons cut longer ones, or drop them
# Not from strftime, which would ask the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def syslog_text(line: Line) -> str:
    """Return `line` as one message, with its level and without its time, which syslog has a place for."""
    return _head(line) + "%s %s" % (line.level, traced(line))


def syslog_json(line: Line) -> str:
    """Return `line` as a message that is one JSON object."""
    return _head(line) + json_line(line).rstrip("\n")


def _head(line: Line) -> str:
    at = time.localtime(line.created)
    when = "%s %2d %02d:%02d:%02d" % (_MONTHS[at.tm_mon - 1], at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec)
    return "<%d>%s %s[%d]: " % (_DAEMON | _SEVERITIES.get(line.level, 5), when, NAME, os.getpid())


class SyslogSink:
    """Sends messages to the unix socket `path`, one at a time: each is there, or write() raises OSError at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: t.Optional[socket.socket] = None
        self._end = b""  # of a message
        self._closed = False

    def connect(self) -> None:
        """Connect, if need be; raise OSError while no syslog daemon is there."""
        if self._closed:
            raise OSError(errno.EBADF, "closed")
        if self._socket is None:
            try:
                self._socket, self._end = _connected(self._path, socket.SOCK_DGRAM), b""
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
                self._socket, self._end = _connected(self._path, socket.SOCK_STREAM), b"\0"  # as syslog(3) ends them

    def write(self, line: str) -> None:
        """Send a message, anew when the daemon has been restarted since the last one."""
        message = line.encode("ascii", "backslashreplace")[:_MOST]
        was_connected = self._socket is not None
        try:
            self._send(message)
        except BlockingIOError:  # the daemon is alive, and behind
            raise
        except OSError:
            self.reopen()
            if not was_connected:
                raise
            self._send(message)

    def _send(self, message: bytes) -> None:
        self.connect()
        assert self._socket is not None
        if self._socket.send(message + self._end) < len(message + self._end):
            self.reopen()  # half a message would swallow the next one
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def reopen(self) -> None:
        """Connect anew with the next message."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def close(self) -> None:
        """Send nothing any more."""
        self.reopen()
        self._closed = True


def _connected(path: str, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        sock.setblocking(False)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock
