"""Look at this host: whether the program could start here as it is configured, and how many clients fit."""
import errno
import os
import pwd
import resource
import socket
import typing as t

from st.address import Address, Place
from st.config import Loaded
from st.config.values import TunnelSettings
from st.doctor.values import HostSeen
from st.host.holder import holder_of
from st.host.limits import UNLIMITED, room, thread_limit
from st.host.lock import holder_pid
from st.host.places import places
from st.ops.hook import missing_program


def look_at_host(loaded: Loaded, environ: t.Mapping[str, str]) -> HostSeen:
    """Return what was seen of this host. Ports are bound for a moment, and not listened on."""
    settings, where = loaded.settings, places(loaded.settings, loaded.source, environ)
    running = _running_pid(where.lock)
    seen = _look_at_ports(settings.tunnels, running)
    if running is None:  # else it has opened them all
        paths = [settings.log_file, settings.pid_file] + [getattr(where, name) for name in ("control", "lock")
                                                          if name in where.chosen]
        for path in filter(None, paths):
            seen = _look_at_file(os.path.abspath(path), seen)
    missing = missing_program(settings.on_failover)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    descriptors = UNLIMITED if descriptors == resource.RLIM_INFINITY else descriptors
    threads = thread_limit()
    wanted = [tunnel.max_connections for tunnel in settings.tunnels if tunnel.max_connections]
    return seen._replace(
        warnings=loaded.warnings + ((missing,) if missing else ()),
        room=room(descriptors, len(settings.tunnels), len(settings.sentinels), threads),
        wanted=sum(wanted) if wanted else None,
        logins=tuple(tunnel.master for tunnel in settings.tunnels if tunnel.login),
        limits="nofile %d, nproc %s, for this user here" % (descriptors, "unlimited" if threads is None else threads))


def _running_pid(lock: t.Optional[str]) -> t.Optional[int]:
    pid = holder_pid(lock) if lock else None
    return pid if pid is not None and os.path.exists("/proc/%d" % pid) else None


def _look_at_ports(tunnels: t.Sequence[TunnelSettings], running: t.Optional[int]) -> HostSeen:
    taken, unknown = [], []
    for tunnel in tunnels:
        for place in tunnel.places:
            error = _bind(place)
            if error is None or not isinstance(place, Address):
                continue
            holder = holder_of(place) if error.errno == errno.EADDRINUSE else None
            if holder is not None and holder.pid is not None and holder.pid in (1, running):  # systemd holds it for us
                continue
            why = "%s: %s%s" % (place, error.strerror, ": %s" % (holder,) if holder else "")
            if running is not None and (holder is None or holder.pid is None):
                unknown.append("whose %s is: %s" % (place, holder or "nobody tells"))
            else:
                taken.append((tunnel.name, why))
    return HostSeen(taken=tuple(taken), unknown=tuple(unknown))


def _bind(place: Place) -> t.Optional[OSError]:
    """Return why nobody can listen in a place; None: it is free, or no matter of ports. Clients are never let in."""
    if not isinstance(place, Address):
        return None
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(found[4])
    except OSError as error:
        return error
    return None


def _look_at_file(path: str, seen: HostSeen) -> HostSeen:
    """Add what is wrong with a file that the program would write."""
    folder = os.path.dirname(path)
    if _may_write(path) or (not os.path.lexists(path) and _may_write(folder)):
        return seen
    if not os.path.isdir(folder):
        return seen._replace(unwritable=seen.unwritable + ("%s: there is no directory %s" % (path, folder),))
    owner = os.stat(path if os.path.exists(path) else folder).st_uid
    if owner != os.geteuid():
        text = "%s: belongs to user %s: run doctor as the user who runs the program" % (path, _user(owner))
        return seen._replace(unknown=seen.unknown + (text,))
    return seen._replace(unwritable=seen.unwritable + ("%s: permission denied" % path,))


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user that has no entry
        return str(uid)
