"""What the connections of one tunnel have in common."""
import ssl
import typing as t

from st.config.values import TunnelSettings
from st.sentinel.masters import Row
from st.tunnel.registry import Registry
from st.tunnel.upstream import Gauges

MakeRelay = t.Callable[..., t.Any]  # called as Relay is, with two sockets; what it returns does as a Relay does


class Legs(t.NamedTuple):
    """How the legs of a connection speak TLS; None: they do not."""

    upstream: t.Optional[ssl.SSLContext] = None  # with `tls = passthrough` only the role check does
    client: t.Optional[ssl.SSLContext] = None


class Tunnel(t.NamedTuple):
    """What the connections of one tunnel share."""

    settings: TunnelSettings
    row: Row
    registry: Registry
    gauges: Gauges
    hint: t.Callable[[str], None]  # tells the watcher that something looks like a switch
    relay: MakeRelay  # for connections without TLS of ours
    legs: Legs = Legs()
