"""A file of lines that grows at its end only, survives a crash at any moment, and stays bounded."""
import contextlib
import errno
import fcntl
import os
import stat
import time
import typing as t

from st.deadline import Deadline
from st.host.planted import open_own

KEPT = 1000  # lines that are left when the file is shortened
_MOST = 2000  # lines at which it is
_TAIL = 8 << 20  # bytes that are read at most, should the file be somebody else's
_PATIENCE = 2.0  # seconds for another process that holds the file
_LOOK = 0.01  # seconds between two looks whether it still does


class Ledger:
    """The lines of `path` that `is_ours` knows; others are passed over. For one thread; raises OSError.

    Several processes may write the same file.
    """

    def __init__(self, path: str, is_ours: t.Callable[[str], bool]) -> None:
        self.path = os.path.abspath(path)
        self._is_ours = is_ours

    def prepare(self) -> None:
        """Make the directory and the file where they are missing: what hinders that is told before the first line."""
        os.close(self._open())

    def read(self) -> t.List[str]:
        """Return the newest lines; none when there is no file."""
        try:
            descriptor = _regular(open_own(self.path, os.O_RDONLY | os.O_NONBLOCK))
        except FileNotFoundError:
            return []
        try:
            return self._ours(_tail(descriptor))
        finally:
            os.close(descriptor)

    def append(self, lines: t.Iterable[str]) -> None:
        """Add lines of ASCII, all or none; they are on the disk when this returns. A long file is shortened."""
        with self._held() as (descriptor, alone):
            _write(descriptor, "".join(line + "\n" for line in lines).encode("ascii"), alone)
            tail = _tail(descriptor)
            ours = self._ours(tail) if alone and tail.count(b"\n") >= _MOST else []
            if len(ours) == KEPT:  # else it is mostly somebody else's, named by mistake
                self._replace("".join(line + "\n" for line in ours).encode("ascii", "backslashreplace"), descriptor)

    def _ours(self, tail: bytes) -> t.List[str]:
        lines = tail.decode("utf-8", "replace").split("\n")
        return [line for line in lines if line and self._is_ours(line)][-KEPT:]

    @contextlib.contextmanager
    def _held(self) -> t.Iterator[t.Tuple[int, bool]]:
        """Give the open file, and whether we hold its lock: a process that is stopped may keep it for ever."""
        deadline = Deadline(_PATIENCE)
        descriptor = self._open()
        try:
            alone = _lock(descriptor, deadline)
            while not self._is_current(descriptor) and not deadline.passed():  # another process has replaced it
                stale, descriptor = descriptor, self._open()
                os.close(stale)
                alone = _lock(descriptor, deadline)
            yield descriptor, alone
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        os.makedirs(os.path.dirname(os.path.realpath(self.path)), exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK
        return _regular(open_own(self.path, flags, 0o644))

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _replace(self, content: bytes, old: int) -> None:
        """Put a file with this content in the place of the `old` one, whose lock we hold."""
        path = os.path.realpath(self.path)  # a symbolic link stays one
        if not os.path.samestat(os.stat(path), os.fstat(old)):
            return  # it has just become another one: next time
        fresh = path + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh)  # of a process that was killed right here
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(old).st_mode))
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(fresh, path)
        _sync_directory(os.path.dirname(path))


def _regular(descriptor: int) -> int:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file")


def _lock(descriptor: int, deadline: Deadline) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if deadline.passed():
                return False
            time.sleep(_LOOK)
        except OSError:  # a file system without locks
            return False


def _tail(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(max(0, os.fstat(descriptor).st_size - _TAIL))
        return file.read(_TAIL)


def _write(descriptor: int, data: bytes, alone: bool) -> None:
    """Append `data`, on a line of its own whatever the file ends with."""
    size = os.fstat(descriptor).st_size
    torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
    try:
        _write_all(descriptor, b"\n" + data if torn else data)
        os.fsync(descriptor)
    except OSError:
        if alone:  # nobody has written behind it: half a line need not stay
            os.ftruncate(descriptor, size)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):  # regular files take all but when the disk, or the limit, is full
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
