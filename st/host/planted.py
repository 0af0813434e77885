"""Files where everybody may make some, such as in /tmp: what another user has planted there is refused.

Newer kernels can do so themselves (fs.protected_symlinks, _regular, _fifos, _hardlinks), but not all do.
"""
import errno
import os
import stat

_SHARED = stat.S_IWGRP | stat.S_IWOTH


def check_planted(path: str) -> None:
    """Raise PermissionError when some part of `path` was made by another user in a directory that belongs to all."""
    here = os.sep
    for name in os.path.abspath(path).split(os.sep)[1:]:
        above, here = here, os.path.join(here, name)
        try:
            directory, found = os.stat(above), os.lstat(here)
        except OSError:  # it is not there, or whoever opens it learns why not
            return
        if not (directory.st_mode & stat.S_ISVTX and directory.st_mode & _SHARED):
            continue
        if found.st_uid not in (os.geteuid(), directory.st_uid, 0):
            raise _refusal("user %d has made %s, where everybody may" % (found.st_uid, here))
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            raise _refusal("%s has other names (hard links), and everybody may make one there" % here)


def open_own(path: str, flags: int, mode: int = 0o666) -> int:
    """Open a file as os.open does; raise PermissionError for one that another user has planted."""
    check_planted(path)
    if not os.path.islink(path):
        flags |= os.O_NOFOLLOW  # nor one that comes just now
    descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        check_planted(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_own(path: str, most: int) -> str:
    """Return the beginning of a small file of ours, "" when it cannot be read or is not a regular one."""
    try:
        descriptor = open_own(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, most).decode("utf-8", "surrogateescape") if regular else ""
    finally:
        os.close(descriptor)


def _refusal(why: str) -> PermissionError:
    return PermissionError(errno.EACCES, why + ": not trusted")
