"""Addresses as people write them: host and port, with brackets around IPv6; or the path of a unix socket."""
import ipaddress
import re
import socket
import typing as t

SENTINEL_PORT = 26379
REDIS_PORT = 6379

IP = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Address(t.NamedTuple):
    """A host (name, IPv4 or IPv6 address without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return ("[%s]:%d" if ":" in self.host else "%s:%d") % (self.host, self.port)


Place = t.Union[Address, str]  # where somebody may listen: an address, or the path of a unix socket
Site = t.Union[Place, socket.socket]  # the same, or a listening socket that somebody else keeps open


def is_path(text: str) -> bool:
    """Tell whether a text that says where to listen is the path of a unix socket; no host has a slash."""
    return "/" in text


def unmapped(ip: IP) -> IP:
    """Return the IPv4 address that stands in an IPv6 address, others unchanged."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def parse_ip(text: str) -> IP:
    """Return a numeric address, without the interface that may stand behind it."""
    return unmapped(ipaddress.ip_address(text.partition("%")[0]))


def parse_port(text: str, lowest: int = 1) -> int:
    """Return the TCP port in `text`; raise ValueError when it is none."""
    if not re.match(r"[0-9]{1,5}\Z", text):
        raise ValueError("%r is not a port number" % text)
    port = int(text)
    if not lowest <= port <= 65535:
        raise ValueError("port %d is not between %d and 65535" % (port, lowest))
    return port


def parse_address(text: str, default_port: t.Optional[int] = None, lowest_port: int = 1) -> Address:
    """Return the address in `text`: host, host:port, [IPv6]:port or IPv6; raise ValueError when it is none.

    `default_port` stands in for a missing port and is taken as it is.
    """
    text = text.strip()
    if "://" in text or "/" in text:
        raise ValueError("%r is not HOST or HOST:PORT" % text)
    host, port = _split(text)
    check_host(host, text)
    if port is None and default_port is None:
        raise ValueError("%r has no port" % text)
    return Address(host, default_port if port is None else parse_port(port, lowest_port))  # type: ignore[arg-type]


def check_host(host: str, text: str) -> None:
    """Raise ValueError, showing `text`, when `host` can be neither a name nor an address; nothing is looked up."""
    if not host:
        raise ValueError("%r has no host" % text)
    if re.search(r"[^\w.:%-]", host):
        raise ValueError("%s has a character that no host has" % ascii(text))
    if ":" in host or re.match(r"[0-9.]+\Z", host):
        _check_ip(host.partition("%")[0], text)
    try:
        host.encode("idna")  # what getaddrinfo() does first; an empty or overlong label makes it fail
    except UnicodeError as error:
        raise ValueError("%r is not a host name: %s" % (text, error)) from error


def _check_ip(ip: str, text: str) -> None:
    try:
        ipaddress.ip_address(ip)
    except ValueError as error:
        raise ValueError("%r is not an IP address, nor HOST or HOST:PORT: write [IPv6]:PORT" % text) from error


def _split(text: str) -> t.Tuple[str, t.Optional[str]]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("%r: expected [IPv6]:PORT" % text)
        return host, rest[1:] if rest else None
    if text.count(":") > 1:  # an IPv6 address without brackets has no room for a port
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None
