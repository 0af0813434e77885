"""The places where one tunnel listens: several, of TCP and unix, with one limit and one registry."""
import contextlib
import os
import pathlib
import socket
import stat
import threading
import typing as t

import pytest

from st.address import Address, Site
from st.config.kinds import networks
from st.deadline import Deadline
from st.errors import ListenError
from st.secret import Secret
from st.sentinel.masters import MasterRow
from st.testing.server import bound_socket
from st.tunnel.server import Seats, TunnelServer
from st.unix import LONGEST
from tests.control import short_directory
from tests.fakes import FakeRedis, read_all
from tests.live.node import free_port
from tests.tunnels import OneTunnel, ask, command, connect_to, no_threads_left, tunnel_settings, until_ended
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]
FULL = b"-ERR max number of clients reached\r\n"


@pytest.fixture
def path() -> t.Iterator[str]:
    """Give a path for a socket in a directory of its own."""
    with short_directory() as directory:
        yield os.path.join(directory, "t.sock")


def opened(*listen: str, sites: t.Optional[t.Sequence[Site]] = None, **changes: t.Any) -> TunnelServer:
    """Open the listening sockets of a tunnel."""
    settings = tunnel_settings(listen=listen or ("127.0.0.1",), **changes)
    return TunnelServer(settings, MasterRow("m", "m"), Seats(1), lambda detail: None, sites=sites)


@contextlib.contextmanager
def listening(*listen: str, **changes: t.Any) -> t.Iterator[TunnelServer]:
    """Have them open for a while."""
    server = opened(*listen, **changes)
    try:
        yield server
    finally:
        server.stop(Deadline(20 * FACTOR))


def test_each_place_leads_to_the_master(fake_redis: MakeRedis, path: str) -> None:
    """Two addresses on one port and a path: every one is served, and all clients are of one tunnel."""
    port = free_port()
    with OneTunnel(fake_redis(), listen=("127.0.0.1", "127.0.0.2", path), port=port) as tunnel:
        assert tunnel.server.places == (Address("127.0.0.1", port), Address("127.0.0.2", port), path)
        with contextlib.ExitStack() as stack:
            for place in tunnel.server.places:
                assert ask(stack.enter_context(connect_to(place)), "PING") == b"+PONG\r\n"
            assert len(tunnel.registry) == 3
    for place in tunnel.server.places:
        with pytest.raises(OSError):
            connect_to(place)


def test_one_limit_for_all_places(fake_redis: MakeRedis, path: str) -> None:
    """Whoever comes by the path takes the place of one who comes by TCP, and reads the same refusal."""
    with OneTunnel(fake_redis(), listen=("127.0.0.1", path), max_connections=1) as tunnel, connect_to(path) as first:
        assert ask(first, "PING") == b"+PONG\r\n"
        for place in tunnel.server.places:
            with connect_to(place) as client:
                assert read_all(client) == FULL
        assert tunnel.server.refused["limit"] == 2


def test_many_bytes_go_both_ways_through_a_unix_socket(fake_redis: MakeRedis, path: str) -> None:
    """Far more than any buffer holds, and the end of file of the client does not cost it the reply."""
    payload = os.urandom(1 << 20) * 8
    with OneTunnel(fake_redis(), listen=(path,)), connect_to(path) as client:
        client.sendall(command("SET", "k", payload))
        assert client.recv(100) == b"+OK\r\n"
        client.sendall(command("GET", "k"))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"$%d\r\n%s\r\n" % (len(payload), payload)


def test_a_client_that_has_gone_from_a_unix_socket_is_noticed(fake_redis: MakeRedis, path: str) -> None:
    """Also in the middle of a long reply that it does not read."""
    node = fake_redis()
    node.values[b"k"] = b"x" * (8 << 20)
    with OneTunnel(node, listen=(path,)) as tunnel:
        with connect_to(path) as client:
            client.sendall(command("GET", "k"))
            assert client.recv(10)
        wait_until(lambda: not len(tunnel.registry) and tunnel.closed("client") == 1, "it has left")


def test_a_switch_ends_a_client_on_a_unix_socket(fake_redis: MakeRedis, path: str) -> None:
    """As any other; its next connection reaches the new master."""
    with OneTunnel(fake_redis(), listen=(path,)) as tunnel, connect_to(path) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        new = fake_redis()
        assert tunnel.switch(new) == 1 and until_ended(client) == b""
        with connect_to(path) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        assert new.values == {b"k": b"v"}


def test_a_client_of_a_unix_socket_reads_why_it_is_refused(path: str) -> None:
    """The same line as by TCP."""
    with OneTunnel(listen=(path,), hold=0.1), connect_to(path) as client:
        client.sendall(command("PING"))
        assert read_all(client).startswith(b"-LOADING sentinel-tunnel: no master")


@pytest.mark.parametrize("mode", [0o660, 0o600, 0o666])
@pytest.mark.parametrize("umask", [0o077, 0o022, 0])
def test_the_file_has_its_mode_whatever_the_umask_is(path: str, mode: int, umask: int) -> None:
    """The umask takes bits away when a socket is bound."""
    before = os.umask(umask)
    try:
        with listening(path, socket_mode="%04o" % mode):
            assert stat.S_IMODE(os.stat(path).st_mode) == mode
    finally:
        os.umask(before)
    assert not os.path.exists(path)


def test_a_socket_that_was_left_behind_is_replaced(path: str) -> None:
    """After kill -9 the next process has the place."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
        left.listen(1)
    with listening(path), connect_to(path):
        pass


@pytest.mark.parametrize("there, advice", [
    ("file", "there is a file that is no socket: remove it, or listen elsewhere"),
    ("link", "there is a file that is no socket: remove it, or listen elsewhere"),
    ("listener", "another process listens there: stop it, or listen elsewhere")])
def test_what_others_have_there_stays(path: str, there: str, advice: str) -> None:
    """A file, a link to a socket, a socket where somebody listens: each is an error that says what to do."""
    with socket.socket(socket.AF_UNIX) as other:
        if there == "file":
            pathlib.Path(path).write_text("mine")
        else:
            other.bind(path + "2" if there == "link" else path)
            other.listen(1)
        if there == "link":
            os.symlink(path + "2", path)
        with pytest.raises(ListenError) as caught:
            opened("127.0.0.1", path)
        assert str(caught.value) == "%s: cannot listen: %s" % (path, advice)
        assert os.path.lexists(path)


def test_a_missing_directory_is_told(path: str) -> None:
    """It is not made: with which permissions, its owner knows better."""
    with pytest.raises(ListenError, match="No such file or directory: make its directory"):
        opened(path + "/none/t.sock")
    assert not os.path.exists(path)


def test_a_path_may_be_107_bytes_long(path: str) -> None:
    """That is what the kernel takes."""
    long = path + "x" * (LONGEST - len(path))
    with listening(long), connect_to(long):
        pass


def test_the_end_removes_no_successors_socket(path: str) -> None:
    """A process that was started meanwhile may have the place."""
    first = opened(path)
    os.unlink(path)
    with listening(path):
        first.stop(Deadline(20 * FACTOR))
        first.stop(Deadline(20 * FACTOR))
        with connect_to(path):
            pass


def test_all_places_or_none(path: str) -> None:
    """When one cannot be had, the others are free again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match="127.0.0.2:%d: cannot listen" % port) as caught:
            opened(path, "127.0.0.1", "127.0.0.2", port=port)
        assert caught.value.address == ("127.0.0.2", port)
        assert not os.path.exists(path)
        bound_socket(("127.0.0.1", port)).close()


def test_a_passed_socket_opens_no_door_to_a_login() -> None:
    """The configuration forbids login = yes beyond this host without `allow`; systemd may pass any socket."""
    login = dict(login=True, redis_password=Secret("x"))  # type: t.Dict[str, t.Any]
    with socket.socket() as passed, socket.socket() as local:
        for sock, host in ((passed, "0.0.0.0"), (local, "127.0.0.1")):
            sock.bind((host, 0))
            sock.listen(1)
        with pytest.raises(ListenError, match="login = yes would let every host use Redis without a password"):
            opened(sites=[local, passed], **login)
        with listening(sites=[passed], allow=networks("10.0.0.0/8"), **login):
            pass
        with listening(sites=[local], **login) as made:
            assert made.places == (local.getsockname(),)


def test_it_listens_again_in_the_same_places(fake_redis: MakeRedis, path: str) -> None:
    """When a reload that was to take its places is refused."""
    with OneTunnel(fake_redis(), listen=("127.0.0.1", path)) as tunnel:
        before = tunnel.server.places
        tunnel.server.stop(Deadline(20 * FACTOR))
        assert not os.path.exists(path)
        tunnel.server.resume()
        assert tunnel.server.places == before
        for place in before:
            with connect_to(place) as client:
                assert ask(client, "PING") == b"+PONG\r\n"


def test_no_thread_to_listen_again(fake_redis: MakeRedis, expect_error: t.Callable[[str], None], path: str) -> None:
    """It is told, the place is free, and the other listeners are not kept from trying."""
    expect_error("listen_lost tunnel=mymaster")
    with OneTunnel(fake_redis(), listen=("127.0.0.1", path)) as tunnel:
        address = tunnel.server.places[0]
        tunnel.server.stop(Deadline(20 * FACTOR))
        with no_threads_left():
            tunnel.server.resume()
        assert isinstance(address, Address)
        bound_socket(address).close()
        assert not os.path.exists(path)


def test_unix_sockets_have_a_long_queue_too(path: str) -> None:
    """Clients that come all at once wait in the kernel: here more than the 5 of Python's default."""
    with listening(path), contextlib.ExitStack() as stack:
        for _ in range(50):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            sock.connect(path)  # raises when the queue is full


def test_stopping_wakes_a_listener_of_unix_sockets_alone(path: str) -> None:
    """Its threads end although nobody comes."""
    with listening(path, path + "2", port=None) as server:
        server.start()
        assert [thread.name for thread in threading.enumerate()].count("listen mymaster") == 2
    assert not os.path.exists(path) and "listen mymaster" not in [thread.name for thread in threading.enumerate()]


def test_no_tcp_options_are_set_on_a_unix_socket(fake_redis: MakeRedis, path: str) -> None:
    """They would fail; on the others they are set."""
    with OneTunnel(fake_redis(), listen=("127.0.0.1", path), keepalive=7.0) as tunnel:
        for place in tunnel.server.places:
            with connect_to(place) as client:
                assert ask(client, "PING") == b"+PONG\r\n"
                accepted = tunnel.registry.connections()[0]._accepted
                on = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert bool(on) == isinstance(place, Address)
            wait_until(lambda: not len(tunnel.registry), "it has left")


def test_whoever_connects_is_known_by_the_kernels_word(fake_redis: MakeRedis, path: str) -> None:
    """Shown as `unix`, with its process and user."""
    with OneTunnel(fake_redis(), listen=(path,)) as tunnel, connect_to(path) as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        connection, = tunnel.registry.connections()
        assert (connection.peer, connection.credentials) == ("unix", (os.getpid(), os.geteuid()))
