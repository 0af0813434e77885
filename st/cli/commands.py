"""The commands that only read a configuration: check and convert."""
import os
import typing as t

import click

from st.cli.options import Chosen, common_options, is_quiet, load_settings
from st.config import load, to_ini
from st.config.environment import PREFIX
from st.ops.hook import missing_program


@click.command(name="check")
@common_options
@click.pass_context
def check(context: click.Context) -> None:
    """Check the configuration, without any network."""
    loaded = load_settings(context)
    if is_quiet(context):
        return
    for warning in (*loaded.warnings, missing_program(loaded.settings.on_failover)):
        if warning:
            click.echo("warning: %s" % warning, err=True)
    for note in loaded.notes:
        click.echo("note: %s" % note, err=True)
    tunnels, sentinels = loaded.settings.tunnels, loaded.settings.sentinels
    click.echo("ok: %s, %s" % (_count(tunnels, "tunnel"), _count(sentinels, "sentinel")))


@click.command(name="convert")
@click.argument("path", metavar="OLD.json")
@common_options
@click.pass_context
def convert(context: click.Context, path: str) -> None:
    """Print a configuration of the original tool as INI."""
    # What the environment says belongs to this host, not into the new file.
    environ = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    loaded = load(path, context.ensure_object(Chosen).settings, environ, ())
    for line in loaded.warnings + loaded.notes:
        click.echo("# %s" % line)
    # As bytes: a legacy host may have no locale, and the file is UTF-8 wherever it is read.
    click.echo(to_ini(loaded.settings).encode("utf-8", "surrogateescape"), nl=False)


def _count(things: t.Sized, noun: str) -> str:
    return "%d %s%s" % (len(things), noun, "" if len(things) == 1 else "s")
