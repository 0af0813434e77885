"""Connections that travel in a convoy end as those that do not: one by one, and all at a switch."""
import contextlib
import socket
import typing as t

import pytest

from st.tunnel.relay import STEADY
from tests.fakes import FakeRedis
from tests.tunnels import OneTunnel, ask, until_ended
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
MANY = 40


@contextlib.contextmanager
def travelling(tunnel: OneTunnel, number: int) -> t.Iterator[t.List[socket.socket]]:
    """Give clients whose connections are all in the convoy."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(tunnel.connect()) for _ in range(number)]
        for client in clients:
            for _ in range(STEADY):
                assert ask(client, "PING") == b"+PONG\r\n"
        convoy = tunnel.server._seats.convoy
        wait_until(lambda: len(convoy) == number, "all travel with the convoy")
        yield clients


@pytest.mark.parametrize("leading", [True, False])
def test_one_that_is_killed_ends_alone(fake_redis: MakeRedis, leading: bool) -> None:
    """The leader's connection, or another: that client sees the end, and the other goes on."""
    with OneTunnel(fake_redis()) as tunnel, travelling(tunnel, 2) as clients:
        killed, other = clients if leading else reversed(clients)
        name = "%s:%d" % killed.getsockname()
        next(each for each in tunnel.registry.connections() if each.peer == name).cut("admin")
        assert until_ended(killed) == b""
        wait_until(lambda: tunnel.closed("admin") == 1, "it is counted")
        assert ask(other, "PING") == b"+PONG\r\n"


def test_a_switch_ends_all_of_them(fake_redis: MakeRedis) -> None:
    """Also those with a request that nobody has read yet: it must not reach the old master."""
    old, new = fake_redis(), fake_redis()
    with OneTunnel(old) as tunnel, travelling(tunnel, MANY) as clients:
        assert tunnel.switch(new) == MANY
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(b"SET k v\r\n")
        assert [until_ended(client) for client in clients] == [b""] * MANY
        wait_until(lambda: tunnel.closed("switch") == MANY, "they are counted")
        wait_until(lambda: not old.open, "nothing is left at the old master")
        assert not old.count("SET")
        with tunnel.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"


def test_the_master_that_ends_ends_all_of_them(fake_redis: MakeRedis) -> None:
    """Each is told, and each is counted."""
    node = fake_redis()
    with OneTunnel(node) as tunnel, travelling(tunnel, 5) as clients:
        node.close()
        for client in clients:
            assert until_ended(client) == b""
            client.close()
        wait_until(lambda: tunnel.closed("master") == 5, "they are counted")
