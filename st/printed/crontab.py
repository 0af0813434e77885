"""Lines for a crontab."""
import shlex
import typing as t

_TEMPLATE = """\
# crontab lines of sentinel-tunnel, made by `sentinel-tunnel print cron`.
# To add them to your crontab: (crontab -l; sentinel-tunnel print cron) | crontab -
# `ensure` is silent while the process runs, and starts it when it does not.
# What it prints is mailed by cron: a new error at once, the same at most hourly.
@reboot   %(ensure)s
* * * * * %(ensure)s
"""


def crontab(command: t.Sequence[str], config: str) -> str:
    """Return the lines that keep a process with this configuration up; both are absolute paths."""
    ensure = " ".join(shlex.quote(word) for word in (*command, "ensure", "-c", config))
    return _TEMPLATE % {"ensure": ensure.replace("%", "\\%")}  # cron ends the command at a bare one
