"""The command ensure, for cron: a process runs afterwards; it speaks only when somebody must do something."""
import os
import sys
import time
import typing as t

import click

from st.cli import exits
from st.cli.detached import NOT_READY, Detached
from st.cli.options import check_names, common_options, is_verbose
from st.cli.program import explain
from st.cli.running import without_file
from st.config import parse
from st.control.client import Client, NotRunning, Refused, Silent, Unanswered
from st.errors import ConfigError, SentinelTunnelError
from st.host.daemon import Outcome
from st.host.lock import end_holder
from st.host.places import places
from st.host.reminder import Reminder


@click.command(name="ensure")
@click.argument("names", nargs=-1, metavar="[NAME[=[HOST:]PORT] ...]", callback=check_names)
@click.option("--replace-hung", is_flag=True,
              help="end a process that does not answer on its control socket for 10 s, and start another")
@common_options
@click.pass_context
def ensure(context: click.Context, names: t.Sequence[str], replace_hung: bool) -> None:
    """Start the tunnels in the background, unless they run.

    For cron, which restarts them then within a minute, and after a reboot:

    \b
      @reboot   sentinel-tunnel ensure -c /etc/sentinel-tunnel.ini
      * * * * * sentinel-tunnel ensure -c /etc/sentinel-tunnel.ini

    Write the command with its whole path, for cron has a short PATH (`command -v sentinel-tunnel` tells it), and
    % as \\%.

    It prints nothing when all is well. An error is printed, and so mailed by cron, once, and again after an hour;
    on a terminal each time. The exit code is 0 when they run, else that of `run`.
    """
    reminder = Reminder(_reminder_file(context))
    outcome = _outcome(context, names, replace_hung)
    if outcome.code == 0:
        reminder.forget()
    elif outcome.code is None:
        if is_verbose(context):
            _print(NOT_READY)
    elif _is_terminal() or reminder.is_due(outcome.text, time.time()):
        _print(outcome.text)
    context.exit(outcome.code or 0)


def _outcome(context: click.Context, names: t.Sequence[str], replace_hung: bool) -> Outcome:
    """Return what came of it: 0 also when it runs already."""
    try:
        detached = Detached(context, names)
        control, lock = detached.places.control, detached.places.lock
        if replace_hung and control is None:
            raise ConfigError(["control = off: --replace-hung asks on the control socket: remove one of the two"])
        outcome = detached.start()
        if replace_hung and outcome.code == exits.ALREADY_RUNNING and control and lock:
            if _hangs(control):
                end_holder(lock)
            outcome = detached.start()
    except SentinelTunnelError as error:
        return Outcome(*explain(error))
    return outcome._replace(code=0) if outcome.code == exits.ALREADY_RUNNING else outcome


def _hangs(path: str) -> bool:
    """Tell whether a process listens on this control socket, but does not say a word to PING within 10 s.

    One where nobody listens at all is not for us to end: it may be stopping, or have had trouble with the socket.
    """
    try:
        with Client(path) as client:
            client.ask("PING")
    except Silent:
        return True
    except (NotRunning, Unanswered, Refused):
        pass
    return False


def _reminder_file(context: click.Context) -> str:
    """Return where to remember what was told: beside the lock, also when the configuration cannot be read."""
    try:
        settings, source = without_file(context)
    except ConfigError:
        settings, source = parse("", None, {"sentinels": "localhost"}).settings, None
    lock = places(settings, source, os.environ).lock
    return (lock or places(settings._replace(lock="auto"), None, os.environ).lock or "") + ".told"


def _is_terminal() -> bool:
    return sys.stderr.isatty()


def _print(text: str) -> None:
    """Print what cron is to mail; when nobody takes it, the exit code still tells."""
    try:
        click.echo(text, err=True)
    except OSError:  # a full disk, or a reader that went away: the flush at the end would make that the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
