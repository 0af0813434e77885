"""The command init."""
import typing as t

import click

from st.cli.deployment import deployment_options, wants_deployment, write_deployment
from st.cli.options import common_options


@click.command(name="init")
@deployment_options
@common_options
def init(deployment: bool, directory: t.Optional[str], hosts: t.Tuple[str, ...]) -> None:
    """Write the files of a new deployment."""
    if wants_deployment(deployment, directory, hosts):
        write_deployment(hosts, directory)
