"""What somebody wrote, before any of it is understood: texts and where they stand."""
import typing as t

from st.config.findings import did_you_mean
from st.config.table import PROCESS, SETTINGS


class Given(t.NamedTuple):
    """One text and where it stands: `file:line`, an option, a variable of the environment."""

    text: str
    where: str


Layer = t.Dict[str, Given]  # by the name of the setting


class Sheet(t.NamedTuple):
    """All that one file says: of the process, and of each tunnel in the order of the file."""

    process: Layer
    tunnels: t.Dict[str, Layer]
    places: t.Dict[str, str]  # where each tunnel begins
    original: bool  # the JSON form of the tool that this one replaces
    any_port: t.FrozenSet[str] = frozenset()  # tunnels that take any free port: of a program that can ask which


def wrong_key(key: str, in_tunnel: bool) -> t.Optional[str]:
    """Return why `key` cannot stand there, or None when it can."""
    if key not in SETTINGS:
        return "unknown setting %s%s" % (repr(key), did_you_mean(key, SETTINGS))
    if in_tunnel and SETTINGS[key].scope == PROCESS:
        return "%s is not a setting of a tunnel but of the process: move it there" % key
    return None


def is_secret(key: str) -> bool:
    """Tell whether the text of `key` is a password."""
    return key in SETTINGS and SETTINGS[key].secret
