"""A configuration for logrotate."""
import grp
import os
import pwd
import re
import stat

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


def rotation(log_file: str) -> str:
    """Return the configuration for a log file, an absolute path."""
    # A path is a pattern for logrotate.
    path = '"%s"' % re.sub(r'([\\*?\[\]{}"])', r"\\\1", log_file)
    return _TEMPLATE % {"path": path, "su": _su(os.path.dirname(log_file))}


def _su(directory: str) -> str:
    """Return the line without which logrotate refuses a directory that others than root may write to."""
    try:
        found = os.stat(directory)
    except OSError:  # to be made yet
        return ""
    shared = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid)
    if not shared:
        return ""
    return "    su %s %s\n" % (_user(found.st_uid), _group(found.st_gid))


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
