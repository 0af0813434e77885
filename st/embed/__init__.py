"""Tunnels inside of another program: no signals, no log of its own, no process."""
from st.embed.one import SentinelTunnel
from st.embed.resolve import resolve_master
from st.embed.tunnels import Tunnels
from st.embed.view import Tunnel

__all__ = ("SentinelTunnel", "Tunnel", "Tunnels", "resolve_master")
