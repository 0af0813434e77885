"""Log records to lines: text for people, JSON for programs; the same again and again becomes a count."""
import datetime
import json
import logging
import math
import traceback
import typing as t

from st.event import Event
from st.ops.plain import plain

FOLD_SECONDS = 60.0

_RESERVED = ("time", "level", "event")


class Line(t.NamedTuple):
    """One line to write: when (seconds since the epoch), its level, its event also as text, a traceback or ""."""

    created: float
    level: str
    event: Event
    text: str
    trace: str = ""


def line_of(record: logging.LogRecord) -> Line:
    """Return the line for `record`, also when its message and its arguments do not fit together."""
    try:
        event = record.msg if isinstance(record.msg, Event) else Event("message", text=record.getMessage())
        text = str(event)
    except Exception as error:  # whatever a __str__ raises: a wrong log call must not break the thread that logs
        where = "%s:%d" % (record.filename, record.lineno)
        return own_line(record.created, "ERROR", Event("unprintable", where=where, error=repr(error)))
    return Line(record.created, record.levelname, event, text, _trace(record))


def own_line(created: float, level: str, event: Event) -> Line:
    """Return the line for an event of the log itself."""
    return Line(created, level, event, str(event))


def text_line(line: Line) -> str:
    """Return `line` as `time level name key=value ...`; a traceback follows, each line of it indented."""
    lines = ["%s %s %s" % (local_time(line.created), line.level, line.text)]
    # Indented, so that no line within an exception's message can pass for one of the log.
    return "\n".join(lines + ["    " + plain(part) for part in line.trace.splitlines()]) + "\n"


def traced(line: Line) -> str:
    """Return the event of `line`, with its traceback as a field: one line of ASCII."""
    return line.text + (" traceback=" + json.dumps(line.trace) if line.trace else "")


def json_line(line: Line) -> str:
    """Return `line` as one JSON object; a field named time, level or event gets a `_` behind its name."""
    values: t.Dict[str, t.Any] = {"time": local_time(line.created), "level": line.level}
    values["event"] = line.event.name
    for key, value in line.event.fields.items():
        values[key + "_" if key in _RESERVED else key] = _json_value(value)
    if line.trace:
        values["traceback"] = line.trace
    return json.dumps(values) + "\n"


class Fold:
    """Counts a line that comes again and again, so that it is written once a minute; not safe for threads."""

    def __init__(self) -> None:
        self._first: t.Optional[Line] = None  # the one that was written
        self._latest: t.Optional[Line] = None  # the latest repeat of it that was not
        self._repeats = 0

    def add(self, line: Line) -> t.List[Line]:
        """Return the lines to write now that `line` has come: none when it repeats the last one."""
        if self._first is not None and _repeats(self._first, line):
            self._latest = line
            self._repeats += 1
            return []
        due = self.due()
        self._first = line
        return due + [line]

    def due(self) -> t.List[Line]:
        """Return the line that tells of the repeats since the last one, if there were any."""
        if self._latest is None:
            return []
        latest, count = self._latest, self._repeats
        self._latest, self._repeats = None, 0
        return [own_line(latest.created, latest.level, Event("repeated", count=count, event=latest.event.name))]


def _repeats(first: Line, line: Line) -> bool:
    same = (first.level, first.text, first.trace) == (line.level, line.text, line.trace)
    return same and 0 <= line.created - first.created < FOLD_SECONDS


def local_time(at: float, precision: str = "milliseconds") -> str:
    """Return the local time with its offset, as the log shows it, for seconds since the epoch."""
    utc = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return utc.astimezone().isoformat(timespec=precision)


def _trace(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0]:
        parts.append("".join(traceback.format_exception(*record.exc_info)))
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _json_value(value: t.Any) -> t.Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):  # JSON has no NaN and no infinity
        return value
    return str(value)
