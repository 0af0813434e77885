"""Clients that come all at once while there is no master: neither Sentinels nor nodes may feel their number."""
import contextlib
import pathlib
import resource
import selectors
import socket
import typing as t

import pytest

from st.host.limits import raise_descriptor_limit
from tests.fakes import FakeRedis, World
from tests.live.node import free_port
from tests.programs import Program
from tests.tunnels import Running, running, world_settings
from tests.waiting import FACTOR, wait_until

WAITING = 50
STORM = 2000  # clients, where the descriptors suffice
FEW = 10  # connections that do not depend on the number of clients
ASK = "SENTINEL MASTER"
PATIENT = {"SENTINEL_TUNNEL_SENTINEL_TIMEOUT": "10s"}  # they share an interpreter with thousands of connections
WORDS = ("--hold", "120s", "--connect-timeout", "30s", "--poll", "1s")


@pytest.fixture
def crowd() -> t.Iterator[int]:
    """Give the number of clients there can be: each has a descriptor here, and one of a fake."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield min(STORM, (raise_descriptor_limit() - 200) // 3)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Clients:
    """Clients that connect and send PING at once, and wait; a context manager that closes them."""

    def __init__(self, address: t.Tuple[str, int], number: int) -> None:
        self._address = address
        self._number = number
        self._sockets = contextlib.ExitStack()
        self._selector = self._sockets.enter_context(selectors.DefaultSelector())

    def __enter__(self) -> "Clients":
        for _ in range(self._number):
            client = self._sockets.enter_context(socket.create_connection(self._address, 60 * FACTOR))
            client.sendall(b"PING\r\n")
            self._selector.register(client, selectors.EVENT_READ)
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._sockets.close()

    def replies(self) -> t.List[bytes]:
        """Return what each client got, in one piece; wait until all of them have."""
        got: t.List[bytes] = []

        def all_there() -> bool:
            for key, _ in self._selector.select(0.05):
                self._selector.unregister(key.fileobj)
                got.append(t.cast(socket.socket, key.fileobj).recv(65536))
            return len(got) == self._number

        wait_until(all_there, "%d clients have a reply" % self._number, 90)
        return got


def dies(node: FakeRedis) -> None:
    """Refuse connections, as the host of a killed process does."""
    node.stop()


def hangs(node: FakeRedis) -> None:
    """Answer nothing, while the kernel still takes connections."""
    node.fault = "silence"


def least_asked(world: World) -> int:
    """Return how many rounds every Sentinel has been asked in."""
    return min(sentinel.count(ASK) for sentinel in world.sentinels)


@pytest.mark.parametrize("falls, each", [(dies, 0), (hangs, 1)])
def test_clients_that_come_all_at_once(world: World, tmp_path: pathlib.Path, crowd: int,
                                       falls: t.Callable[[FakeRedis], None], each: int) -> None:
    """Sentinels get no connection for them, a hung master one for each, the new master one for each: all are served."""
    old, new, port = world.master, world.replicas[0], free_port()
    seeds = [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]
    with Program(tmp_path, "run", "mymaster=%d" % port, *seeds, *WORDS, environ=PATIENT) as program:
        program.wait_ready()
        falls(old)
        rounds, accepted = least_asked(world), old.accepted
        with Clients(("127.0.0.1", port), crowd) as clients:
            wait_until(lambda: old.count("ROLE") >= each * crowd, "the role was asked for each", 90)
            rounds_of_storm = least_asked(world)
            wait_until(lambda: least_asked(world) > rounds_of_storm + 5, "the Sentinels are asked on")
            world.switch(new)
            assert clients.replies() == [b"+PONG\r\n"] * crowd
        assert old.accepted <= accepted + each * crowd + FEW and old.count("PING") == 0
        assert new.accepted <= crowd + FEW and new.count("PING") == crowd
        assert max(sentinel.accepted for sentinel in world.sentinels) <= FEW
        assert least_asked(world) - rounds < crowd / 2  # rounds come with time, not with clients
        assert " ERROR " not in program.log


def test_a_hung_master_collects_one_socket_a_client(world: World) -> None:
    """However many rounds they wait, it is not dialled again; when it goes on, it serves them on those sockets."""
    with running(world, poll=0.1, hold=3600.0, connect_timeout=3600.0) as app, contextlib.ExitStack() as stack:
        master = world.master
        master.delays["ROLE"] = 3600  # a gate
        before, address = master.accepted, app.address()
        clients = stack.enter_context(Clients(address, WAITING))
        wait_until(lambda: master.accepted == before + WAITING, "each has a connection to the master")
        rounds = least_asked(world)
        wait_until(lambda: least_asked(world) > rounds + 10, "ten rounds are over")
        assert (master.accepted, app.tunnel().held) == (before + WAITING, WAITING)
        del master.delays["ROLE"]
        assert clients.replies() == [b"+PONG\r\n"] * WAITING
        assert master.accepted == before + WAITING


@pytest.mark.parametrize("comes", [True, False])
def test_all_who_wait_get_the_outcome(world: World, comes: bool) -> None:
    """Whoever waits for the one answer gets it: the master that comes, or the reason why none does."""
    for sentinel in world.sentinels:
        sentinel.masters.clear()
    made = world_settings(world, poll=0.1, hold=3600.0 if comes else 2.0 * FACTOR)
    with Running(made) as app, Clients(app.address(), WAITING) as clients:
        wait_until(lambda: app.tunnel().accepted == WAITING, "all have come")
        if comes:
            world.switch(world.master)
        replies = clients.replies()
        asked = max(sentinel.accepted for sentinel in world.sentinels)
    reason = b"(3 of 3 sentinels answer, none of them monitors this name). Retry.\r\n"
    refused = b"-LOADING sentinel-tunnel: no master for 'mymaster' " + reason
    assert replies == [b"+PONG\r\n" if comes else refused] * WAITING
    assert asked <= FEW and sum(node.count("PING") for node in world.nodes) == (WAITING if comes else 0)
