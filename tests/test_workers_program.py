"""The program with workers: what is seen of them, and that they end as it ends."""
import os
import pathlib
import signal
import typing as t

import redis

from st.address import Address
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program, is_alive
from tests.prometheus import families
from tests.tunnels import ask, connect_to
from tests.waiting import wait_until
from tests.web import fetch


def children(pid: int) -> t.List[int]:
    """Return the processes that one has started."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        return [int(word) for word in file.read().split()]


def program(directory: pathlib.Path, world: World, *words: str) -> Program:
    """Start a process with two workers."""
    seeds = [word for seed in world.seeds for word in ("--sentinel", "%s:%d" % seed)]
    return Program(directory, "run", "mymaster=%d" % free_port(), "--workers", "2", *seeds, *words)


def place_of(made: Program) -> Address:
    """Return where its tunnel listens, from the mapping that it printed."""
    return Address("127.0.0.1", int(made.out.split("127.0.0.1:")[1].split()[0]))


def test_they_are_seen_and_drained(world: World, tmp_path: pathlib.Path) -> None:
    """One metric a worker, and at the end open connections get their time although TERM reaches the workers too."""
    http = free_port()
    with program(tmp_path, world, "--http", "127.0.0.1:%d" % http) as made:
        made.wait_ready()
        workers = children(made.process.pid)
        assert len(workers) == 2
        with connect_to(place_of(made)) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            found = families(fetch(("127.0.0.1", http), "/metrics").body)
            for name, values in (("worker_up", [1, 1]), ("worker_connections", [0, 1])):
                assert sorted(found["sentinel_tunnel_" + name].samples.values()) == values
            assert sum(found["sentinel_tunnel_worker_resident_memory_bytes"].samples.values()) > 1 << 20
            for pid in workers:
                os.kill(pid, signal.SIGTERM)
            assert ask(client, "PING") == b"+PONG\r\n"
            assert made.end() == 0
        assert not any(map(is_alive, workers)), made.log


def test_they_end_with_a_process_that_is_killed(world: World, tmp_path: pathlib.Path) -> None:
    """Else clients would stay on a master that nobody watches."""
    with program(tmp_path, world) as made:
        made.wait_ready()
        workers = children(made.process.pid)
        with connect_to(place_of(made)) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
            assert made.end(signal.SIGKILL) == -signal.SIGKILL
            assert client.recv(100) == b""
        wait_until(lambda: not any(map(is_alive, workers)), "they have ended")


def test_a_change_of_their_number_waits_for_a_restart(world: World, tmp_path: pathlib.Path) -> None:
    """A reload says so, and goes on with those that are there."""
    seeds = ", ".join("%s:%d" % seed for seed in world.seeds)
    file = tmp_path / "own.ini"
    text = "[sentinel-tunnel]\nsentinels = %s\nworkers = %%d\n[tunnel:mymaster]\nport = %d\n" % (seeds, free_port())
    file.write_text(text % 2)
    with Program(tmp_path, "run", "-c", str(file)) as made:
        made.wait_ready()
        workers = children(made.process.pid)
        file.write_text(text % 3)
        control = redis.Redis(unix_socket_path=made.control)
        assert b"needs a restart: workers" in control.execute_command("RELOAD")
        control.close()
        assert children(made.process.pid) == workers
