"""Figures of several rounds as one: the median, and the quartiles beside it."""
import typing as t


class Spread(t.NamedTuple):
    """Where the middle half of some figures lies."""

    low: float
    median: float
    high: float


def percentile(ordered: t.Sequence[float], share: float) -> float:
    """Return the value below which this share of the ordered values lies, between two neighbours in proportion."""
    place = (len(ordered) - 1) * share
    below = int(place)
    first, second = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    if first == second or place == below:  # also of two that are infinite
        return first
    return first + (second - first) * (place - below)


def spread(values: t.Iterable[float]) -> Spread:
    """Return median and quartiles of at least one value."""
    ordered = sorted(values)
    return Spread(percentile(ordered, 0.25), percentile(ordered, 0.5), percentile(ordered, 0.75))
