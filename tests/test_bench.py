"""The logic of the benchmark: what other programs print, what rounds come to, how it is shown."""
import json
import pathlib
import typing as t

import pytest

from tests.bench import redis_benchmark, report, tables
from tests.bench.__main__ import picked
from tests.bench.calls import calls_in
from tests.bench.idle import steps
from tests.bench.machine import digest, version_in
from tests.bench.others import counted
from tests.bench.spread import Spread, percentile, spread
from tests.bench.store import Mixed, Rounds, Store, compared, values
from tests.bench.workloads import workloads

CSV = '''"test","rps","avg_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"GET","51546.39","0.019","0.023","0.024","0.031","0.439"
'''
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 53.10    0.021000           7      3000           recvfrom
 46.90    0.019000           6      2999         4 poll
------ ----------- ----------- --------- --------- ----------------
100.00    0.040000           6      5999         4 total
"""
ROUNDS: Rounds = {
    "get-1": [{"direct": {"rate": 1000.0}, "tunnel": {"rate": 500.0, "cpu": 20.0}, "haproxy": {"rate": 800.0}},
              {"direct": {"rate": 100.0}, "tunnel": {"rate": 90.0, "cpu": 20.0}}],
    "failover-10": [{"direct": {}, "tunnel": {"ended": 0.0123, "written": 0.02, "stale": 0.0},
                     "haproxy": {"ended": None, "written": 2.0, "stale": 3.0}}],
}
TITLES = {workload.name: workload.title for workload in workloads()}


def test_redis_benchmark_is_read() -> None:
    """The rate and two latencies come from the last line."""
    assert redis_benchmark.parse(CSV) == (51546.39, 0.023, 0.031)


def test_an_old_redis_benchmark_tells_no_latencies() -> None:
    """Before 6.2 there is one line: the test and its rate."""
    assert redis_benchmark.parse('"GET","51546.39"\n') == (51546.39, None, None)


@pytest.mark.parametrize("text", ["", "Could not connect\n", '"GET"\n', CSV.splitlines()[0]])
def test_what_has_no_figure_is_no_result(text: str) -> None:
    """Whatever else is printed is an error that shows it."""
    with pytest.raises(ValueError, match="no figure in what redis-benchmark printed"):
        redis_benchmark.parse(text)


def test_strace_is_read() -> None:
    """Calls count with and without errors beside them; the total has its own line."""
    assert calls_in(STRACE) == {"recvfrom": 3000, "poll": 2999, "total": 5999}
    with pytest.raises(ValueError, match="no total in what strace printed: 'strace: denied'"):
        calls_in("strace: denied")


@pytest.mark.parametrize("text, version", [
    ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
    ("HAProxy version 2.6.12-1+deb12u4 2026/02/12 - https://haproxy.org/\nStatus: long-term", "2.6.12-1+deb12u4"),
    ("unknown\noption", "unknown"),
])
def test_versions_are_found(text: str, version: str) -> None:
    """The version is the first word that looks like one, else the first line must do."""
    assert version_in(text) == version


def test_sources_that_differ_have_another_digest(tmp_path: pathlib.Path) -> None:
    """A changed line and a renamed module are both other sources."""
    (tmp_path / "a.py").write_text("one\n")
    first = digest(tmp_path)
    (tmp_path / "a.py").write_text("two\n")
    second = digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, digest(tmp_path)}) == 3


def test_quartiles_lie_between_neighbours() -> None:
    """A quartile that falls between two values is taken in proportion."""
    assert spread([4, 1, 3, 2]) == Spread(1.75, 2.5, 3.25)
    assert spread([7]) == Spread(7, 7, 7)
    assert percentile([1.0, 2.0], 0.99) == pytest.approx(1.99)


def test_what_never_happened_counts_as_for_ever() -> None:
    """One round of three in which it did not happen leaves the median alone; two do not."""
    found = values([{"a": {"ended": 1.0}}, {"a": {"ended": None}}, {"a": {}}, {}, {"a": {"ended": 2.0}}], "a", "ended")
    assert spread(found).median == 2
    assert spread(found + [float("inf")]) == Spread(1.75, float("inf"), float("inf"))


def test_shares_are_taken_within_a_round() -> None:
    """A round ten times as slow for all has the same share; a round without one of the two has none."""
    rounds: t.Any = [{"a": {"rate": 50.0}, "b": {"rate": 100.0}}, {"a": {"rate": 5.0}, "b": {"rate": 10.0}},
                     {"a": {"rate": 5.0}}, {"a": {"rate": None}, "b": {"rate": 1.0}}]
    assert compared(rounds, "a", "b", "rate", lambda one, other: one / other) == [0.5, 0.5]


@pytest.mark.parametrize("value, shown", [
    (51546.39, "51,546"), (0.36249, "0.362"), (1.5, "1.50"), (12.34, "12.3"), (0, "0"), (0.00001, "0.000"),
    (-4.5, "-4.50"), (float("inf"), "not in 15 s"),
])
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    """Large numbers keep all their digits, small ones get three."""
    assert tables.number(value) == shown


def test_a_cell_shows_the_spread() -> None:
    """One round has no quartiles; none at all leaves the cell empty."""
    assert tables.cell([1.0, 2.0, 3.0]) == "2.00 (1.50-2.50)"
    assert tables.cell([2.0]) == "2.00"
    assert tables.cell([]) == ""


def test_a_table_compares_with_its_first_column() -> None:
    """The first way has its own figures, the others their shares; rows without figures are left out."""
    assert tables.relative(ROUNDS, {"get-1": "GET", "set-1": "SET"}, ["direct", "tunnel", "haproxy"]) == (
        "|  | direct, a second | tunnel | haproxy |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| GET | 550 (325-775) | 0.700 (0.600-0.800) | 0.800 |\n")


def test_the_page_has_what_there_are_figures_of() -> None:
    """Sections without figures, columns without figures and pictures that were not drawn are left out."""
    page = report.page({"Python": "3.11.7"}, ROUNDS, TITLES, ["direct", "tunnel", "haproxy"], {"throughput"})
    sections = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert sections == ["What ran", "How to read it", "Requests a second", "Against HAProxy", "Processor time",
                        "Failover: stale connections", "Failover: the first good write"]
    assert "| Python | 3.11.7 |" in page
    assert "![Requests a second](throughput.svg)" in page and "(processor.svg)" not in page
    assert "| GET, 1 connection | 20.0 |" in page  # processor time of the tunnel alone
    assert "| told to fail over, 10 connections wait | 12.3 | not in 15 s |" in page


def test_disturbed_figures_do_not_count() -> None:
    """A way during which others had a fifth of the processors has no part in its round; a tenth is no matter."""
    found: t.Any = {"direct": {"others": 0.1}, "tunnel": {"others": 0.2}, "socat": {"memory_100": 1.0}}
    assert counted(found) == {"direct": {"others": 0.1}, "socat": {"memory_100": 1.0}}


def test_a_file_is_added_to(tmp_path: pathlib.Path) -> None:
    """Calls of the same machine add to what there is, also two at the same time."""
    path = str(tmp_path / "deep" / "figures.json")
    stores = [Store(path), Store(path)]
    for number, store in enumerate(stores):
        store.begin({"kernel": "6.1"})
        store.add("get-1", {"direct": {"rate": float(number)}})
    assert values(Store(path).rounds["get-1"], "direct", "rate") == [0, 1]
    assert Store(path).machine == {"kernel": "6.1"}


def test_figures_of_two_machines_are_not_mixed(tmp_path: pathlib.Path) -> None:
    """What differs is named, and nothing is changed; what only one of them has is no difference."""
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"machine": {"kernel": "6.1", "haproxy": "2.6"}, "rounds": {"get-1": [{}]}}))
    with pytest.raises(Mixed, match="something else .kernel: 6.1 there, 6.2 here.. Move it away.*--output"):
        Store(str(path)).begin({"kernel": "6.2", "socat": "1.7"})
    assert json.loads(path.read_text())["machine"]["kernel"] == "6.1"
    store = Store(str(path))
    store.begin({"kernel": "6.1", "socat": "1.7"})
    assert store.machine == {"kernel": "6.1", "haproxy": "2.6", "socat": "1.7"}


def test_names_are_picked_in_their_order() -> None:
    """Nothing said is all; what there is none of is named beside what there is."""
    assert picked("", ["a", "b"], "peer") == ["a", "b"]
    assert picked("b, a", ["a", "b"], "peer") == ["b", "a"]
    with pytest.raises(SystemExit, match="no peer nginx here; there are: a, b"):
        picked("nginx", ["a", "b"], "peer")


def test_idle_steps_keep_within_the_limit_of_files() -> None:
    """Where 10,000 connections have no room, the last step is what has."""
    assert steps(quick=False, most=9850) == [100, 1000, 9800]
    assert steps(quick=False, most=50000) == [100, 1000, 10000]
    assert steps(quick=True, most=50000) == [100, 1000]
