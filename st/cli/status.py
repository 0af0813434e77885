"""The command status: once, or again and again."""
import os
import shutil
import signal
import sys
import time
import typing as t

import click

from st.cli import exits
from st.cli.options import common_options
from st.cli.running import Running, find_running, printable
from st.control.client import NotRunning
from st.errors import SentinelTunnelError
from st.log.lines import local_time
from st.ops.tables import wrapped

START = "  next: sentinel-tunnel ensure; or, where systemd keeps it up, systemctl start sentinel-tunnel"
PERIOD = 1.0  # seconds from one look to the next
HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


@click.command(name="status", short_help="What the running process does, and what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="one line of JSON")
@click.option("--watch", is_flag=True, help="again each second, until Ctrl-C")
@common_options
@click.pass_context
def status(context: click.Context, as_json: bool, watch: bool) -> None:
    """Show the running process, its tunnels and Sentinels, and what is wrong with them.

    The exit code is 3 when it is not running.
    """
    running = find_running(context)
    if watch:
        _repeat(lambda: _json_line(running) if as_json else _block(running), sys.stdout.isatty() and not as_json)
        return
    try:
        click.echo(_status(running, as_json), nl=False)
    except NotRunning as error:
        click.echo(printable("%s\n%s" % (error, START)), err=True)
        context.exit(exits.NOT_RUNNING)


def _status(running: Running, as_json: bool) -> str:
    with running.connect() as client:
        text = printable(client.ask("STATUS", *["JSON"] * as_json))
    return text if text.endswith("\n") else text + "\n"


def _block(running: Running) -> str:
    """Return the time and the status, or why there is none: the process may go away and come back."""
    try:
        text = _status(running, False)
    except SentinelTunnelError as error:
        text = wrapped(printable(str(error))) + "\n"
    return "%s\n\n%s\n" % (local_time(time.time(), "seconds"), text)


def _json_line(running: Running) -> str:
    try:
        return _status(running, True)
    except SentinelTunnelError as error:
        click.echo(printable(str(error)), err=True)
        return ""


def _repeat(look: t.Callable[[], str], drawing: bool) -> None:
    """Print what `look` returns each second, on a terminal in the same place; return at Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the terminal must get its cursor back
    try:
        _write(HIDE_CURSOR if drawing else "")
        while True:
            text = look()
            _write(_screen(text, shutil.get_terminal_size()) if drawing else text)
            time.sleep(PERIOD)
    except KeyboardInterrupt:
        pass
    finally:
        _write(SHOW_CURSOR + "\n" if drawing else "")  # or the prompt would stand behind ^C


def _screen(text: str, size: os.terminal_size) -> str:
    """Return what draws a text over the last one without flicker: nothing is cleared before it is written anew."""
    lines = [part for line in text.splitlines() for part in wrapped(line, "  ", size.columns).splitlines() or [""]]
    room = max(1, size.lines - 1)
    if len(lines) > room:
        left = "(%d more lines: sentinel-tunnel status shows them)" % (len(lines) - room + 1)
        lines[room - 1 :] = [left[: size.columns]]
    return HOME + "".join(line + CLEAR_LINE + "\r\n" for line in lines) + CLEAR_BELOW


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
