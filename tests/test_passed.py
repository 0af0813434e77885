"""Sockets that systemd opened: real descriptors, passed to the real program as systemd does it."""
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import typing as t

import pytest

from st.address import Address
from st.errors import ListenError
from st.host.passed import Passed, PassedSockets, take_passed
from tests.fakes import World
from tests.installed import need
from tests.live.node import free_port
from tests.programs import ROOT, Program
from tests.tunnels import Running, ask, tunnel_settings, world_settings
from tests.waiting import FACTOR

# Becomes the program, as systemd does: the sockets from descriptor 3 on, and the process id in the environment.
PASS = """import os, sys
numbers = [int(word) for word in sys.argv[1].split(",")]
high = [os.dup2(number, 100 + at) for at, number in enumerate(numbers)]
for at in range(len(numbers)):
    os.dup2(100 + at, 3 + at)
    os.set_inheritable(3 + at, True)
    os.close(100 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


@contextlib.contextmanager
def listening(count: int = 1) -> t.Iterator[t.List[socket.socket]]:
    """Give sockets that listen, each on a free port of 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in made:
            sock.bind(("127.0.0.1", free_port()))
            sock.listen(100)
        yield made


def port_of(sock: socket.socket) -> int:
    """Return the port of a listening socket."""
    return int(sock.getsockname()[1])


def configured(directory: pathlib.Path, world: World, tunnels: str) -> str:
    """Write a configuration with the Sentinels of a world and return its path."""
    path = directory / "c.ini"
    seeds = ", ".join("%s:%d" % seed for seed in world.seeds)
    path.write_text("[sentinel-tunnel]\nsentinels = %s\ndrain = 0\n%s" % (seeds, tunnels))
    return str(path)


def started(directory: pathlib.Path, config: str, sockets: t.Sequence[socket.socket], names: str = "") -> Program:
    """Start the program with passed sockets."""
    numbers = [sock.fileno() for sock in sockets]
    before = [sys.executable, "-c", PASS, ",".join(map(str, numbers)), names]
    return Program(directory, "run", "-c", config, before=before, passing=numbers)


def connect(port: int) -> socket.socket:
    """Return a client's socket on which nothing takes longer than 20 seconds."""
    return socket.create_connection(("127.0.0.1", port), timeout=20 * FACTOR)


def test_clients_wait_in_the_passed_socket_over_a_restart(world: World, tmp_path: pathlib.Path) -> None:
    """A client that came before the first start, and one between two of them, are served."""
    with listening() as sockets:
        port = port_of(sockets[0])
        config = configured(tmp_path, world, "[tunnel:mymaster]\nport = %d\n" % port)
        for _ in range(2):
            with connect(port) as early, started(tmp_path, config, sockets) as program:
                assert ask(early, "PING") == b"+PONG\r\n"
                with connect(port) as late:
                    assert ask(late, "SET", "k", "v") == b"+OK\r\n"
                assert program.end() == 0
        with connect(port):  # it still listens
            pass


def test_systemds_own_tool_passes_a_socket(world: World, tmp_path: pathlib.Path) -> None:
    """systemd-socket-activate does with descriptors and variables what systemd does; a name counts, not the port."""
    need("systemd-socket-activate")
    port = free_port()
    config = configured(tmp_path, world, "[tunnel:mymaster]\nport = %d\n" % free_port())
    before = ["systemd-socket-activate", "--listen=127.0.0.1:%d" % port, "--fdname=mymaster", "--setenv=PYTHONPATH",
              "--setenv=HOME", "--setenv=SENTINEL_TUNNEL_CONTROL"]
    with Program(tmp_path, "run", "-c", config, before=before) as program:
        program.wait_for("Listening on 127.0.0.1:%d" % port)
        with connect(port) as client:  # which starts the program
            assert ask(client, "PING") == b"+PONG\r\n"
        program.wait_ready()
        assert program.end() == 0


def test_a_tunnel_without_a_passed_socket_opens_its_own(world: World, tmp_path: pathlib.Path) -> None:
    """By its name a tunnel gets a socket at another address, by its address one with another name."""
    for sentinel in world.sentinels:
        sentinel.masters.update(a=sentinel.masters["mymaster"], b=sentinel.masters["mymaster"])
    with listening(2) as sockets:
        own = free_port()
        ports = (free_port(), port_of(sockets[1]), own)
        config = configured(tmp_path, world, "[tunnel:a]\nport = %d\n[tunnel:b]\nport = %d\n"
                                             "[tunnel:mymaster]\nport = %d\n" % ports)
        with started(tmp_path, config, sockets, "a:sentinel-tunnel.socket") as program:
            program.wait_ready()
            for port in (port_of(sockets[0]), port_of(sockets[1]), own):
                with connect(port) as client:
                    assert ask(client, "PING") == b"+PONG\r\n"
            assert "a         127.0.0.1:%d -> " % port_of(sockets[0]) in program.out


def test_a_passed_socket_of_no_tunnel_is_an_error(world: World, tmp_path: pathlib.Path) -> None:
    """Its address is named; clients would wait there for ever."""
    with listening() as sockets:
        config = configured(tmp_path, world, "[tunnel:mymaster]\nport = %d\n" % free_port())
        with started(tmp_path, config, sockets, "") as program:
            assert program.code() == 1
            assert "passed a socket that listens on 127.0.0.1:%d, but no tunnel does" % port_of(sockets[0]) \
                in program.log


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_does_not_listen_is_an_error(world: World, tmp_path: pathlib.Path, kind: int) -> None:
    """Accept=yes passes connections, ListenDatagram= other sockets."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", free_port()))
        with started(tmp_path, configured(tmp_path, world, "[tunnel:mymaster]\nport = 1\n"), [sock]) as program:
            assert program.code() == 1 and "127.0.0.1:%d (descriptor 3), which does not listen" % port_of(sock) \
                in program.log


def test_an_abstract_unix_socket_is_an_error(world: World, tmp_path: pathlib.Path) -> None:
    """An abstract one has no permissions: whoever is on this host could connect."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("\0st-test-%d" % os.getpid())
        sock.listen(1)
        with started(tmp_path, configured(tmp_path, world, "[tunnel:mymaster]\nport = 1\n"), [sock]) as program:
            assert program.code() == 1 and "tunnels listen on TCP and on paths only" in program.log


def test_what_is_no_socket_is_an_error(world: World, tmp_path: pathlib.Path) -> None:
    """systemd can store files, too."""
    with open(os.devnull) as file:
        words = [sys.executable, "-c", PASS, str(file.fileno()), ""]
        config = configured(tmp_path, world, "[tunnel:mymaster]\nport = 1\n")
        with Program(tmp_path, "run", "-c", config, before=words, passing=[file.fileno()]) as program:
            assert program.code() == 1 and "not all are sockets" in program.log


def test_it_stays_open_over_reloads_and_comes_back(world: World) -> None:
    """A tunnel that stays keeps it; one that goes leaves it to another at the same address."""
    with listening(2) as sockets:
        ports = [port_of(sock) for sock in sockets]
        passed = PassedSockets([Passed("", Address("127.0.0.1", port), sock.dup())
                                for port, sock in zip(ports, sockets)])
        made = world_settings(world, ["mymaster"])
        first = made.tunnels[0]._replace(port=ports[0])
        second = first._replace(name="second", port=ports[1])
        both, one = made._replace(tunnels=(first, second)), made._replace(tunnels=(first,))
        with contextlib.closing(passed), Running(both, passed=passed) as app, connect(ports[0]) as kept:
            assert ask(kept, "PING") == b"+PONG\r\n"
            app.app.reload(one._replace(drain=0))
            with connect(ports[1]) as waiting:  # in the queue of the kernel
                app.app.reload(made._replace(tunnels=(first, second._replace(name="third"))))
                assert ask(waiting, "PING") == b"+PONG\r\n"
            assert ask(kept, "PING") == b"+PONG\r\n"


def test_a_refused_reload_leaves_a_passed_socket_in_use(world: World) -> None:
    """The tunnel that was to make room listens again."""
    with listening() as sockets, socket.socket() as busy:
        port = port_of(sockets[0])
        busy.bind(("127.0.0.2", port))
        busy.listen(1)
        passed = PassedSockets([Passed("", Address("127.0.0.1", port), sockets[0].dup())])
        made = world_settings(world, ["mymaster"], drain=0)
        tunnel = made.tunnels[0]._replace(port=port)
        after = (tunnel._replace(master="other"), tunnel._replace(name="x", listen=("127.0.0.2",)))
        with contextlib.closing(passed), Running(made._replace(tunnels=(tunnel,)), passed=passed) as app:
            with pytest.raises(ListenError):
                app.app.reload(made._replace(tunnels=after))
            with connect(port) as client:
                assert ask(client, "PING") == b"+PONG\r\n"


def test_a_name_counts_before_an_address() -> None:
    """No tunnel gets a socket that bears the name of another, nor two tunnels the same one."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        passed = PassedSockets([Passed("b", Address("127.0.0.1", 1), one), Passed("", Address("127.0.0.1", 2), two),
                                Passed("a.socket", Address("::1", 2), three)])
        a, b = tunnel_settings(name="a", port=1), tunnel_settings(name="b", port=2)
        assert passed.assign([a, b]) == {"b": [one]}
        assert len(passed.useless([a, b])) == 2 and "[::1]:2" in passed.useless([a, b])[1]
        assert passed.assign([a, tunnel_settings(name="c", port=2)]) == {"a": [one], "c": [two]}


def test_variables_for_another_process_count_for_nothing() -> None:
    """They are taken out all the same: a command that we run must not believe in them."""
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a", "HOME": "/"}
    assert take_passed(environ).assign([tunnel_settings()]) == {} and environ == {"HOME": "/"}


def test_no_command_inherits_them() -> None:
    """The descriptors close when a program is started, the variables have gone, and an accept does not block."""
    look = "import os; from st.host.passed import take_passed; kept = take_passed(os.environ);" \
           "print([os.get_inheritable(number) for number in (3, 4)], os.get_blocking(3)," \
           "[name for name in os.environ if 'LISTEN' in name])"
    with listening(2) as sockets:
        numbers = [sock.fileno() for sock in sockets]
        words = [sys.executable, "-c", PASS, ",".join(map(str, numbers)), "", sys.executable, "-c", look]
        output = subprocess.check_output(words, pass_fds=numbers, cwd=ROOT, timeout=60 * FACTOR)
        assert output.decode("ascii") == "[False, False] False []\n"
