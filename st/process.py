"""The process that runs tunnels: limits, log, signals, reload, and what a person is told at the start."""
import contextlib
import logging
import os
import signal
import threading
import time
import typing as t

from st import __version__
from st.app import App
from st.config import Loaded, Settings
from st.control.place import ControlError
from st.control.server import ControlServer
from st.control.steering import Steering
from st.deadline import Deadline
from st.errors import NoMasterError, SentinelTunnelError
from st.event import Event
from st.ops.errands import Errands
from st.ops.hook import missing_program
from st.ops.limits import raise_descriptor_limit, room, room_event, thread_limit
from st.ops.lock import locked
from st.ops.logs import Log, configure
from st.ops.notes import PidFile
from st.ops.passed import PassedSockets, take_passed
from st.ops.places import places
from st.ops.sequel import Sequel
from st.ops.signals import POKED, STOP, Signals
from st.ops.stacks import thread_stacks
from st.ops.status import UP, ProcessStatus
from st.ops.syslog import PATH
from st.ops.systemd import Notifier, state_line
from st.sentinel.roster import MOST_DISCOVERED
from st.web import DESCRIPTORS, Views, WebServer

logger = logging.getLogger(__name__)

STACK = 256 << 10  # bytes; 8 MiB of address space for each thread is refused by `ulimit -v` and small containers
SIGNAL_LOOK = 0.1  # seconds between two looks for a signal while waiting for masters
FIRST_LOOK = 1.0  # seconds that the first answers get beyond sentinel_timeout before the mapping is printed
CONTROL_STOP = 2.0  # seconds that the control socket may take to end
HTTP_STOP = 2.0  # seconds that the web server may take to end
TICK = 1.0  # seconds between two rounds of what is done regularly
STALLED = 30.0  # seconds without a sign of life after which a thread counts as dead


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
    with locked(where.lock, optional) as doubt, Signals() as signals, \
            configure(settings.log_level, settings.log_format, settings.log_file, _syslog(settings)) as log:
        logger.info(Event("start", version=__version__, config=loaded.source or "none", tunnels=len(settings.tunnels)))
        sentinels = len(settings.sentinels) + MOST_DISCOVERED * settings.discover
        for_web = DESCRIPTORS if settings.http else 0
        clients = room(descriptors - for_web, len(settings.tunnels), sentinels, threads)
        logger.info(room_event(clients, descriptors, threads))
        _remark(loaded)
        if doubt:
            logger.warning(Event("not_locked", why=doubt, means="a second process will not notice this one"))
        passed = take_passed(os.environ)
        try:
            _Process(loaded, again, signals, log, clients, passed).run(say, require_master, ready)
        except Exception as error:
            if settings.log_file:  # else who started it sees it where the log goes
                logger.error(Event("failed", why=error), exc_info=not isinstance(error, SentinelTunnelError))
            raise


class _Process:
    """All that runs beside the tunnels; its methods are for the main thread."""

    def __init__(self, loaded: Loaded, again: t.Callable[[], Loaded], signals: Signals, log: Log, clients: int,
                 passed: PassedSockets) -> None:
        self._loaded = loaded
        self._again = again
        self._signals = signals
        self._log = log
        self._passed = passed
        self._sequel = Sequel(loaded.settings, places(loaded.settings, loaded.source, os.environ).history)
        self._app = App(loaded.settings, clients, self._sequel.tell, passed)
        self._systemd = Notifier(os.environ)
        self._errands = Errands(signals.poke)
        self._last_reload_good = True

    def run(self, say: t.Callable[[str], None], require_master: bool,
            ready: t.Optional[t.Callable[[], None]]) -> None:
        """Start, serve until a signal says stop, and stop."""
        settings = self._loaded.settings
        with contextlib.ExitStack() as services:
            services.callback(self._errands.close)
            services.callback(self._passed.close)
            services.callback(self._systemd.close)
            services.callback(self._sequel.stop)
            self._sequel.start()
            web = self._listen_http(services)
            control = self._listen_control(services, detached=ready is not None)
            self._app.start()
            try:
                if web:
                    web.start()
                if control:
                    control.start()
                self._systemd.ready()
                self._write_pid(services)
                if ready and not require_master:
                    ready()
                _introduce(self._app, self._signals, settings.sentinel_timeout, say)
                if require_master:
                    _demand_masters(self._app, self._signals, max(tunnel.hold for tunnel in settings.tunnels),
                                    self._tick)
                    if ready:
                        ready()
                self._obey()
                self._systemd.stopping()
                self._errands.close()  # who asks for a reload now gets an answer
                self._signals.end_at_next()
                logger.info(Event("stop", drain="%gs" % self._loaded.settings.drain))
            finally:
                self._app.stop(self._loaded.settings.drain)
            logger.info(Event("stopped"))

    def _write_pid(self, services: contextlib.ExitStack) -> None:
        if self._loaded.settings.pid_file:
            file = PidFile(self._loaded.settings.pid_file)
            file.write()
            services.callback(file.remove)

    def _listen_http(self, services: contextlib.ExitStack) -> t.Optional[WebServer]:
        """Return the web server, if there is to be one: it answers from `start` on, until `services` end."""
        address = self._loaded.settings.http
        if address is None:
            return None
        app = self._app
        web = WebServer(address, Views(app.status, app.measures, app.stalled, lambda: app.stopping,
                                       lambda: self._last_reload_good))
        services.callback(lambda: web.stop(Deadline(HTTP_STOP)))
        return web

    def _listen_control(self, services: contextlib.ExitStack, detached: bool) -> t.Optional[ControlServer]:
        """Return the control server, if there is to be one: it answers from `start` on, until `services` end."""
        loaded, app = self._loaded, self._app
        where = places(loaded.settings, loaded.source, os.environ)
        if where.control is None:
            return None
        steering = Steering(app.status, app.clients, app.kill, self._sequel.switches,
                            reload=lambda: self._errands.ask(self.reload),
                            stop=lambda: os.kill(os.getpid(), signal.SIGTERM),
                            config=os.path.abspath(loaded.source) if loaded.source else "")
        try:
            control = ControlServer(where.control, steering)
        except ControlError as error:
            if detached or "control" in where.chosen:
                raise
            logger.warning(Event("no_control", why=error, means="status, stop and reload cannot reach this process"))
            return None
        services.callback(lambda: control.stop(Deadline(CONTROL_STOP)))
        return control

    def _obey(self) -> None:
        """Act on signals until one says stop."""
        while True:
            self._tick()
            number = self._signals.wait(TICK)
            if number in STOP:
                return
            if number == POKED:
                self._errands.run()
            elif number == signal.SIGHUP:
                self._log.reopen()
                self._reload_by_signal()
            elif number == signal.SIGUSR1:
                _log_status(self._app.status())

    def _tick(self) -> None:
        if self._systemd.listens:
            self._systemd.status(state_line(self._app.status()))
            self._systemd.tick(time.monotonic(), self._app.stalled(STALLED))

    def _reload_by_signal(self) -> None:
        try:
            self.reload()
        except SentinelTunnelError:
            pass  # told in the log; nothing has changed

    def reload(self) -> t.List[str]:
        """Change to the configuration as it is now and return what changed; raise with nothing changed."""
        self._systemd.reloading()
        try:
            loaded = self._again()
            settings = loaded.settings
            self._log.check_file(settings.log_file)
            changes = self._app.reload(settings)
            self._log.change(settings.log_level, settings.log_format, settings.log_file, _syslog(settings))
            self._sequel.change(settings)
        except SentinelTunnelError as error:
            self._last_reload_good = False
            logger.error(Event("reload_refused", why="; ".join(str(error).splitlines()), means="nothing has changed"))
            raise
        finally:
            self._systemd.ready()
        self._loaded, self._last_reload_good = loaded, True
        _remark(loaded)
        lines = changes.lines()
        logger.info(Event("reloaded", config=loaded.source or "none", changes="; ".join(lines)))
        return lines


def _syslog(settings: Settings) -> t.Optional[str]:
    return PATH if settings.syslog else None


def _remark(loaded: Loaded) -> None:
    for remark in (*loaded.warnings, *loaded.notes, missing_program(loaded.settings.on_failover)):
        if remark:
            logger.warning("%s", remark)


def _introduce(app: App, signals: Signals, sentinel_timeout: float, say: t.Callable[[str], None]) -> None:
    """Print the mapping, with masters if they are known soon: the tunnels serve already."""
    _await_masters(app, signals, sentinel_timeout + FIRST_LOOK)
    tunnels = app.status().tunnels
    width = max(len(tunnel.name) for tunnel in tunnels)
    for tunnel in tunnels:
        ready = tunnel.state == UP
        where = "%s  ready" % tunnel.master if ready else "no master yet (%s)" % (tunnel.reason or "still asking")
        say("  %-*s  %s -> %s" % (width, tunnel.name, tunnel.listen, where))


def _demand_masters(app: App, signals: Signals, seconds: float, tick: t.Callable[[], None]) -> None:
    late = _await_masters(app, signals, seconds, tick)
    if late and not signals.pending():
        raise NoMasterError("no master within %gs: %s" % (seconds, "; ".join(late)))


def _await_masters(app: App, signals: Signals, seconds: float,
                   tick: t.Callable[[], None] = lambda: None) -> t.List[str]:
    """Wait until all tunnels have a master, or for seconds, or a signal; return why each of the rest has none."""
    deadline = Deadline(seconds)
    while True:
        late = app.wait_master(Deadline(deadline.left(SIGNAL_LOOK)))
        if not late or deadline.passed() or signals.pending():
            return late
        tick()


def _log_status(status: ProcessStatus) -> None:
    logger.warning(Event("status", state=status.state, troubles="; ".join(status.troubles()) or "none"))
    for tunnel in status.tunnels:
        logger.warning(Event("tunnel", **tunnel.as_dict()))
    for sentinel in status.sentinels:
        logger.warning(Event("sentinel", **sentinel.as_dict()))
    for stack in thread_stacks():
        logger.warning(stack)
