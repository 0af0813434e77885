"""One process: the tunnels and all that runs beside them, on the main thread."""
import contextlib
import logging
import os
import signal
import time
import typing as t

from st.app import App
from st.config import Loaded
from st.control.place import ControlError
from st.control.server import ControlServer
from st.control.steering import Steering
from st.deadline import Deadline
from st.errors import NoMasterError, SentinelTunnelError
from st.event import Event
from st.host.lock import Lock
from st.host.notes import PidFile
from st.host.passed import PassedSockets
from st.host.places import Places
from st.host.signals import POKED, STOP, Signals
from st.log.logs import Log
from st.ops.errands import Errands
from st.ops.sequel import Sequel
from st.ops.stacks import thread_stacks
from st.ops.status import UP, ProcessStatus
from st.ops.systemd import Notifier, state_line
from st.process.remarks import remark, syslog_of
from st.web import Views, WebServer

logger = logging.getLogger(__name__)

SIGNAL_LOOK = 0.1  # seconds between two looks for a signal while waiting for masters
FIRST_LOOK = 1.0  # seconds that the first answers get beyond sentinel_timeout before the mapping is printed
CONTROL_STOP = 2.0  # seconds that the control socket may take to end
HTTP_STOP = 2.0  # seconds that the web server may take to end
TICK = 1.0  # seconds between two rounds of what is done regularly
STALLED = 30.0  # seconds without a sign of life after which a thread counts as dead


class Process:
    """All that runs beside the tunnels; its methods are for the main thread."""

    def __init__(self, loaded: Loaded, again: t.Callable[[], Loaded], signals: Signals, log: Log, clients: int,
                 passed: PassedSockets, where: Places, lock: t.Optional[Lock]) -> None:
        self._loaded = loaded
        self._again = again
        self._signals = signals
        self._log = log
        self._passed = passed
        self._where = where
        self._lock = lock
        self._sequel = Sequel(loaded.settings, where.history)
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
                wanted = not require_master or self._await_masters(max(tunnel.hold for tunnel in settings.tunnels))
                if ready and require_master and wanted:
                    ready()
                if wanted:
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
                                       lambda: self._last_reload_good, self._sequel.switches))
        services.callback(lambda: web.stop(Deadline(HTTP_STOP)))
        return web

    def _listen_control(self, services: contextlib.ExitStack, detached: bool) -> t.Optional[ControlServer]:
        """Return the control server, if there is to be one: it answers from `start` on, until `services` end."""
        loaded, app, where = self._loaded, self._app, self._where
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

    def _await_masters(self, seconds: float) -> bool:
        """Wait until all tunnels have a master; False when told to stop before. Raise NoMasterError when it is late."""
        deadline = Deadline(seconds)
        while True:
            late = self._app.wait_master(Deadline(0))
            if not late:
                return True
            if deadline.passed():
                raise NoMasterError("no master within %gs: %s" % (seconds, "; ".join(late)))
            self._tick()
            if not self._act_on(self._signals.wait(SIGNAL_LOOK)):
                return False

    def _obey(self) -> None:
        """Act on signals until one says stop."""
        self._tick()
        while self._act_on(self._signals.wait(TICK)):
            self._tick()

    def _act_on(self, number: t.Optional[int]) -> bool:
        """Do what a signal asks for; False when that is to stop."""
        if number == POKED:
            self._errands.run()
        elif number == signal.SIGHUP:
            self._log.reopen()
            self._reload_by_signal()
        elif number == signal.SIGUSR1:
            _log_status(self._app.status())
        return number not in STOP

    def _tick(self) -> None:
        if self._lock:
            self._lock.renew()
        if self._systemd.listens:
            self._systemd.status(state_line(self._app.status()))
            self._systemd.tick(time.monotonic(), self._app.stalled(STALLED))

    def _reload_by_signal(self) -> None:
        with contextlib.suppress(Exception):  # told in the log; whatever it was, the tunnels serve on
            self.reload()

    def reload(self) -> t.List[str]:
        """Change to the configuration as it is now and return what changed; raise with nothing changed."""
        self._systemd.reloading()
        try:
            loaded = self._again()
            settings = loaded.settings
            with self._log.changing(settings.log_level, settings.log_format, settings.log_file, syslog_of(settings)):
                changes = self._app.reload(settings)
            self._sequel.change(settings)
        except SentinelTunnelError as error:
            self._last_reload_good = False
            logger.error(Event("reload_refused", why="; ".join(str(error).splitlines()), means="nothing has changed"))
            raise
        except Exception:
            self._last_reload_good = False
            logger.exception("a reload failed")
            raise
        finally:
            self._systemd.ready()
        self._loaded, self._last_reload_good = loaded, True
        remark(loaded)
        lines = changes.lines()
        logger.info(Event("reloaded", config=loaded.source or "none", changes="; ".join(lines)))
        return lines


def _introduce(app: App, signals: Signals, sentinel_timeout: float, say: t.Callable[[str], None]) -> None:
    """Print the mapping, with masters if they are known soon: the tunnels serve already."""
    deadline = Deadline(sentinel_timeout + FIRST_LOOK)
    while app.wait_master(Deadline(deadline.left(SIGNAL_LOOK))) and not deadline.passed() and not signals.pending():
        pass
    tunnels = app.status().tunnels
    width = max(len(tunnel.name) for tunnel in tunnels)
    for tunnel in tunnels:
        ready = tunnel.state == UP
        where = "%s  ready" % tunnel.master if ready else "no %s yet (%s)" % (
            tunnel.wanted, tunnel.reason or "still asking")
        say("  %-*s  %s -> %s" % (width, tunnel.name, tunnel.listen, where))


def _log_status(status: ProcessStatus) -> None:
    logger.warning(Event("status", state=status.state, troubles="; ".join(status.troubles()) or "none"))
    for tunnel in status.tunnels:
        logger.warning(Event("tunnel", **tunnel.as_dict()))
    for sentinel in status.sentinels:
        logger.warning(Event("sentinel", **sentinel.as_dict()))
    for stack in thread_stacks():
        logger.warning(stack)
