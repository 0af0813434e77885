"""A tunnel inside of another program: from the first line to the last."""
import contextlib
import os
import pathlib
import socket
import threading
import typing as t

import pytest
import redis

import st
from tests.fakes import World
from tests.tunnels import ask, connect_to
from tests.waiting import FACTOR, wait_until

MakeClient = t.Callable[..., redis.Redis]
READY = 20 * FACTOR  # seconds


def tunnel_to(world: World, **settings: t.Any) -> st.SentinelTunnel:
    """Return a tunnel to the master of a world, not started."""
    return st.SentinelTunnel(world.seeds, world.name, **settings)


def test_a_client_needs_nothing_but_host_and_port(world: World, redis_client: MakeClient) -> None:
    """A client that connects at once is served, before anybody has waited for a master."""
    with tunnel_to(world) as tunnel:
        assert tunnel.url == "redis://127.0.0.1:%d" % tunnel.port
        assert redis_client((tunnel.host, tunnel.port)).set("k", "v")
        assert world.master.values == {b"k": b"v"}
        place = st.Address(tunnel.host, tunnel.port)
    with pytest.raises(ConnectionRefusedError):
        connect_to(place)
    with pytest.raises(st.NotListeningError, match=r"call start\(\) first"):
        tunnel.port


def test_a_switch_is_told_and_the_next_connection_is_right(world: World) -> None:
    """The callback gets old and new master in a thread of its own; the stale connection ends."""
    told: t.List[t.Tuple[st.Switch, str]] = []
    with tunnel_to(world) as tunnel:

        @tunnel.on_switch
        def note(switch: st.Switch) -> None:
            told.append((switch, threading.current_thread().name))

        tunnel.wait_ready(READY)
        old = world.master
        with connect_to(st.Address(tunnel.host, tunnel.port)) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            world.switch(world.nodes[1])
            assert client.recv(1) == b""
        wait_until(lambda: told, "the switch is told")
        switch, thread = told[0]
        assert (switch.tunnel, switch.old, switch.new) == (world.name, old.address, world.nodes[1].address)
        assert switch.gap > 0 and switch.closed == 1 and thread == "on_switch"
        with connect_to(st.Address(tunnel.host, tunnel.port)) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        assert world.nodes[1].values and note.__name__ == "note"


def test_a_callback_that_fails_harms_nobody(world: World, expect_error: t.Callable[[str], None]) -> None:
    """An exception in one, SystemExit too, is logged; the others are called, for this switch and the next."""
    told: t.List[st.Switch] = []

    def fail(switch: st.Switch) -> None:
        raise SystemExit("out of a callback")

    tunnel = tunnel_to(world)
    tunnel.on_switch(fail)
    tunnel.on_switch(told.append)
    expect_error("callback_failed")
    with tunnel:
        tunnel.wait_ready(READY)
        for number in (1, 2):
            world.switch(world.nodes[number])
            wait_until(lambda: len(told) == number, "switch %d is told" % number)


def test_the_status_is_the_one_schema(world: World) -> None:
    """It tells of the tunnel and of the Sentinels while it runs, and of nothing before and after, without an error."""
    tunnel = tunnel_to(world)
    assert tunnel.status()["state"] == "down" and tunnel.status()["tunnels"] == []
    with tunnel:
        tunnel.wait_ready(READY)
        wait_until(lambda: tunnel.status()["state"] == "ok", "all is well")
        status = tunnel.status()
        assert status["version"] == st.__version__ and status["pid"] == os.getpid()
        assert status["tunnels"][0]["master"] == "%s:%d" % world.master.address
        assert len(status["sentinels"]) == 3
    assert tunnel.status()["tunnels"] == []


def test_start_stop_start(world: World, redis_client: MakeClient) -> None:
    """Both may be called twice, and what was stopped serves again after the next start, callbacks included."""
    told: t.List[st.Switch] = []
    tunnel = tunnel_to(world)
    tunnel.on_switch(told.append)
    tunnel.stop()
    for number in (1, 2):
        tunnel.start()
        port = tunnel.port
        tunnel.start()
        assert tunnel.port == port
        tunnel.wait_ready(READY)
        world.switch(world.nodes[number])
        wait_until(lambda: len(told) == number, "switch %d is told" % number)
        assert redis_client((tunnel.host, tunnel.port)).ping()
        tunnel.stop()
        tunnel.stop()


def test_a_place_that_is_taken_is_told_at_once(world: World) -> None:
    """`start` raises a ListenError with the place and its holder, and leaves nothing behind; it may be tried again."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        tunnel = tunnel_to(world, port=port)
        with pytest.raises(st.ListenError, match="127.0.0.1:%d: cannot listen" % port) as caught:
            tunnel.start()
        assert isinstance(caught.value, st.SentinelTunnelError) and caught.value.address == ("127.0.0.1", port)
        assert [thread.name for thread in threading.enumerate() if "on_switch" in thread.name] == []
    with tunnel:
        assert tunnel.port == port


def test_no_master_is_told_with_its_reason(world: World) -> None:
    """`wait_ready` raises what the Sentinels say, and NotListeningError where nothing runs."""
    tunnel = st.SentinelTunnel(world.seeds, "nobody", sentinel_timeout=5 * FACTOR)
    with pytest.raises(st.NotListeningError, match=r"call start\(\) first"):
        tunnel.wait_ready(1)
    with tunnel:
        wait_until(lambda: tunnel.status()["tunnels"][0]["reason"], "there is a reason")
        with pytest.raises(st.NoMasterError, match="no master within 0.1s: nobody: .*none of them monitors this name"):
            tunnel.wait_ready(0.1)


def test_it_listens_where_it_is_told(world: World, tmp_path: pathlib.Path, redis_client: MakeClient) -> None:
    """On every interface, where this host finds it on loopback, and on a unix socket, which has a path and no port."""
    with tunnel_to(world, listen="0.0.0.0") as tunnel:
        assert tunnel.host == "127.0.0.1" and redis_client((tunnel.host, tunnel.port)).ping()
    path = os.path.join(os.path.relpath(str(tmp_path)), "s") if len(str(tmp_path)) > 90 else str(tmp_path / "s")
    with tunnel_to(world, listen=os.path.abspath(path)) as tunnel:
        assert (tunnel.path, tunnel.url) == (os.path.abspath(path), "unix://" + os.path.abspath(path))
        with pytest.raises(st.NotListeningError, match="has no port.*use path or url"):
            tunnel.port
        with contextlib.closing(redis.Redis.from_url(tunnel.url)) as client:
            assert client.ping()
            client.connection_pool.disconnect()
    assert not os.path.exists(path)
