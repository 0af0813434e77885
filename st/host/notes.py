"""Small files that a process leaves for others: whole or not at all."""
import contextlib
import fcntl
import os
import stat
import tempfile

from st.errors import LocalError
from st.host.kernel import kernel_text


def write_note(path: str, text: str) -> None:
    """Write a file that others may read, in one step; raise OSError with nothing left behind."""
    descriptor, temporary = tempfile.mkstemp(prefix=os.path.basename(path) + ".", dir=os.path.dirname(path) or ".")
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o644)
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def may_hold_pid(descriptor: int) -> bool:
    """Tell whether an open file holds a process id or nothing: what was named by mistake must not be overwritten."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    content = os.pread(descriptor, 64, 0).strip(b"\0\n")  # zeros are what a crash of the host may leave
    return not content or content.split(b"\n")[0].isdigit()


class PidFile:
    """Tells others our process id: information, no lock."""

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self) -> None:
        """Write the file; raise LocalError."""
        try:
            _check_ours(self._path)
            write_note(self._path, "%d\n" % os.getpid())
        except OSError as error:
            text = "pid file %s: %s: name another file, or remove the setting" % (self._path, error.strerror)
            raise LocalError(text, error.errno) from error

    def remove(self) -> None:
        """Remove the file, if it is still about us: another process may have taken it over."""
        if kernel_text(self._path).strip() == str(os.getpid()):
            with contextlib.suppress(OSError):  # what is left there misleads nobody for long: this pid ends now
                os.unlink(self._path)


def _check_ours(path: str) -> None:
    """Refuse what is no pid file, and a lock: root would replace /dev/null, or the lock would be lost."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return
    try:
        if not may_hold_pid(descriptor) or _is_locked(descriptor):
            raise LocalError("pid file %s: this is another kind of file, or the lock of a process: name one that is "
                             "not there yet, or remove the setting" % path)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        pass
    return False
