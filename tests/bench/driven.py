"""Workloads that redis-benchmark makes."""
import typing as t

from tests.bench import redis_benchmark
from tests.bench.peers import NAME, Peer
from tests.bench.stage import Figures, Stage
from tests.live.talk import Talk
from tests.proc import settled

KEY = "key:__rand_int__"  # what redis-benchmark asks for
_FIRST = 500  # requests, to find out how fast a way is
_SHORTEST = 0.02  # seconds that they must take


class Driven:
    """One workload: how many requests a second, how long they take, what the process in between spends on them."""

    def __init__(self, words: str, connections: int, size: int = 3) -> None:
        self._words = words.split() + ["-c", str(connections), "-d", str(size)]
        self._least = connections * 4
        self._size = size
        self._rates: t.Dict[str, float] = {}  # by the names of the ways

    def __call__(self, peer: Peer, stage: Stage) -> Figures:
        """Keep one way busy for about as long as the stage says."""
        with Talk(stage.bed.master(NAME).address) as talk:
            talk.call("SET", KEY, "x" * self._size)
        if peer.name not in self._rates:
            self._rates[peer.name] = self._first_rate(peer)
        before = settled(peer.pid) if peer.pid else None
        requests = int(self._rates[peer.name] * stage.seconds)
        load = self._load(peer, requests)
        self._rates[peer.name] = load.rate
        figures: Figures = {"rate": load.rate, "p50": load.p50, "p99": load.p99}
        if peer.pid and before:
            figures["cpu"] = (settled(peer.pid).cpu - before.cpu) * 1e6 / max(requests, self._least)
        return figures

    def _first_rate(self, peer: Peer) -> float:
        requests = max(_FIRST, self._least)
        rate = self._load(peer, requests).rate
        while requests < rate * _SHORTEST:  # redis-benchmark counts milliseconds: less than one is an infinite rate
            requests *= 10
            rate = self._load(peer, requests).rate
        return rate

    def _load(self, peer: Peer, requests: int) -> redis_benchmark.Load:
        return redis_benchmark.run(peer.address, self._words, max(requests, self._least))
