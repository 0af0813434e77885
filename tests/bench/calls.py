"""System calls and context switches for each request: of runs of their own, since who counts them slows them down."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import typing as t

from st.address import Address
from tests.bench import redis_benchmark
from tests.bench.peers import NAME, Peer
from tests.bench.stage import Figures, Stage
from tests.live.talk import Talk
from tests.proc import family, usage
from tests.waiting import FACTOR, wait_until

_COUNTED = 3000  # requests while system calls are counted; ten times as many for context switches
_MANY = 1000000000  # requests that nobody waits for


class Calls:
    """What the process in between asks of the kernel, with so many connections that are busy already."""

    def __init__(self, connections: int) -> None:
        self._words = ["-t", "get", "-c", str(connections)]

    def __call__(self, peer: Peer, stage: Stage) -> Figures:
        """Count on one way."""
        if peer.pid is None:
            return {}
        with self._busy(peer.address), Talk(stage.bed.master(NAME).address) as talk:
            _wait_for_more(talk, _COUNTED)  # the connections are made
            before = usage(peer.pid).switches
            answered = _wait_for_more(talk, _COUNTED * 10)
            figures: Figures = {"switches": (usage(peer.pid).switches - before) / float(answered)}
            if shutil.which("strace"):
                figures.update(_calls(peer.pid, talk))
        return figures

    @contextlib.contextmanager
    def _busy(self, address: Address) -> t.Iterator[None]:
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(redis_benchmark.command(address, self._words, _MANY), stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out)
            try:
                yield
            finally:
                process.kill()
                process.wait()


def _calls(pid: int, talk: Talk) -> Figures:
    with tempfile.TemporaryDirectory() as directory:
        summary, said = os.path.join(directory, "summary"), os.path.join(directory, "said")
        attach = [word for each in family(pid) for word in ("-p", str(each))]
        with open(said, "wb") as out:
            strace = subprocess.Popen(["strace", "-f", "-c", "-o", summary] + attach, stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=out)
        try:
            wait_until(lambda: "ttached" in _text(said) or strace.poll() is not None, "strace has attached")
            answered = _wait_for_more(talk, _COUNTED)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(30 * FACTOR)
        return {"calls_" + name: count / float(answered) for name, count in calls_in(_text(summary)).items()}


def calls_in(summary: str) -> t.Dict[str, int]:
    """Return the calls in a summary of `strace -c`, by their names; "total" are all."""
    rows = re.findall(r"^ *[0-9.]+ +[0-9.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$", summary, re.MULTILINE)
    counted = {name: int(count) for count, name in rows}
    if "total" not in counted:
        raise ValueError("no total in what strace printed: %r" % summary)
    return counted


def _wait_for_more(talk: Talk, count: int) -> int:
    """Wait until the master has answered at least so many GETs more; return how many."""
    began = _answered(talk)
    wait_until(lambda: _answered(talk) >= began + count, "redis-benchmark goes on", 60)
    return _answered(talk) - began


def _answered(talk: Talk) -> int:
    found = re.search(r"cmdstat_get:calls=(\d+)", talk.call("INFO", "commandstats"))
    return int(found.group(1)) if found else 0


def _text(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()
