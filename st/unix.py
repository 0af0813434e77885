"""The file of a unix socket: made for those who may use it, and never at the cost of what others have there."""
import errno
import os
import socket
import stat
import struct
import typing as t

from st.forks import note

LONGEST = 107  # bytes of a path (struct sockaddr_un)
_PATIENCE = 2.0  # seconds for one who has the place to take a connection


class Credentials(t.NamedTuple):
    """The process that connected, as the kernel knows it; `pid` is 0 when it is in another PID namespace."""

    pid: int
    uid: int


def credentials_of(sock: socket.socket) -> Credentials:
    """Return whose the other end of a connected unix socket is."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Credentials(*struct.unpack("iII", packed)[:2])


class UnixListener:
    """Listens on a path until `close`, which removes the file unless it has become another one."""

    def __init__(self, path: str, mode: int, backlog: int) -> None:
        """Make the file with these permissions; raise OSError whose strerror says why not."""
        self.path = path
        if len(os.fsencode(path)) > LONGEST:
            raise OSError(errno.ENAMETOOLONG, "longer than %d bytes" % LONGEST)
        self.socket = note(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        try:
            self._bind(mode)
            self._made: t.Optional[os.stat_result] = os.lstat(path)
            try:
                _widen(path, mode)
                self.socket.listen(backlog)  # nobody could connect before
            except OSError:
                _remove(path, self._made)
                raise
        except BaseException:
            self.socket.close()
            raise

    def close(self) -> None:
        """Stop listening; twice is fine."""
        made, self._made = self._made, None
        if made is not None:
            _remove(self.path, made)
            self.socket.close()

    def _bind(self, mode: int) -> None:
        # The file gets the mode of the socket's descriptor, less the umask, which is that of all threads and so not
        # ours to change: at no moment may others do more than they shall.
        os.fchmod(self.socket.fileno(), mode)
        try:
            self.socket.bind(self.path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            _clear(self.path)
            self.socket.bind(self.path)


def _widen(path: str, mode: int) -> None:
    """Give the file what the umask took away, if it is still a socket of ours: no link is followed."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != mode:
            os.chmod("/proc/self/fd/%d" % descriptor, mode)
    finally:
        os.close(descriptor)


def _clear(path: str) -> None:
    """Remove a socket on which nobody listens any more; raise OSError for anything else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:  # just now its owner removed it
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
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
    raise OSError(errno.EADDRINUSE, "another process listens there")


def _remove(path: str, seen: os.stat_result) -> None:
    """Remove the file if it is still the one that was seen."""
    try:
        if os.path.samestat(os.lstat(path), seen):
            os.unlink(path)
    except OSError:
        pass  # it is gone, or it may not be removed any more: the next process finds that nobody listens on it
