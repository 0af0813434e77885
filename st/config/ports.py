"""Which port each tunnel has, and whether two of them want the same."""
import ipaddress
import itertools
import typing as t

from st.address import Address
from st.config.findings import Findings


class Claim(t.NamedTuple):
    """A tunnel that listens, and where that is written."""

    tunnel: str
    address: Address
    where: str


def free_ports(first: int, taken: t.Container[int]) -> t.Iterator[int]:
    """Yield the ports from `first` up that are not taken."""
    return (port for port in range(first, 65536) if port not in taken)


def check_claims(claims: t.Sequence[Claim], findings: Findings) -> None:
    """Report every pair of tunnels that cannot both listen."""
    ports: t.Dict[int, t.List[Claim]] = {}
    for claim in claims:
        ports.setdefault(claim.address.port, []).append(claim)
    for same_port in ports.values():
        for one, other in itertools.combinations(same_port, 2):
            if _overlap(one.address.host, other.address.host):
                text = "tunnel %r listens on %s, tunnel %r already on %s (%s): choose another port"
                values = (other.tunnel, other.address, one.tunnel, one.address, one.where)
                findings.problem(other.where, text % values)


def check_http(where: str, http: Address, claims: t.Sequence[Claim], findings: Findings) -> None:
    """Report a tunnel where the web server would listen."""
    for claim in claims:
        if claim.address.port == http.port and _overlap(claim.address.host, http.host):
            findings.problem(where, "http: tunnel %r listens on %s (%s): choose another port"
                             % (claim.tunnel, claim.address, claim.where))


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
