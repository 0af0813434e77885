"""The one schema of status, the same wherever it is shown, and its text for people. Values in, text out."""
import json
import textwrap
import typing as t

from st.ops.plain import plain

_COLUMNS = 80
_WIDEST = 22  # a column of a table: an IPv4 address with its port

OK = "ok"
DEGRADED = "degraded"
DOWN = "down"

UP = "up"
NO_MASTER = "no_master"
STARTING = "starting"


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
        answering = sum(sentinel.up for sentinel in self.sentinels)
        without = [_without_master(tunnel) for tunnel in self.tunnels if tunnel.state != UP]
        split = [
            "%d of %d Sentinels agree on the master of %s" % (tunnel.sentinels_agreeing, answering, plain(tunnel.name))
            for tunnel in self.tunnels
            if tunnel.state == UP and tunnel.sentinels_agreeing < answering
        ]
        none = [] if self.tunnels else ["no tunnel"]
        return none + without + split + _silent(self.sentinels)

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

    def as_text(self, now: float) -> str:
        """Return the status for people, 80 columns wide: the answer first; `now` in seconds since the epoch."""
        first, *others = self.troubles() or [_all_well(self)]
        lines = ["%s: %s" % (self.state, first)] + ["  also: " + trouble for trouble in others]
        lines += ["sentinel-tunnel %s, pid %d, up %s" % (self.version, self.pid, _duration(now - self.started)), ""]
        lines += _table([_TUNNEL_HEAD] + [_tunnel_row(tunnel) for tunnel in self.tunnels]) + [""]
        lines += _table([_SENTINEL_HEAD] + [_sentinel_row(sentinel) for sentinel in self.sentinels])
        return "\n".join(_wrapped(line) for line in lines) + "\n"


def _without_master(tunnel: TunnelStatus) -> str:
    what = "is starting" if tunnel.state == STARTING else "has no master"
    return "tunnel %s %s" % (plain(tunnel.name), what) + (": " + plain(tunnel.reason) if tunnel.reason else "")


def _silent(sentinels: t.Sequence[SentinelStatus]) -> t.List[str]:
    down = [plain(sentinel.address) for sentinel in sentinels if not sentinel.up]
    return ["%d of %d Sentinels down: %s" % (len(down), len(sentinels), ", ".join(down))] if down else []


def _all_well(status: ProcessStatus) -> str:
    return "every tunnel has a master, %d of %d Sentinels answer" % (len(status.sentinels), len(status.sentinels))


_TUNNEL_HEAD = ("TUNNEL", "LISTEN", "STATE", "MASTER", "CLIENTS", "HELD", "SWITCHES")

_SENTINEL_HEAD = ("SENTINEL", "STATE", "EVENTS", "LATENCY", "ERROR")


def _tunnel_row(tunnel: TunnelStatus) -> t.Tuple[str, ...]:
    clients = "%d/%d" % (tunnel.clients, tunnel.max_connections)
    addresses = (tunnel.name, tunnel.listen, tunnel.state, tunnel.master or "-")
    return addresses + (clients, str(tunnel.held), str(tunnel.switches))


def _sentinel_row(sentinel: SentinelStatus) -> t.Tuple[str, ...]:
    latency = "-" if sentinel.latency is None else "%.1fms" % (sentinel.latency * 1000)
    state, events = "up" if sentinel.up else "down", "yes" if sentinel.events else "no"
    return sentinel.address, state, events, latency, sentinel.error


def _table(rows: t.Sequence[t.Sequence[str]]) -> t.List[str]:
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*cells)]
    return [_row(row, widths) for row in cells]


def _row(cells: t.Sequence[str], widths: t.Sequence[int]) -> str:
    aligned = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()
    return aligned if len(aligned) <= _COLUMNS else "  ".join(cells)  # every value in full matters more than columns


def _wrapped(line: str) -> str:
    return textwrap.fill(line, _COLUMNS, subsequent_indent="    ", break_on_hyphens=False)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    shown = [part for part in parts if part[0]][:2] or parts[-1:]
    return " ".join("%d%s" % part for part in shown)
