"""The commands that steer the running process: stop, reload and wait."""
import time

import click

from st.cli.options import common_options
from st.cli.running import Running, find_running, printable
from st.config import kinds
from st.control.client import Gone, NotRunning, Refused, Silent
from st.deadline import Deadline
from st.errors import NoMasterError, SentinelTunnelError

STOP_SLACK = 30.0  # seconds beyond `drain` that the process may take to end
RELOAD_PATIENCE = 75.0  # seconds: connections of tunnels that go are let end
LOOK = 0.1  # seconds between two looks for a process that is not there
SLACK = 1.0  # seconds beyond the time-out of `wait` for the answer
LONGEST = 3600.0  # seconds


def _time(context: click.Context, parameter: click.Parameter, text: str) -> float:
    try:
        return float(kinds.duration(0.0, LONGEST)(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(name="stop")
@common_options
@click.pass_context
def stop(context: click.Context) -> None:
    """Stop the running process, and wait until it has ended.

    Open connections may go on for `drain`. When none runs, that is said, and the exit code is 0 too.
    """
    running = find_running(context)
    try:
        client = running.connect()
    except NotRunning as error:
        click.echo(printable(str(error)))
        return
    with client:
        patience = running.settings.drain + STOP_SLACK
        try:
            client.ask("STOP")
        except Gone:
            if not client.wait_end(Deadline(LOOK)):  # else it was stopping already
                raise
        if not client.wait_end(Deadline(patience)):
            raise SentinelTunnelError("pid %d was told to stop, and still runs after %gs: look at its log, or end it "
                                      "with kill -9 %d" % (client.pid, patience, client.pid))
        click.echo("stopped pid %d" % client.pid if client.pid else "stopped")


@click.command(name="reload", short_help="Let the running process read its configuration again.")
@common_options
@click.pass_context
def reload(context: click.Context) -> None:
    """Let the running process read its configuration again, and print what changed.

    When the configuration is wrong nothing changes; the reasons are printed, and the exit code is 1.
    """
    with find_running(context).connect() as client:
        client.ask("PING")  # one that hangs is told sooner than by the patience that a reload may need
        click.echo(printable(client.ask("RELOAD", seconds=RELOAD_PATIENCE)), nl=False)


@click.command(name="wait", short_help="Wait until every tunnel has a master.")
@click.option("--timeout", metavar="TIME", default="30s", callback=_time,
              help="how long to wait, as 30s or 5m; 0: look once  [30s]")
@common_options
@click.pass_context
def wait(context: click.Context, timeout: float) -> None:
    """Wait until every tunnel has a master; also for the process to start.

    Silent; the exit code is 69, with the reasons, when that is not so in time.
    """
    running, deadline = find_running(context), Deadline(timeout)
    while True:
        late = _wait_once(running, deadline)
        if not late:
            return
        if deadline.passed():
            raise NoMasterError("not ready within %gs: %s" % (timeout, late))
        time.sleep(deadline.left(LOOK) or 0)


def _wait_once(running: Running, deadline: Deadline) -> str:
    """Wait as long as the process is there; return why it has ended without success."""
    try:
        with running.connect((deadline.left() or 0) + SLACK) as client:
            left = deadline.left() or 0
            client.ask("WAIT", "%.3f" % left, seconds=left + SLACK)
            return ""
    except (NotRunning, Gone, Silent, Refused) as error:  # it may come, or another in its place
        return str(error)
