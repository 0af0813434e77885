"""The commands that ask the Sentinels once: resolve and masters."""
import contextlib
import functools
import typing as t

import click

from st.address import Address
from st.cli.options import common_options, load_settings
from st.config import Loaded, Settings, with_tunnels
from st.config.values import TunnelSettings
from st.errors import ConfigError, NoMasterError, UnknownMasterError
from st.plain import plain
from st.sentinel.answers import Credentials, Report
from st.sentinel.prober import Prober
from st.sentinel.survey import Asker, asker, elect, masters, report, they_monitor
from st.tls import client_context

HEAD = ("NAME", "MASTER", "STATE", "REPLICAS", "SENTINELS", "QUORUM", "EPOCH")


def tunnel_named(loaded: Loaded, name: str) -> TunnelSettings:
    """Return the tunnel of this name, or one to the master of this name when the configuration has none."""
    tunnels = {tunnel.name: tunnel for tunnel in loaded.settings.tunnels}
    return tunnels.get(name, loaded.template._replace(name=name, master=name))


def with_all_masters(loaded: Loaded, ports: t.Optional[t.MutableMapping[str, int]] = None) -> Settings:
    """Return the settings; when they have no tunnels, with one for each master that the Sentinels monitor.

    Those in `ports` keep theirs.
    """
    if loaded.settings.tunnels:
        return loaded.settings
    names = sorted(masters(asker(loaded.settings)))
    if not names:
        asked = ", ".join(map(str, loaded.settings.sentinels))
        raise ConfigError(["no tunnel: the sentinels (%s) monitor no master, and the configuration names none" % asked])
    return with_tunnels(loaded, names, ports)


@contextlib.contextmanager
def telling_names(whom: Asker) -> t.Iterator[None]:
    """Let the error about a name that nobody monitors tell which names the Sentinels do monitor."""
    try:
        yield
    except UnknownMasterError as error:
        try:
            names = masters(whom)
        except NoMasterError:  # they do not list them to everybody
            raise error from None
        raise UnknownMasterError("%s: %s" % (error, they_monitor(names, error.name)), error.name) from error


def node_credentials(tunnel: TunnelSettings) -> Credentials:
    """Return how we come to the nodes of a tunnel."""
    terms = tunnel.tls_terms
    return Credentials(tunnel.redis_user, tunnel.redis_password, terms and client_context(terms))


@click.command(name="resolve", short_help="Ask the Sentinels for the address of a master.")
@click.argument("name", metavar="NAME")
@click.option("--verify", is_flag=True, help="connect to the master too, and ask for its role")
@common_options
@click.pass_context
def resolve(context: click.Context, name: str, verify: bool) -> None:
    """Ask the Sentinels once, and print the address of a master."""
    loaded = load_settings(context)
    tunnel = tunnel_named(loaded, name)
    prober = functools.partial(_prober, tunnel) if verify else None
    whom = asker(loaded.settings)
    with telling_names(whom):
        found = elect(whom, tunnel.master, report(whom, [tunnel.master]), prober)
    if found.doubt:
        click.echo("warning: not verified: it does not tell its role: %s" % plain(found.doubt), err=True)
    click.echo(str(found.address))


@click.command(name="masters", short_help="The masters that the Sentinels monitor.")
@common_options
@click.pass_context
def list_masters(context: click.Context) -> None:
    """List the masters that the Sentinels monitor, with address and state."""
    whom = asker(load_settings(context).settings)
    found = masters(whom)
    reports = report(whom, sorted(found))
    rows = [HEAD] + [master_row(whom, reports, name, fields) for name, fields in sorted(found.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def master_row(whom: Asker, reports: t.Sequence[Report], name: str,
               fields: t.Mapping[str, str]) -> t.Tuple[str, ...]:
    """Return what is known of a master, in the order of HEAD."""
    flags = [flag for flag in fields.get("flags", "").split(",") if flag != "master"]
    try:
        # The list itself names the old master until a failover is over.
        address = str(elect(whom, name, reports).address)
    except NoMasterError:
        address = "none"
    others = fields.get("num-other-sentinels", "")
    sentinels = str(int(others) + 1) if others.isdigit() else "?"
    cells = (name, address, ",".join(flags) or "ok", fields.get("num-slaves", "?"), sentinels,
             fields.get("quorum", "?"), fields.get("config-epoch", "?"))
    return tuple(plain(cell) for cell in cells)


def _prober(tunnel: TunnelSettings, address: Address) -> Prober:
    return Prober(tunnel.name, address, node_credentials(tunnel), tunnel.connect_timeout)
