"""Switches for tests."""
import typing as t

from st.address import Address
from st.switch import Switch

_SWITCH = Switch("sessions", "mymaster", Address("10.0.0.21", 6379), Address("10.0.0.22", 6380), 7, 1763774000.12,
                 7.2, 41, 0.012, "event", "2/3")


def switch(**changes: t.Any) -> Switch:
    """Return a switch of the tunnel `sessions`, with changes."""
    return _SWITCH._replace(**changes)
