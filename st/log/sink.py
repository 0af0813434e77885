"""Where the lines of the log go: stderr, or a file that follows rotation. Knows nothing of logging."""
import errno
import os
import select
import sys
import typing as t

from st.errors import LogFileError
from st.host.planted import open_own

_NOWHERE = "/dev/null"
_STDERR = 2
_PATIENCE = 100  # milliseconds for a reader that is a little late


class Sink:
    """Writes lines to an open descriptor, unbuffered: a line is there or it raises OSError.

    It never blocks for long: a reader that was stopped must not stop the watcher, which logs too.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._torn = False  # a disk that became full has taken the beginning of a line
        self._blocked = False  # nobody has read for a while: not waited for again

    def write(self, line: str) -> None:
        """Write `line`, on a line of its own even when the last one was cut short."""
        rest = (("\n" if self._torn else "") + line).encode("ascii", "backslashreplace")
        while rest:
            rest = rest[self._put(rest) :]
            self._torn = bool(rest)

    def _put(self, data: bytes) -> int:
        # The description is shared with others, who would be surprised by O_NONBLOCK. A pipe that poll finds writable
        # takes PIPE_BUF bytes without blocking.
        poller = select.poll()
        poller.register(self._descriptor, select.POLLOUT)
        if not poller.poll(0 if self._blocked else _PATIENCE):
            self._blocked = True
            raise BlockingIOError(errno.EAGAIN, "nobody reads it")
        self._blocked = False
        return os.write(self._descriptor, data[: select.PIPE_BUF])

    def reopen(self) -> None:
        """Do nothing: only a file can be opened anew."""

    def close(self) -> None:
        """Leave stderr open: it is not ours."""


class FileSink(Sink):
    """Writes lines to a file; moved or removed, as logrotate does, it is made anew with the next line."""

    def __init__(self, path: str) -> None:
        super().__init__(_open(path))
        self._path = path

    def write(self, line: str) -> None:
        if not self._is_current():
            self.reopen()
        super().write(line)

    def _put(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def reopen(self) -> None:
        """Open the path again; when that fails the old file stays open."""
        descriptor = _open(self._path)
        self.close()
        self._descriptor, self._torn = descriptor, False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False


def open_sink(file: t.Optional[str]) -> Sink:
    """Return the sink for `file`, None being stderr; raise LogFileError when it cannot be opened."""
    # Started with stderr closed, descriptor 2 is whatever was opened first, perhaps a client's socket.
    path = _NOWHERE if file is None and sys.stderr is None else file
    if path is None:
        return Sink(_STDERR)
    try:
        return FileSink(path)
    except OSError as error:
        raise LogFileError(_advice(path, error), error.errno) from error


def _open(path: str) -> int:
    # O_NONBLOCK is for a named pipe: without a reader it is an error at once, and a full one loses lines.
    return open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK)


def _advice(path: str, error: OSError) -> str:
    advice = {
        errno.ENOENT: "make its directory first",
        errno.EACCES: "let user %d write it, or name another file" % os.geteuid(),
        errno.EISDIR: "name a file in it",
    }.get(error.errno or 0, "name another file")
    return "log file %s: %s: %s" % (path, error.strerror, advice)
