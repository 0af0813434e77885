"""The program with --http: probes from its start to the end of its drain, and what Prometheus reads of it."""
import json
import pathlib
import signal
import threading
import typing as t

import pytest

from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program
from tests.prometheus import needs_promtool, promtool, value
from tests.test_process import connect, seeds, started
from tests.tunnels import ask, command, until_ended
from tests.waiting import FACTOR, wait_until
from tests.web import get


def test_probes_from_start_to_end(world: World, tmp_path: pathlib.Path) -> None:
    """Ready while it serves; not ready, but alive, while it drains; gone at its end."""
    world.master.replies["GET"] = lambda connection, words: None
    http = free_port()
    with started(world, tmp_path, "--http", "127.0.0.1:%d" % http, "--drain", "1h") as (program, port):
        assert "http listen=127.0.0.1:%d" % http in program.log
        assert [get(http, path).code for path in ("/startup", "/liveness", "/readiness")] == [200, 200, 200]
        with connect(port) as busy:
            busy.sendall(command("GET", "k"))
            wait_until(lambda: world.master.count("GET"), "the master works")
            program.send(signal.SIGTERM)
            wait_until(lambda: get(http, "/readiness").code == 503, "it is not ready any more")
            assert "shutting down" in get(http, "/readiness").body and get(http, "/liveness").code == 200
            for connection in world.master.open:
                if [b"GET", b"k"] in connection.commands:
                    connection.send(b"$5\r\nreply\r\n")
            assert until_ended(busy) == b"$5\r\nreply\r\n"
        assert program.code() == 0 and "Traceback" not in program.log
        with pytest.raises(ConnectionRefusedError):
            get(http, "/liveness")


def test_not_ready_without_a_master(world: World, tmp_path: pathlib.Path) -> None:
    """Alive and started all the same: nobody is helped by a restart; ready by itself when there is a master."""
    world.master.role = "slave"
    http = free_port()
    with Program(tmp_path, "run", "mymaster=%d" % free_port(), "--http", str(http), "--poll", "100ms",
                 *seeds(world)) as program:
        program.wait_for("http listen=")
        wait_until(lambda: "replica, not master" in get(http, "/readiness").body, "the reason is told")
        assert [get(http, path).code for path in ("/startup", "/liveness", "/readiness")] == [200, 200, 503]
        world.master.role = "master"
        wait_until(lambda: get(http, "/readiness").code == 200, "it is ready")
        assert program.end() == 0


def test_a_taken_port_for_http(world: World, tmp_path: pathlib.Path) -> None:
    """Exit 1 before anything is served, and the holder is named; off is the default."""
    with started(world, tmp_path) as (program, port):
        other = tmp_path / "other"
        other.mkdir()
        with Program(other, "run", "mymaster=%d" % free_port(), "--http", str(port), *seeds(world)) as second:
            assert second.code() == 1 and "Traceback" not in second.log
            wanted = "error: http 127.0.0.1:%d: cannot listen: Address already in use: held by " % port
            assert wanted in second.log and "(pid %d" % program.process.pid in second.log
        assert "http listen=" not in program.log and program.end() == 0


def test_a_reload_that_is_refused_is_seen(world: World, tmp_path: pathlib.Path) -> None:
    """Prometheus and the log both tell, until one succeeds."""
    http, path = free_port(), tmp_path / "a.ini"
    good = "[sentinel-tunnel]\nsentinels = %s\nhttp = %d\n[tunnel:mymaster]\nport = %d\n" % (
        ", ".join("%s:%d" % seed for seed in world.seeds), http, free_port())
    path.write_text(good)
    with Program(tmp_path, "run", "-c", str(path)) as program:
        program.wait_ready()

        def reloaded() -> float:
            return value(get(http, "/metrics").body, "sentinel_tunnel_config_last_reload_successful")

        assert reloaded() == 1
        for text, wanted in ((good + "portt = 1\n", 0), (good, 1)):
            path.write_text(text)
            program.send(signal.SIGHUP)
            wait_until(lambda: reloaded() == wanted, "the reload is told")
        assert program.end() == 0


def test_clients_and_scrapes_side_by_side(world: World, tmp_path: pathlib.Path) -> None:
    """Scrapes without a pause while clients come and go and the master changes: nobody is in the other's way."""
    http = free_port()
    with started(world, tmp_path, "--http", str(http)) as (program, port):
        done = threading.Event()
        faults: t.List[str] = []

        def scrape() -> None:
            while not done.is_set():
                found = [get(http, path) for path in ("/metrics", "/status", "/")]
                faults.extend(each.body for each in found if each.code != 200)
                json.loads(found[1].body)

        threads = [threading.Thread(target=scrape) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in (1, 2, 3, 4):
                with connect(port) as client:
                    assert ask(client, "PING") == b"+PONG\r\n"
                    world.switch(world.replicas[number % 2])
                    assert until_ended(client) == b""
        finally:
            done.set()
            for thread in threads:
                thread.join(30 * FACTOR)
        assert faults == [] and value(get(http, "/metrics").body, "sentinel_tunnel_switches_total",
                                      tunnel="mymaster") == 4
        wait_until(lambda: "mymaster: 4 switches in the last 7 days" in get(http, "/").body, "the page shows them")
        assert program.end() == 0 and "Traceback" not in program.log


@needs_promtool
def test_promtool_finds_nothing(world: World, tmp_path: pathlib.Path) -> None:
    """In what the process really exposes."""
    http = free_port()
    with started(world, tmp_path, "--http", str(http)) as (program, _):
        assert promtool("check", "metrics", given=get(http, "/metrics").body) == (0, "")
        assert program.end() == 0
