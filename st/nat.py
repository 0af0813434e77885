"""The address map for networks where Sentinels name addresses that cannot be reached from here."""
import ipaddress
import re
import typing as t

from st.address import Address, parse_address

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class NatRule(t.NamedTuple):
    """One rule: what it matches (a network or a host) and where that goes; port 0 means any, or unchanged."""

    left: t.Union[Network, Address]
    right: Address

    def matches(self, address: Address) -> bool:
        """Tell whether the rule is for `address`."""
        if isinstance(self.left, Address):
            return _canonical(self.left.host) == _canonical(address.host) and self.left.port in (0, address.port)
        ip = _ip(address.host)
        return ip is not None and ip in self.left

    def __str__(self) -> str:
        left = _text(self.left) if isinstance(self.left, Address) else str(self.left)
        return "%s -> %s" % (left, _text(self.right))


class NatMap(t.NamedTuple):
    """Rules from announced addresses to reachable ones; the first that matches wins."""

    rules: t.Tuple[NatRule, ...] = ()

    def apply(self, address: Address) -> Address:
        """Return the address to dial for `address`, which is itself when no rule matches."""
        for rule in self.rules:
            if rule.matches(address):
                return Address(rule.right.host, rule.right.port or address.port)
        return address

    def __str__(self) -> str:
        return ", ".join(str(rule) for rule in self.rules)


def parse_nat_map(text: str) -> NatMap:
    """Return the map in `text`, rules between commas or line ends; raise ValueError when one is wrong.

    A rule is `HOST:PORT -> HOST:PORT`; without a port on the left it is for every port, without one on the right
    the port is kept; a network (`172.18.0.0/16`) may stand on the left.
    """
    return NatMap(tuple(_parse_rule(rule.strip()) for rule in re.split(r"[,\n]", text) if rule.strip()))


def _parse_rule(text: str) -> NatRule:
    left, arrow, right = text.partition("->")
    if not arrow or "->" in right:
        raise ValueError("%r is not a rule: write HOST:PORT -> HOST:PORT, with commas between rules" % text)
    return NatRule(_parse_left(left.strip()), parse_address(right, default_port=0))


def _parse_left(text: str) -> t.Union[Network, Address]:
    if "/" not in text:
        return parse_address(text, default_port=0)
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""))
    except ValueError as error:
        raise ValueError("%r is not a network such as 172.18.0.0/16: %s" % (text, error)) from error


def _ip(host: str) -> t.Union[None, ipaddress.IPv4Address, ipaddress.IPv6Address]:
    try:
        return ipaddress.ip_address(host)
    except ValueError:  # a host name
        return None


def _canonical(host: str) -> str:
    return str(_ip(host) or host.lower())


def _text(address: Address) -> str:
    return str(address) if address.port else str(address).rpartition(":")[0]
