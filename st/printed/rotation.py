"""A configuration for logrotate."""
import grp
import os
import pwd
import re
import stat
import typing as t

_TEMPLATE = """\
# logrotate configuration of sentinel-tunnel, made by `sentinel-tunnel print logrotate`.
# As root: sentinel-tunnel print logrotate >/etc/logrotate.d/sentinel-tunnel
# The process sees by itself that its file was moved: no postrotate, and never
# copytruncate, which loses lines.
%(path)s {
%(su)s    weekly
    rotate 8
    maxsize 100M
    missingok
    notifempty
    create
    compress
    delaycompress
}
"""


def rotation(log_file: str, rotate_as: t.Optional[t.Tuple[str, str]]) -> str:
    """Return the configuration for a log file, an absolute path; `rotate_as` is a user and a group other than root."""
    # A path is a pattern for logrotate.
    path = '"%s"' % re.sub(r'([\\*?\[\]{}"])', r"\\\1", log_file)
    return _TEMPLATE % {"path": path, "su": "    su %s %s\n" % rotate_as if rotate_as else ""}


def directory_owner(log_file: str) -> t.Optional[t.Tuple[str, str]]:
    """Return user and group of the directory when others than root may write to it: logrotate refuses it otherwise."""
    try:
        found = os.stat(os.path.dirname(log_file))
    except OSError:  # to be made yet
        return None
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid):
        return _user(found.st_uid), _group(found.st_gid)
    return None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
