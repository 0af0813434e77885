"""What a process needs before anything runs: limits, one instance, signals, a log."""
import logging
import os
import threading
import typing as t

from st import __version__
from st.app.room import needs_of, room_for
from st.config import Loaded, Settings
from st.errors import SentinelTunnelError
from st.event import Event
from st.host.least import check
from st.host.limits import prepare_thread_ends, raise_descriptor_limit, room_event, thread_limit
from st.host.lock import locked
from st.host.passed import take_passed
from st.host.places import places
from st.host.signals import Signals
from st.log.logs import configure
from st.process.process import Process
from st.process.remarks import remark, syslog_of
from st.web import DESCRIPTORS

logger = logging.getLogger(__name__)

STACK = 256 << 10  # bytes; 8 MiB of address space for each thread is refused by `ulimit -v` and small containers


def run(loaded: Loaded, again: t.Callable[[], Loaded], say: t.Callable[[str], None],
        require_master: bool = False, ready: t.Optional[t.Callable[[], None]] = None) -> None:
    """Run the tunnels until TERM or INT; raise LocalError, AlreadyRunning, or NoMasterError with `require_master`.

    `again` reads the configuration anew, for a reload; `say` prints a line for a person. A detached process has
    `ready` called when it listens, and does not go on without its lock.
    """
    settings = loaded.settings
    where = places(settings, loaded.source, os.environ)
    optional = ready is None and not where.chosen & {"control", "lock"}  # such as in a container that is read-only
    threading.stack_size(STACK)
    descriptors, threads = raise_descriptor_limit(), thread_limit()
    clients = room_of(settings, descriptors, threads)
    prepare_thread_ends()
    with locked(where.lock, optional) as (lock, doubt), Signals() as signals, \
            configure(settings.log_level, settings.log_format, settings.log_file, syslog_of(settings)) as log:
        logger.info(Event("start", version=__version__, config=loaded.source or "none", tunnels=len(settings.tunnels)))
        logger.log(logging.WARNING if clients == 1 else logging.INFO, room_event(clients, descriptors, threads))
        remark(loaded)
        if doubt:
            logger.warning(Event("not_locked", why=doubt, means="a second process will not notice this one"))
        passed = take_passed(os.environ)
        try:
            Process(loaded, again, signals, log, clients, passed, where, lock).run(say, require_master, ready)
        except Exception as error:
            if settings.log_file:  # else who started it sees it where the log goes
                logger.error(Event("failed", why=error), exc_info=not isinstance(error, SentinelTunnelError))
            raise


def room_of(settings: Settings, descriptors: int, threads: t.Optional[int]) -> int:
    """Return how many clients fit within these limits beside what the settings ask for; LocalError when none does."""
    check(needs_of(settings), descriptors)
    descriptors -= DESCRIPTORS if settings.http else 0
    clients = room_for(settings, descriptors, threads)
    if threads is not None and settings.workers > 1:  # each connection has another thread there
        clients = min(clients, room_for(settings, descriptors, threads // 2))
    return clients
