"""A change of a tunnel's master, as history, callbacks and hooks get it."""
import typing as t

from st.address import Address


class Switch(t.NamedTuple):
    """The tunnel's target changed: another address, or the same address with a higher config-epoch."""

    tunnel: str
    master_name: str
    old: Address
    new: Address
    epoch: t.Optional[int]  # None: the Sentinels do not tell
    at: float  # Unix time at which the new master was adopted
    gap: float  # seconds from "the old master was last known good" to "the new one is verified"
    closed: int  # connections that were carrying bytes to the old one
    took: float  # seconds to close them
    heard: str  # what made us ask: event, hint or poll
    sentinels: str  # how many of them agreed, such as 2/3
