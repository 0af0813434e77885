"""The file of the control socket: made for our eyes only, and never at the cost of what others have there."""
import errno
import os
import socket
import stat
import typing as t

from st.errors import LocalError
from st.ops.places import make_directory

LONGEST = 107  # bytes of a unix socket's path (struct sockaddr_un)
_BACKLOG = 64
_PATIENCE = 2.0  # seconds for one who has the place to take a connection


class ControlError(LocalError):
    """The control socket cannot be made."""


class Place:
    """Listens on a path until `close`, which removes the file unless it has become another one."""

    def __init__(self, path: str) -> None:
        """Make the socket, and its directory when it is missing; raise ControlError."""
        self.path = path
        if len(os.fsencode(path)) > LONGEST:
            raise ControlError("control socket %s: longer than %d bytes: name a shorter path with --control"
                               % (path, LONGEST), errno.ENAMETOOLONG)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind()
            self.listener.listen(_BACKLOG)
            self._made: t.Optional[os.stat_result] = os.lstat(path)
        except OSError as error:
            self.listener.close()
            raise ControlError(_advice(path, error), error.errno) from error
        except BaseException:
            self.listener.close()
            raise

    def is_gone(self) -> bool:
        """Tell whether something removed the file: nobody can connect any more."""
        return not os.path.lexists(self.path)

    def close(self) -> None:
        """Stop listening; twice is fine."""
        made, self._made = self._made, None
        if made is not None:
            _remove(self.path, made)
            self.listener.close()

    def _bind(self) -> None:
        make_directory(self.path)
        # The file gets the mode of the socket's descriptor: no moment at which others may connect, and no umask,
        # which would be that of all threads.
        os.fchmod(self.listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        try:
            self.listener.bind(self.path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _clear(self.path)
            self.listener.bind(self.path)


def _clear(path: str) -> None:
    """Remove a socket on which nobody listens any more; raise ControlError for anything else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:  # just now its owner removed it
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ControlError("control socket %s: there is a file that is no socket: remove it, or name another path "
                           "with --control" % path, errno.EEXIST)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(path)
        except ConnectionRefusedError:  # of a process that is gone
            _remove(path, found)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EPROTOTYPE):  # its queue is full; it is of another type
                raise
    raise ControlError("control socket %s: another process listens there: stop it, or name another path with --control"
                       % path, errno.EADDRINUSE)


def _remove(path: str, seen: os.stat_result) -> None:
    """Remove the file if it is still the one that was seen."""
    try:
        if os.path.samestat(os.lstat(path), seen):
            os.unlink(path)
    except OSError:
        pass  # it is gone, or it may not be removed any more: the next process finds that nobody listens on it


def _advice(path: str, error: OSError) -> str:
    advice = {
        errno.EACCES: "let user %d write the directory, or name another path with --control" % os.geteuid(),
        errno.EROFS: "name a path that can be written with --control, or --control off",
    }.get(error.errno or 0, "name another path with --control")
    return "control socket %s: %s: %s" % (path, error.strerror or error, advice)
