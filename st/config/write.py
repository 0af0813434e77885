"""Writes a configuration as INI."""
import typing as t

from st.config.ini import MAIN, TUNNEL_PREFIX, plain_value
from st.config.kinds import show
from st.config.table import SETTINGS, default
from st.config.values import Settings, TunnelSettings
from st.errors import ConfigError
from st.secret import Secret


def to_ini(settings: Settings, common: t.Optional[TunnelSettings] = None) -> str:
    """Return INI text that loads back to these settings, with literal passwords; defaults are left out.

    What differs from them in `common` is written once, for all tunnels. Raise ConfigError for a text that INI cannot
    hold (white space before `;` or `#`, or at its ends).
    """
    shared = _written(common._replace(port=None)._asdict(), default) if common else {}
    shared.pop("master", None)  # like the port, each has its own

    def usual(name: str) -> t.Any:
        return shared.get(name, default(name))

    blocks = [_block(MAIN, dict(_written(settings._asdict(), default), **shared))]
    for tunnel in settings.tunnels:
        fields = dict(tunnel._asdict(), master=None if tunnel.master == tunnel.name else tunnel.master)
        blocks.append(_block(TUNNEL_PREFIX + _checked("name", tunnel.name), _written(fields, usual)))
    return "\n".join(blocks)


def _written(fields: t.Mapping[str, t.Any], usual: t.Callable[[str], t.Any]) -> t.Dict[str, t.Any]:
    return {name: value for name, value in fields.items() if name in SETTINGS and value != usual(name)}


def _block(title: str, fields: t.Mapping[str, t.Any]) -> str:
    lines = ["%s = %s" % (name, _checked(name, value)) for name, value in fields.items()]
    return "\n".join(["[%s]" % title] + lines) + "\n"


def _checked(name: str, value: t.Any) -> str:
    secret = isinstance(value, Secret)
    text = value.reveal() if secret else show(value)
    if plain_value(text, secret) != text or "\n" in text or "\r" in text or not text:
        shown = name if secret else "%s %r" % (name, text)
        raise ConfigError(["%s cannot be written as INI: it would not read back the same" % shown])
    return text
