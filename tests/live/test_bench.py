"""The benchmark itself, as short as it goes."""
import json
import pathlib
import subprocess
import sys
import typing as t

import pytest

from tests.bench import redis_benchmark
from tests.programs import ROOT
from tests.waiting import FACTOR

TUNNEL = "tunnel --poll 3s"
WORDS = ("--quick", "--rounds", "1", "--seconds", "0.02", "--peers", "direct," + TUNNEL,
         "--tunnel-options", "--poll 3s", "--only", "get-1,fanout,latency,idle,failover-10")


@pytest.fixture(scope="module")
def output(tmp_path_factory: t.Any) -> pathlib.Path:
    """Run it once into a directory."""
    if not redis_benchmark.found():
        pytest.skip("no redis-benchmark")
    directory: pathlib.Path = tmp_path_factory.mktemp("bench")
    done = subprocess.run([sys.executable, "-m", "tests.bench", "--output", str(directory)] + list(WORDS), cwd=ROOT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=120 * FACTOR)
    assert done.returncode == 0 and "FAILED" not in done.stdout, done.stdout
    return directory


def test_every_way_has_its_figures(output: pathlib.Path) -> None:
    """Each workload has one round, each way its figures, and only a proxy uses processor time."""
    rounds = json.loads((output / "figures.json").read_text())["rounds"]
    assert {name: len(found) for name, found in rounds.items()} == {
        "get-1": 1, "fanout": 1, "latency": 1, "idle": 1, "failover-10": 1}
    for way in ("direct", TUNNEL):
        assert rounds["get-1"][0][way]["rate"] > 0 and rounds["fanout"][0][way]["rate"] > 0
        assert 0 < rounds["latency"][0][way]["wait_p50"] <= rounds["latency"][0][way]["wait_p99"]
        assert ("cpu" in rounds["get-1"][0][way]) == (way != "direct")


def test_idle_connections_are_seen(output: pathlib.Path) -> None:
    """A tunnel has a thread for each connection: all connections were there."""
    found = json.loads((output / "figures.json").read_text())["rounds"]["idle"][0]
    assert found["direct"] == {}
    assert found[TUNNEL]["threads_1000"] - found[TUNNEL]["threads_100"] == 900
    assert found[TUNNEL]["memory_1000"] > found[TUNNEL]["memory_100"] > 0


def test_a_failover_is_seen(output: pathlib.Path) -> None:
    """Through the tunnel every stale connection ends, and the new master is written to."""
    found = json.loads((output / "figures.json").read_text())["rounds"]["failover-10"][0][TUNNEL]
    assert found["stale"] == 0 and found["ended"] is not None and found["written"] is not None


def test_the_page_is_written(output: pathlib.Path) -> None:
    """The page tells of the ways and of the versions, and of no path of this machine."""
    page = (output / "README.md").read_text()
    assert "- **direct**:" in page and "| redis-server |" in page
    assert ROOT not in page and str(output) not in page
