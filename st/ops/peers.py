"""Which local process is behind each connection of a tunnel's clients, in one look at the host for all of them."""
import os
import typing as t

from st.address import IP, is_path, parse_address, parse_ip
from st.host.sockets import Owner, Row, owner_of, owners_of, parse_rows, tables
from st.ops.measures import ClientStatus

_End = t.Tuple[IP, int]


def peers_of(clients: t.Sequence[ClientStatus], listening: t.Mapping[str, str],
             texts: t.Optional[t.Sequence[t.Iterable[str]]] = None) -> t.Dict[int, Owner]:
    """Return the processes behind the connections, by their ids; `listening` has the places of each tunnel.

    Clients of other hosts are left out. The lines of `texts` stand in for the kernel's tables.
    """
    local = {client.id: owner_of(*client.credentials) for client in clients if client.credentials is not None}
    clients = [client for client in clients if client.id not in local]
    ends = {client.id: _end(client.client) for client in clients if client.tunnel in listening}
    listeners = {tunnel: _ends(places) for tunnel, places in listening.items()}
    rows = _rows_from({port for _, port in ends.values()}, tables() if texts is None else texts)
    found = {}
    for client in clients:
        if client.id in ends:
            row = _row_to(listeners[client.tunnel], rows.get(ends[client.id], []))
            if row is not None:
                found[client.id] = row
    owners = owners_of({row.inode: row.uid for row in found.values()})
    local.update({number: owners[row.inode] for number, row in found.items()})
    return local


def shares_network(pid: int) -> bool:
    """Tell whether a process sees the same network as we do, so that our tables tell of its connections."""
    try:
        return os.path.samefile("/proc/self/ns/net", "/proc/%d/ns/net" % pid)
    except OSError:  # it has ended, or we may not know
        return False


def _end(text: str) -> _End:
    host, port = parse_address(text)
    return parse_ip(host), port


def _ends(places: str) -> t.List[_End]:
    """Return the TCP addresses in the places of a tunnel, as the status shows them."""
    return [_end(place) for place in places.split(", ") if not is_path(place)]


def _rows_from(ports: t.Set[int], texts: t.Sequence[t.Iterable[str]]) -> t.Dict[_End, t.List[Row]]:
    """Return the sockets on these ports that somebody holds, by their own end."""
    hexadecimal = {"%04X" % port for port in ports}
    rows: t.Dict[_End, t.List[Row]] = {}
    for text in texts:
        for row in parse_rows(text, lambda state, port: port in hexadecimal):
            if row.inode:  # 0: closed by its process, on its way out
                rows.setdefault((row.ip, row.port), []).append(row)
    return rows


def _row_to(listeners: t.Sequence[_End], rows: t.Sequence[Row]) -> t.Optional[Row]:
    """Return the row whose other end is one of the listeners, which may listen on every address of the host."""
    return next((row for row in rows for ip, port in listeners
                 if row.far_port == port and (ip.is_unspecified or row.far_ip == ip)), None)
