"""Files that are made from others: `python -m tests.made_files` makes them again, tests/test_in_step.py compares."""
import functools
import pathlib
import typing as t

import click

from st.cli.main import program
from st.config.environment import PREFIX
from st.config.table import PROCESS, SETTINGS, TUNNEL
from st.printed.crontab import crontab
from st.printed.deployment import deployment_files
from st.printed.rotation import rotation
from st.printed.unit import Service, unit
from tests.made_doctor import doctor_page

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMAND = "/usr/local/bin/sentinel-tunnel"
CONFIG = "/etc/sentinel-tunnel.ini"
GUIDE = ("192.168.1.10", "192.168.1.11", "192.168.1.12")
ANY_SYSTEMD = 9999  # older ones log a line that they do not know, and go on

HEAD = """\
# Settings

Made from the table in the code by `python -m tests.made_files`; edit `st/config/table.py`.
A setting stands in the file (INI, or JSON), in the environment, or on the command
line, which wins. `conf/sentinel-tunnel.ini` shows each in its place, with more words.
Times: a bare number is seconds; `500ms`, `2s`, `5m`, `1h` work.
"""
TITLES = {
    PROCESS: "## Of the process\n\nIn the section `[sentinel-tunnel]`.\n",
    TUNNEL: "## Of a tunnel\n\nIn its section `[tunnel:NAME]`, or in `[sentinel-tunnel]`: then for every tunnel.\n",
}
COLUMNS = "| setting | default | what | environment | option |\n|---|---|---|---|---|\n"


def settings_page() -> str:
    """Return docs/settings.md."""
    return "\n".join([HEAD] + [TITLES[scope] + "\n" + COLUMNS + "".join(_rows(scope)) for scope in (PROCESS, TUNNEL)])


def _rows(scope: str) -> t.List[str]:
    options = options_of("run")
    rows = []
    for name, row in SETTINGS.items():
        if row.scope == scope:
            option = options.get(option_name(name), "")
            cells = (_code(name), _code(row.default or ""), row.help.replace("|", "\\|"),
                     _code(PREFIX + name.upper()), _code(option))
            rows.append("| %s |\n" % " | ".join(cells))
    return rows


def option_name(setting: str) -> str:
    """Return the long option of a setting, which it may have."""
    return "--" + {"sentinels": "sentinel"}.get(setting, setting).replace("_", "-")


def options_of(command: str) -> t.Dict[str, str]:
    """Return the options of a command: from the long one to all of its forms, as `-s/--sentinel`."""
    found = [each for each in program.commands[command].params if isinstance(each, click.Option)]
    return {option.opts[-1]: "/".join(option.opts) for option in found}


def _code(text: str) -> str:
    return "`%s`" % text if text else ""


def _unit() -> str:
    return unit(Service(command=(COMMAND,), config=CONFIG, user="sentinel-tunnel", has_user=False, systemd=ANY_SYSTEMD,
                        drain=3.0, control=True, log_file=None, reads=(), writes=()))


def _deployment() -> t.Dict[str, t.Callable[[], str]]:
    """Return what makes the files of conf/redis: of the master, of one replica, and of a host with an application."""
    files = deployment_files(GUIDE, "PUT-A-LONG-PASSWORD-HERE")
    chosen = {"conf/redis/" + path.split("/")[1]: path for path in files if path.startswith(GUIDE[0])}
    chosen["conf/redis/replica.conf"] = GUIDE[1] + "/redis.conf"
    chosen.update({"conf/redis/" + name: "application/" + name for name in ("sentinel-tunnel.ini", "crontab")})
    return {name: functools.partial(files.__getitem__, path) for name, path in chosen.items()}


MADE = {
    "docs/settings.md": settings_page,
    "docs/doctor.md": doctor_page,
    "conf/sentinel-tunnel.service": _unit,
    "conf/crontab": lambda: crontab((COMMAND,), CONFIG),
    "conf/logrotate": lambda: rotation("/var/log/sentinel-tunnel.log", None),
    "st/printed/prometheus-alerts.yml": lambda: (ROOT / "conf" / "prometheus-alerts.yml").read_text("utf-8"),
    "st/printed/grafana-dashboard.json": lambda: (ROOT / "conf" / "grafana-dashboard.json").read_text("utf-8"),
}  # type: t.Dict[str, t.Callable[[], str]]
MADE.update(_deployment())


def main() -> None:
    """Write every file anew."""
    for name, make in MADE.items():
        (ROOT / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
