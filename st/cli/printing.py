"""The command print: files fitted to this host."""
import os
import pkgutil
import re
import sys
import typing as t
import zipfile

import click

from st import __version__
from st.address import is_path
from st.cli.manual import manual_page
from st.cli.options import Chosen, common_options, load_settings
from st.cli.program import Commands
from st.config import Loaded
from st.errors import ConfigError
from st.printed.completion import SHELLS, completion, shell_of
from st.printed.crontab import crontab
from st.printed.host import has_user, own_command, service_user, systemd_version
from st.printed.rotation import directory_owner, rotation
from st.printed.unit import Service, unit


@click.group(name="print", cls=Commands, invoke_without_command=True)
@click.pass_context
def print_files(context: click.Context) -> None:
    """Print a file fitted to this host."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


def _check_user(context: click.Context, parameter: click.Parameter, user: t.Optional[str]) -> t.Optional[str]:
    if user is not None and not has_user(user) and not re.match(r"[a-z_][a-z0-9_-]{0,30}\Z", user):
        raise click.BadParameter("there is no user %r, and none can have that name" % user)
    return user


@print_files.command(name="unit")
@click.option("--user", metavar="NAME", callback=_check_user,
              help="who runs the service  [you; for root: sentinel-tunnel]")
@common_options
@click.pass_context
def print_unit(context: click.Context, user: t.Optional[str]) -> None:
    """Print a systemd unit."""
    loaded, config = _configuration(context)
    settings, command, user = loaded.settings, _command(), user or service_user()
    bundle = zipfile.is_zipfile(command[0])
    reads = (command[0], config, sys.executable, sys.prefix, sys.base_prefix, *(() if bundle else (__file__,)))
    chosen = (settings.control, settings.lock, settings.history_file, settings.pid_file, settings.log_file)
    sockets = [place for tunnel in settings.tunnels for place in tunnel.listen if is_path(place)]
    writes = [path for path in (*chosen, *sockets) if path and os.path.isabs(path)]
    _print(unit(Service(
        command=command, config=config, user=user, has_user=has_user(user), systemd=systemd_version(),
        drain=settings.drain, control=settings.control != "off", log_file=settings.log_file,
        reads=tuple(map(os.path.realpath, reads)), writes=tuple(map(os.path.realpath, writes)), bundle=bundle)))


@print_files.command(name="cron")
@common_options
@click.pass_context
def print_cron(context: click.Context) -> None:
    """Print crontab lines that keep a process up."""
    _print(crontab(_command(), _configuration(context)[1]))


@print_files.command(name="logrotate")
@common_options
@click.pass_context
def print_logrotate(context: click.Context) -> None:
    """Print a logrotate configuration for log_file."""
    loaded, config = _configuration(context)
    log_file = loaded.settings.log_file
    if log_file is None:
        raise ConfigError(["%s: no log_file: the log goes to standard error, and there is nothing to rotate" % config])
    if not os.path.isabs(log_file):
        raise ConfigError(["%s: log_file = %s: write a path from / on, or it depends on where the process was started"
                           % (config, log_file)])
    _print(rotation(log_file, directory_owner(log_file)))


@print_files.command(name="alerts")
def print_alerts() -> None:
    """Print alerting rules for Prometheus."""
    _print_packed("prometheus-alerts.yml")


@print_files.command(name="dashboard")
def print_dashboard() -> None:
    """Print a dashboard for Grafana."""
    _print_packed("grafana-dashboard.json")


@print_files.command(name="completion")
@click.argument("shell", required=False, type=click.Choice(SHELLS))
def print_completion(shell: t.Optional[str]) -> None:
    """Print a script that completes commands in your shell.

    For bash: source <(sentinel-tunnel print completion bash)
    """
    found = shell or shell_of(os.environ)
    if found is None:
        raise click.UsageError("$SHELL is %r: name one of %s" % (os.environ.get("SHELL", ""), ", ".join(SHELLS)))
    _print(completion(_command(), found, os.environ))


@print_files.command(name="man")
@click.pass_context
def print_man(context: click.Context) -> None:
    """Print the manual page.

    To read it: sentinel-tunnel print man | man -l -
    """
    _print(manual_page(t.cast(click.Group, context.find_root().command), __version__))


def _configuration(context: click.Context) -> t.Tuple[Loaded, str]:
    """Return the configuration and the absolute path of its file; the printed file names nothing else."""
    if context.ensure_object(Chosen).settings:
        raise click.UsageError("print takes no settings but -c FILE: write them there")
    loaded = load_settings(context)
    if loaded.source is None:
        raise ConfigError(["no configuration file: what is printed names one: give it with -c FILE"])
    return loaded, os.path.abspath(loaded.source)


def _command() -> t.Tuple[str, ...]:
    return own_command(sys.argv[0], sys.executable)


def _print_packed(name: str) -> None:
    data = pkgutil.get_data("st.printed", name)
    if data is None:
        raise FileNotFoundError(name)
    click.echo(data, nl=False)


def _print(text: str) -> None:
    # As bytes: paths may be anything, and a legacy host may have no locale.
    click.echo(text.encode("utf-8", "surrogateescape"), nl=text[-1:] != "\n")
