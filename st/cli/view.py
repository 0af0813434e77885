"""The commands that look at the running process: clients and history; status has a module of its own."""
import json
import os
import time
import typing as t

import click

from st.cli.options import common_options
from st.cli.running import Running, find_running, printable
from st.control.client import Client, NotRunning
from st.errors import LocalError
from st.ops import clients as connections
from st.ops import history as switches
from st.ops.peers import peers_of, shares_network


@click.command(name="clients")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--kill", metavar="ID", type=click.IntRange(min=0), help="end this connection")
@common_options
@click.pass_context
def clients(context: click.Context, name: t.Optional[str], kill: t.Optional[int]) -> None:
    """List the open connections of all tunnels, or of one.

    Program, user and pid of clients on this host are told as far as they may be known; root sees all. "held" are
    those that wait for a master.
    """
    if name is not None and kill is not None:
        raise click.UsageError("--kill takes the ID alone, without the name of a tunnel")
    with find_running(context).connect() as client:
        if kill is not None:
            client.ask("KILL", str(kill))
            click.echo("ended connection %d" % kill)
            return
        known = connections.from_json(client.ask("CLIENTS", "JSON", *([] if name is None else [name])))
        click.echo(connections.as_text(_completed(client, known), time.time()), nl=False)


@click.command(name="history", short_help="The switches, with their gaps, kept over restarts.")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--json", "as_json", is_flag=True, help="as a JSON list")
@common_options
@click.pass_context
def history(context: click.Context, name: t.Optional[str], as_json: bool) -> None:
    """List the switches of all tunnels, or of one, with the gaps that were measured; the newest last.

    They are kept over restarts; when the process does not run, they are read from its file.
    """
    running = find_running(context)
    words = ["JSON"] * as_json + ([] if name is None else [name])
    try:
        with running.connect() as client:
            text = client.ask("HISTORY", *words)
    except NotRunning:
        text = _from_file(running, name, as_json)
    click.echo(printable(text), nl=not text.endswith("\n"))


def _completed(client: Client, known: t.List[connections.KnownClient]) -> t.List[connections.KnownClient]:
    """Look for ourselves when the process could not see whose all connections are, and we are root."""
    unknown = [each.status for each in known if each.owner and each.owner.pid is None]
    if not unknown or os.geteuid() != 0 or not shares_network(client.pid):
        return known
    listening = {tunnel["name"]: tunnel["listen"] for tunnel in json.loads(client.ask("STATUS", "JSON"))["tunnels"]}
    found = peers_of(unknown, listening)
    return [each._replace(owner=found.get(each.status.id, each.owner)) for each in known]


def _from_file(running: Running, name: t.Optional[str], as_json: bool) -> str:
    path = running.places.history
    try:
        kept = switches.read_file(path) if path else []
    except OSError as error:
        raise LocalError("history %s: %s" % (path, error.strerror), error.errno) from error
    found = [switch for switch in kept if name in (None, switch.tunnel)]
    return switches.as_json(found) if as_json else switches.as_text(found, time.time())
