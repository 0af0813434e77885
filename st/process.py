"""The process that runs tunnels in the foreground: limits, log, signals, and what a person is told at the start."""
import logging
import signal
import threading
import typing as t

from st import __version__
from st.app import App
from st.config import Loaded
from st.deadline import Deadline
from st.errors import NoMasterError
from st.event import Event
from st.ops.limits import raise_descriptor_limit, room, room_event, thread_limit
from st.ops.logs import Log, configure
from st.ops.stacks import thread_stacks
from st.ops.status import UP, ProcessStatus
from st.ops.signals import STOP, Signals
from st.sentinel.roster import MOST_DISCOVERED

logger = logging.getLogger(__name__)

STACK = 256 << 10  # bytes; 8 MiB of address space for each thread is refused by `ulimit -v` and small containers
SIGNAL_LOOK = 0.1  # seconds between two looks for a signal while waiting for masters
FIRST_LOOK = 1.0  # seconds that the first answers get beyond sentinel_timeout before the mapping is printed


def run(loaded: Loaded, say: t.Callable[[str], None], require_master: bool = False) -> None:
    """Run the tunnels until TERM or INT; raise ListenError, LogFileError, or NoMasterError with `require_master`."""
    settings = loaded.settings
    threading.stack_size(STACK)
    descriptors, threads = raise_descriptor_limit(), thread_limit()
    with Signals() as signals, configure(settings.log_level, settings.log_format, settings.log_file) as log:
        logger.info(Event("start", version=__version__, config=loaded.source or "none", tunnels=len(settings.tunnels)))
        sentinels = len(settings.sentinels) + MOST_DISCOVERED * settings.discover
        clients = room(descriptors, len(settings.tunnels), sentinels, threads)
        logger.info(room_event(clients, descriptors, threads))
        for remark in loaded.warnings + loaded.notes:
            logger.warning("%s", remark)
        app = App(settings, clients)
        app.start()
        try:
            _introduce(app, signals, settings.sentinel_timeout, say)
            if require_master:
                _demand_masters(app, signals, max(tunnel.hold for tunnel in settings.tunnels))
            _obey(signals, app, log)
            signals.end_at_next()
            logger.info(Event("stop", drain="%gs" % settings.drain))
        finally:
            app.stop(settings.drain)
        logger.info(Event("stopped"))


def _introduce(app: App, signals: Signals, sentinel_timeout: float, say: t.Callable[[str], None]) -> None:
    """Print the mapping, with masters if they are known soon: the tunnels serve already."""
    _await_masters(app, signals, sentinel_timeout + FIRST_LOOK)
    tunnels = app.status().tunnels
    width = max(len(tunnel.name) for tunnel in tunnels)
    for tunnel in tunnels:
        ready = tunnel.state == UP
        where = "%s  ready" % tunnel.master if ready else "no master yet (%s)" % (tunnel.reason or "still asking")
        say("  %-*s  %s -> %s" % (width, tunnel.name, tunnel.listen, where))


def _demand_masters(app: App, signals: Signals, seconds: float) -> None:
    late = _await_masters(app, signals, seconds)
    if late and not signals.pending():
        raise NoMasterError("no master within %gs: %s" % (seconds, "; ".join(late)))


def _await_masters(app: App, signals: Signals, seconds: float) -> t.List[str]:
    """Wait until all tunnels have a master, or for seconds, or a signal; return why each of the rest has none."""
    deadline = Deadline(seconds)
    while True:
        late = app.wait_master(Deadline(deadline.left(SIGNAL_LOOK)))
        if not late or deadline.passed() or signals.pending():
            return late


def _obey(signals: Signals, app: App, log: Log) -> None:
    """Act on signals until one says stop."""
    while True:
        number = signals.wait()
        if number in STOP:
            return
        if number == signal.SIGHUP:
            log.reopen()
            logger.info(Event("reopened"))
        elif number == signal.SIGUSR1:
            _log_status(app.status())


def _log_status(status: ProcessStatus) -> None:
    logger.warning(Event("status", state=status.state, troubles="; ".join(status.troubles()) or "none"))
    for tunnel in status.tunnels:
        logger.warning(Event("tunnel", **tunnel.as_dict()))
    for sentinel in status.sentinels:
        logger.warning(Event("sentinel", **sentinel.as_dict()))
    for stack in thread_stacks():
        logger.warning(stack)
