"""The listener of a tunnel: limits, running out of descriptors or threads, stopping."""
import contextlib
import logging
import os
import resource
import socket
import struct
import threading
import time
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import ListenError
from st.sentinel.masters import MasterRow
from st.testing.server import bound_socket
from st.tunnel.server import MOST_LINGERING, Seats, TunnelServer
from st.wire.dial import Endpoint
from tests.conftest import open_descriptors
from tests.fakes import FakeRedis, read_all, read_exactly
from tests.tunnels import OneTunnel, ask, be_busy, command, no_threads_left, tunnel_settings
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
Expect = t.Callable[[str], None]
FULL = b"-ERR max number of clients reached\r\n"


def test_one_more_than_the_limit_is_refused_in_redis_words(fake_redis: MakeRedis) -> None:
    """And when one has gone its seat is free again."""
    with OneTunnel(fake_redis(), max_connections=2) as tunnel, tunnel.connect() as first:
        with tunnel.connect() as second:
            assert [ask(client, "PING") for client in (first, second)] == [b"+PONG\r\n"] * 2
            with tunnel.connect() as third:
                assert read_all(third) == FULL
            assert tunnel.server.refused["limit"] == 1 and tunnel.server.limit == 2
            assert ask(second, "PING") == b"+PONG\r\n"
        wait_until(lambda: len(tunnel.registry) == 1, "a seat is free")
        with tunnel.connect() as fourth:
            assert ask(fourth, "PING") == b"+PONG\r\n"


def test_a_refused_client_that_has_spoken_reads_the_line(fake_redis: MakeRedis) -> None:
    """It mostly sends its first command at once: the close must not be a reset."""
    with OneTunnel(fake_redis(), max_connections=1) as tunnel, tunnel.connect() as first:
        assert ask(first, "PING") == b"+PONG\r\n"
        with tunnel.connect() as second:
            second.sendall(command("PING"))
            assert read_exactly(second, len(FULL)) == FULL
            second.sendall(command("PING"))
            assert second.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0  # not reset
            assert read_all(second) == b""


def test_the_process_has_room_for_so_many(fake_redis: MakeRedis) -> None:
    """Tunnels share the seats of the process, and give each back; a tunnel's limit is never above that."""
    seats, row = Seats(2), MasterRow("mymaster", "mymaster")
    assert [seats.take(), seats.take(), seats.take()] == [True, True, False]
    seats.give_back()
    assert seats.take()
    server = TunnelServer(tunnel_settings(max_connections=50), row, seats, lambda detail: None)
    server.stop(Deadline(1))
    assert server.limit == 2


def test_a_storm_of_refused_clients_leaves_nothing(fake_redis: MakeRedis) -> None:
    """More than are lingered for at once: each reads the line, and the listener goes on."""
    with OneTunnel(fake_redis(), room=1) as tunnel, tunnel.connect() as first:
        assert ask(first, "PING") == b"+PONG\r\n"
        with contextlib.ExitStack() as stack:
            before = len(open_descriptors())
            others = [stack.enter_context(tunnel.connect()) for _ in range(400)]
            assert {read_exactly(client, len(FULL)) for client in others} == {FULL}
            assert len(open_descriptors()) - before <= 400 + MOST_LINGERING + 2  # one more is on its way in or out
        assert ask(first, "PING") == b"+PONG\r\n"


def test_1000_clients_come_and_go(fake_redis: MakeRedis) -> None:
    """Threads, descriptors, registry and seats are as before: nothing leaks."""
    node = fake_redis()
    with OneTunnel(node, room=3) as tunnel:
        threads, descriptors = threading.active_count(), len(open_descriptors())
        for _ in range(1000):
            with tunnel.connect() as client:
                assert ask(client, "PING") == b"+PONG\r\n"
            wait_until(lambda: len(tunnel.registry) < 3, "a seat is free")
        wait_until(lambda: not len(tunnel.registry) and not node.open, "all have left")
        wait_until(lambda: threading.active_count() == threads, "all threads have ended")
        wait_until(lambda: len(open_descriptors()) == descriptors, "all descriptors are closed")
        assert tunnel.registry.counts().accepted == 1000 and tunnel.closed("client") == 1000


@contextlib.contextmanager
def no_descriptors_left() -> t.Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(number for number, _ in open_descriptors()) + 2, hard))
    taken: t.List[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Lines(logging.Handler):
    """Keeps what is logged below a logger while it is entered."""

    def __init__(self, name: str, level: int) -> None:
        super().__init__(level)
        self.texts: t.List[str] = []
        self._logger = logging.getLogger(name)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text."""
        self.texts.append(record.getMessage())

    def __enter__(self) -> "Lines":
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._logger.removeHandler(self)


def test_without_descriptors_new_clients_wait(fake_redis: MakeRedis, expect_error: Expect) -> None:
    """Not the end of the process, no spinning on the same client, one line in the log; served once there are some."""
    expect_error("error=\"Too many open files\"")
    with OneTunnel(fake_redis()) as tunnel, tunnel.connect() as before, socket.socket() as client:
        assert ask(before, "PING") == b"+PONG\r\n"
        with Lines("st.tunnel.listener", logging.ERROR) as lines:
            with no_descriptors_left():
                client.connect(tunnel.address)
                wait_until(lambda: lines.texts, "the pause is logged")
                used = time.process_time()
                be_busy(1.0)  # a listener that spins would use this second
                used = time.process_time() - used
                assert ask(before, "PING") == b"+PONG\r\n"
            assert used < 0.4, "%.2f s of CPU to wait" % used
            client.settimeout(20)
            assert ask(client, "PING") == b"+PONG\r\n"
        assert len(lines.texts) == 1


def test_a_listening_socket_that_broke_costs_no_cpu(expect_error: Expect) -> None:
    """Whoever passed it has shut it down: the log says so, once, and the thread neither ends nor spins."""
    expect_error("error=\"Invalid argument\"")
    with socket.socket() as passed, Lines("st.tunnel.listener", logging.ERROR) as lines:
        passed.bind(("127.0.0.1", 0))
        passed.listen(1)
        server = TunnelServer(tunnel_settings(), MasterRow("m", "m"), Seats(1), lambda detail: None, sites=[passed])
        server.start()
        passed.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: lines.texts, "the pause is logged")
        used = time.process_time()
        be_busy(1.0)  # a listener that spins would use this second
        used = time.process_time() - used
        first = server.beat
        wait_until(lambda: server.beat > first, "the heart beats")
        server.stop(Deadline(20))
    assert used < 0.4, "%.2f s of CPU to wait" % used
    assert len(lines.texts) == 1


def test_without_a_thread_one_client_is_lost(fake_redis: MakeRedis, expect_error: Expect) -> None:
    """The kernel refuses a new thread: that client is told, its seat is free, the others go on."""
    expect_error("no_thread tunnel=mymaster")
    with OneTunnel(fake_redis(), room=2) as tunnel, tunnel.connect() as before:
        assert ask(before, "PING") == b"+PONG\r\n"
        with no_threads_left():
            for _ in range(3):
                with tunnel.connect() as client:
                    assert read_all(client) == FULL
        assert tunnel.server.refused["no_thread"] == 3 and tunnel.closed("error") == 3
        assert ask(before, "PING") == b"+PONG\r\n"
        with tunnel.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"


def test_descriptors_above_1024(fake_redis: MakeRedis) -> None:
    """select() would fail there: nothing here uses it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 1200:
        pytest.skip("the limit of open files is %d" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    node, taken = fake_redis(), []  # type: t.Tuple[FakeRedis, t.List[int]]
    try:
        while not taken or taken[-1] < 1024:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        with OneTunnel(node) as tunnel, tunnel.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            assert [each.fileno() > 1024 for each in (tunnel.server.sockets[0], client)] == [True, True]
            assert tunnel.switch(fake_redis()) == 1 and read_all(client) == b""
        with OneTunnel(hold=0.1) as tunnel, tunnel.connect() as client:
            assert read_all(client).startswith(b"-LOADING")
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_clients_that_come_all_at_once_find_room() -> None:
    """While the listener thread is busy they wait in the kernel: a backlog of 5 drops most, for a second or more."""
    with OneTunnel() as tunnel:
        state = tunnel.server.sockets[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
        backlog = struct.unpack_from("I", state, 28)[0]  # tcpi_sacked, which is that of a socket that listens
    with open("/proc/sys/net/core/somaxconn") as file:
        assert backlog == min(1024, int(file.read()))


@pytest.mark.parametrize("listen, own, foreign", [
    ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "192.0.2.1"]), ("0.0.0.0", ["127.0.0.1", "127.0.0.2"], ["192.0.2.1"])])
def test_it_knows_what_would_lead_to_itself(listen: str, own: t.List[str], foreign: t.List[str]) -> None:
    """Its own address and port, for a wildcard every address of this host; never another port."""
    server = TunnelServer(tunnel_settings(listen=(listen,)), MasterRow("m", "m"), Seats(1), lambda detail: None)
    port = server.places[0].port  # type: ignore[union-attr]
    server.stop(Deadline(1))
    at = {host: server.listens_at(Endpoint(socket.AF_INET, (host, port))) for host in own + foreign}
    assert at == dict({host: True for host in own}, **{host: False for host in foreign})
    assert not server.listens_at(Endpoint(socket.AF_INET, (own[0], port - 1)))


def test_stopping_twice_is_fine(fake_redis: MakeRedis) -> None:
    """Nobody listens after the first; open connections stay, for they are drained later."""
    with OneTunnel(fake_redis()) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        tunnel.server.stop(Deadline(10))
        tunnel.server.stop(Deadline(10))
        with pytest.raises(ConnectionRefusedError):
            tunnel.connect()
        assert ask(client, "PING") == b"+PONG\r\n"


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    """The address is free again."""
    server = TunnelServer(tunnel_settings(), MasterRow("m", "m"), Seats(1), lambda detail: None)
    address = server.places[0]
    server.stop(Deadline(1))
    bound_socket(tuple(address)).close()  # type: ignore[arg-type]


def test_stopping_closes_refused_clients_at_once(fake_redis: MakeRedis) -> None:
    """They linger for a moment, but never longer than the listener is there."""
    with OneTunnel(fake_redis(), room=1) as tunnel, tunnel.connect() as first, tunnel.connect() as second:
        assert ask(first, "PING") == b"+PONG\r\n"
        assert read_exactly(second, len(FULL)) == FULL
        tunnel.server.stop(Deadline(10))
        assert read_all(second) == b""


def test_a_restart_finds_its_address_free(fake_redis: MakeRedis) -> None:
    """Connections that the tunnel itself ended are in TIME_WAIT: that must not keep the port busy."""
    node = fake_redis()
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        port = tunnel.address[1]
        tunnel.registry.cut_all("shutdown")
        assert read_all(client) == b""
    with OneTunnel(node, port=port) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"


@pytest.mark.parametrize("listen", ["127.0.0.1", "no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_had(listen: str) -> None:
    """Taken, a name without an address, not one of this host: the error names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        tunnel = tunnel_settings(listen=(listen,), port=taken.getsockname()[1])
        with pytest.raises(ListenError) as caught:
            TunnelServer(tunnel, MasterRow("m", "m"), Seats(1), lambda detail: None)
        assert str(caught.value).startswith("%s:%s: cannot listen: " % (listen, tunnel.port))


def test_ipv6(fake_redis: MakeRedis) -> None:
    """A listener on ::1, and an address in brackets wherever it is printed."""
    try:
        bound_socket(("::1", 0)).close()
    except OSError:
        pytest.skip("this host has no IPv6")
    with OneTunnel(fake_redis(), listen=("::1",)) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert str(tunnel.server.places[0]) == "[::1]:%d" % tunnel.address[1]
        assert tunnel.registry.connections()[0].peer == "[::1]:%d" % client.getsockname()[1]


def test_the_listener_says_that_it_lives() -> None:
    """Its heartbeat goes on without clients; status tells a hung thread by it."""
    with OneTunnel() as tunnel:
        first = tunnel.server.beat
        wait_until(lambda: tunnel.server.beat > first, "the heart beats")
