"""Small files that a process leaves for others: whole or not at all."""
import contextlib
import os
import tempfile

from st.errors import LocalError
from st.ops.kernel import kernel_text


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


class PidFile:
    """Tells others our process id: information, no lock."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    def write(self) -> None:
        """Write the file; raise LocalError."""
        try:
            write_note(self._path, "%d\n" % os.getpid())
        except OSError as error:
            text = "pid file %s: %s: name another file, or remove the setting" % (self._path, error.strerror)
            raise LocalError(text, error.errno) from error

    def remove(self) -> None:
        """Remove the file, if it is still about us: another process may have taken it over."""
        if kernel_text(self._path).strip() == str(os.getpid()):
            with contextlib.suppress(OSError):  # what is left there misleads nobody for long: this pid ends now
                os.unlink(self._path)
