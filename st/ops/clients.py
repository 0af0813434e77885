"""The open connections with the processes behind them: as a table for people, and as JSON."""
import json
import typing as t

from st.host.sockets import Owner
from st.ops.measures import ClientStatus
from st.ops.tables import duration, size, table
from st.plain import plain

HEAD = ("ID", "CLIENT", "PROGRAM", "USER", "PID", "AGE", "SENT", "RECEIVED")


class KnownClient(t.NamedTuple):
    """A connection and who is at its other end; None: a client of another host."""

    status: ClientStatus
    owner: t.Optional[Owner]


def as_text(clients: t.Sequence[KnownClient], now: float) -> str:
    """Return a table for each tunnel and master; `now` in seconds since the epoch."""
    groups: t.Dict[t.Tuple[str, str], t.List[KnownClient]] = {}
    for client in clients:
        groups.setdefault((client.status.tunnel, client.status.master or ""), []).append(client)
    texts = [_group(tunnel, master, group, now) for (tunnel, master), group in sorted(groups.items())]
    return "\n".join(texts) or "no client is connected\n"


def as_json(clients: t.Sequence[KnownClient]) -> str:
    """Return one line of ASCII JSON; what is not known is null."""
    nobody = Owner(None, None, None)
    return json.dumps([dict(client.status._asdict(), **(client.owner or nobody)._asdict()) for client in clients])


def from_json(text: str) -> t.List[KnownClient]:
    """Return the connections that `as_json` told of."""
    clients = []
    for values in json.loads(text):
        owner = Owner(*[values.pop(name) for name in Owner._fields])
        clients.append(KnownClient(ClientStatus(**values), owner if owner.user else None))
    return clients


def _group(tunnel: str, master: str, clients: t.Sequence[KnownClient], now: float) -> str:
    where = "-> " + plain(master) if master else "held: no master yet"
    number = "%d client%s" % (len(clients), "" if len(clients) == 1 else "s")
    lines = ["%s %s, %s" % (plain(tunnel), where, number)] + table([HEAD] + [_row(client, now) for client in clients])
    return "\n".join(lines) + "\n"


def _row(client: KnownClient, now: float) -> t.Tuple[str, ...]:
    status, owner = client
    who = ("-", "-", "-")  # of another host
    if owner:
        who = owner.program or "?", owner.user or "?", "?" if owner.pid is None else str(owner.pid)
    carried = size(status.bytes_to_master), size(status.bytes_to_client)
    return (str(status.id), status.client) + who + (duration(now - status.since),) + carried
