"""The settings of tunnels inside of another program: from a file or from Python values, by the one table."""
import logging
import os
import typing as t

from st.config.load import build_values, load_alone
from st.config.table import SECRETS, default
from st.config.values import Loaded, Settings
from st.errors import ConfigError
from st.secret import AskedSecret, Secret

logger = logging.getLogger(__name__)

Values = t.Mapping[str, t.Any]  # by the names of the settings
Source = t.Union[str, "os.PathLike[str]", t.Mapping[str, t.Any]]

# A program has its own ways for these: in a file, which may be that of the service too, they are passed over.
OF_A_PROCESS = {
    "workers": "tunnels inside of it begin no other", "http": "ask status()", "control": "call its methods",
    "lock": "the program sees to that itself", "pid_file": "the program sees to that itself",
    "history_file": "use on_switch", "on_failover": "use on_switch", "syslog": "configure logging",
    "log_file": "configure logging", "log_format": "configure logging", "log_level": "configure logging",
}


def from_source(source: Source) -> Settings:
    """Return the settings in a file, or in values with `tunnels` among them; raise ConfigError."""
    return from_values(source) if isinstance(source, t.Mapping) else from_file(source)


def from_file(path: t.Union[str, "os.PathLike[str]"]) -> Settings:
    """Return the settings in the file, whatever the environment says; raise ConfigError."""
    loaded = load_alone(os.fspath(path), os.environ)
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    if not loaded.settings.tunnels:
        raise ConfigError(["%s: no tunnel: add a section [tunnel:NAME] with its port" % (loaded.source,)])
    return loaded.settings._replace(**{name: default(name) for name in OF_A_PROCESS})


def from_values(values: Values) -> Settings:
    """Return the settings in values, whose `tunnels` are names, or settings by name; raise ConfigError."""
    process = dict(values)
    tunnels = process.pop("tunnels", None)
    if isinstance(tunnels, (list, tuple)) and all(isinstance(name, str) for name in tunnels):
        tunnels = {name: {} for name in tunnels}
    if not isinstance(tunnels, t.Mapping) or not tunnels:
        raise ConfigError(['no tunnel: give tunnels = {NAME: {"port": 6379}}, or a list of names for any free ports'])
    return build(process, tunnels)


def build(process: Values, tunnels: t.Mapping[str, Values]) -> Settings:
    """Return the settings in values; passwords may be functions. Raise ConfigError."""
    wrong = ["settings: %s: this is no process of its own: %s" % (name, OF_A_PROCESS[name])
             for name in process if name in OF_A_PROCESS]
    if wrong:
        raise ConfigError(wrong)
    functions: t.Dict[Secret, Secret] = {}
    texts = {name: _without_functions(each, functions) if isinstance(each, t.Mapping) else each
             for name, each in tunnels.items()}
    loaded = build_values(_without_functions(process, functions), texts, os.environ)
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    return _with_functions(loaded, functions)


def _without_functions(values: Values, functions: t.Dict[Secret, Secret]) -> t.Dict[str, t.Any]:
    """Return the values with a unique text in the place of each function that tells a password."""
    changed = dict(values)
    for name in SECRETS:
        if callable(changed.get(name)):
            mark = os.urandom(16).hex()
            functions[Secret(mark)] = AskedSecret(name, changed[name])
            changed[name] = mark
    return changed


def _with_functions(loaded: Loaded, functions: t.Mapping[Secret, Secret]) -> Settings:
    def real(secret: t.Optional[Secret]) -> t.Optional[Secret]:
        return None if secret is None else functions.get(secret, secret)

    settings = loaded.settings
    tunnels = [tunnel._replace(redis_password=real(tunnel.redis_password)) for tunnel in settings.tunnels]
    return settings._replace(sentinel_password=real(settings.sentinel_password), tunnels=tuple(tunnels))
