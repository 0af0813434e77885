"""The figures as pictures, PNG and SVG, where there is matplotlib."""
import importlib
import operator
import os
import typing as t

from tests.bench.spread import Spread, spread
from tests.bench.stage import LIMIT
from tests.bench.store import Rounds, compared, values
from tests.bench.tables import chosen, idle_steps

# Told apart also by those who do not see all colours (Okabe and Ito).
_COLOURS = {"direct": "#999999", "tunnel": "#0072b2", "original": "#e69f00", "haproxy": "#009e73", "socat": "#cc79a7",
            "other": "#56b4e9"}
_MORE = ("#d55e00", "#f0e442", "#000000")
_STYLE = {"svg.hashsalt": "the same figures make the same file", "axes.spines.top": False, "axes.spines.right": False,
          "font.size": 9, "axes.axisbelow": True, "svg.fonttype": "none"}
_LEAST = 0.1  # where an axis without a zero begins
_EARLIEST = 0.001  # seconds; what came before a Sentinel told it is as early as that

Rows = t.Dict[str, t.Dict[str, t.Optional[Spread]]]  # for each label: by the names of the ways


def draw(rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str], directory: str) -> t.Set[str]:
    """Write the pictures; return their names."""
    try:
        pyplot = _pyplot()
    except ImportError as error:
        print("no pictures: %s" % error)
        return set()
    made = set()
    for name, rows, what, log in _charts(rounds, titles, ways):
        if any(each for row in rows.values() for each in row.values()):
            _save(pyplot, _bars(pyplot, rows, ways, what, log), directory, name)
            made.add(name)
    if idle_steps(rounds):
        _save(pyplot, _growth(pyplot, rounds, ways), directory, "idle")
        made.add("idle")
    return made


def _pyplot() -> t.Any:
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")  # no screen
    matplotlib.rcParams.update(_STYLE)
    return importlib.import_module("matplotlib.pyplot")


def _charts(rounds: Rounds, titles: t.Mapping[str, str],
            ways: t.Sequence[str]) -> t.Iterator[t.Tuple[str, Rows, str, bool]]:
    busy = chosen(titles, rounds, "rate")
    base = ways[0]
    yield "throughput", {title: {way: _spread(compared(rounds.get(name, []), way, base, "rate", operator.truediv))
                                 for way in ways[1:]} for name, title in busy.items()}, \
        "requests a second, as a share of %s" % base, False
    yield "processor", _rows(rounds, busy, ways, "cpu", 1), "ms of the proxy's processor time for 1,000 requests", True
    yield "waiting", {title: {way: _spread(values(rounds.get("latency", []), way, measure)) for way in ways}
                      for measure, title in (("wait_p50", "half of all\nreplies within"),
                                             ("wait_p99", "99 of 100\nreplies within"))}, \
        "microseconds, PING over 1 connection", False
    failovers = chosen(titles, rounds, "stale")
    rows = {title + ":\nlast stale connection ended": row
            for title, row in _rows(rounds, failovers, ways, "ended", 1000).items()}
    rows.update({title + ":\nfirst good write": row
                 for title, row in _rows(rounds, failovers, ways, "written", 1000).items()})
    yield "failover", rows, \
        "ms after the first Sentinel named the new master (1: or less; %d,000: or never)" % LIMIT, True


def _rows(rounds: Rounds, titles: t.Mapping[str, str], ways: t.Sequence[str], measure: str, factor: float) -> Rows:
    return {title: {way: _spread([min(max(value, _EARLIEST), LIMIT) * factor if factor != 1 else value
                                  for value in values(rounds.get(name, []), way, measure)]) for way in ways}
            for name, title in titles.items()}


def _spread(found: t.Sequence[float]) -> t.Optional[Spread]:
    return spread(found) if found else None


def _bars(pyplot: t.Any, rows: Rows, ways: t.Sequence[str], what: str, log: bool) -> t.Any:
    """Draw a group for each row, with the quartiles as a line; dots where the axis has no zero for bars to begin at."""
    shown = [way for way in ways if any(row.get(way) for row in rows.values())]
    height = 0.8 / len(shown)
    figure, axes = pyplot.subplots(figsize=(8, 1 + len(rows) * (0.2 + 0.17 * len(shown))))
    for index, way in enumerate(shown):
        found = [(place + index * height, row[way]) for place, row in enumerate(rows.values())]
        places = [place for place, each in found if each]
        spreads = [_no_less(each, _LEAST) if log else each for _, each in found if each]
        middles = [each.median for each in spreads]
        look = {"label": way, "color": _colour(way, ways), "xerr": [
            [each.median - each.low for each in spreads], [each.high - each.median for each in spreads]]}
        if log:
            axes.errorbar(middles, places, fmt="o", markersize=6, elinewidth=2, **look)
        else:
            axes.barh(places, middles, height * 0.9, error_kw={"elinewidth": 1, "ecolor": "#333333"}, **look)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(rows))])
    axes.set_yticklabels(list(rows))
    axes.invert_yaxis()
    axes.grid(axis="x", color="#dddddd")
    axes.set_xlabel(what)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    if log:
        _logarithmic(axes.xaxis)
    return figure


def _no_less(each: Spread, least: float) -> Spread:
    return Spread(*(max(least, value) for value in each))


def _logarithmic(axis: t.Any) -> None:
    """Let an axis count in powers, with plain numbers at it."""
    ticker = importlib.import_module("matplotlib.ticker")
    getattr(axis.axes, "set_%sscale" % axis.axis_name)("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter(ticker.NullFormatter())


def _growth(pyplot: t.Any, rounds: Rounds, ways: t.Sequence[str]) -> t.Any:
    """Draw memory and threads over the number of idle connections."""
    figure, both = pyplot.subplots(1, 2, figsize=(8, 3.2))
    for axes, measure, what in zip(both, ("memory", "threads"), ("resident memory, MB", "threads")):
        for way in ways:
            middles = [(step, _spread(values(rounds["idle"], way, "%s_%d" % (measure, step))))
                       for step in idle_steps(rounds)]
            known = [(step, middle.median) for step, middle in middles if middle and step]
            if known:
                axes.plot([step for step, _ in known], [value for _, value in known], "o-", markersize=4,
                          label=way, color=_colour(way, ways))
        axes.set_title(what, fontsize=9)
        axes.set_xlabel("connections that only wait")
        axes.grid(color="#dddddd")
        for axis in (axes.xaxis, axes.yaxis):
            _logarithmic(axis)
    both[1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _colour(way: str, ways: t.Sequence[str]) -> str:
    unknown = [each for each in ways if each not in _COLOURS]
    return _COLOURS[way] if way in _COLOURS else _MORE[unknown.index(way) % len(_MORE)]


def _save(pyplot: t.Any, figure: t.Any, directory: str, name: str) -> None:
    for kind, options in (("png", {"dpi": 110}), ("svg", {"metadata": {"Date": None}})):  # type: str, t.Any
        figure.savefig(os.path.join(directory, "%s.%s" % (name, kind)), bbox_inches="tight", facecolor="white",
                       **options)
    pyplot.close(figure)
