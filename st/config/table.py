"""The one table of settings; it serves INI, JSON, environment, options, help, documentation and conf/."""
import typing as t

from st.config import kinds
from st.config.kinds import Kind

PROCESS = "process"
TUNNEL = "tunnel"
DAY = 86400.0  # seconds; longer waits are slips of the pen


class Setting(t.NamedTuple):
    """One setting. A tunnel's setting may also stand in the process section, as the default of every tunnel."""

    name: str
    kind: Kind  # from its text to its value
    default: t.Optional[str]  # as text; None: no default
    scope: str
    help: str
    secret: bool = False


_ROWS = (
    Setting("sentinels", kinds.addresses, None, PROCESS, "Sentinels, HOST[:26379]; all are used"),
    Setting("sentinel_user", kinds.optional_name, None, PROCESS, "ACL user for the Sentinels"),
    Setting("sentinel_password", kinds.password, None, PROCESS, "password for the Sentinels", secret=True),
    Setting("sentinel_password_file", kinds.path, None, PROCESS, "file whose first line is that password"),
    Setting("sentinel_password_env", kinds.optional_name, None, PROCESS, "environment variable that holds it"),
    Setting("sentinel_tls", kinds.yes_no, "no", PROCESS, "speak TLS to the Sentinels"),
    Setting("sentinel_tls_ca", kinds.path, None, PROCESS, "authorities to trust; by default the system's"),
    Setting("sentinel_tls_cert", kinds.path, None, PROCESS, "our certificate for them, with its chain"),
    Setting("sentinel_tls_key", kinds.path, None, PROCESS, "its key, when it is in a file of its own"),
    Setting("sentinel_tls_verify", kinds.choice("yes", "ca", "no"), "yes", PROCESS,
            "check their certificates: yes, ca (but not the name), no"),
    Setting("sentinel_timeout", kinds.duration(0.01, 60.0), "500ms", PROCESS, "how long a Sentinel may take to reply"),
    Setting("poll", kinds.duration(0.1, 3600.0), "1s", PROCESS, "how often every Sentinel is asked"),
    Setting("events", kinds.yes_no, "yes", PROCESS, "subscribe to the events of every Sentinel"),
    Setting("discover", kinds.yes_no, "yes", PROCESS, "also use Sentinels that others name"),
    Setting("min_sentinels", kinds.number(0, 1000), "0", PROCESS, "refuse clients when fewer Sentinels agree; 0: off"),
    Setting("sentinel_outage", kinds.choice("serve", "refuse"), "serve", PROCESS,
            "new clients while no Sentinel replies: serve (last known master) or refuse"),
    Setting("nat_map", kinds.nat_map, "", PROCESS, "announced -> reachable addresses, for NAT and containers"),
    Setting("workers", kinds.number(1, 64), "1", PROCESS,
            "processes that carry bytes: more than one for more than one core"),
    Setting("drain", kinds.duration(0.0, 3600.0), "3s", PROCESS, "how long open connections may go on at the end"),
    Setting("http", kinds.http, "off", PROCESS, "HOST:PORT for health, metrics and a status page"),
    Setting("control", kinds.place, "auto", PROCESS, "unix socket for status, stop and reload; auto, off or a path"),
    Setting("lock", kinds.place, "auto", PROCESS, "file that is locked while it runs; auto: beside the control socket"),
    Setting("pid_file", kinds.path, None, PROCESS, "file for the process id: information only"),
    Setting("history_file", kinds.place, "auto", PROCESS, "file that keeps the switches; auto, off or a path"),
    Setting("on_failover", kinds.command, None, PROCESS, "command to run after each switch, without a shell"),
    Setting("syslog", kinds.yes_no, "no", PROCESS, "log to syslog; to standard error only while it cannot be reached"),
    Setting("log_file", kinds.path, None, PROCESS, "log to this file instead of standard error"),
    Setting("log_format", kinds.choice("text", "json"), "text", PROCESS, "text or json"),
    Setting("log_level", kinds.choice("debug", "info", "warning", "error"), "info", PROCESS,
            "debug, info, warning or error"),
    Setting("master", kinds.optional_name, None, TUNNEL, "the Sentinels' name, when it is not the tunnel's"),
    Setting("role", kinds.choice("master", "replica"), "master", TUNNEL,
            "where connections go: to the master, or (replica) to its replicas"),
    Setting("replica_fallback", kinds.choice("master", "refuse"), "master", TUNNEL,
            "while no replica is healthy: use the master, or refuse clients"),
    Setting("listen", kinds.listen, "127.0.0.1", TUNNEL,
            "where, with commas: addresses (0.0.0.0 lets other hosts in), paths"),
    Setting("port", kinds.port, None, TUNNEL, "port to listen on; for all tunnels: the first, counting up"),
    Setting("socket_mode", kinds.mode, "0660", TUNNEL, "permissions of its unix sockets"),
    Setting("allow", kinds.networks, "", TUNNEL,
            "networks that may connect, 127.0.0.1 only if listed; empty: everybody"),
    Setting("hold", kinds.duration(0.0, DAY), "10s", TUNNEL, "how long a new client waits while there is no master"),
    Setting("connect_timeout", kinds.duration(0.01, 600.0), "2s", TUNNEL, "how long to try to reach the master"),
    Setting("max_connections", kinds.number(1, 1000000), None, TUNNEL,
            "clients of each tunnel at once; by default what the file limit allows"),
    Setting("max_connections_per_client", kinds.number(0, 1000000), "0", TUNNEL,
            "clients of each tunnel from one address at once; 0: off"),
    Setting("keepalive", kinds.duration(1.0, 32400.0, zero_is_off=True), "15s", TUNNEL,
            "TCP keepalive on both legs; 0: off"),
    Setting("user_timeout", kinds.duration(0.1, DAY, zero_is_off=True), "30s", TUNNEL,
            "give a master up that acknowledges no bytes; 0: off"),
    Setting("role_check", kinds.yes_no_or("strict"), "yes", TUNNEL,
            "ask ROLE before use: yes, strict (also when it cannot be told), no"),
    Setting("tls", kinds.yes_no_or("passthrough"), "no", TUNNEL,
            "speak TLS to Redis: yes; passthrough: the client itself does; no"),
    Setting("tls_ca", kinds.path, None, TUNNEL, "authorities to trust; by default the system's"),
    Setting("tls_cert", kinds.path, None, TUNNEL, "our certificate for Redis, with its chain"),
    Setting("tls_key", kinds.path, None, TUNNEL, "its key, when it is in a file of its own"),
    Setting("tls_verify", kinds.choice("yes", "ca", "no"), "yes", TUNNEL,
            "check Redis's certificate: yes, ca (but not the name), no"),
    Setting("listen_tls_cert", kinds.path, None, TUNNEL, "let clients speak TLS: our certificate, with its chain"),
    Setting("listen_tls_key", kinds.path, None, TUNNEL, "its key, when it is in a file of its own"),
    Setting("redis_user", kinds.optional_name, None, TUNNEL, "ACL user for the role check, and for login"),
    Setting("redis_password", kinds.password, None, TUNNEL, "password for it", secret=True),
    Setting("redis_password_file", kinds.path, None, TUNNEL, "file whose first line is that password"),
    Setting("redis_password_env", kinds.optional_name, None, TUNNEL, "environment variable that holds it"),
    Setting("login", kinds.yes_no, "no", TUNNEL, "log in to Redis for the clients: whoever connects is that user"),
)

SETTINGS = {row.name: row for row in _ROWS}
SECRETS = tuple(row.name for row in _ROWS if row.secret)


def default(name: str) -> t.Any:
    """Return the default of a setting as its value."""
    row = SETTINGS[name]
    return None if row.default is None else row.kind(row.default)
