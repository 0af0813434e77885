"""The figures as tables of Markdown: a row for each workload, a column for each way."""
import math
import operator
import typing as t

from tests.bench.spread import Spread, spread
from tests.bench.stage import LIMIT
from tests.bench.store import Rounds, compared, values


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    """Return a table; nothing when no row has a figure."""
    filled = [row for row in rows if any(row[1:])]
    if not filled:
        return ""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + filled
    return "".join("| %s |\n" % " | ".join(line) for line in lines)


def number(value: float) -> str:
    """Return three digits, or more where they stand before the point."""
    if math.isinf(value):
        return "not in %d s" % LIMIT
    if value == 0:
        return "0"
    places = max(0, 2 - int(math.floor(math.log10(abs(value)))))
    return "{:,.{}f}".format(value, min(places, 3))


def cell(found: t.Sequence[float]) -> str:
    """Return the median of some figures, with their quartiles where there are several."""
    if not found:
        return ""
    middle = spread(found)
    shown = Spread(*map(number, middle))  # type: ignore[arg-type]
    if len(found) == 1 or shown.low == shown.high:
        return str(shown.median)
    return "%s (%s-%s)" % (shown.median, shown.low, shown.high)


def relative(rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str], measure: str = "rate") -> str:
    """Return the first way's figures, and those of the others as a share of them."""
    base, others = ways[0], ways[1:]
    rows = []
    for name, title in titles.items():
        found = rounds.get(name, [])
        rows.append([title, cell(values(found, base, measure))]
                    + [cell(compared(found, way, base, measure, operator.truediv)) for way in others])
    return table(["", base + ", a second"] + list(others), rows)


def absolute(rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str], measure: str,
             factor: float = 1) -> str:
    """Return one measure of every way."""
    rows = [[title] + [cell([value * factor for value in values(rounds.get(name, []), way, measure)]) for way in ways]
            for name, title in titles.items()]
    return _of_those_with_figures(ways, rows)


def waits(rounds: Rounds, ways: t.Sequence[str]) -> str:
    """Return what a client waits for one reply, and what each way adds to the first one's time."""
    found, base, rows = rounds.get("latency", []), ways[0], []
    for measure, title in (("wait_p50", "half of all within"), ("wait_p99", "99 of 100 within")):
        rows.append([title] + [cell(values(found, way, measure)) for way in ways])
        rows.append(["added"] + [""] + [cell(compared(found, way, base, measure, operator.sub)) for way in ways[1:]])
    return table([""] + list(ways), rows)


def kernel(rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str]) -> str:
    """Return system calls and context switches for each request."""
    rows = []
    for name, title in titles.items():
        for measure, what in (("calls_total", "system calls"), ("calls_futex", "of these, waiting for locks (futex)"),
                              ("switches", "context switches")):
            rows.append(["%s: %s" % (title, what)] + [cell(values(rounds.get(name, []), way, measure)) for way in ways])
    return _of_those_with_figures(ways, rows)


def idle(rounds: Rounds, ways: t.Sequence[str]) -> str:
    """Return what a process holds with so many connections that only wait."""
    found, rows = rounds.get("idle", []), []
    for measure, what in (("memory", "MB"), ("threads", "threads"), ("processes", "processes"),
                          ("gone", "seconds to the end of all")):
        for step in idle_steps(rounds):
            rows.append(["%s, %s connections" % (what, "{:,}".format(step))]
                        + [cell(values(found, way, "%s_%d" % (measure, step))) for way in ways])
    return _of_those_with_figures(ways, rows)


def idle_steps(rounds: Rounds) -> t.List[int]:
    """Return the numbers of idle connections that there are figures of."""
    return sorted({int(measure.rpartition("_")[2]) for each in rounds.get("idle", [])
                   for figures in each.values() for measure in figures if "_" in measure})


def chosen(titles: t.Mapping[str, str], rounds: Rounds, *measures: str) -> t.Dict[str, str]:
    """Return the workloads that have one of these measures."""
    return {name: title for name, title in titles.items()
            if any(measure in figures for each in rounds.get(name, []) for figures in each.values()
                   for measure in measures)}


def _of_those_with_figures(ways: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> str:
    kept = [index for index in range(len(ways)) if any(row[index + 1] for row in rows)]
    return table([""] + [ways[index] for index in kept],
                 [[row[0]] + [row[index + 1] for index in kept] for row in rows])
