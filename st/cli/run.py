"""The command run: tunnels in the foreground."""
import collections
import logging
import typing as t

import click

from st import __version__, process
from st.cli.detached import NOT_READY, Detached
from st.cli.options import (
    NOWHERE, check_names, common_options, is_verbose, load_settings, requires_master, wants_daemon,
)
from st.cli.sentinels import with_all_masters
from st.config import Loaded
from st.event import Event
from st.host.lock import holder_pid

logger = logging.getLogger(__name__)

# Of tunnels that nobody wrote about: their ports, by the first one and their names.
_Ports = t.DefaultDict[t.Optional[int], t.Dict[str, int]]


@click.command(name="run", short_help="Run tunnels in the foreground.")
@click.argument("names", nargs=-1, metavar="[NAME[=[HOST:]PORT] ...]", callback=check_names)
@common_options
@click.pass_context
def run(context: click.Context, names: t.Sequence[str]) -> None:
    """Run tunnels in the foreground, or with --daemon in the background; the log goes to standard error.

    Without a name and without a tunnel in the configuration, the Sentinels are asked for their names; ports count up
    from --port. NAME=/PATH listens on a unix socket.
    """
    if wants_daemon(context):
        context.exit(_run_detached(context, names))
    loaded = load_settings(context, names)
    counted = collections.defaultdict(dict)  # type: _Ports
    if loaded.settings.tunnels:
        _say("sentinel-tunnel %s" % __version__)
    else:
        loaded = _with_all_masters(loaded, counted)
        known, asked = len(loaded.settings.tunnels), ", ".join(map(str, loaded.settings.sentinels))
        _say("sentinel-tunnel %s: asked %s; it knows %d name%s"
             % (__version__, asked, known, "" if known == 1 else "s"))
    process.run(loaded, lambda: _load_again(context, names, counted), _say, requires_master(context))


def _run_detached(context: click.Context, names: t.Sequence[str]) -> int:
    """Start the tunnels in the background, and return the exit code."""
    detached = Detached(context, names)
    settings = detached.loaded.settings
    if settings.log_file == NOWHERE and not settings.syslog:
        click.echo("warning: no log will be kept: --log-file FILE names one", err=True)
    outcome = detached.start()
    if outcome.code == 0 and detached.places.lock:
        _say("sentinel-tunnel %s: running in the background, pid %s" % (__version__, holder_pid(detached.places.lock)))
    elif outcome.code:
        click.echo(outcome.text, err=True)
    elif is_verbose(context):
        click.echo(NOT_READY, err=True)
    return outcome.code or 0


def _load_again(context: click.Context, names: t.Sequence[str], counted: _Ports) -> Loaded:
    loaded = load_settings(context, names)
    return loaded if loaded.settings.tunnels else _with_all_masters(loaded, counted)


def _with_all_masters(loaded: Loaded, counted: _Ports) -> Loaded:
    """Return the configuration with a tunnel for each master; one that was there before keeps its port."""
    return loaded._replace(settings=with_all_masters(loaded, counted[loaded.template.port]))


def _say(line: str) -> None:
    """Print a line that a person may want; tunnels serve whether or not it can be printed."""
    try:
        click.echo(line)
    except OSError as error:  # a full disk, or a reader that went away
        logger.warning(Event("not_printed", error=error, line=line))
