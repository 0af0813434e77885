"""The configuration: what was written, in INI, JSON, the environment and options, as immutable values."""
from st.config.load import DEFAULT_FILES, load, parse, with_tunnels
from st.config.values import Loaded, Settings, TunnelSettings
from st.config.write import to_ini

__all__ = ("DEFAULT_FILES", "Loaded", "Settings", "TunnelSettings", "load", "parse", "to_ini", "with_tunnels")
