"""One tunnel of an embedding program, as that sees it."""
import typing as t

from st.address import Address
from st.errors import NotListeningError

if t.TYPE_CHECKING:
    from st.embed.tunnels import Tunnels

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where a client of this host finds one that listens everywhere


class Tunnel:
    """Where one tunnel listens, and how it is. It holds nothing of its own: keep it as long as you like."""

    def __init__(self, tunnels: "Tunnels", name: str) -> None:
        self._tunnels = tunnels
        self.name = name

    def __repr__(self) -> str:
        return "<%s %r>" % (type(self).__name__, self.name)

    @property
    def host(self) -> str:
        """The address for clients of this host; raises NotListeningError."""
        return self._address().host

    @property
    def port(self) -> int:
        """The port that it listens on, also when any free one was asked for; raises NotListeningError."""
        return self._address().port

    @property
    def path(self) -> t.Optional[str]:
        """The unix socket that it listens on, if there is one; raises NotListeningError."""
        return next((place for place in self._tunnels.places_of(self.name) if isinstance(place, str)), None)

    @property
    def url(self) -> str:
        """What clients take: redis://HOST:PORT, rediss:// where they speak TLS, unix://PATH; raises NotListeningError.
        """
        if not any(isinstance(place, Address) for place in self._tunnels.places_of(self.name)):
            return "unix://%s" % self.path
        scheme = "rediss" if self._tunnels.settings_of(self.name).listen_tls_cert else "redis"
        return "%s://%s" % (scheme, self._address())

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until it has a master; raise NoMasterError with the reason when that is not so in time."""
        self._tunnels.wait_each_ready(timeout, [self.name])

    def status(self) -> t.Dict[str, t.Any]:
        """Return how it is, as one of the `tunnels` of a status; raises NotListeningError."""
        for entry in self._tunnels.status()["tunnels"]:
            if entry["name"] == self.name:
                return t.cast(t.Dict[str, t.Any], entry)
        raise NotListeningError("tunnel %r does not run: call start() first" % self.name)

    def _address(self) -> Address:
        places = self._tunnels.places_of(self.name)
        for place in places:
            if isinstance(place, Address):
                return place._replace(host=_LOOPBACK.get(place.host, place.host))
        raise NotListeningError("tunnel %r has no port, it listens on %s: use path or url"
                                % (self.name, ", ".join(map(str, places))))
