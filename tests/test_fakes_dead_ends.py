"""Addresses and replies that lead nowhere."""
import socket
import typing as t

import pytest

from tests.fakes import FakeSentinel, dial, endless_line, read_exactly, refused_address, silent_listener
from tests.waiting import wait_until


def test_endless_line(fake_sentinel: t.Callable[..., FakeSentinel]) -> None:
    """A line without end goes on until the client has gone."""
    sentinel = fake_sentinel()
    sentinel.replies["PING"] = endless_line
    with dial(sentinel.address) as sock:
        sock.sendall(b"PING\r\n")
        assert read_exactly(sock, 1 << 20) == b"+" + b"x" * ((1 << 20) - 1)
    wait_until(lambda: not sentinel.open, "the fake notices")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_dead_ends(host: str) -> None:
    """Connecting to a full backlog hangs, to a closed port is refused."""
    with silent_listener(host) as address, pytest.raises(socket.timeout):
        socket.create_connection(address, timeout=0.3)
    with refused_address(host) as address, pytest.raises(ConnectionRefusedError):
        dial(address)
