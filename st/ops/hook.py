"""The command of on_failover: run after each switch, in order, one at a time, without our passwords."""
import logging
import os
import shutil
import threading
import time
import typing as t

from st.config.environment import PREFIX, TOLD
from st.config.kinds import Command
from st.config.values import Settings
from st.deadline import Deadline
from st.event import Event
from st.host.run_command import Outcome, run_command
from st.ops.herald import Herald
from st.switch import Switch

logger = logging.getLogger(__name__)

LIMIT = 30.0  # seconds for one run
STOP_WAIT = 2.0  # seconds for the run that goes on when the process stops
_STOP_SLACK = 1.5  # seconds for that run to be killed
_MOST_WAITING = 100  # switches


class Hook:
    """Runs the command in a thread of its own, from `start` to `stop`; `limit` is in seconds."""

    def __init__(self, settings: Settings, limit: float = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()  # held to change the three below
        self._command = settings.on_failover
        self._secrets = _secrets(settings)
        self._end: t.Optional[Deadline] = None  # once stopped
        self._herald = Herald("on_failover", _MOST_WAITING)
        self._herald.subscribe(self._run)

    def start(self) -> None:
        """Begin to run what was told, if there is a command."""
        if self._command is not None:
            self._herald.start()

    def change(self, settings: Settings) -> None:
        """Run the command of these settings from the next switch on."""
        with self._lock:
            self._command, self._secrets = settings.on_failover, _secrets(settings)
        self.start()

    def tell(self, switch: Switch) -> None:
        """Have the command run for `switch`. Never blocks."""
        if self._command is not None:
            self._herald.tell(switch)

    def stop(self) -> None:
        """Wait a little for the run that goes on, then kill it; a second call does nothing more."""
        with self._lock:
            self._end = self._end or Deadline(STOP_WAIT)
        self._herald.stop(self._end)
        self._herald.stop(Deadline(_STOP_SLACK))

    def _run(self, switch: Switch) -> None:
        with self._lock:
            command, secrets = self._command, self._secrets
        if command is None:  # a reload has taken it away meanwhile
            return
        # As bytes: a legacy host may have no locale, and the configuration is UTF-8 everywhere.
        words = [_as_bytes(word) for word in command.words]
        environ = clean_environ(os.environb, secrets)
        environ.update((_as_bytes(name), _as_bytes(value)) for name, value in told(switch).items())
        started = time.monotonic()
        try:
            outcome = run_command(words, environ, Deadline(self._limit), lambda: self._end)
        except (OSError, ValueError) as error:
            logger.error(Event("on_failover_not_started", program=command.words[0], tunnel=switch.tunnel, error=error,
                               means="correct on_failover in the configuration, and reload"))
            return
        self._report(command.words[0], switch, outcome, time.monotonic() - started)

    def _report(self, program: str, switch: Switch, outcome: Outcome, took: float) -> None:
        fields = {"program": program, "tunnel": switch.tunnel, "code": outcome.code, "took": "%.1fs" % took}
        output = outcome.output.strip()
        if outcome.code == 0 and not outcome.cut:
            logger.info(Event("on_failover", **fields))
            logger.debug(Event("on_failover_output", program=program, output=output))
            return
        why = {"": "exit code %s" % outcome.code, "limit": "took longer than %gs: killed" % self._limit,
               "stop": "killed, since sentinel-tunnel stops"}[outcome.cut]
        logger.warning(Event("on_failover_failed", why=why, output=output, **fields))


def told(switch: Switch) -> t.Dict[str, str]:
    """Return the variables that tell the command of a switch."""
    values = (switch.tunnel, switch.master_name, str(switch.old), switch.old.host, str(switch.old.port),
              str(switch.new), switch.new.host, str(switch.new.port), "" if switch.epoch is None else str(switch.epoch),
              "%.3f" % switch.gap, "%.3f" % switch.at)
    return dict(zip(TOLD, values))


def clean_environ(environ: t.Mapping[bytes, bytes], secrets: t.Container[bytes]) -> t.Dict[bytes, bytes]:
    """Return the environment without our passwords, whatever their variables are called."""
    return {name: value for name, value in environ.items() if not _is_password(name) and value not in secrets}


def missing_program(command: t.Optional[Command]) -> t.Optional[str]:
    """Return why the command can hardly be run, or None; the program may yet be installed."""
    if command is None or shutil.which(os.fsdecode(_as_bytes(command.words[0]))):
        return None
    where = "" if "/" in command.words[0] else " in PATH (%s)" % os.environ.get("PATH", "not set")
    return "on_failover: no program %a%s: write its whole path, and see that it can be executed" % (
        command.words[0], where)


def _is_password(name: bytes) -> bool:
    return name == b"REDIS_PASSWORD" or (name.startswith(PREFIX.encode()) and b"PASSWORD" in name)


def _secrets(settings: Settings) -> t.FrozenSet[bytes]:
    given = [settings.sentinel_password] + [tunnel.redis_password for tunnel in settings.tunnels]
    return frozenset(_as_bytes(secret.reveal()) for secret in given if secret and secret.reveal())


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
