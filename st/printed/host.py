"""What the printed files must know of this host: how we are started, by whom, and which systemd there is."""
import os
import pwd
import re
import shutil
import subprocess
import typing as t

OLDEST = 219  # the systemd of CentOS 7; nothing older has what the unit needs
TIME_LIMIT = 10.0  # seconds for a question to another program
OWN_USER = "sentinel-tunnel"


def own_command(argv0: str, executable: str) -> t.Tuple[str, ...]:
    """Return the words that start this program from anywhere, made of the words that did so now."""
    if os.path.basename(argv0) == "__main__.py":  # python3 -m st
        return executable, "-m", "st"
    found = argv0 if os.path.dirname(argv0) else shutil.which(argv0)
    return (os.path.abspath(found),) if found else (executable, "-m", "st")


def service_user() -> str:
    """Return the user that is to run the service: who asks, but root is more than it needs."""
    return pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() and has_user(os.geteuid()) else OWN_USER


def has_user(user: t.Union[str, int]) -> bool:
    """Tell whether there is a user with this name or number."""
    try:
        pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def systemd_version() -> int:
    """Return the version of this host's systemd; the oldest that will do when that cannot be told."""
    try:
        output = subprocess.check_output(["systemctl", "--version"], stderr=subprocess.DEVNULL, timeout=TIME_LIMIT)
    except (OSError, subprocess.SubprocessError):  # there is none; it can still be the file for another host
        return OLDEST
    return parse_systemd_version(output.decode("ascii", "replace"))


def parse_systemd_version(text: str) -> int:
    """Return the version in the output of `systemctl --version`: "systemd 252 (252.38-1)"."""
    found = re.match(r"systemd ([0-9]{3,5})\b", text)
    return max(OLDEST, int(found.group(1))) if found else OLDEST
