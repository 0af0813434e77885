"""Layers of settings, the strongest first: from texts to values, and which value counts."""
import typing as t

from st.config.environment import as_utf8
from st.config.files import read_file, reason
from st.config.findings import Findings
from st.config.sheet import Given, Layer
from st.config.table import SECRETS, SETTINGS, default
from st.secret import Secret


class Value(t.NamedTuple):
    """The value of a setting and where it stands; None when its text was wrong, which is told already."""

    value: t.Any
    where: str


Values = t.Dict[str, Value]


def check_layer(layer: Layer, findings: Findings) -> Values:
    """Return the values of one layer; what is wrong in it goes to `findings`, also where a stronger one hides it."""
    for name in SECRETS:
        ways = _ways(name, layer)
        if len(ways) > 1:
            findings.problem(layer[ways[1]].where, "%s are given together: keep one" % " and ".join(ways))
    return {name: _check(name, given, findings) for name, given in layer.items()}


def _check(name: str, given: Given, findings: Findings) -> Value:
    try:
        return Value(SETTINGS[name].kind(given.text), given.where)
    except ValueError as error:
        findings.problem(given.where, "%s: %s" % (name, error))
        return Value(None, given.where)


def pick(name: str, layers: t.Sequence[Values]) -> t.Optional[Value]:
    """Return the strongest value of a setting, or None when no layer has one."""
    return next((layer[name] for layer in layers if name in layer), None)


def pick_all(names: t.Iterable[str], layers: t.Sequence[Values]) -> t.Dict[str, t.Any]:
    """Return the values themselves of plain settings, with the default where no layer has one."""
    picked = {name: pick(name, layers) for name in names}
    return {name: default(name) if value is None else value.value for name, value in picked.items()}


def pick_secret(
    name: str, layers: t.Sequence[Values], environ: t.Mapping[str, str], findings: Findings
) -> t.Optional[Secret]:
    """Return the password of the strongest layer that gives it, as a text, a file or a variable."""
    for layer in layers:
        for way in _ways(name, layer):
            value, where = layer[way]
            if not value:  # left empty: explicitly no password
                return None
            if way.endswith("_file"):
                return _from_file(value, "%s: %s" % (where, way), findings)
            if way.endswith("_env"):
                return _from_environment(value, environ, "%s: %s" % (where, way), findings)
            return Secret(value)
    return None


def _ways(name: str, layer: t.Mapping[str, t.Any]) -> t.List[str]:
    return [way for way in (name, name + "_file", name + "_env") if way in layer]


def _from_file(path: str, where: str, findings: Findings) -> Secret:
    try:
        text, exposed = read_file(path)
    except (OSError, ValueError) as error:
        findings.problem(where, "%s cannot be read: %s" % (path, reason(error)), error)
        return Secret("")
    line = text.split("\n")[0]
    password = line[:-1] if line.endswith("\r") else line
    if not password:
        findings.problem(where, "the first line of %s is empty: the password belongs there" % path)
    if exposed:
        findings.warning(where, "%s can be read by other users: chmod 600 it" % path)
    return Secret(password)


def _from_environment(variable: str, environ: t.Mapping[str, str], where: str, findings: Findings) -> Secret:
    password = environ.get(variable)
    if not password:
        findings.problem(where, "the environment variable %s is not set, or empty" % variable)
        return Secret("")
    return Secret(as_utf8(password))
