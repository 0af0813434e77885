"""The command exec: tunnels on free ports while a command runs.

The process becomes that command, so that whoever started it has its pid, its signals, its terminal and its exit code,
with nothing in between. The tunnels are in a process beside it, which looks whether the command still runs.
"""
import contextlib
import json
import os
import re
import signal
import sys
import typing as t

import click

from st.address import parse_address
from st.cli import exits
from st.cli.detached import SEARCH, working_directory
from st.cli.options import check_names, common_options, is_verbose, load_settings, own_log
from st.cli.program import explain
from st.cli.sentinels import telling_names, with_all_masters
from st.config import TunnelSettings
from st.config.values import LOOPBACK
from st.errors import SentinelTunnelError
from st.host.daemon import detach
from st.host.kernel import kernel_text
from st.log.logs import configure
from st.ops.status import ProcessStatus
from st.process.companion import Life, accompany, guarded, patience_of
from st.sentinel.survey import asker


class Opened(t.NamedTuple):
    """A tunnel that listens."""

    name: str
    port: int
    scheme: str  # of URLs


class WithCommand(click.Command):
    """A command line with another one behind `--`, which is left as it is."""

    def parse_args(self, ctx: click.Context, args: t.List[str]) -> t.List[str]:
        """Parse the words before `--`."""
        dashes = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:dashes])
        ctx.params["command"] = tuple(args[dashes + 1:])
        if not ctx.params["command"] and not ctx.resilient_parsing:  # which completes a half line
            ctx.fail("no command: write it behind --, as in: exec sessions -- ./job --all")
        return rest


def _check_names(context: click.Context, parameter: click.Parameter, words: t.Sequence[str]) -> t.Sequence[str]:
    for word in words:
        if "=" in word:
            raise click.BadParameter("%r: the port is a free one: write the name alone" % word)
    return check_names(context, parameter, words)


@click.command(name="exec", cls=WithCommand, short_help="Run a command that finds Redis in its environment.")
@click.argument("names", nargs=-1, metavar="[NAME ...] -- COMMAND [ARGUMENT ...]", callback=_check_names)
@common_options
@click.pass_context
def exec_(context: click.Context, names: t.Sequence[str], command: t.Tuple[str, ...]) -> None:
    """Run a command, with tunnels on free ports of this host for as long as it runs.

    It finds the first one in REDIS_HOST, REDIS_PORT and REDIS_URL, and each in REDIS_URL_<NAME>, REDIS_HOST_<NAME>
    and REDIS_PORT_<NAME>, the name in capitals with _ for all but letters and digits. Without NAME: the tunnels of
    the configuration, or one for each master.

    The exit code is the command's own; 69: no master in time, or no such name; 125: another failure of ours; 126: the
    command cannot be run; 127: there is no such command.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever started us ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends us as it would end the command
    try:
        variables = variables_for(_open(context, names))
    except SentinelTunnelError as error:
        click.echo(explain(error).text, err=True)
        context.exit(exits.EXEC_FAILED)
    context.exit(_become(command, dict(_own_environment(), **variables)))


def variables_for(tunnels: t.Sequence[Opened]) -> t.Dict[str, str]:
    """Return what a command finds in its environment; raise SentinelTunnelError when two names are the same there."""
    found: t.Dict[str, str] = {}
    owners: t.Dict[str, str] = {}
    for tunnel in tunnels:
        suffix = "_" + re.sub("[^A-Z0-9]", "_", tunnel.name.upper())
        other = owners.setdefault(suffix, tunnel.name)
        if other != tunnel.name:
            raise SentinelTunnelError("the tunnels %a and %a would both be REDIS_URL%s: name one of them only"
                                      % (other, tunnel.name, suffix))
        for end in (suffix,) if found else ("", suffix):
            found["REDIS_HOST" + end], found["REDIS_PORT" + end] = LOOPBACK, str(tunnel.port)
            found["REDIS_URL" + end] = "%s://%s:%d" % (tunnel.scheme, LOOPBACK, tunnel.port)
    return found


def opened(tunnel: TunnelSettings, listen: str) -> Opened:
    """Return what a command is told of a tunnel that listens there."""
    return Opened(tunnel.name, parse_address(listen).port, "rediss" if tunnel.tls == "passthrough" else "redis")


def _open(context: click.Context, names: t.Sequence[str]) -> t.List[Opened]:
    """Start the process with the tunnels, and return these once each has a master."""
    loaded, life, directory = load_settings(context, names), Life(), working_directory()
    errors = os.dup(2)

    def serve(ready: t.Callable[[], None]) -> int:
        guarded(life, errors)
        os.chdir(directory)  # files in the configuration may be relative to it
        settings = with_all_masters(loaded)
        own = tuple(tunnel.for_this_host() for tunnel in settings.tunnels)
        settings = settings._replace(tunnels=own, http=None, workers=1)  # one command needs no more processes

        def tell(status: ProcessStatus) -> None:
            found = [opened(tunnel, shown.listen) for tunnel, shown in zip(settings.tunnels, status.tunnels)]
            sys.stdout.write("\n" + json.dumps(found))  # on a line of its own: a library may have warned of something
            ready()

        with configure(settings.log_level, settings.log_format, own_log(context)), telling_names(asker(settings)):
            accompany(settings, life, tell)
        return 0

    outcome = detach(lambda ready: _explained(serve, ready), patience_of(loaded.settings) + SEARCH,
                     own_errors=is_verbose(context))
    life.close()
    os.close(errors)
    if outcome.code != 0:
        click.echo(outcome.text or "error: the tunnels are not ready in time: -v shows why", err=True)
        context.exit(exits.NO_MASTER if outcome.code == exits.NO_MASTER else exits.EXEC_FAILED)
    return [Opened(*each) for each in json.loads(outcome.text.splitlines()[-1])]


def _explained(serve: t.Callable[[t.Callable[[], None]], int], ready: t.Callable[[], None]) -> int:
    """Do as `serve`, and print the error that it raises: the other process tells it."""
    try:
        return serve(ready)
    except SentinelTunnelError as error:
        ended = explain(error)
        sys.stdout.write(ended.text)
        return ended.code


def _own_environment() -> t.Dict[str, str]:
    """Return what we were started with: Python sets LC_CTYPE where there is no locale (PEP 538)."""
    given = kernel_text("/proc/self/environ").encode("utf-8", "surrogateescape").split(b"\0")
    variables = [os.fsdecode(each).partition("=") for each in given if b"=" in each]
    return {name: text for name, _, text in variables} or dict(os.environ)


def _become(command: t.Sequence[str], environ: t.Mapping[str, str]) -> int:
    """Become the command; return the exit code when that cannot be."""
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):  # Python ignores them, and so would the command
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    try:
        os.execvpe(command[0], list(command), environ)
    except (OSError, ValueError) as error:  # ValueError: a null byte
        said = error.strerror if isinstance(error, OSError) else error
        click.echo("error: cannot run %a: %s" % (command[0], said), err=True)
        return exits.NOT_FOUND if isinstance(error, FileNotFoundError) else exits.CANNOT_RUN
