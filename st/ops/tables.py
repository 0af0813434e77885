"""Lines for people: tables, 80 columns, times and sizes in two digits."""
import textwrap
import typing as t

from st.plain import plain

COLUMNS = 80
_WIDEST = 22  # a column of a table: an IPv4 address with its port


def table(rows: t.Sequence[t.Sequence[str]]) -> t.List[str]:
    """Return a line for each row, in columns as far as they fit."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*cells)]
    return [_row(row, widths) for row in cells]


def _row(cells: t.Sequence[str], widths: t.Sequence[int]) -> str:
    aligned = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()
    return aligned if len(aligned) <= COLUMNS else "  ".join(cells)  # every value in full matters more than columns


def wrapped(line: str, indent: str = "    ", columns: int = COLUMNS) -> str:
    """Return a line cut into as many as it needs, `indent` before all but the first."""
    return textwrap.fill(line, columns, subsequent_indent=indent, break_on_hyphens=False)


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    shown = [part for part in parts if part[0]][:2] or parts[-1:]
    return " ".join("%d%s" % part for part in shown)


def size(number: int) -> str:
    """Return a number of bytes in the unit in which it is short: 310k is 310,000."""
    amount, units = float(number), ["", "k", "M", "G", "T"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return ("%.1f%s" if units[0] and amount < 9.95 else "%.0f%s") % (amount, units[0])
