"""Compares ways to a master of Redis: python -m tests.bench --help."""
import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import typing as t

import hiredis

from tests.bench import machine, plots, redis_benchmark, report
from tests.bench.others import MEASURE, Others, counted, undisturbed
from tests.bench.peers import Maker, Peer
from tests.bench.stage import Figures, Stage
from tests.bench.store import Mixed, Round, Store
from tests.bench.ways import Wanted, makers
from tests.bench.workloads import Workload, workloads
from tests.live.bed import Bed
from tests.programs import ROOT

_FAILURES = (OSError, ValueError, AssertionError, hiredis.HiredisError, subprocess.TimeoutExpired)
_TRIES = 2
_PLACE = os.path.join(ROOT, "docs", "benchmarks")


def words() -> argparse.ArgumentParser:
    """Return what the command line may say."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = ", ".join(workload.name for workload in workloads())
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds to add (5; quick: 3); 0: only write the page")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long a timed run takes (1; quick: 0.5)")
    parser.add_argument("--quick", action="store_true", help="a first look, in about two minutes")
    parser.add_argument("--only", metavar="NAMES", default="", help="some of: " + names)
    parser.add_argument("--peers", metavar="NAMES", default="",
                        help="some of: direct, other, tunnel, original, haproxy, socat; the first is compared with")
    parser.add_argument("--tunnel-options", metavar="WORDS", action="append", default=[],
                        help="one more peer: a tunnel with these words on its command line, as \"--poll 5s\"")
    parser.add_argument("--against", metavar="CHECKOUT", default="", help="one more peer, other: that one's tunnel")
    parser.add_argument("--original", metavar="PROGRAM", default="", help="one more peer: the original tool")
    parser.add_argument("--output", metavar="DIRECTORY", default=_PLACE, help="where to write (docs/benchmarks)")
    return parser


def picked(wanted: str, there: t.Sequence[str], what: str) -> t.List[str]:
    """Return the names in a comma-separated list, in its order; all when it is empty."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise SystemExit("scripts/bench: no %s %s here; there are: %s" % (what, ", ".join(unknown), ", ".join(there)))
    return names or list(there)


def measure(store: Store, stage: Stage, todo: t.Sequence[Workload], ways: t.Sequence[str], rounds: int) -> None:
    """Run all rounds, each workload on one way after the other."""
    with contextlib.ExitStack() as running:
        peers = [running.enter_context(stage.makers[way](stage.bed)) for way in ways]
        for number in range(rounds):
            for workload in todo:
                print("round %d of %d  %-13s" % (number + 1, rounds, workload.name), end="", flush=True)
                store.add(workload.name, _round(workload, peers, stage))
                print(flush=True)


def _round(workload: Workload, peers: t.Sequence[Peer], stage: Stage) -> Round:
    found: Round = {}
    for peer in peers:
        print("  " + peer.name, end="", flush=True)
        try:
            found[peer.name] = _figures(workload, peer, stage)
        except _FAILURES as error:
            print(" FAILED: %s: %s" % (type(error).__name__, error), flush=True)
    return found


def _figures(workload: Workload, peer: Peer, stage: Stage) -> Figures:
    """Measure one way, and once more when other programs had the processors meanwhile."""
    for _ in range(_TRIES):
        others = Others()
        figures = dict(workload.measure(peer, stage))
        if workload.timed:
            figures[MEASURE] = others.share()
        if undisturbed(figures):
            break
        print(" (disturbed: others took %.0f %%)" % (100 * (figures[MEASURE] or 0)), end="", flush=True)
    return figures


def write(store: Store, directory: str, ways: t.Sequence[str]) -> None:
    """Write page and pictures of all that the file holds; `ways` tells the order of the columns."""
    rounds = {name: [counted(each) for each in found] for name, found in store.rounds.items()}
    known = {way for found in store.rounds.values() for each in found for way in each}
    columns = [way for way in ways if way in known] + sorted(known - set(ways))
    titles = {workload.name: workload.title for workload in workloads()}
    os.makedirs(directory, exist_ok=True)
    pictures = plots.draw(rounds, titles, columns, directory)
    with open(os.path.join(directory, "README.md"), "w") as file:
        file.write(report.page(store.machine, rounds, titles, columns, pictures))


def run(options: argparse.Namespace, store: Store, there: t.Mapping[str, Maker], ways: t.Sequence[str]) -> None:
    """Measure what was asked for, and keep it."""
    rounds = options.rounds if options.rounds is not None else 3 if options.quick else 5
    todo = [workload for workload in workloads() if workload.quick or not options.quick or options.only]
    names = picked(options.only, [workload.name for workload in todo], "workload")
    if not rounds:
        return
    if not redis_benchmark.found():
        raise SystemExit("scripts/bench: no redis-benchmark on PATH. Debian, Ubuntu: apt-get install redis-tools")
    machine.room()  # raises the limit of open files for all that we start
    store.begin(machine.description(options.against))
    with Bed(replicas=1, redis_options={"maxclients": "19000"}) as bed:
        stage = Stage(bed, there, options.seconds or (0.5 if options.quick else 1), options.quick)
        measure(store, stage, [workload for workload in todo if workload.name in names], ways, rounds)


def main() -> int:
    """Measure, and write what was found."""
    options = words().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left
    there = makers(Wanted([shlex.split(each) for each in options.tunnel_options], options.against, options.original))
    ways = picked(options.peers, list(there), "peer")
    store = Store(os.path.join(options.output, "figures.json"))
    try:
        run(options, store, there, ways)
    except Mixed as error:
        raise SystemExit("scripts/bench: %s" % error) from None
    write(store, options.output, ways if options.peers else list(report.WAYS))
    print("written: %s" % os.path.join(options.output, "README.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
