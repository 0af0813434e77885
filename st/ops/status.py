"""The one schema of status, the same wherever it is shown, and its text for people. Values in, text out."""
import json
import typing as t

from st.errors import LoginRefused
from st.log.lines import local_time
from st.ops.advice import next_step
from st.ops.tables import duration, table, wrapped
from st.plain import plain

OK = "ok"
DEGRADED = "degraded"
DOWN = "down"

UP = "up"
NO_MASTER = "no_master"
STARTING = "starting"

NOT_ASKED = "not asked yet"  # the error of a Sentinel in the first moments


class Finding(t.NamedTuple):
    """Something that is wrong, in a sentence, and what to do about it; "" when the words tell nothing."""

    what: str
    step: str
    tunnel: str = ""  # the name of the one that it is about; "": of none alone


class TunnelStatus(t.NamedTuple):
    """A tunnel: `state` is up, no_master or starting, `since` and all times are seconds since the epoch."""

    name: str
    master_name: str
    role: str
    listen: str
    state: str
    master: t.Optional[str]
    epoch: t.Optional[int]
    since: t.Optional[float]
    verified: bool
    sentinels_agreeing: int
    clients: int
    held: int
    max_connections: int
    accepted: int
    refused: t.Mapping[str, int]
    closed: t.Mapping[str, int]
    switches: int
    bytes_to_master: int
    bytes_to_client: int
    reason: str

    @property
    def wanted(self) -> str:
        """In a word, what its connections are to go to."""
        return "replica" if self.role == "replica" else "master"

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the values under the names of the schema."""
        return dict(self._asdict(), refused=dict(self.refused), closed=dict(self.closed))


class SentinelStatus(t.NamedTuple):
    """A Sentinel: whether it is a seed, answers and sends events; `latency` in seconds."""

    address: str
    seed: bool
    up: bool
    events: bool
    latency: t.Optional[float]
    error: str

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the values under the names of the schema."""
        return dict(self._asdict())


class ProcessStatus(t.NamedTuple):
    """The whole process."""

    version: str
    pid: int
    started: float
    tunnels: t.Tuple[TunnelStatus, ...]
    sentinels: t.Tuple[SentinelStatus, ...]

    @property
    def state(self) -> str:
        """Tell ok, degraded (something needs a look) or down (no tunnel has a master)."""
        if not any(tunnel.state == UP for tunnel in self.tunnels):
            return DOWN
        return DEGRADED if self.troubles() else OK

    def troubles(self) -> t.List[str]:
        """Return what is wrong, a sentence each, the worst first."""
        return [finding.what for finding in self.findings()]

    def findings(self) -> t.List[Finding]:
        """Return what is wrong and what to do about it, the worst first."""
        return _findings(self)

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the values under the names of the schema."""
        return {
            "version": self.version,
            "pid": self.pid,
            "started": self.started,
            "state": self.state,
            "tunnels": [tunnel.as_dict() for tunnel in self.tunnels],
            "sentinels": [sentinel.as_dict() for sentinel in self.sentinels],
        }

    def as_json(self) -> str:
        """Return the schema as one line of ASCII JSON."""
        return json.dumps(self.as_dict())

    def as_text(self, now: float, config: str = "") -> str:
        """Return the status for people, 80 columns wide: the answer first; `now` in seconds since the epoch."""
        lines: t.List[str] = []
        for found in self.findings() or [Finding(_all_well(self), "")]:
            lines.append("  also: " + found.what if lines else "%s: %s" % (self.state, found.what))
            lines += ["  next: " + found.step] if found.step else []
        lines += ["sentinel-tunnel %s, pid %d, up %s" % (self.version, self.pid, duration(now - self.started))]
        since = "started %s" % local_time(self.started, "seconds")
        lines += [since + (", configuration %s" % plain(config) if config else ""), ""]
        lines += table([_TUNNEL_HEAD] + [_tunnel_row(tunnel, now) for tunnel in self.tunnels])
        lines += [remark for tunnel in self.tunnels for remark in _remarks(tunnel)] + [""]
        lines += table([_SENTINEL_HEAD] + [_sentinel_row(sentinel) for sentinel in self.sentinels])
        return "\n".join(map(wrapped, lines)) + "\n"


def _findings(status: ProcessStatus) -> t.List[Finding]:
    answering = sum(sentinel.up for sentinel in status.sentinels)
    found = [] if status.tunnels else [Finding("no tunnel", "add [tunnel:NAME] to the configuration")]
    asked = any(sentinel.error != NOT_ASKED for sentinel in status.sentinels)
    found += [_without_master(tunnel, answering, asked) for tunnel in status.tunnels if tunnel.state != UP]
    found += [_on_master(tunnel) for tunnel in status.tunnels if tunnel.state == UP and tunnel.wanted == "replica"
              and tunnel.reason and LoginRefused.words not in tunnel.reason]
    found += [_turned_away(tunnel) for tunnel in status.tunnels
              if tunnel.state == UP and LoginRefused.words in tunnel.reason]
    found += [_full(tunnel) for tunnel in status.tunnels if tunnel.clients >= tunnel.max_connections]
    found += [_split(tunnel, answering) for tunnel in status.tunnels
              if tunnel.state == UP and tunnel.sentinels_agreeing < answering]
    down = [sentinel for sentinel in status.sentinels if not sentinel.up and sentinel.error != NOT_ASKED]
    return found + ([_silent(down, len(status.sentinels))] if down else [])


def _without_master(tunnel: TunnelStatus, answering: int, asked: bool) -> Finding:
    what = "is starting" if tunnel.state == STARTING else "has no %s" % tunnel.wanted
    held = " (%d held)" % tunnel.held if tunnel.held else ""
    reason = ": " + plain(tunnel.reason) if tunnel.reason else ""
    if not asked or (tunnel.state == STARTING and answering):
        step = "wait a moment: the Sentinels are being asked"
    elif not answering:
        step = "no Sentinel answers: check their addresses, and the firewall"
    else:
        step = next_step(tunnel.reason) or "`sentinel-tunnel masters` tells what the Sentinels know"
    return Finding("tunnel %s %s%s%s" % (plain(tunnel.name), what, held, reason), step, tunnel.name)


def _on_master(tunnel: TunnelStatus) -> Finding:
    what = "tunnel %s has no replica, its clients get the master: %s" % (plain(tunnel.name), plain(tunnel.reason))
    return Finding(what, "ask a Sentinel: SENTINEL REPLICAS " + plain(tunnel.master_name), tunnel.name)


def _turned_away(tunnel: TunnelStatus) -> Finding:
    what = "tunnel %s turns its clients away: %s" % (plain(tunnel.name), plain(tunnel.reason))
    return Finding(what, next_step(tunnel.reason), tunnel.name)


def _full(tunnel: TunnelStatus) -> Finding:
    what = "tunnel %s is full: %d clients, more are refused" % (plain(tunnel.name), tunnel.clients)
    return Finding(what, "see `sentinel-tunnel clients`; raise max_connections, or ulimit -n", tunnel.name)


def _split(tunnel: TunnelStatus, answering: int) -> Finding:
    agreeing, name = tunnel.sentinels_agreeing, plain(tunnel.name)
    what = "%d of %d Sentinels agree on the master of %s" % (agreeing, answering, name)
    step = "wait a minute; if it lasts, ask each: SENTINEL MASTER " + plain(tunnel.master_name)
    return Finding(what, step, tunnel.name)


def _silent(down: t.Sequence[SentinelStatus], known: int) -> Finding:
    steps = [next_step(sentinel.error) for sentinel in down]
    names = ", ".join(plain(sentinel.address) for sentinel in down)
    return Finding("%d of %d Sentinels down: %s" % (len(down), known, names), next(filter(None, steps), ""))


def _all_well(status: ProcessStatus) -> str:
    return "every tunnel has a master, %d of %d Sentinels answer" % (len(status.sentinels), len(status.sentinels))


def _remarks(tunnel: TunnelStatus) -> t.List[str]:
    """Return the line with what has happened to a tunnel since the start, if there is something to tell."""
    told = ["switches %d" % tunnel.switches] if tunnel.switches else []
    told += ["refused %d (%s)" % (number, plain(why)) for why, number in sorted(tunnel.refused.items()) if number]
    return ["since the start, %s: %s" % (plain(tunnel.name), ", ".join(told))] if told else []


_TUNNEL_HEAD = ("TUNNEL", "LISTEN", "STATE", "MASTER", "SINCE", "CLIENTS", "HELD")

_SENTINEL_HEAD = ("SENTINEL", "STATE", "EVENTS", "LATENCY", "ERROR")


def _tunnel_row(tunnel: TunnelStatus, now: float) -> t.Tuple[str, ...]:
    since = "-" if tunnel.since is None or tunnel.master is None else duration(now - tunnel.since)
    clients = "%d/%d" % (tunnel.clients, tunnel.max_connections)
    return tunnel.name, tunnel.listen, tunnel.state, tunnel.master or "-", since, clients, str(tunnel.held)


def _sentinel_row(sentinel: SentinelStatus) -> t.Tuple[str, ...]:
    latency = "-" if sentinel.latency is None else "%.1fms" % (sentinel.latency * 1000)
    state, events = "up" if sentinel.up else "down", "yes" if sentinel.events else "no"
    return sentinel.address, state, events, latency, sentinel.error
