"""The way from the command line to the process that runs: where its control socket is, and a client on it."""
import os
import re
import typing as t

import click

from st.cli.options import Chosen, load_settings
from st.config import Settings, parse
from st.config.environment import PREFIX
from st.config.load import find_source
from st.control.client import PATIENCE, Client, NotRunning
from st.errors import ConfigError
from st.host.places import RUN, Places, places


PLACES = ("control", "lock", "history_file")  # settings that are paths of a process


class Running(t.NamedTuple):
    """Where the process is to be found, and what is known of how it is configured."""

    path: str
    settings: Settings
    places: Places
    doubt: str  # why the configuration could not be read, if it could not

    def connect(self, seconds: float = PATIENCE) -> Client:
        """Return a client; raise NotRunning with what else may be the matter."""
        try:
            return Client(self.path, seconds)
        except NotRunning as error:
            hints = [] if "control" in self.places.chosen else [
                "that is the place for this user and this configuration: --control PATH names another"]
            if self.doubt:
                hints.append("the configuration could not be read, so this may be the wrong place: %s" % self.doubt)
            raise NotRunning("; ".join([str(error)] + hints)) from error


def find_running(context: click.Context) -> Running:
    """Return where the process of these options is; a configuration that was broken meanwhile is no obstacle."""
    doubt = ""
    try:
        settings, source = load_settings(context)[:2]
    except ConfigError as error:
        settings, source = without_file(context)
        doubt = "; ".join(error.problems) if source else ""
    found = places(settings, source, os.environ)
    if found.control is None:
        raise ConfigError(["control = off: the process has no control socket: set control, or use signals "
                           "(TERM stops, HUP reloads, USR1 writes the status into the log)"])
    path = found.control
    if "control" not in found.chosen and not os.path.exists(path):
        # A service's, whose directory others than its user may not write.
        of_service = os.path.join(RUN, os.path.basename(path))
        path = of_service if os.path.lexists(of_service) else path
    return Running(path, settings, found, doubt)


def printable(text: str) -> str:
    """Return lines that may be printed, whoever has written them."""
    return re.sub(r"[^\n -~]", lambda match: ascii(match.group())[1:-1], text)


def without_file(context: click.Context) -> t.Tuple[Settings, t.Optional[str]]:
    """Return what options and environment alone say of the places, and the file that cannot be used.

    Raise ConfigError when one of them is no path.
    """
    chosen = context.ensure_object(Chosen)
    named = {name: text for name, text in chosen.settings.items() if name in PLACES}
    environ = {name: text for name, text in os.environ.items() if name in [PREFIX + each.upper() for each in PLACES]}
    settings = parse("", None, dict(named, sentinels="localhost"), environ).settings
    return settings, find_source(chosen.config, os.environ)
