"""Log records to lines: text for people, JSON for programs."""
import datetime
import json
import logging
import math
import traceback
import typing as t

from st.event import Event
from st.plain import plain

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
