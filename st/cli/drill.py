"""The command drill: a rehearsed failover, measured through a tunnel."""
import contextlib
import signal
import typing as t

import click

from st.cli.options import common_options, is_quiet, load_settings, own_log
from st.cli.running import printable
from st.cli.sentinels import telling_names, tunnel_named
from st.drill.plot import as_svg
from st.drill.prospect import Prospect, look
from st.drill.rehearsal import CRASH_WAIT, Rehearsal
from st.drill.report import as_json, as_text
from st.drill.series import EXPIRY, PREFIX
from st.drill.traffic import DrillError
from st.drill.words import short
from st.errors import LocalError
from st.log.logs import configure
from st.ops.tables import wrapped
from st.sentinel.survey import asker

PLAN = """\
{sentinel} would be told to fail over from {master} to one of {replicas}. \
Connections to the old master end, and new ones wait for the new one, for about a second.
"""
MEANWHILE = """\
Meanwhile this writes and reads about 100 small keys a second, {prefix}*, which it removes afterwards; \
after {expiry} min Redis does.
"""
PASSTHROUGH = "tls = passthrough: here the tunnel itself speaks TLS with Redis, since the writer and the reader do not."
CRASH = """\
A real crash is made on the host of the master, {host}, within {minutes} min; this only watches and measures:
kill -9 PID of redis-server: connections end at once. A supervisor that restarts it sooner than Sentinel notices \
({down_after:g} s) prevents the failover: stop the service instead.
kill -STOP PID: it hangs, as a host does that was cut off: connections stay open and silent. kill -CONT PID afterwards.
Sentinels call it down after {down_after:g} s, and have a new master 1 to 3 s later. What was acknowledged in the last \
moment, or to an old master that was cut off, may be lost. Start it again afterwards: it comes back as a replica.
"""


@click.command(name="drill", short_help="Rehearse a failover, and measure it.")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="do it; without this it is only told what would be done")
@click.option("--kill", is_flag=True, help="tell how to crash the master for real, and measure that instead")
@click.option("--json", "as_line", is_flag=True, help="the report as one line of JSON")
@click.option("--plot", metavar="FILE", help="also draw it: an SVG file")
@common_options
@click.pass_context
def drill(context: click.Context, name: str, yes: bool, kill: bool, as_line: bool,
          plot: t.Optional[str]) -> None:
    """Fail over from the master NAME for real, and measure what clients of a tunnel see of it.

    A writer and a reader go through a tunnel of its own all the time. The report says how long neither got through,
    how many acknowledged writes the new master does not have, and when what happened.

    The exit code is 0 when the failover worked and nothing was lost, else 1; 2 without --yes.
    """
    loaded = load_settings(context)
    settings, tunnel = loaded.settings, tunnel_named(loaded, name)
    whom = asker(settings)
    with telling_names(whom):
        prospect = look(whom, tunnel.master, settings.discover)
    _say(_intent(prospect, kill))
    if tunnel.tls == "passthrough":
        _say(PASSTHROUGH)
    if prospect.problems:
        text = "drill refused, nothing was done: %s"
        raise DrillError(text % "; ".join(prospect.problems))
    if not yes:
        _say("Nothing was done. To do it: sentinel-tunnel drill %s --yes%s" % (name, " --kill" if kill else ""))
        context.exit(2)
    if plot is not None:
        _write(plot, "a", "", ": nothing was done")  # else it would be known too late that it cannot be written
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as below nohup
            signal.signal(number, signal.default_int_handler)  # it cleans up as after Ctrl-C
    say = (lambda line: None) if is_quiet(context) else _say
    try:
        with configure(settings.log_level, settings.log_format, own_log(context)), \
                Rehearsal(settings, tunnel, prospect, whom.credentials, say) as rehearsal:
            outcome = rehearsal.wait_crash() if kill else rehearsal.fail_over()
    except KeyboardInterrupt:
        raise DrillError("interrupted; a failover that was begun goes on without us") from None
    click.echo(as_json(outcome) if as_line else as_text(outcome), nl=False)
    if plot is not None:
        _write(plot, "w", as_svg(outcome))
    context.exit(0 if outcome.passed else 1)


def _intent(prospect: Prospect, kill: bool) -> str:
    meanwhile = MEANWHILE.format(prefix=PREFIX, expiry=EXPIRY // 60)
    if kill:
        return meanwhile + CRASH.format(host=prospect.master.host, minutes=int(CRASH_WAIT / 60),
                                        down_after=prospect.down_after)
    return PLAN.format(sentinel=short(prospect.sentinel), master=str(prospect.master),
                       replicas=", ".join(prospect.replicas) or "the replicas: there is none") + meanwhile


def _say(text: str) -> None:
    """Tell a person how it goes; what a program reads is on standard output alone."""
    with contextlib.suppress(OSError):  # the terminal has gone: all is done and cleaned up all the same
        for line in text.splitlines():
            click.echo(wrapped(printable(line), "  "), err=True)


def _write(path: str, mode: str, text: str, so: str = "") -> None:
    try:
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise LocalError("--plot %s: %s%s" % (path, error.strerror, so), error.errno) from error
