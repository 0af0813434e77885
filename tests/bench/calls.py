"""System calls and context switches for each request: of runs of their own, since who counts them slows them down."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import typing as t

from tests.bench import redis_benchmark
from tests.bench.peers import NAME, Peer
from tests.bench.stage import Figures, Stage
from tests.live.bed import Bed
from tests.live.talk import Talk
from tests.proc import family, usage
from tests.waiting import FACTOR, wait_until

_COUNTED = 10000  # requests while system calls are counted
_FIRST = 2000  # requests, to find out how fast a way is


class Calls:
    """What the process in between asks of the kernel, with so many connections."""

    def __init__(self, connections: int) -> None:
        self._words = ["-t", "get", "-c", str(connections)]

    def __call__(self, peer: Peer, stage: Stage) -> Figures:
        """Count on one way."""
        if peer.pid is None:
            return {}
        rate = redis_benchmark.run(peer.address, self._words, _FIRST).rate
        figures: Figures = {"switches": self._switches(peer, peer.pid, stage.bed, int(rate * max(1, stage.seconds)))}
        if shutil.which("strace"):
            figures.update(self._calls(peer, peer.pid))
        return figures

    def _switches(self, peer: Peer, pid: int, bed: Bed, requests: int) -> float:
        """Look twice while the connections live: the counts of a thread end with it."""
        with Talk(bed.master(NAME).address) as talk, tempfile.TemporaryFile() as out:
            started = _commands(talk)
            process = subprocess.Popen(redis_benchmark.command(peer.address, self._words, requests),
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            try:
                wait_until(lambda: _commands(talk) > started + requests * 0.2, "redis-benchmark has begun")
                first, before = _commands(talk), usage(pid).switches
                wait_until(lambda: _commands(talk) > started + requests * 0.8, "redis-benchmark goes on")
                return (usage(pid).switches - before) / float(_commands(talk) - first)
            finally:
                process.kill()
                process.wait()

    def _calls(self, peer: Peer, pid: int) -> Figures:
        with tempfile.TemporaryDirectory() as directory:
            summary, said = os.path.join(directory, "summary"), os.path.join(directory, "said")
            with open(said, "wb") as out:
                attach = [word for each in family(pid) for word in ("-p", str(each))]
                strace = subprocess.Popen(["strace", "-f", "-c", "-o", summary] + attach, stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out)
            try:
                wait_until(lambda: "ttached" in _text(said) or strace.poll() is not None, "strace has attached")
                redis_benchmark.run(peer.address, self._words, _COUNTED)
            finally:
                strace.send_signal(signal.SIGINT)
                strace.wait(30 * FACTOR)
            counted = calls_in(_text(summary))
        return {"calls_" + name: count / float(_COUNTED) for name, count in counted.items()}


def calls_in(summary: str) -> t.Dict[str, int]:
    """Return the calls in a summary of `strace -c`, by their names; "total" are all."""
    rows = re.findall(r"^ *[0-9.]+ +[0-9.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$", summary, re.MULTILINE)
    counted = {name: int(count) for count, name in rows}
    if "total" not in counted:
        raise ValueError("no total in what strace printed: %r" % summary)
    return counted


def _commands(talk: Talk) -> int:
    """Return how many commands the master has answered so far."""
    found = re.search(r"total_commands_processed:(\d+)", talk.call("INFO", "stats"))
    return int(found.group(1)) if found else 0


def _text(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()
