"""Where a process keeps its control socket, lock and history, unless it is told: where no cleaner comes by."""
import hashlib
import os
import pwd
import typing as t

from st.config.load import DEFAULT_FILES
from st.config.values import Settings
from st.host.planted import check_planted

NAME = "sentinel-tunnel"
RUN = "/run/" + NAME  # made by systemd (RuntimeDirectory) or by root; gone after a reboot, like the processes
SOCKET = ".sock"
STATE = "/var/lib/" + NAME
_STEM = 30  # characters of a configuration's name in those of its files: a unix socket's path has 107 bytes at the most


class Places(t.NamedTuple):
    """Paths; None: off. Those `chosen` were written by somebody, so that failing there is an error."""

    control: t.Optional[str]
    lock: t.Optional[str]
    history: t.Optional[str]
    chosen: t.FrozenSet[str]  # names of settings


def places(settings: Settings, source: t.Optional[str], environ: t.Mapping[str, str]) -> Places:
    """Return where the process with these settings, read from the file `source`, keeps its files."""
    name = instance(source, environ)
    control = _resolve(settings.control, os.path.join(_runtime_directory(environ), name + SOCKET))
    # Beside the control socket: who gives a second process a socket of its own means a second process.
    beside = control or os.path.join(_runtime_directory(environ), name)
    beside = beside[: -len(SOCKET)] if beside.endswith(SOCKET) else beside
    lock = _resolve(settings.lock, beside + ".lock")
    history = _resolve(settings.history_file, os.path.join(_state_directory(environ), name + ".history"))
    named = {"control": settings.control, "lock": settings.lock, "history_file": settings.history_file}
    chosen = frozenset(key for key, value in named.items() if value not in ("auto", "off"))
    return Places(control, lock, history, chosen)


def instance(source: t.Optional[str], environ: t.Mapping[str, str]) -> str:
    """Return the name that tells this process from those with other configurations, made from its file."""
    usual = [_real(os.path.join(_home(environ), path[2:]) if path.startswith("~/") else path)
             for path in DEFAULT_FILES[1:]]
    if source is None or _real(source) in usual:
        return NAME
    stem = os.path.splitext(os.path.basename(source))[0][:_STEM]
    return "%s-%s" % (stem, hashlib.sha256(os.fsencode(_real(source))).hexdigest()[:8])


def make_directory(path: str) -> None:
    """Make the directory in which one of these files shall lie, where it is missing; raise OSError."""
    check_planted(os.path.dirname(os.path.abspath(path)))
    os.makedirs(os.path.dirname(path) or ".", 0o755 if os.geteuid() == 0 else 0o700, exist_ok=True)


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except FileNotFoundError:  # a relative path, in a directory that was removed: there is no such file either
        return path


def _resolve(value: str, automatic: str) -> t.Optional[str]:
    return {"auto": automatic, "off": None}.get(value, value)


def _runtime_directory(environ: t.Mapping[str, str]) -> str:
    if os.geteuid() == 0 or os.access(RUN, os.W_OK):
        return RUN
    # Not XDG_RUNTIME_DIR: it vanishes when the user logs out.
    return os.path.join(_of_user(environ, "XDG_CACHE_HOME", ".cache"), NAME)


def _state_directory(environ: t.Mapping[str, str]) -> str:
    if os.geteuid() == 0 or os.access(STATE, os.W_OK):
        return STATE
    return os.path.join(_of_user(environ, "XDG_STATE_HOME", ".local/state"), NAME)


def _of_user(environ: t.Mapping[str, str], variable: str, usual: str) -> str:
    """Return a directory of the user; a relative path in the variable is to be ignored, says its specification."""
    path = environ.get(variable, "")
    return path if path.startswith("/") else os.path.join(_home(environ), usual)


def _home(environ: t.Mapping[str, str]) -> str:
    home = environ.get("HOME")
    if home:
        return home
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # a container's user that has no entry
        return "/"
