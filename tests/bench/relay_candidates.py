"""Compare ways to carry bytes: python -m tests.bench.relay_candidates [--only NAMES] [--rounds N] [--loads NAMES].

Each candidate is a process of its own in front of one real Redis. Rounds are interleaved (A B A B ...); what is
printed are medians: requests a second, and microseconds of processor time of the proxy for each request. HAProxy, where
it is installed, is one of them.
"""
import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

from st.tunnel.convoy import Convoy
from st.tunnel.relay import Relay
from tests.bench.relay_loops import LOOPS
from tests.programs import ROOT
from tests.waiting import wait_until

LOADS = {  # words for redis-benchmark, and requests at a time
    "get-1": (["-t", "get", "-c", "1"], 30000), "get-50": (["-t", "get", "-c", "50"], 60000),
    "set-50": (["-t", "set", "-c", "50"], 60000), "pipe-50": (["-t", "get", "-c", "50", "-P", "16"], 400000),
    "get-100k-10": (["-t", "get", "-c", "10", "-d", "100000"], 10000),
    "set-100k-10": (["-t", "set", "-c", "10", "-d", "100000"], 10000),
    "get-500": (["-t", "get", "-c", "500"], 60000),
}
HAPROXY = """
global
    nbthread 2
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
frontend in
    bind 127.0.0.1:%d
    default_backend out
backend out
    server redis 127.0.0.1:%d
"""


_convoy = Convoy()


class Run(t.NamedTuple):
    """One load on one candidate."""

    requests: float  # a second
    cpu: float  # microseconds of the proxy's processor time for each


def serve(name: str, port: int, interval: str) -> None:
    """Be a candidate: print the port, then carry each connection in a thread of its own."""
    if interval == "busy":
        threading.Thread(target=_be_busy, daemon=True).start()
    elif interval:
        sys.setswitchinterval(float(interval))
    carry = LOOPS[name]() if name in LOOPS else _tunnel
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve_one, args=(carry, client, port), daemon=True).start()


def _be_busy() -> None:
    """Compute, as a program may that embeds a tunnel."""
    number = 0
    while True:
        number += 1


def _serve_one(carry: t.Callable[[socket.socket, socket.socket], t.Any], client: socket.socket, port: int) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as master, contextlib.suppress(ConnectionError):
        for sock in (client, master):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        carry(client, master)


def _tunnel(client: socket.socket, master: socket.socket) -> None:
    client.setblocking(False)
    master.setblocking(False)
    Relay(client, master, lambda: None, _convoy).run()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether somebody accepts on a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


class Peers:
    """A Redis and a process for each candidate; a context manager that ends them."""

    def __init__(self, names: t.Sequence[str], python: str) -> None:
        self._directory = tempfile.mkdtemp(prefix="st-")
        self._python = python
        self.processes: t.Dict[str, "subprocess.Popen[bytes]"] = {}
        self.ports: t.Dict[str, int] = {}
        redis = self._start_peer("direct", lambda port: ["redis-server", "--port", str(port), "--save", ""])
        for name in names:
            if name == "haproxy":
                self._start_peer(name, lambda port: ["haproxy", "-db", "-f", self._write(HAPROXY % (port, redis))])
            elif name != "direct":
                self._start_candidate(name, redis)

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _write(self, text: str) -> str:
        path = os.path.join(self._directory, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(text)
        return path

    def _start_peer(self, name: str, words: t.Callable[[int], t.List[str]]) -> int:
        self.ports[name] = port = free_port()
        self.processes[name] = subprocess.Popen(words(port), stdout=subprocess.DEVNULL, cwd=self._directory)
        wait_until(lambda: listens(port), "%s listens" % name)
        return port

    def _start_candidate(self, name: str, redis: int) -> None:
        loop, _, interval = name.partition("@")
        words = [self._python, "-m", "tests.bench.relay_candidates", "--serve", loop, "--to", str(redis),
                 "--interval", interval]
        self.processes[name] = process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        self.ports[name] = int(process.stdout.readline())

    def store(self, load: str) -> None:
        """Store what a load will get."""
        subprocess.run(["redis-benchmark", "-p", str(self.ports["direct"]), "-n", "1", "-q"] + LOADS[load][0]
                       + ["-t", "set", "-c", "1"], stdout=subprocess.DEVNULL, check=True)

    def run(self, name: str, load: str, share: float) -> Run:
        """Put a load on one of them."""
        words, requests = LOADS[load]
        requests = max(1000, int(requests * share))
        cpu, began = self._cpu(name), time.monotonic()
        subprocess.run(["redis-benchmark", "-p", str(self.ports[name]), "-n", str(requests), "-q"] + words,
                       stdout=subprocess.DEVNULL, check=True)
        seconds = time.monotonic() - began
        return Run(requests / seconds, (self._cpu(name) - cpu) / requests * 1e6)

    def _cpu(self, name: str) -> float:
        return time.clock_gettime((~self.processes[name].pid << 3) | 2)  # what clock_getcpuclockid(3) returns


def compare(names: t.Sequence[str], loads: t.Sequence[str], rounds: int, share: float, python: str) -> None:
    """Run each load on each candidate, round by round, and print the medians."""
    with Peers(names, python) as peers:
        for load in loads:
            runs: t.Dict[str, t.List[Run]] = {name: [] for name in names}
            peers.store(load)
            for number in range(rounds):
                for name in [*names[number % len(names):], *names[:number % len(names)]]:
                    runs[name].append(peers.run(name, load, share))
            for name in names:
                _print_row(load, name, runs[name], runs[names[0]])


def _print_row(load: str, name: str, runs: t.List[Run], first: t.List[Run]) -> None:
    ratios = [one.requests / other.requests for one, other in zip(runs, first)]
    print("| %-11s | %-14s | %7.0f | %5.2f | %6.1f |"
          % (load, name, statistics.median(run.requests for run in runs), statistics.median(ratios),
             statistics.median(run.cpu for run in runs)), flush=True)


def main() -> None:
    """Measure, or be one of the candidates."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.relay_candidates",
                                     description="Compares ways to carry bytes between two sockets.")
    parser.add_argument("--only", default="haproxy,tunnel," + ",".join(LOOPS), metavar="NAMES",
                        help="candidates; NAME@SECONDS: with another switch interval, NAME@busy: beside a thread "
                             "that computes; ratios are to the first")
    parser.add_argument("--loads", default=",".join(LOADS), metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="of the requests that are usual")
    parser.add_argument("--python", default=sys.executable, metavar="FILE", help="the interpreter of the candidates")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--interval", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.to, options.interval)
    else:
        compare(options.only.split(","), options.loads.split(","), options.rounds, options.share, options.python)


if __name__ == "__main__":
    main()
