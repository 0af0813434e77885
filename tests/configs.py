"""Short ways to a configuration for tests."""
import typing as t

from st.config import Loaded, Settings, parse
from st.errors import ConfigError

HEAD = "[sentinel-tunnel]\nsentinels = s1\n"  # lines 1 and 2


def settings(text: str, **more: t.Any) -> Settings:
    """Return the settings of INI or JSON text."""
    return loaded(text, **more).settings


def loaded(text: str, **more: t.Any) -> Loaded:
    """Return the configuration of INI or JSON text in a file called `f`."""
    return parse(text, "f", **more)


def problems(text: str, **more: t.Any) -> t.List[str]:
    """Return what is wrong with INI or JSON text in a file called `f`."""
    try:
        loaded(text, **more)
    except ConfigError as error:
        return list(error.problems)
    return []
