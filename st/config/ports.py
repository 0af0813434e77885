"""Which port each tunnel has, and whether two of them want the same place."""
import ipaddress
import itertools
import typing as t

from st.address import Address, Place, is_path
from st.config.findings import Findings


class Claim(t.NamedTuple):
    """A tunnel that listens, and where that is written."""

    tunnel: str
    place: Place
    where: str


def free_ports(first: int, taken: t.Container[int]) -> t.Iterator[int]:
    """Yield the ports from `first` up that are not taken."""
    return (port for port in range(first, 65536) if port not in taken)


def needs_port(listen: t.Optional[t.Iterable[str]]) -> bool:
    """Tell whether a tunnel that listens there has a port; None is a text that was wrong."""
    return listen is None or not all(map(is_path, listen))


def check_claims(claims: t.Sequence[Claim], findings: Findings) -> None:
    """Report every pair of tunnels that cannot both listen, and a tunnel that would be in its own way."""
    rivals: t.Dict[t.Union[int, str], t.List[Claim]] = {}
    for claim in claims:
        rivals.setdefault(claim.place.port if isinstance(claim.place, Address) else claim.place, []).append(claim)
    for same in rivals.values():
        for one, other in itertools.combinations(same, 2):
            if _clash(one.place, other.place):
                findings.problem(other.where, _told(one, other))


def _clash(one: Place, other: Place) -> bool:
    if isinstance(one, Address) and isinstance(other, Address):
        return one.port == other.port and _overlap(one.host, other.host)
    return one == other


def _told(one: Claim, other: Claim) -> str:
    if one.tunnel == other.tunnel:
        return "tunnel %r listens on %s and on %s, which overlap: keep one" % (one.tunnel, one.place, other.place)
    what = "port" if isinstance(other.place, Address) else "path"
    values = (other.tunnel, other.place, one.tunnel, one.place, one.where, what)
    return "tunnel %r listens on %s, tunnel %r already on %s (%s): choose another %s" % values


def check_http(where: str, http: Address, claims: t.Sequence[Claim], findings: Findings) -> None:
    """Report a tunnel where the web server would listen."""
    for claim in claims:
        if _clash(claim.place, http):
            findings.problem(where, "http: tunnel %r listens on %s (%s): choose another port"
                             % (claim.tunnel, claim.place, claim.where))


def _overlap(one: str, other: str) -> bool:
    """Tell whether both hosts cover one address; `::` covers IPv4 too, as is usual on Linux."""
    hosts = {_canonical(one), _canonical(other)}
    if len(hosts) == 1 or "::" in hosts:
        return True
    return "0.0.0.0" in hosts and not any(":" in host for host in hosts)


def _canonical(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()
