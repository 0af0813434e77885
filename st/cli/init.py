"""The command init: a configuration with fixed ports, from what the Sentinels know."""
import os
import time
import typing as t

import click

from st.cli.deployment import deployment_options, wants_deployment, write_deployment
from st.cli.options import Chosen, common_options
from st.cli.sentinels import master_row, with_all_masters
from st.config import Loaded, Settings, parse, to_ini
from st.config.environment import PREFIX
from st.plain import plain
from st.sentinel.answers import Report
from st.sentinel.survey import Asker, asker, everyone, masters, report

HEAD = """\
; Tunnels to the masters that Redis Sentinel monitors, made by `sentinel-tunnel
; init` on %s from what %s knew.
; The ports are fixed here: a name that Sentinel learns later gets a section of
; its own. docs/settings.md and conf/sentinel-tunnel.ini have every setting.
; Next: sentinel-tunnel check -c FILE; sentinel-tunnel run -c FILE; and to keep
; it up: sentinel-tunnel print unit -c FILE, or print cron -c FILE.
"""
LOGINS = ("sentinel_user", "sentinel_password_file", "sentinel_password_env",
          "redis_user", "redis_password_file", "redis_password_env")


@click.command(name="init", short_help="Write a configuration from what a Sentinel knows.")
@deployment_options
@common_options
@click.pass_context
def init(context: click.Context, deployment: bool, directory: t.Optional[str], hosts: t.Tuple[str, ...]) -> None:
    """Ask a Sentinel, and print a configuration: all Sentinels that it names, and a port for each master.

    Ports count up from --port, in the order of the names. Other options are written too; passwords are not, but the
    files that hold them. For example: sentinel-tunnel init -s 10.0.0.11 > sentinel-tunnel.ini

    With --deployment ADDRESS ADDRESS ADDRESS it asks nobody, and writes all files of a new deployment: Redis, Sentinel
    and tunnel, with a new password.
    """
    if wants_deployment(deployment, directory, hosts):
        write_deployment(hosts, directory)
    else:
        _ask_and_print(context)


def _ask_and_print(context: click.Context) -> None:
    chosen = context.ensure_object(Chosen)
    if chosen.config is not None:
        raise click.UsageError("init writes a configuration, and reads none: give it a Sentinel with -s HOST")
    loaded = parse("", None, chosen.settings, os.environ)
    loaded = loaded._replace(settings=loaded.settings._replace(tunnels=(), log_level="info"))
    settings, whom = with_all_masters(loaded), asker(loaded.settings)
    reports = report(whom, [tunnel.master for tunnel in settings.tunnels], peers=True)
    text = configuration(loaded, settings._replace(sentinels=everyone(whom, reports)),
                         _logins(chosen.settings, os.environ), _remarks(whom, reports))
    down = sorted({str(peer.address) for each in reports for peer in each.peers or () if peer.down})
    if down:
        text += "\n; Left out, because another Sentinel says that it is down: %s\n" % plain(", ".join(down))
    parse(text)  # before anybody relies on it: a name may be one that no configuration can hold
    asked = plain(", ".join(map(str, loaded.settings.sentinels)))
    # As bytes: a legacy host may have no locale, and the file is UTF-8 wherever it is read.
    click.echo((HEAD % (time.strftime("%Y-%m-%d"), asked) + "\n" + text).encode("utf-8"), nl=False)


def configuration(loaded: Loaded, settings: Settings, logins: t.Sequence[str], remarks: t.Mapping[str, str]) -> str:
    """Return the file: what all tunnels have in common stands once, a remark before the section of each tunnel."""
    bare = settings._replace(sentinel_user=None, sentinel_password=None, tunnels=tuple(
        tunnel._replace(redis_user=None, redis_password=None) for tunnel in settings.tunnels))
    lines = to_ini(bare, loaded.template._replace(redis_user=None, redis_password=None, name="")).splitlines()
    sections = {"[tunnel:%s]" % tunnel.name: remarks[tunnel.master] for tunnel in settings.tunnels}
    written: t.List[str] = []
    for line in lines:
        written += ["; " + sections[line]] if line in sections else []
        written += [line] + (list(logins) if line.startswith("sentinels = ") else [])
    return "\n".join(written) + "\n"


def _remarks(whom: Asker, reports: t.Sequence[Report]) -> t.Dict[str, str]:
    """Return what is known of each master, in words, by its name."""
    rows = {name: master_row(whom, reports, name, fields) for name, fields in masters(whom).items()}
    return {name: "its master is %s now, with %s replica%s" % (row[1], row[3], "" if row[3] == "1" else "s")
            for name, row in rows.items()}


def _logins(options: t.Mapping[str, str], environ: t.Mapping[str, str]) -> t.List[str]:
    """Return the lines for users and passwords, which are never written themselves."""
    given = {name: options.get(name) or environ.get(PREFIX + name.upper()) for name in LOGINS}
    lines = ["%s = %s" % (name, os.path.abspath(text) if name.endswith("_file") else text)
             for name, text in given.items() if text]
    for name in ("sentinel_password", "redis_password"):
        if environ.get(PREFIX + name.upper()):
            lines.append("; %s: not written; the environment had it, in %s" % (name, PREFIX + name.upper()))
    return lines
