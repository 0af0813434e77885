"""The command doctor: a look at the live deployment."""
import os
import time
import typing as t

import click

from st.cli.options import common_options, load_settings
from st.cli.program import explain
from st.cli.sentinels import node_credentials
from st.config import Loaded
from st.doctor.examine import examine
from st.doctor.host import look_at_host
from st.doctor.look import WITHIN_OF_PLUGIN, Plan, look
from st.doctor.report import UNKNOWN, as_json, as_nagios, as_text, nagios_line
from st.errors import SentinelTunnelError
from st.sentinel.answers import Credentials
from st.sentinel.survey import asker


@click.command(name="doctor", short_help="What is wrong with the live deployment, and the fix.")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--json", "as_program", is_flag=True, help="one line of JSON")
@click.option("--nagios", is_flag=True, help="one line, and the exit codes of a Nagios plugin")
@click.option("--strict", is_flag=True, help="warnings too make the exit code 1")
@click.option("--write-test", is_flag=True, help="let each Sentinel write its sentinel.conf (SENTINEL FLUSHCONFIG)")
@common_options
@click.pass_context
def doctor(context: click.Context, name: t.Optional[str], as_program: bool, nagios: bool, strict: bool,
           write_test: bool) -> None:
    """Look at the Sentinels, at Redis and at this host, and tell what is wrong.

    Each finding says what was seen, what it means and how it is mended. Nothing is changed. What may be
    of the moment is looked at again 12 s later (with --nagios, which ends within 10 s, after 6). The exit
    code is 1 when there is a problem.
    """
    if nagios and (as_program or strict):
        raise click.UsageError("--nagios has a line and exit codes of its own: leave --json and --strict out")
    try:
        loaded = load_settings(context)
        plan = _plan(loaded, name, write_test)
        plan = plan._replace(within=WITHIN_OF_PLUGIN) if nagios else plan
        seen = look(plan, look_at_host(loaded, os.environ), time.sleep if nagios or as_program else _wait)
    except SentinelTunnelError as error:
        if not nagios:
            raise
        click.echo(nagios_line(UNKNOWN, explain(error).text))
        context.exit(UNKNOWN)
    examined = examine(seen)
    if nagios:
        code, line = as_nagios(examined, seen)
        click.echo(line)
        context.exit(code)
    click.echo(as_json(examined, seen, strict) + "\n" if as_program else as_text(examined, seen, strict), nl=False)
    context.exit(examined.exit_code(strict))


def _plan(loaded: Loaded, name: t.Optional[str], write_test: bool) -> Plan:
    settings, whom = loaded.settings, asker(loaded.settings)
    tunnels = {tunnel.master: tunnel for tunnel in reversed(settings.tunnels)}
    meant = next((tunnel.master for tunnel in settings.tunnels if tunnel.name == name), name)
    names = (meant,) if meant is not None else tuple(sorted(tunnels))

    def of_nodes(master: str) -> Credentials:
        return node_credentials(tunnels.get(master, loaded.template))

    return Plan(settings.sentinels, names, whom.credentials, of_nodes, whom.translate, settings.discover, write_test)


def _wait(seconds: float) -> None:
    click.echo("something may be of the moment only: looking again in %g s" % seconds, err=True)
    time.sleep(seconds)
