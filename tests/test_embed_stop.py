"""The end of an embedded tunnel: bounded, from anywhere, and with nothing left."""
import contextlib
import logging
import threading
import time
import typing as t

import pytest

import st
from tests.conftest import open_descriptors
from tests.fakes import World
from tests.tunnels import ask, connect_to
from tests.waiting import FACTOR, wait_until

READY = 20 * FACTOR  # seconds
ROUNDS = 100


def place_of(tunnel: st.SentinelTunnel) -> st.Address:
    """Return where a tunnel listens."""
    return st.Address(tunnel.host, tunnel.port)


def ours(before: t.Set[threading.Thread]) -> t.List[str]:
    """Return the threads of a tunnel that were not there before: the fakes have some too."""
    left = set(threading.enumerate()) - before
    return sorted(thread.name for thread in left if not thread.name.startswith("fake-"))


def test_nothing_is_left_after_a_hundred_times(world: World) -> None:
    """No thread and no descriptor is left when `stop` returns, whatever clients were doing."""
    tunnel = st.SentinelTunnel(world.seeds, world.name, drain=0)
    threads, descriptors = set(threading.enumerate()), None
    for number in range(ROUNDS):
        with tunnel:
            clients = [connect_to(place_of(tunnel)) for _ in range(number % 3)]
            for client in clients[:number % 2]:
                assert ask(client, "PING") == b"+PONG\r\n"
        wait_until(lambda: not ours(threads), "no thread of the tunnel is left")
        for client in clients:
            client.close()
        if descriptors is None:
            wait_until(lambda: not any(node.open for node in [*world.nodes, *world.sentinels]), "the fakes are quiet")
            descriptors = len(open_descriptors())
    wait_until(lambda: len(open_descriptors()) == descriptors, "there are as many descriptors as after the first time")


def test_a_callback_may_stop_it(world: World) -> None:
    """From within, everything ends but the thread of the callback, which ends with the callback; and it may restart."""
    seen: t.List[t.List[str]] = []
    restarted = threading.Event()
    tunnel = st.SentinelTunnel(world.seeds, world.name)
    before = set(threading.enumerate())

    @tunnel.on_switch
    def stop(switch: st.Switch) -> None:
        tunnel.stop()
        seen.append(ours(before))
        tunnel.start()
        restarted.set()

    with tunnel:
        tunnel.wait_ready(READY)
        world.switch(world.nodes[1])
        assert restarted.wait(READY) and seen == [["on_switch"]]
        tunnel.wait_ready(READY)
        with connect_to(place_of(tunnel)) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"


def test_two_that_stop_at_once_both_find_it_stopped(world: World) -> None:
    """A callback and the main thread do not wait for each other."""
    tunnel = st.SentinelTunnel(world.seeds, world.name)
    stopping, stopped = threading.Event(), threading.Event()

    @tunnel.on_switch
    def stop(switch: st.Switch) -> None:
        stopping.set()
        tunnel.stop(timeout=60 * FACTOR)
        stopped.set()

    with tunnel:
        tunnel.wait_ready(READY)
        world.switch(world.nodes[1])
        assert stopping.wait(READY)
        tunnel.stop(timeout=60 * FACTOR)
        assert stopped.wait(5 * FACTOR)
        assert tunnel.status()["tunnels"] == []


def test_it_returns_in_time_whatever_others_do(world: World) -> None:
    """Clients that wait for a reply, a callback that hangs: after the time-out it is back, and they are left behind."""
    hanging, free = threading.Event(), threading.Event()
    tunnel = st.SentinelTunnel(world.seeds, world.name, drain=3600)

    @tunnel.on_switch
    def hang(switch: st.Switch) -> None:
        hanging.set()
        free.wait(60 * FACTOR)

    with tunnel:
        tunnel.wait_ready(READY)
        world.switch(world.nodes[1])
        assert hanging.wait(READY)
        world.master.delays["GET"] = 3600
        with connect_to(place_of(tunnel)) as client:
            client.sendall(b"GET k\r\n")
            wait_until(lambda: world.master.count("GET"), "a reply is waited for")
            started = time.monotonic()
            tunnel.stop(timeout=1)
            assert 0.4 < time.monotonic() - started < 20 * FACTOR  # half of it is for the client
            assert client.recv(1) == b""
        del world.master.delays["GET"]
    free.set()


def test_a_log_that_hangs_leaves_no_thread_behind(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A watcher that cannot go on while `stop` waits ends later, with all that it had begun meanwhile."""
    hanging, free = threading.Event(), threading.Event()

    class Hanging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("round number=2") and not free.is_set():
                hanging.set()
                free.wait(60 * FACTOR)

    tunnel, handler = st.SentinelTunnel(world.seeds, world.name, poll=0.1), Hanging()
    logging.getLogger("st").addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, "st"), tunnel:
            assert hanging.wait(READY)
            tunnel.stop(timeout=0.2)
            free.set()
    finally:
        logging.getLogger("st").removeHandler(handler)


def test_who_waits_for_a_master_is_told(world: World) -> None:
    """A thread in `wait_ready` does not wait on when another one stops the tunnel."""
    told: t.List[BaseException] = []
    tunnel = st.SentinelTunnel(world.seeds, "nobody")

    def wait() -> None:
        try:
            tunnel.wait_ready(3600)
        except st.SentinelTunnelError as error:
            told.append(error)

    waiting = threading.Thread(target=wait)
    with tunnel:
        waiting.start()
        wait_until(lambda: tunnel.status()["tunnels"][0]["reason"], "there is a reason")
    waiting.join(20 * FACTOR)
    assert [type(error) for error in told] == [st.NotListeningError]


@pytest.mark.parametrize("line", ["switch tunnel", "not_allowed", "events_ended", "close tunnel"])
def test_a_log_handler_may_stop_it(world: World, line: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever of its threads a line of the log comes from: watcher, listener, worker, connection."""
    stopped = threading.Event()
    tunnel = st.SentinelTunnel(world.seeds, world.name, allow="10.0.0.1" if line == "not_allowed" else "127.0.0.1")

    class Stopping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(line) and not stopped.is_set():
                tunnel.stop(timeout=0.5)  # others cannot log meanwhile, nor end
                stopped.set()

    handler = Stopping()
    logging.getLogger("st").addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, "st"), tunnel:
            tunnel.wait_ready(READY)
            with connect_to(place_of(tunnel)) as client, contextlib.suppress(ConnectionError):
                ask(client, "PING")
                world.switch(world.nodes[1])
            world.sentinels[0].drop_all()
            assert stopped.wait(READY)
    finally:
        logging.getLogger("st").removeHandler(handler)
