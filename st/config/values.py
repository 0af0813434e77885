"""What a configuration is once it has been read: immutable values."""
import typing as t

from st.address import Address, Place, is_path
from st.config.kinds import Command, Network
from st.nat import NatMap
from st.secret import Secret
from st.tls import Terms


class TunnelSettings(t.NamedTuple):
    """The settings of one tunnel; times are seconds."""

    name: str
    master: str
    role: str  # master or replica
    replica_fallback: str  # master or refuse
    listen: t.Tuple[str, ...]  # hosts, and paths of unix sockets
    port: t.Optional[int]  # for all the hosts; None: there are none
    socket_mode: str  # octal
    allow: t.Tuple[Network, ...]  # empty: everybody
    hold: float
    connect_timeout: float
    max_connections: t.Optional[int]  # None: from the file limit
    max_connections_per_client: int  # 0: off
    keepalive: float  # 0: off
    user_timeout: float  # 0: off
    role_check: str  # yes, strict or no
    tls: str  # no, yes or passthrough
    tls_ca: t.Optional[str]
    tls_cert: t.Optional[str]
    tls_key: t.Optional[str]
    tls_verify: str  # yes, ca or no
    listen_tls_cert: t.Optional[str]
    listen_tls_key: t.Optional[str]
    redis_user: t.Optional[str]
    redis_password: t.Optional[Secret]
    login: bool

    @property
    def places(self) -> t.Tuple[Place, ...]:
        """Where it listens."""
        return tuple(place if is_path(place) else Address(place, self.port or 0) for place in self.listen)

    @property
    def tls_terms(self) -> t.Optional[Terms]:
        """What we demand of Redis's certificate, and show; None: no TLS of ours."""
        return None if self.tls == "no" else Terms(self.tls_ca, self.tls_cert, self.tls_key, self.tls_verify)


class Settings(t.NamedTuple):
    """The settings of the process and its tunnels; times are seconds."""

    sentinels: t.Tuple[Address, ...]
    sentinel_user: t.Optional[str]
    sentinel_password: t.Optional[Secret]
    sentinel_tls: bool
    sentinel_tls_ca: t.Optional[str]
    sentinel_tls_cert: t.Optional[str]
    sentinel_tls_key: t.Optional[str]
    sentinel_tls_verify: str  # yes, ca or no
    sentinel_timeout: float
    poll: float
    events: bool
    discover: bool
    min_sentinels: int  # 0: off
    sentinel_outage: str  # serve or refuse
    nat_map: NatMap
    workers: int
    drain: float
    http: t.Optional[Address]  # None: off
    control: str  # "auto", "off" or a path
    lock: str  # the same
    pid_file: t.Optional[str]
    history_file: str  # "auto", "off" or a path
    on_failover: t.Optional[Command]
    syslog: bool
    log_file: t.Optional[str]
    log_format: str  # text or json
    log_level: str  # debug, info, warning or error
    certificates: str  # changes with the content of the files of TLS
    tunnels: t.Tuple[TunnelSettings, ...]

    @property
    def sentinel_tls_terms(self) -> t.Optional[Terms]:
        """What we demand of the Sentinels' certificates, and show; None: no TLS."""
        files = (self.sentinel_tls_ca, self.sentinel_tls_cert, self.sentinel_tls_key)
        return Terms(*files, verify=self.sentinel_tls_verify) if self.sentinel_tls else None


class Loaded(t.NamedTuple):
    """Settings, the file they came from, and what to tell about them."""

    settings: Settings
    source: t.Optional[str]  # None: no file
    warnings: t.Tuple[str, ...]
    notes: t.Tuple[str, ...]
    template: TunnelSettings  # of a tunnel nobody wrote about: without a name, its port is the first to count up from
