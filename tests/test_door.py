"""Who may come in: the networks of `allow`, and how many from one address."""
import contextlib
import ipaddress
import socket
import threading
import typing as t

import pytest

from st.address import parse_ip
from st.config.kinds import networks
from st.testing.server import bound_socket
from st.tunnel.door import Crowd, is_allowed
from tests.control import short_directory
from tests.fakes import FakeRedis, World, read_all
from tests.tunnels import OneTunnel, ask, connect_to, running, until_ended
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]
FULL = b"-ERR max number of clients reached\r\n"


def from_address(tunnel: OneTunnel, host: str) -> socket.socket:
    """Return a client that comes from an address of this host."""
    return socket.create_connection(tunnel.address, 20 * FACTOR, (host, 0))


@pytest.mark.parametrize("client, allow, allowed", [
    ("10.1.2.3", "", True), ("::1", "", True), ("10.1.2.3", "10.1.0.0/16", True), ("10.2.0.1", "10.1.0.0/16", False),
    ("192.0.2.7", "10.0.0.0/8, 192.0.2.7", True), ("127.0.0.1", "10.0.0.0/8", False), ("::1", "127.0.0.1", False),
    ("fd00::1", "fd00::/8", True), ("fe80::1%lo", "fe80::/10", True), ("::ffff:10.1.2.3", "10.0.0.0/8", True),
    ("::ffff:10.1.2.3", "::/0", False), ("10.1.2.3", "::/0", False), ("10.1.2.3", "0.0.0.0/0", True),
])
def test_a_network_lets_its_addresses_in(client: str, allow: str, allowed: bool) -> None:
    """Nobody else but those on the list, also not from this host; an IPv4 address in an IPv6 one is that."""
    assert is_allowed(parse_ip(client), networks(allow)) is allowed


def test_a_unix_socket_has_its_permissions_instead() -> None:
    """Whoever could connect was allowed to."""
    assert is_allowed(None, networks("10.0.0.0/8"))


def test_who_is_not_allowed_is_closed_before_anything_is_dialled(
        fake_redis: MakeRedis, caplog: pytest.LogCaptureFixture) -> None:
    """Without a word; counted, and told in the log once for many; who is allowed is served meanwhile."""
    node = fake_redis()
    with OneTunnel(node, allow=networks("127.0.0.1")) as tunnel, caplog.at_level("INFO", "st.tunnel"):
        for _ in range(50):
            with from_address(tunnel, "127.0.0.2") as client:
                assert until_ended(client) == b""
        wait_until(lambda: tunnel.server.refused["not_allowed"] == 50, "all are counted")
        assert node.accepted == 0 and tunnel.registry.counts().accepted == 0
        with from_address(tunnel, "127.0.0.1") as client:
            assert ask(client, "PING") == b"+PONG\r\n"
    line, = [text for text in (record.getMessage() for record in caplog.records) if text.startswith("not_allowed ")]
    assert line.startswith("not_allowed tunnel=mymaster client=127.0.0.2:") and " refused=1 " in line


def test_an_ipv4_client_of_an_ipv6_listener_counts_as_ipv4(fake_redis: MakeRedis) -> None:
    """The kernel shows it as ::ffff:127.0.0.1."""
    try:
        bound_socket(("::1", 0)).close()
    except OSError:
        pytest.skip("this host has no IPv6")
    with OneTunnel(fake_redis(), listen=("::",), allow=networks("127.0.0.1")) as tunnel:
        with socket.create_connection(("127.0.0.1", tunnel.address[1]), 20 * FACTOR) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        with socket.create_connection(("::1", tunnel.address[1]), 20 * FACTOR) as client:
            assert until_ended(client) == b""


def test_the_network_does_not_concern_unix_sockets(fake_redis: MakeRedis) -> None:
    """They are served whatever `allow` says."""
    with short_directory() as directory:
        path = directory + "/t.sock"
        with OneTunnel(fake_redis(), listen=("127.0.0.1", path), allow=networks("192.0.2.1")) as tunnel:
            with connect_to(path) as client:
                assert ask(client, "PING") == b"+PONG\r\n"
            with tunnel.connect() as client:
                assert until_ended(client) == b""


def test_so_many_from_one_address(fake_redis: MakeRedis) -> None:
    """One more is refused in Redis's words and counted as `limit`; others are served; who leaves makes room."""
    with OneTunnel(fake_redis(), max_connections_per_client=2) as tunnel, contextlib.ExitStack() as stack:
        first = [stack.enter_context(from_address(tunnel, "127.0.0.2")) for _ in range(2)]
        assert [ask(client, "PING") for client in first] == [b"+PONG\r\n"] * 2
        with from_address(tunnel, "127.0.0.2") as client:
            assert read_all(client) == FULL
        assert tunnel.server.refused["limit"] == 1
        with from_address(tunnel, "127.0.0.3") as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        first[0].close()
        wait_until(lambda: len(tunnel.registry) == 1, "one has left")
        wait_until(lambda: served(tunnel, "127.0.0.2"), "there is room again")
        assert tunnel.server.refused["limit"] >= 1


def served(tunnel: OneTunnel, host: str) -> bool:
    """Tell whether a new client from an address gets a reply."""
    with from_address(tunnel, host) as client:
        return ask(client, "PING") == b"+PONG\r\n"


def test_a_client_that_is_refused_for_another_reason_is_not_counted(fake_redis: MakeRedis) -> None:
    """Else an address could never come back after a time without room."""
    with OneTunnel(fake_redis(), room=1, max_connections_per_client=1) as tunnel:
        assert tunnel.server._seats.take()  # as a client of another tunnel does
        for _ in range(3):
            with from_address(tunnel, "127.0.0.3") as client:
                assert read_all(client) == FULL
        tunnel.server._seats.give_back()
        assert served(tunnel, "127.0.0.3")


def test_the_limit_for_each_address_does_not_concern_unix_sockets(fake_redis: MakeRedis) -> None:
    """Programs of one host, of many users, would share one place."""
    with short_directory() as directory, contextlib.ExitStack() as stack:
        path = directory + "/t.sock"
        stack.enter_context(OneTunnel(fake_redis(), listen=(path,), max_connections_per_client=1))
        for _ in range(3):
            assert ask(stack.enter_context(connect_to(path)), "PING") == b"+PONG\r\n"


def test_a_crowd_forgets_who_has_left() -> None:
    """After many threads came and went, nothing is kept of any address."""
    crowd, ips = Crowd(), [ipaddress.ip_address(number) for number in range(1, 50)]

    def come_and_go() -> None:
        for ip in ips * 20:
            assert crowd.enter(ip, 8)
            crowd.leave(ip)

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20 * FACTOR)
    assert crowd._counts == {}


def test_a_crowd_has_a_limit_for_each_address() -> None:
    """0 is none."""
    crowd = Crowd()
    one, other = parse_ip("10.0.0.1"), parse_ip("::ffff:10.0.0.2")
    assert [crowd.enter(one, 2), crowd.enter(one, 2), crowd.enter(one, 2)] == [True, True, False]
    assert crowd.enter(parse_ip("10.0.0.2"), 1) and not crowd.enter(other, 1)
    assert crowd.enter(one, 0) and crowd.enter(None, 1) and crowd.enter(None, 1)


def test_the_status_tells_how_many_were_not_allowed(world: World) -> None:
    """Beside the other reasons; a reload changes the list for those that come from then on."""
    with running(world, allow=networks("192.0.2.1")) as app:
        with app.connect() as client:
            assert until_ended(client) == b""
        wait_until(lambda: app.tunnel().refused == {"not_allowed": 1}, "it is counted")
        made = app.app._parts.settings
        app.app.reload(made._replace(tunnels=(made.tunnels[0]._replace(allow=networks("127.0.0.0/8")),)))
        with app.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"
