"""The lock of the one process that runs a configuration: who holds it, and how a hung one is ended."""
import contextlib
import fcntl
import logging
import os
import signal
import time
import typing as t

from st.deadline import Deadline
from st.errors import AlreadyRunning, LocalError, LockError
from st.event import Event
from st.host.kernel import kernel_text
from st.host.notes import may_hold_pid
from st.host.places import make_directory
from st.host.planted import open_own

logger = logging.getLogger(__name__)

_TRIES = 100  # a cleaner that removes the file removes it once in a while, not each time
_NAMING = 1.0  # seconds that a process may take from its lock to its name in it
_LOOK = 0.01  # seconds between two looks
_GRACE = 5.0  # seconds from SIGTERM to SIGKILL, and from that to giving up

# O_NOFOLLOW: what others put there must not lead a process of root to another file.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


class Lock:
    """Holds the lock on a file from its making until `close`, or the end of the process, however it ends.

    The file stays: to remove it would let two processes hold it, each a file of its own.
    """

    def __init__(self, path: str) -> None:
        """Take the lock; raise AlreadyRunning when another process has it, LockError when it cannot be had."""
        self._path = path
        try:
            make_directory(path)
            self._descriptor = _take(path)
        except BlockingIOError as error:
            pid = _await_pid(path)
            raise AlreadyRunning(_advice(pid, path), pid) from error
        except OSError as error:
            text = "lock %s: %s: name another file with --lock" % (path, error.strerror)
            raise LockError(text, error.errno) from error

    def renew(self) -> None:
        """Take the lock anew if the file was removed: else the next process would not know of this one."""
        if os.path.lexists(self._path):
            return
        try:
            make_directory(self._path)
            fresh = _take(self._path)
        except (OSError, LockError):  # also when another process is looking just now: the next call tries again
            return
        os.close(self._descriptor)
        self._descriptor = fresh
        logger.warning(Event("lock_renewed", file=self._path, why="something removed the file"))

    def close(self) -> None:
        """Give the lock back; twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()


@contextlib.contextmanager
def locked(path: t.Optional[str], is_optional: bool) -> t.Iterator[t.Tuple[t.Optional[Lock], str]]:
    """Hold the lock meanwhile; give it, or none and why it could not be had when it `is_optional`. None: no lock."""
    with contextlib.ExitStack() as held:
        lock, doubt = None, ""
        try:
            if path:
                lock = held.enter_context(Lock(path))
        except LockError as error:
            if not is_optional:
                raise
            doubt = str(error)
        yield lock, doubt


def holder_pid(path: str) -> t.Optional[int]:
    """Return the pid in a lock file: of the last process that had the lock; None when it cannot be told."""
    words = kernel_text(path).split()
    return int(words[0]) if words and words[0].isdigit() else None


def end_holder(path: str) -> None:
    """End the process that holds the lock, with SIGTERM, then SIGKILL; raise LocalError when that is not possible."""
    pid = holder_pid(path)
    if pid is None or not _has_open(pid, path):
        raise LocalError("lock %s: the process that holds it cannot be told for sure: look for it and stop it" % path)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _end(pid, number, path):
            return
    raise LocalError("pid %d does not answer, and is still there %gs after SIGKILL: look at the host (disk, memory)"
                     % (pid, _GRACE))


def _take(path: str) -> int:
    """Return the descriptor of the locked file; raise OSError, BlockingIOError when another process has the lock."""
    for _ in range(_TRIES):
        descriptor = open_own(path, _FLAGS, 0o600)  # who can read a file can lock it
        try:
            _check_ours(descriptor, path)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Removed since it was opened, by a cleaner of old files? Then the next process would lock another file.
            if _is_at(descriptor, path):
                os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
                os.ftruncate(descriptor, len("%d\n" % os.getpid()))
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise LockError("lock %s: something removes it all the time: name another file with --lock" % path)


def _check_ours(descriptor: int, path: str) -> None:
    """Refuse a file that somebody named by mistake: it would be overwritten."""
    if not may_hold_pid(descriptor):
        raise LockError("lock %s: this is another kind of file: name one that is not there yet" % path)


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _await_pid(path: str) -> t.Optional[int]:
    """Return the pid in the file as soon as it is that of a process, which may have taken the lock just now."""
    deadline = Deadline(_NAMING)
    while not deadline.passed():
        pid = holder_pid(path)
        if pid is not None and os.path.exists("/proc/%d" % pid):
            return pid
        time.sleep(_LOOK)
    return None


def _advice(pid: t.Optional[int], path: str) -> str:
    who = "another process" if pid is None else "pid %d" % pid
    return ("already running: %s holds the lock %s. Stop that one first, or give this one a --control of its own: "
            "the lock lies beside the control socket, unless --lock is set too" % (who, path))


def _end(pid: int, number: int, path: str) -> bool:
    """Send a signal and wait; tell whether the lock is free of this process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise LocalError("pid %d does not answer, and belongs to another user: end it as that one" % pid,
                         error.errno) from error
    deadline = Deadline(_GRACE)
    while _has_open(pid, path):
        if deadline.passed():
            return False
        time.sleep(_LOOK)
    return True


def _has_open(pid: int, path: str) -> bool:
    """Tell whether a process has this file open: only the one that holds the lock keeps it open."""
    folder = "/proc/%d/fd" % pid
    try:
        wanted = os.stat(path)
        return any(_is_same(os.path.join(folder, name), wanted) for name in os.listdir(folder))
    except OSError:  # it has ended, or belongs to another user
        return False


def _is_same(link: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(link), wanted)
    except OSError:  # closed since it was listed
        return False
