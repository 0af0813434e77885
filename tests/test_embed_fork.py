"""A program that forks while its tunnels run: the parent keeps them, the child holds nothing of theirs."""
import os
import sys
import types
import typing as t

import pytest

from st.tunnel import registry
from tests.embedders import said_by
from tests.fakes import World

FORK = """
import traceback

def fork(child):
    pid = os.fork()
    if not pid:
        try:
            child()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)
    return pid

def sockets():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:
            pass  # closed a moment ago
    return sum(target.startswith("socket:") for target in found)
"""


def test_a_child_keeps_no_socket_of_its_parent(world: World) -> None:
    """Its copies are closed at once, or before Python 3.7 as soon as it touches the tunnels; the parent serves on."""
    said = said_by(world, FORK + """
if True:
    with st.SentinelTunnel(SEEDS, NAME) as tunnel:
        tunnel.wait_ready(20)
        client = socket.create_connection((tunnel.host, tunnel.port))
        for _ in range(20):  # so that it travels with the convoy, whose epoll the child inherits
            client.sendall(b"PING\\r\\n")
            said = client.recv(10)
        print(said, flush=True)
        def child():
            print(sockets() == 1 or not hasattr(os, "register_at_fork"))  # the program's own, `client`
            print(tunnel.status()["state"], sockets())
            try:
                tunnel.port
            except st.NotListeningError as error:
                print(error)
        os.waitpid(fork(child), 0)
        client.sendall(b"PING\\r\\n")
        print(client.recv(10), ping(tunnel.port))
    """)
    assert said == ["b'+PONG\\r\\n'", "True", "down 1",
                    "the tunnels do not run: call start() first, in each process of its own",
                    "b'+PONG\\r\\n' b'+PONG\\r\\n'"]


@pytest.mark.parametrize("end", ["tunnel.stop()", "sys.exit(0)", "raise ValueError", "os._exit(0)"])
def test_a_child_that_stops_or_ends_leaves_the_parent_alone(world: World, end: str) -> None:
    """Not even `with`, left by the child's own end, shuts down what both have, nor removes the unix socket."""
    said = said_by(world, FORK + """
if True:
    import tempfile
    path = os.path.join(tempfile.mkdtemp(), "s")
    pid = os.getpid()
    try:
        with st.SentinelTunnel(SEEDS, NAME, listen="127.0.0.1, " + path) as tunnel:
            tunnel.wait_ready(20)
            client = socket.create_connection((tunnel.host, tunnel.port))
            client.sendall(b"PING\\r\\n")
            client.recv(10)
            child = os.fork()
            if not child:
                %s
            if child:
                os.waitpid(child, 0)
                client.sendall(b"PING\\r\\n")
                print(client.recv(10), ping(tunnel.port), os.path.exists(path))
    except (SystemExit, ValueError):
        pass
    if os.getpid() != pid:
        os._exit(0)
    print(os.path.exists(path))
    os.rmdir(os.path.dirname(path))
    """ % end)
    assert said == ["b'+PONG\\r\\n' b'+PONG\\r\\n' True", "False"]


def test_a_child_may_start_its_own(world: World) -> None:
    """On a port of its own, while the parent's go on; and then each stops its own."""
    said = said_by(world, FORK + """
if True:
    with st.SentinelTunnel(SEEDS, NAME) as tunnel, st.SentinelTunnel(SEEDS, NAME) as other:
        tunnel.wait_ready(20)
        port = tunnel.port
        def child():
            tunnel.start()
            print(tunnel.port != port, ping(tunnel.port), other.status()["state"], ping(tunnel.port))
            tunnel.stop()
            until(lambda: not sockets())
            print(sockets())
        os.waitpid(fork(child), 0)
        print(tunnel.port == port, ping(port), ping(other.port))
    """)
    pong = "b'+PONG\\r\\n'"
    assert said == ["True %s down %s" % (pong, pong), "0", "True %s %s" % (pong, pong)]


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="before Python 3.7 nothing tells a child")
def test_a_port_is_free_again_though_a_child_lives(world: World) -> None:
    """When the parent stops, or is killed, nobody listens any more, and the next process gets the place."""
    said = said_by(world, FORK + """
if True:
    tunnel = st.SentinelTunnel(SEEDS, NAME)
    tunnel.start()
    port, (reading, writing) = tunnel.port, os.pipe()
    child = fork(lambda: os.read(reading, 1))
    tunnel.stop()
    with st.SentinelTunnel(SEEDS, NAME, port=port) as again:
        again.wait_ready(20)
        print(ping(port))
    def dying():
        tunnel.start()
        print(tunnel.port, flush=True)
        grandchild = fork(lambda: os.read(reading, 1))
        os.kill(os.getpid(), signal.SIGKILL)
    from_it, to_us = os.pipe()
    def first():
        os.dup2(to_us, 1)
        dying()
    killed = fork(first)
    os.waitpid(killed, 0)
    port = int(os.read(from_it, 100))
    def refused():
        try:
            ping(port)
        except ConnectionRefusedError:
            return True
        except ConnectionError:  # the grandchild has only begun, and closes its copy in the midst of this
            return False
    until(refused)
    with st.SentinelTunnel(SEEDS, NAME, port=port) as again:
        again.wait_ready(20)
        print(ping(port))
    os.write(writing, b"xx")
    """)
    pong = "b'+PONG\\r\\n'"
    assert said == [pong, pong]


def test_a_parent_leaves_nothing_though_children_live(world: World) -> None:
    """A hundred times: neither threads nor descriptors, with other threads around and children that were forked."""
    said = said_by(world, FORK + """
if True:
    over, (reading, writing), tunnel = threading.Event(), os.pipe(), st.SentinelTunnel(SEEDS, NAME, drain=0)
    other = threading.Thread(target=over.wait, daemon=True)
    other.start()
    def now():
        return threading.enumerate(), sorted(os.listdir("/proc/self/fd"))
    before, children = now(), []
    try:
        for number in range(100):
            tunnel.start()
            if number % 20 == 0:
                children.append(fork(lambda: os.read(reading, 1)))
                ping(tunnel.port)
            tunnel.stop()
            assert now() == before, (now(), before)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    print(tunnel.status()["state"])
    """)
    assert said == ["down"]


def test_a_lock_that_a_thread_held_does_not_stay_held(world: World) -> None:
    """Forks in the midst of starts, stops and switches by other threads leave children that can start and stop."""
    said = said_by(world, FORK + """
if True:
    over = threading.Event()
    tunnel = st.SentinelTunnel(SEEDS, NAME)
    def busy():
        while not over.is_set():
            tunnel.start(); tunnel.status()
            try:
                tunnel.wait_ready(20)  # or it would start ever more before the Sentinels had answered the first
            except st.SentinelTunnelError:
                pass  # another thread has stopped it
            tunnel.stop()
    threads = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    def child():
        tunnel.start(); tunnel.wait_ready(20); print(ping(tunnel.port)); tunnel.stop()
    for _ in range(10):
        os.waitpid(fork(child), 0)
    over.set()
    for thread in threads:
        thread.join(20)
    """)
    assert said == ["b'+PONG\\r\\n'"] * 10


def test_the_interval_of_a_cut_does_not_stay() -> None:
    """A child that was forked in the midst of a cut has the switch interval that the program chose."""
    interval = sys.getswitchinterval()
    with registry._undisturbed():  # what a cut does while it goes on
        assert sys.getswitchinterval() != interval
        registry.forget_cuts()
        assert sys.getswitchinterval() == interval
        registry._sweeps.running, registry._sweeps.interval = 1, interval  # a child would not come to the end
    assert sys.getswitchinterval() == interval


def test_no_step_of_a_cut_hides_the_interval() -> None:
    """A fork may come between any two lines of a cut: after each, a child must see that there is something to undo."""
    interval, hidden = sys.getswitchinterval(), []  # type: t.Tuple[float, t.List[int]]

    def look(frame: types.FrameType, event: str, argument: t.Any) -> t.Any:
        if sys.getswitchinterval() != interval and not registry._sweeps.running:
            hidden.append(frame.f_lineno)
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        with registry._undisturbed():
            assert sys.getswitchinterval() != interval
    finally:
        sys.settrace(before)
    assert not hidden and sys.getswitchinterval() == interval
