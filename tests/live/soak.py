"""Keeps one process busy: python -m tests.live.soak --minutes N.

Clients come and go; there are failovers, reloads, rotations of the log, and `ensure` each minute.

The process is started and kept up by `sentinel-tunnel ensure`, as cron does. In the end it must be the same process,
with the threads, descriptors and memory that it had after the first minute (a third of a shorter run), its log must
hold no ERROR, and its history each switch.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
import urllib.request

import hiredis

from st.address import Address
from st.tunnel.hands import PATIENCE
from tests.live.bed import Bed
from tests.live.clients import Repeated
from tests.live.node import HOST, free_port
from tests.live.talk import Talk
from tests.live.tunnel import PROGRAM
from tests.waiting import FACTOR, wait_until

NAMES = ("sessions", "cache")
MOST_GROWTH = 5 << 20  # bytes of resident memory after the beginning
FAILOVER_EVERY, RELOAD_EVERY, ENSURE_EVERY, LOOK_EVERY = 30.0, 60.0, 60.0, 10.0  # seconds


class Size(t.NamedTuple):
    """What a process takes."""

    threads: int
    descriptors: int
    memory: int  # bytes, resident


def size(pid: int) -> Size:
    """Return what a process takes now."""
    process = "/proc/%d/" % pid
    with open(process + "statm") as file:
        pages = int(file.read().split()[1])
    return Size(len(os.listdir(process + "task")), len(os.listdir(process + "fd")),
                pages * os.sysconf("SC_PAGE_SIZE"))


class Kept:
    """The process that `ensure` keeps up, with its files in one directory; a context manager that stops it."""

    def __init__(self, bed: Bed) -> None:
        self.addresses = {name: Address(HOST, free_port()) for name in bed.names}
        self.http = free_port()
        self.log = os.path.join(bed.directory, "kept.log")
        self.rotations = 0
        self._bed = bed
        self._directory = bed.directory
        self._extra = free_port()
        self._config = os.path.join(bed.directory, "kept.ini")
        self.pid = 0

    def __enter__(self) -> "Kept":
        self.configure(0)
        self.call("ensure")
        wait_until(lambda: not self._run("wait", "--timeout", "1s").returncode, "the tunnels have masters", 60)
        self.pid = int(json.loads(self.call("status", "--json"))["pid"])
        return self

    def __exit__(self, *exc: t.Any) -> None:
        if os.path.exists("/proc/%d" % self.pid):
            self.call("stop")

    def configure(self, number: int) -> None:
        """Write the configuration; each number differs from the one before."""
        lines = ["[sentinel-tunnel]", "sentinels = " + ", ".join(map(str, self._bed.sentinel_addresses)),
                 "control = %s" % self._path("control"), "history_file = %s" % self._path("history"),
                 "log_file = %s" % self.log, "log_level = debug", "http = %s:%d" % (HOST, self.http),
                 "on_failover = /bin/true", "poll = %dms" % (1000 + number % 2 * 100)]
        for name, address in self.addresses.items():
            lines += ["[tunnel:%s]" % name, "port = %d" % address.port, "hold = 60s"]
        if number % 2:
            lines += ["[tunnel:extra]", "master = %s" % self._bed.names[0], "port = %d" % self._extra]
        with open(self._config, "w") as file:
            file.write("\n".join(lines) + "\n")

    def call(self, *words: str) -> str:
        """Run a command of the program, which must succeed, and return what it printed."""
        done = self._run(*words)
        assert done.returncode == 0, "%s: exit code %d: %s" % (" ".join(words), done.returncode, done.stdout)
        return done.stdout

    def rotate(self) -> None:
        """Move the log away, as logrotate does."""
        os.rename(self.log, "%s.%d" % (self.log, self.rotations))
        self.rotations += 1

    def logged(self) -> t.Iterator[str]:
        """Return all lines of all logs, the oldest first."""
        for path in ["%s.%d" % (self.log, number) for number in range(self.rotations)] + [self.log]:
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    yield from file

    def scrape(self) -> None:
        """Read what a monitoring system reads."""
        for path in ("metrics", "status", "readiness"):
            try:
                with urllib.request.urlopen("http://%s:%d/%s" % (HOST, self.http, path), timeout=30 * FACTOR) as page:
                    assert page.read(), path
            except urllib.error.HTTPError as error:
                assert error.code == 503 and path == "readiness", error

    def _run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = list(PROGRAM) + [words[0], "-c", self._config] + list(words[1:])
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, timeout=120 * FACTOR)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, "kept." + name)


class Every:
    """Tells when it is time again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def due(self) -> bool:
        """Tell whether it is time; at most once for each period."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = max(self._next + self._seconds, now)
        return True


class Soak:
    """One run."""

    def __init__(self, bed: Bed, kept: Kept) -> None:
        self._bed = bed
        self._kept = kept
        self._began = time.monotonic()
        self.failovers = self.reloads = 0

    def run(self, seconds: float) -> t.List[str]:
        """Keep it busy for so many seconds; return what is wrong, a line each."""
        first = min(60.0, seconds / 3)
        self._busy(first)
        before = self._quiet_size()
        self._busy(seconds - first)
        after = self._quiet_size()
        self._say("in the end: %d failovers, %d reloads, %d rotations" % (
            self.failovers, self.reloads, self._kept.rotations))
        return list(self._faults(before, after))

    def _busy(self, seconds: float) -> None:
        jobs = [self._job(name, anew) for name in NAMES for anew in (False, True)]
        fail_over, reload, ensure, look = map(Every, (FAILOVER_EVERY, RELOAD_EVERY, ENSURE_EVERY, LOOK_EVERY))
        ending = time.monotonic() + seconds
        runs = [Repeated(job, threads=2) for job in jobs]
        for run in runs:
            run.__enter__()
        try:
            while time.monotonic() < ending:
                time.sleep(0.2)
                if fail_over.due():
                    self._fail_over()
                if reload.due():
                    self._reload()
                if ensure.due():
                    assert self._kept.call("ensure") == "", "ensure is not silent"
                if look.due():
                    self._kept.scrape()
                    self._kept.call("clients")
                    served = sum(len(run.results) for run in runs)
                    self._say("%s; %d served" % (self._shown(size(self._kept.pid)), served))
        finally:
            for run in runs:
                run.__exit__(None, None, None)

    @staticmethod
    def _shown(size: Size) -> str:
        return "%d threads, %d descriptors, %.1f MB" % (size.threads, size.descriptors, size.memory / 1e6)

    def _job(self, name: str, anew: bool) -> t.Callable[[], None]:
        address = self._kept.addresses[name]

        def once() -> None:
            with Talk(address, timeout=90 * FACTOR) as talk:
                for number in range(1 if anew else 200):
                    talk.call("SET", "key-%d" % number, "x" * 5000)
                    talk.call("GET", "key-%d" % number)
                    time.sleep(0.005)  # the pace of a client that has other things to do

        return once

    def _fail_over(self) -> None:
        name = NAMES[self.failovers % 2]
        if self.failovers % 4 < 2:
            self._bed.failover(name)
        else:
            old = self._bed.master(name)
            old.kill()
            self._bed.wait_master(name, old.address)
            self._bed.mend()
        self.failovers += 1

    def _reload(self) -> None:
        self.reloads += 1
        self._kept.configure(self.reloads)
        said = self._kept.call("reload")
        assert "tunnel extra" in said, "reload said: %s" % said
        self._kept.rotate()

    def _quiet_size(self) -> Size:
        """Return the size when no client is there and every tunnel has a master; always with the same tunnels."""
        if self.reloads % 2:
            self._reload()
        wait_until(lambda: not any(tunnel["clients"] for tunnel in self._status()["tunnels"]), "all clients are gone")
        wait_until(lambda: self._status()["state"] == "ok", "all is well", 90)
        sizes: t.List[Size] = []
        without_work = time.monotonic() + 3 * PATIENCE  # by then no thread waits for another client

        def steady() -> bool:
            sizes.append(size(self._kept.pid))
            return time.monotonic() > without_work and len({each[:2] for each in sizes[-5:]}) == 1

        wait_until(steady, "threads and descriptors stay as they are")
        self._say("without clients: " + self._shown(sizes[-1]))
        return sizes[-1]

    def _status(self) -> t.Dict[str, t.Any]:
        return t.cast(t.Dict[str, t.Any], json.loads(self._kept.call("status", "--json")))

    def _faults(self, before: Size, after: Size) -> t.Iterator[str]:
        if after[:2] != before[:2]:
            yield "it has not the threads and descriptors of the beginning"
        if after.memory - before.memory > MOST_GROWTH:
            yield "it has grown by %.1f MB" % ((after.memory - before.memory) / 1e6)
        if self._status()["pid"] != self._kept.pid:
            yield "it is another process"
        lines = list(self._kept.logged())
        yield from (line.rstrip() for line in lines if " ERROR " in line or "Traceback" in line)
        logged = sum(1 for line in lines if " WARNING switch " in line)
        kept = len(json.loads(self._kept.call("history", "--json")))
        if not kept == logged >= self.failovers:
            yield "%d switches in the log, %d in the history, %d failovers" % (logged, kept, self.failovers)

    def _say(self, line: str) -> None:
        print("%7.1f  %s" % (time.monotonic() - self._began, line), flush=True)


def run(minutes: float) -> t.List[str]:
    """Return what was found wrong."""
    with Bed(NAMES) as bed, Kept(bed) as kept:
        try:
            return Soak(bed, kept).run(minutes * 60)
        except (AssertionError, OSError, hiredis.ReplyError) as error:
            print("the end of the log:\n" + "".join(list(kept.logged())[-200:]))
            return ["%s: %s" % (type(error).__name__, error)]


def main() -> int:
    """Run once and print the outcome; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long (60)")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left
    faults = run(words.minutes)
    for fault in faults:
        print("FAULT: " + fault)
    print("%d faults" % len(faults) if faults else "all is well")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
