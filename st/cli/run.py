"""The command run: tunnels in the foreground."""
import typing as t

import click

from st import __version__, process
from st.cli.options import check_names, common_options, load_settings, requires_master
from st.cli.sentinels import asker
from st.config import Loaded, with_tunnels
from st.errors import ConfigError
from st.sentinel.survey import masters


@click.command(name="run")
@click.argument("names", nargs=-1, metavar="[NAME[=[HOST:]PORT] ...]", callback=check_names)
@common_options
@click.pass_context
def run(context: click.Context, names: t.Sequence[str]) -> None:
    """Run tunnels in the foreground; the log goes to standard error.

    Without a name and without a tunnel in the configuration, the Sentinels are asked for their names; ports count up
    from --port.
    """
    loaded = load_settings(context, names)
    if loaded.settings.tunnels:
        click.echo("sentinel-tunnel %s" % __version__)
    else:
        loaded = _with_all_masters(loaded)
    process.run(loaded, _say, requires_master(context))


def _with_all_masters(loaded: Loaded) -> Loaded:
    names = sorted(masters(asker(loaded.settings)))
    asked = ", ".join(map(str, loaded.settings.sentinels))
    if not names:
        raise ConfigError(["no tunnel: the sentinels (%s) monitor no master, and the configuration names none" % asked])
    click.echo("sentinel-tunnel %s: asked %s; it knows %d name%s"
               % (__version__, asked, len(names), "" if len(names) == 1 else "s"))
    return loaded._replace(settings=with_tunnels(loaded, names))


def _say(line: str) -> None:
    click.echo(line)
