"""Sentinel Tunnel: any Redis client can use a Redis managed by Sentinel, without a change in its code."""

__version__ = "0.1.0"  # before the imports: what they import wants to know it

from st.address import Address
from st.embed import SentinelTunnel, Tunnel, Tunnels, resolve_master
from st.errors import (
    ConfigError, ListenError, LocalError, NoMasterError, NoSentinelError, NotListeningError, SentinelTunnelError,
    UnknownMasterError, UnknownTunnelError,
)
from st.switch import Switch

__all__ = (
    "Address", "ConfigError", "ListenError", "LocalError", "NoMasterError", "NoSentinelError", "NotListeningError",
    "SentinelTunnel", "SentinelTunnelError", "Switch", "Tunnel", "Tunnels", "UnknownMasterError", "UnknownTunnelError",
    "resolve_master",
)
