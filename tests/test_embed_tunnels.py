"""Several tunnels inside of another program, from a file or from values."""
import pathlib
import threading
import typing as t

import pytest

import st
from tests.fakes import Monitored, World
from tests.live.node import free_port
from tests.tunnels import ask, connect_to
from tests.waiting import FACTOR, wait_until

READY = 20 * FACTOR  # seconds


def seeds_of(world: World) -> t.List[str]:
    """Return the Sentinels as a file names them."""
    return ["%s:%d" % seed for seed in world.seeds]


def other_master(world: World, name: str) -> None:
    """Let the Sentinels monitor the same node under another name too."""
    for sentinel in world.sentinels:
        sentinel.masters[name] = Monitored(world.master.address)


def write_config(directory: pathlib.Path, world: World, names: t.Sequence[str], *more: str) -> pathlib.Path:
    """Write a file with a tunnel for each of these names, and return its path."""
    path = directory / "tunnels.ini"
    lines = ["[sentinel-tunnel]", "sentinels = " + ", ".join(seeds_of(world)), *more]
    for name in names:
        lines += ["[tunnel:%s]" % name, "master = " + world.name, "port = %d" % free_port()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_tunnels_of_a_file(world: World, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tunnels run under their names, whatever the environment says; what belongs to a process is passed over."""
    monkeypatch.setenv("SENTINEL_TUNNEL_SENTINELS", "127.0.0.1:1")
    path = write_config(tmp_path, world, ["one", "two"], "http = 127.0.0.1:%d" % free_port(), "log_file = /nowhere/x",
                        "control = %s" % (tmp_path / "s"), "on_failover = /nowhere/x", "pid_file = /nowhere/x")
    with st.Tunnels.from_config(path) as tunnels:
        tunnels.wait_ready(READY)
        assert list(tunnels) == ["one", "two"] and len(tunnels) == 2
        for name, tunnel in tunnels.items():
            assert tunnel.name == name and tunnel.status()["name"] == name
            with connect_to(st.Address(tunnel.host, tunnel.port)) as client:
                assert ask(client, "PING") == b"+PONG\r\n"
        assert [each["name"] for each in tunnels.status()["tunnels"]] == ["one", "two"]
        assert [path.name for path in tmp_path.iterdir()] == ["tunnels.ini"]


def test_tunnels_of_values(world: World) -> None:
    """Names alone take free ports, settings stand beside them or with one tunnel; who asks for another name is told."""
    other_master(world, "cache")
    port = free_port()
    tunnels = st.Tunnels({"sentinels": seeds_of(world), "hold": 5, "tunnels": {
        "sessions": {"master": world.name, "port": port}, "cache": {"hold": "500ms"}}})
    assert "cache" in tunnels and "nobody" not in tunnels and tunnels.get("nobody") is None
    with pytest.raises(st.UnknownTunnelError, match="^no tunnel 'nobody': there are sessions, cache$"):
        tunnels["nobody"]
    with pytest.raises(KeyError):
        tunnels["nobody"]
    with tunnels:
        tunnels["cache"].wait_ready(READY)
        assert tunnels["sessions"].port == port != tunnels["cache"].port


def test_a_reload_changes_what_is_different(world: World, tmp_path: pathlib.Path) -> None:
    """The file is read again, others may follow; connections of tunnels that stay go on, and lines say what changed."""
    path = write_config(tmp_path, world, ["one", "two"])
    tunnels = st.Tunnels.from_config(str(path))
    with tunnels:
        tunnels.wait_ready(READY)
        one = tunnels["one"]
        with connect_to(st.Address(one.host, one.port)) as client:
            text = path.read_text()
            path.write_text(text.replace("[tunnel:two]", "[tunnel:three]"))
            assert tunnels.reload() == ["added: tunnel three", "removed: tunnel two"]
            assert list(tunnels) == ["one", "three"] and tunnels["three"].port
            tunnels["three"].wait_ready(READY)
            left = {"one": {"master": world.name, "port": one.port}}
            changes = tunnels.reload({"sentinels": seeds_of(world), "hold": 1, "tunnels": left})
            assert changes == ["removed: tunnel three", "changed: tunnel one: hold"]
            assert ask(client, "PING") == b"+PONG\r\n"
    with pytest.raises(st.ConfigError, match="nothing to reload from: give other settings, or the path of a file"):
        tunnels.reload()
    assert tunnels.reload(path) == ["added: tunnel three", "changed: tunnel one: hold"]


def test_a_reload_that_cannot_be_changes_nothing(world: World, tmp_path: pathlib.Path) -> None:
    """A wrong file or a port that is taken is told, and the tunnels serve as before."""
    path = write_config(tmp_path, world, ["one"])
    with st.Tunnels.from_config(path) as tunnels, st.Tunnels(
            {"sentinels": seeds_of(world), "tunnels": ["other"]}) as others:
        tunnels.wait_ready(READY)
        text = path.read_text()
        path.write_text(text + "hodl = 3\n")
        with pytest.raises(st.ConfigError, match="tunnels.ini:6: unknown setting 'hodl'; did you mean 'hold'"):
            tunnels.reload()
        path.write_text(text + "[tunnel:two]\nport = %d\n" % others["other"].port)
        with pytest.raises(st.ListenError, match="Address already in use"):
            tunnels.reload()
        assert list(tunnels) == ["one"]
        with connect_to(st.Address(tunnels["one"].host, tunnels["one"].port)) as client:
            assert ask(client, "PING") == b"+PONG\r\n"


def test_two_of_them_in_one_process(world: World, tmp_path: pathlib.Path) -> None:
    """Each has its own tunnels, callbacks and end: stopping one leaves the other as it is."""
    told: t.Dict[str, t.List[st.Switch]] = {"first": [], "second": []}
    first, second = [st.Tunnels({"sentinels": seeds_of(world), "tunnels": [world.name]}) for _ in range(2)]
    first.on_switch(told["first"].append)
    second.on_switch(told["second"].append)
    with second:
        with first:
            first.wait_ready(READY)
            second.wait_ready(READY)
            world.switch(world.nodes[1])
            wait_until(lambda: all(told.values()), "both are told")
        world.switch(world.nodes[2])
        wait_until(lambda: len(told["second"]) == 2, "the second is told")
        with connect_to(st.Address(second[world.name].host, second[world.name].port)) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
    assert len(told["first"]) == 1 and first != second and len({first, second}) == 2


def test_any_thread_may_start_and_stop(world: World) -> None:
    """Many that start and stop at once, on one port, leave tunnels that either run or do not, and never an error."""
    tunnels = st.Tunnels({"sentinels": seeds_of(world), "tunnels": {world.name: {"port": free_port()}}})
    errors: t.List[BaseException] = []

    def start_and_stop() -> None:
        try:
            for _ in range(5):
                tunnels.start()
                tunnels.status()
                tunnels.stop()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start_and_stop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * FACTOR)
    assert not errors
    with tunnels:
        tunnels.wait_ready(READY)
