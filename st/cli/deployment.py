"""init --deployment: writes the files of a new deployment, each readable by its owner alone."""
import os
import secrets
import typing as t

import click

from st.plain import plain
from st.printed.deployment import APPLICATION, NAME, DeploymentError, Files, deployment_files

DIRECTORY = "redis-deployment"

Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])

_STEPS = """\
wrote %(count)d files with a new password in them below %(directory)s
1. On each server, redis-server and redis-sentinel installed and stopped, there:
     install -d -o redis -g redis -m 0750 /etc/redis
     install -o redis -g redis -m 0640 redis.conf sentinel.conf /etc/redis/
     install -m 0644 redis-server.service redis-sentinel.service \\
             /etc/systemd/system/
     systemctl daemon-reload
     systemctl enable --now redis-server redis-sentinel
2. On each host with an application, in %(application)s:
     install -m 0644 sentinel-tunnel.ini /etc/
     install -m 0600 sentinel-tunnel.pass /etc/      # -o USER: who runs it
     sentinel-tunnel run
3. Before anybody depends on it, there too: what is wrong, and a real failover:
     sentinel-tunnel doctor
     sentinel-tunnel drill %(name)s --yes\
"""


def deployment_options(function: Function) -> Function:
    """Add to init what it takes to write a deployment: --deployment HOST HOST HOST, --directory."""
    for option in (
            click.argument("hosts", metavar="[ADDRESS ...]", nargs=-1),
            click.option("--directory", metavar="DIR", help="--deployment: where to  [%s]" % DIRECTORY),
            click.option("--deployment", is_flag=True,
                         help="write the files of a new Redis with Sentinels, for the servers with these addresses")):
        function = option(function)
    return function


def wants_deployment(deployment: bool, directory: t.Optional[str], hosts: t.Sequence[str]) -> bool:
    """Tell whether a deployment is to be written; raise UsageError when its words stand there without it."""
    if (hosts or directory is not None) and not deployment:
        raise click.UsageError("addresses and --directory belong to --deployment, which is not there")
    return deployment


def write_deployment(hosts: t.Sequence[str], directory: t.Optional[str]) -> None:
    """Write the files for these servers below `directory`, and tell what to do with them; raise DeploymentError."""
    top = DIRECTORY if directory is None else directory
    files = deployment_files(hosts, secrets.token_hex(32))
    try:
        _write(top, files)
    except OSError as error:
        raise DeploymentError("%s: %s" % (error.filename or top, error.strerror)) from error
    click.echo(_STEPS % {"count": len(files), "directory": plain(top), "application": APPLICATION, "name": NAME})


def _write(top: str, files: Files) -> None:
    paths = {os.path.join(top, *path.split("/")): text for path, text in files.items()}
    there = sorted(path for path in paths if os.path.lexists(path))
    if there:
        raise DeploymentError("%s is there already: nothing was written: remove it, or name another place with"
                              " --directory" % there[0])
    for path, text in paths.items():
        for directory in (top, os.path.dirname(path)):
            os.makedirs(directory, mode=0o700, exist_ok=True)
        # Never readable by others, not for a moment; and not over a file that came meanwhile.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
