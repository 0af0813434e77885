"""Dialling: a connected socket or one error of ours that names the address, within the deadline."""
import errno
import select
import socket
import struct
import threading
import typing as t

import pytest

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerUnreachable
from st.wire.dial import (Endpoint, connect, dial, dial_address, dial_first, interrupt, interrupt_at_once, lookup,
                          reset_on_close, set_keepalive, set_user_timeout)
from tests.fakes import FakeRedis, refused_address, silent_listener
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]
LONG = 30 * FACTOR  # seconds; no test waits for it to pass


def endpoint_of(address: t.Tuple[str, int]) -> Endpoint:
    """Return the endpoint of a numeric IPv4 address."""
    return Endpoint(socket.AF_INET, address)


def test_a_name_becomes_endpoints(fake_redis: MakeRedis) -> None:
    """A name is looked up, and the first endpoint that answers is connected, without Nagle's delay."""
    node = fake_redis()
    sock, endpoint = dial_address(Address("localhost", node.address[1]), Deadline(LONG))
    with sock:
        assert sock.getpeername()[1] == node.address[1] and endpoint in lookup(Address("localhost", node.address[1]))
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) and sock.gettimeout() is None


def test_ipv6(fake_redis: MakeRedis) -> None:
    """An IPv6 address is dialled, and an endpoint of it prints with brackets."""
    node = fake_redis(host="::1")
    sock, endpoint = dial_address(Address("::1", node.address[1]), Deadline(LONG))
    with sock:
        assert str(endpoint) == "[::1]:%d" % node.address[1]


def test_a_scope_reaches_its_interface(fake_redis: MakeRedis) -> None:
    """A link-local address means nothing without its interface: `fe80::1%eth0` keeps it (redisson 1724)."""
    with open("/proc/net/if_inet6") as table:
        found = [line.split() for line in table if line.startswith("fe80")]
    if not found:
        pytest.skip("this host has no link-local address")
    packed, name = found[0][0], found[0][5]
    host = "%s%%%s" % (socket.inet_ntop(socket.AF_INET6, bytes.fromhex(packed)), name)
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(lookup(Address(host, 1))[0].sockaddr[:1] + (0, 0, socket.if_nametoindex(name)))
        listener.listen(1)
        sock, endpoint = dial_address(Address(host, listener.getsockname()[1]), Deadline(LONG))
        sock.close()
        assert endpoint.sockaddr[3] == socket.if_nametoindex(name)


def test_a_dead_endpoint_leaves_time_for_the_next(fake_redis: MakeRedis) -> None:
    """A name may mean two addresses; the first drops every SYN, and must not use up all the time there is."""
    node, deadline = fake_redis(), Deadline(2 * FACTOR)
    with silent_listener() as silent:
        sock, endpoint = dial_first([endpoint_of(silent), endpoint_of(node.address)], deadline)
        sock.close()
        assert endpoint.sockaddr == node.address and not deadline.passed()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64, "\ufffd", "has\x00nul"])
def test_a_name_that_means_nothing(host: str) -> None:
    """Whatever the resolver does with a bad name, it is an error of the peer that shows the name."""
    with pytest.raises(PeerUnreachable, match="name lookup failed") as caught:
        lookup(Address(host, 1))
    assert host in str(caught.value)


def test_refused() -> None:
    """A closed port is told as such, with the address."""
    with refused_address() as address, pytest.raises(PeerUnreachable, match="127.0.0.1:%d: .*refused" % address[1]):
        dial_address(Address(*address), Deadline(LONG))


def test_silence_ends_at_the_deadline() -> None:
    """A host that drops every SYN costs the deadline and no more."""
    with silent_listener() as address, pytest.raises(PeerUnreachable, match="no connection in time"):
        dial(endpoint_of(address), Deadline(0.05))


def test_a_deadline_that_has_passed(fake_redis: MakeRedis) -> None:
    """No time left is a time-out, never a wait without limit nor a socket that does not block."""
    with silent_listener() as address, pytest.raises(PeerUnreachable):
        dial(endpoint_of(address), Deadline(0))


def test_a_connection_to_itself_is_refused() -> None:
    """A socket that TCP connected to itself, as happens with a free local port, is nobody's."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(PeerUnreachable, match="nobody listens there"):
            connect(sock, endpoint_of(sock.getsockname()), Deadline(LONG))


def test_an_unusable_endpoint() -> None:
    """An address that the kernel refuses at once is unreachable, and the socket is closed."""
    with pytest.raises(PeerUnreachable, match="255.255.255.255:1"):
        dial(endpoint_of(("255.255.255.255", 1)), Deadline(LONG))


def test_socket_options(fake_redis: MakeRedis) -> None:
    """Keepalive and user timeout reach the kernel, and 0 leaves them off."""
    node = fake_redis()
    with dial(endpoint_of(node.address), Deadline(LONG)) as sock:
        set_keepalive(sock, 0)
        set_user_timeout(sock, 0)
        before = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                  sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)]
        set_keepalive(sock, 0.5)
        set_user_timeout(sock, 1.5)
        options = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT]
        after = [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options]
        assert (before, after) == ([0, 0], [1, 5, 3, 1500])
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_reset_on_close() -> None:
    """After it close() sends RST, so that the other end sees no orderly end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        sock = dial(endpoint_of(listener.getsockname()), Deadline(LONG))
        accepted, _ = listener.accept()
        with accepted:
            reset_on_close(sock)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
            sock.close()
            with pytest.raises(ConnectionResetError):
                accepted.recv(1)


@pytest.mark.parametrize("wake", [interrupt, interrupt_at_once])
def test_interrupt_wakes_a_reader(wake: t.Callable[[socket.socket], None], fake_redis: MakeRedis) -> None:
    """The thread that waits for bytes sees an end of file, and its socket stays open until it closes it."""
    read: t.List[bytes] = []
    with dial(endpoint_of(fake_redis().address), Deadline(LONG)) as sock:
        thread = threading.Thread(target=lambda: read.append(sock.recv(1)), daemon=True)
        thread.start()
        wake(sock)
        thread.join(LONG)
        assert read == [b""] and sock.fileno() >= 0
        wake(sock)  # again: changes nothing
    wake(sock)  # closed by its owner: changes nothing


def test_interrupt_ends_a_connect() -> None:
    """A thread that waits for a SYN to be answered is woken with an error."""
    failures: t.List[str] = []

    def run() -> None:
        try:
            connect(sock, endpoint_of(address), Deadline(LONG))
        except PeerUnreachable as error:
            failures.append(str(error))

    with silent_listener() as address, socket.socket() as sock:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def ended() -> bool:
            interrupt(sock)  # again and again: the thread may not have begun to connect
            return not thread.is_alive()

        wait_until(ended, "the connect is over", LONG / 2)
    assert failures and "in time" not in failures[0]


def test_a_connection_that_is_reset_before_we_look() -> None:
    """A peer that accepts and resets at once is reported as what it did, however late the dialling thread runs on."""

    class Late(socket.socket):
        def connect(self, address: t.Any) -> None:
            super().connect(address)
            accepted = listener.accept()[0]
            reset_on_close(accepted)
            accepted.close()
            assert select.select([self], [], [], LONG)[0], "the reset arrives"

    with socket.socket() as listener, Late(socket.AF_INET, socket.SOCK_STREAM) as sock:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with pytest.raises(PeerUnreachable, match="127.0.0.1:[0-9]+: Connection reset by peer"):
            connect(sock, Endpoint(socket.AF_INET, listener.getsockname()), Deadline(LONG))


def test_interrupt_before_a_connection() -> None:
    """A socket that was never connected is left alone; an error of any other kind is not hidden."""
    with socket.socket() as sock:
        interrupt(sock)
        interrupt_at_once(sock)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            assert error.errno == errno.ENOTCONN
