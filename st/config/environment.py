"""Reads the variables SENTINEL_TUNNEL_<NAME> of the environment."""
import os
import typing as t

from st.config.findings import Findings, did_you_mean
from st.config.sheet import Given, Layer, is_secret
from st.config.table import SETTINGS

PREFIX = "SENTINEL_TUNNEL_"
CONFIG = PREFIX + "CONFIG"
TUNNELS = PREFIX + "TUNNELS"
REQUIRE_MASTER = PREFIX + "REQUIRE_MASTER"
_VARIABLES = {PREFIX + name.upper(): name for name in SETTINGS}
# What the command of on_failover is told; it may well call this program.
TOLD = tuple(PREFIX + name for name in ("TUNNEL", "MASTER_NAME", "OLD", "OLD_HOST", "OLD_PORT", "NEW", "NEW_HOST",
                                        "NEW_PORT", "EPOCH", "GAP", "AT"))
_OTHERS = (CONFIG, TUNNELS, REQUIRE_MASTER)
_NEAR_MISS = 0.8  # other programs may use the prefix, so only a close likeness is worth a word


def as_utf8(text: str) -> str:
    """Return text of the process's surroundings as UTF-8, which is what it is even where cron sets no locale."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


def read_environment(environ: t.Mapping[str, str], findings: Findings) -> Layer:
    """Return the settings in `environ`; an empty variable counts as unset."""
    layer = {}
    for variable, text in environ.items():
        key = _VARIABLES.get(variable)
        if key is None:
            _warn_of_near_miss(variable, findings)
        elif key == "port" and "://" in text:
            # Kubernetes sets SENTINEL_TUNNEL_PORT=tcp://... in every pod beside a service of our name.
            findings.warning("environment " + variable, "%r is ignored: it describes a service, not a port" % text)
        elif text.strip():
            text = as_utf8(text)
            layer[key] = Given(text if is_secret(key) else text.strip(), "environment " + variable)
    return layer


def read_tunnels(environ: t.Mapping[str, str]) -> t.List[str]:
    """Return the words of SENTINEL_TUNNEL_TUNNELS, which stand between commas."""
    return [word.strip() for word in as_utf8(environ.get(TUNNELS, "")).split(",") if word.strip()]


def _warn_of_near_miss(variable: str, findings: Findings) -> None:
    if variable.startswith(PREFIX) and variable not in _OTHERS + TOLD:
        known = (*_VARIABLES, *_OTHERS)
        near = did_you_mean(variable[len(PREFIX):].upper(), [name[len(PREFIX):] for name in known], _NEAR_MISS)
        if near:
            findings.warning("environment", "%s is ignored%s" % (variable, near.replace("'", "'" + PREFIX, 1)))
