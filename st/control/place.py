"""The place of the control socket: made for our eyes only."""
import errno
import os
import stat

from st.errors import LocalError
from st.host.places import make_directory
from st.unix import UnixListener

_BACKLOG = 64


class ControlError(LocalError):
    """The control socket cannot be made."""


class Place:
    """Listens on a path until `close`, which removes the file unless it has become another one."""

    def __init__(self, path: str) -> None:
        """Make the socket, and its directory when it is missing; raise ControlError."""
        self.path = path
        try:
            make_directory(path)
            self._file = UnixListener(path, stat.S_IRUSR | stat.S_IWUSR, _BACKLOG)
        except OSError as error:
            raise ControlError(_advice(path, error), error.errno) from error
        self.listener = self._file.socket

    def is_gone(self) -> bool:
        """Tell whether something removed the file: nobody can connect any more."""
        return not os.path.lexists(self.path)

    def close(self) -> None:
        """Stop listening; twice is fine."""
        self._file.close()


def _advice(path: str, error: OSError) -> str:
    advice = {
        errno.EACCES: "let user %d write the directory, or name another path with --control" % os.geteuid(),
        errno.EROFS: "name a path that can be written with --control, or --control off",
        errno.ENAMETOOLONG: "name a shorter path with --control",
        errno.EEXIST: "remove it, or name another path with --control",
        errno.EADDRINUSE: "stop it, or name another path with --control",
    }.get(error.errno or 0, "name another path with --control")
    return "control socket %s: %s: %s" % (path, error.strerror or error, advice)
