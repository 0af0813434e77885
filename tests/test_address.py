"""Addresses are read as people write them and printed so that they read back."""
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.address import Address, parse_address, parse_port

HOSTS = st.one_of(
    st.ip_addresses().map(str), st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,5})?", fullmatch=True)
)


@pytest.mark.parametrize("text, address", [
    ("redis1:6380", ("redis1", 6380)),
    ("redis1", ("redis1", 26379)),
    (" 10.0.0.1:1 ", ("10.0.0.1", 1)),
    ("[::1]:6380", ("::1", 6380)),
    ("[::1]", ("::1", 26379)),
    ("fe80::1%eth0", ("fe80::1%eth0", 26379)),
    ("redis_1.example.com.:65535", ("redis_1.example.com.", 65535)),
    ("b\u00fccher.example", ("b\u00fccher.example", 26379)),
])
def test_an_address_is_read(text: str, address: t.Tuple[str, int]) -> None:
    """Names, IPv4 and IPv6 are read, with the default port where none stands."""
    assert parse_address(text, 26379) == Address(*address)


@pytest.mark.parametrize("text, message", [
    ("", "no host"),
    (":6379", "no host"),
    ("redis://a:1", "not HOST or HOST:PORT"),
    ("/run/redis.sock", "not HOST or HOST:PORT"),
    ("a b:1", "a character that no host has"),
    ("a=b", "a character that no host has"),
    ("a\x00", r"'a\\x00' has a character"),
    ("a:", "'' is not a port"),
    ("a:x", "'x' is not a port"),
    ("a:+1", "is not a port"),
    ("a:\u0661", "is not a port"),
    ("a:" + "9" * 5000, "is not a port"),
    ("a:0", "not between 1 and 65535"),
    ("a:65536", "not between 1 and 65535"),
    ("[::1", r"expected \[IPv6\]:PORT"),
    ("[::1]x", r"expected \[IPv6\]:PORT"),
    ("a:6379:1", r"not an IP address.*\[IPv6\]:PORT"),
    ("10.0.0.256", "not an IP address"),
    ("a..b", "not a host name"),
    ("a" * 64, "not a host name"),
])
def test_what_is_no_address_is_refused(text: str, message: str) -> None:
    """The message shows what was given and what is wrong; nothing is left for getaddrinfo() to choke on."""
    with pytest.raises(ValueError, match=message):
        parse_address(text, 26379)


def test_a_port_is_wanted_without_a_default() -> None:
    """Without a default port an address must have one."""
    with pytest.raises(ValueError, match="'a' has no port"):
        parse_address("a")


def test_the_lowest_port_can_be_moved() -> None:
    """Port 0 is read where the caller allows it."""
    assert parse_port("0", lowest=0) == 0
    assert parse_address("a:0", lowest_port=0).port == 0


@given(HOSTS, st.integers(1, 65535))
def test_an_address_reads_back(host: str, port: int) -> None:
    """What str() prints, parse_address() reads."""
    assert parse_address(str(Address(host, port))) == Address(host, port)


@given(st.text())
def test_garbage_is_a_value_error_or_an_address(text: str) -> None:
    """No text makes the parser fail otherwise, and no host is left that a name lookup refuses by UnicodeError."""
    try:
        address = parse_address(text, 1)
    except ValueError:
        return
    address.host.encode("idna")
