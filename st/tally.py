"""Counting for the metrics: how often, and how long. Safe for threads, and cheap where bytes are carried."""
import bisect
import itertools
import threading
import typing as t


class Tally:
    """Counts things by their kind."""

    def __init__(self, *kinds: str) -> None:
        self._lock = threading.Lock()  # guards the counts
        self._counts = dict.fromkeys(kinds, 0)  # known kinds are there from the start, with 0

    def count(self, kind: str) -> None:
        """Count one of this kind."""
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1

    def counts(self) -> t.Dict[str, int]:
        """Return how many there were of each kind."""
        with self._lock:
            return dict(self._counts)


class Distribution(t.NamedTuple):
    """What a histogram has seen: how many were up to each bound, their sum and their number."""

    buckets: t.Tuple[t.Tuple[float, int], ...]  # (upper bound in seconds, how many were not longer), growing
    sum: float  # seconds
    observed: int


class Histogram:
    """Counts durations, in seconds, by a few upper bounds, as Prometheus does."""

    def __init__(self, bounds: t.Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._lock = threading.Lock()  # guards the attributes below
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        place = bisect.bisect_left(self._bounds, seconds)
        with self._lock:
            self._counts[place] += 1
            self._sum += seconds

    def distribution(self) -> Distribution:
        """Return what was seen so far."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        growing = list(itertools.accumulate(counts))
        return Distribution(tuple(zip(self._bounds, growing)), total, growing[-1])
