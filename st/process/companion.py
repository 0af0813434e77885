"""Tunnels beside one command: in a process of their own, for as long as the command runs."""
import contextlib
import os
import signal
import threading
import time
import typing as t

from st.app import App
from st.config import Settings
from st.deadline import Deadline
from st.errors import LocalError, NoMasterError
from st.host.limits import raise_descriptor_limit, thread_limit
from st.ops.status import ProcessStatus
from st.process.start import STACK, room_of

LOOK = 0.1  # seconds between two looks whether the command still runs
PATIENCE = 3.0  # seconds that a master may take to be found, however short `hold` is
_STAT = 4096  # bytes

_KILLED = ("sentinel-tunnel: the tunnels of this command were killed by signal %d: it cannot\n"
           "reach Redis any more. Start it again; dmesg tells whether memory ran out.\n")

# Whoever signals a group or a service means the command, which may want Redis until its end: ours comes with that.
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Life:
    """That of the process which makes it, for another one to look at; it goes on through an exec."""

    def __init__(self) -> None:
        path = "/proc/%d/stat" % os.getpid()
        try:
            # Kept open it is always about this process: its number may soon be that of another one.
            self._stat = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise LocalError("%s: %s: mount /proc: without it nobody can see when the command has ended"
                             % (path, error.strerror), error.errno) from error

    def goes_on(self) -> bool:
        """Tell whether the process runs; one that nobody has reaped yet does not."""
        try:
            stat = os.pread(self._stat, _STAT, 0)
        except ProcessLookupError:
            return False
        return stat.rpartition(b")")[2].split()[:1] != [b"Z"]

    def close(self) -> None:
        """Look no more."""
        os.close(self._stat)


def guarded(life: Life, errors: int) -> None:
    """Go on in a child, while this process tells on the descriptor `errors` if that is killed before its time.

    Nobody else could tell: the command knows nothing of us. To be called before there is any thread.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        child = os.fork()
    except OSError:  # see ulimit -u: tunnels that nobody guards are better than none
        child = 0
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and life.goes_on():
            with contextlib.suppress(OSError):  # nobody reads it
                os.write(errors, (_KILLED % os.WTERMSIG(status)).encode())
        os._exit(0)
    os.close(errors)


def accompany(settings: Settings, life: Life, tell: t.Callable[[ProcessStatus], None]) -> None:
    """Serve until the life is over; `tell` is called once every tunnel has a master.

    Raise NoMasterError when one has none within its `hold`, or nobody monitors its name. For the main thread of a
    process of its own.
    """
    threading.stack_size(STACK)
    app = App(settings, room_of(settings, raise_descriptor_limit(), thread_limit()))
    app.start()
    try:
        if _await_masters(app, life, patience_of(settings)):
            tell(app.status())
        while life.goes_on():
            time.sleep(LOOK)
    finally:
        app.stop(0)


def patience_of(settings: Settings) -> float:
    """Return how many seconds a master may take to be found."""
    return max([PATIENCE] + [tunnel.hold for tunnel in settings.tunnels])


def _await_masters(app: App, life: Life, seconds: float) -> bool:
    """Wait until all tunnels have a master; False when nobody needs them any more."""
    deadline = Deadline(seconds)
    while life.goes_on():
        late = app.wait_master(Deadline(deadline.left(LOOK)))
        if not late:
            return True
        app.check_names()  # nobody would come to know it by waiting
        if deadline.passed():
            raise NoMasterError("no master within %gs: %s" % (seconds, "; ".join(late)))
    return False
