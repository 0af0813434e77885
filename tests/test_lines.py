"""Records to lines: what a person and a program read in the log, from literals."""
import json
import logging
import sys
import time
import typing as t

import pytest

from st.event import Event
from st.log.lines import Line, json_line, line_of, own_line, text_line

AT = 1763774000.12


class Odd:
    """A value whose text cannot be made."""

    def __str__(self) -> str:
        raise AttributeError("no text")


def record(msg: t.Any, *args: t.Any, exc_info: t.Any = None, stack: t.Optional[str] = None) -> logging.LogRecord:
    """Return the record that a log call with these arguments makes at AT."""
    made = logging.LogRecord("st.x", logging.WARNING, "/a/server.py", 31, msg, args, exc_info, "f", stack)
    made.created = AT
    return made


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Callable[[str], None]]:
    """Set the local time zone for one test."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "name, text",
    [
        ("UTC0", "2025-11-22T01:13:20.120+00:00"),
        ("CET-1CEST,M3.5.0,M10.5.0", "2025-11-22T02:13:20.120+01:00"),
        ("IST-5:30", "2025-11-22T06:43:20.120+05:30"),
        ("EST5", "2025-11-21T20:13:20.120-05:00"),
    ],
)
def test_the_time_is_local_with_its_offset_to_utc(zone: t.Callable[[str], None], name: str, text: str) -> None:
    """A line begins with the local time to the millisecond and the offset, with a colon."""
    zone(name)
    line = own_line(AT, "INFO", Event("open"))
    assert text_line(line) == text + " INFO open\n"
    assert json.loads(json_line(line))["time"] == text


def test_an_event_is_its_name_and_fields() -> None:
    """An event keeps the order of its fields in text."""
    line = line_of(record(Event("switch", tunnel="sessions", epoch=7, gap=1.5)))
    assert text_line(line)[29:] == " WARNING switch tunnel=sessions epoch=7 gap=1.5\n"


def test_an_ordinary_message_becomes_a_field() -> None:
    """A message in %-format is the quoted text of an event named message."""
    line = line_of(record("cannot read %s", "/etc/x y"))
    assert text_line(line)[29:] == ' WARNING message text="cannot read /etc/x y"\n'


def test_json_keeps_numbers_and_says_the_rest_as_text() -> None:
    """Numbers, true, false and null stay what they are; everything else is its text, NaN too."""
    event = Event("e", i=7, f=0.5, yes=True, none=None, nan=float("nan"), address=("h", 1))
    values = json.loads(json_line(line_of(record(event))))
    del values["time"]
    head = {"level": "WARNING", "event": "e"}
    assert values == dict(head, i=7, f=0.5, yes=True, none=None, nan="nan", address="('h', 1)")


def test_a_field_cannot_replace_the_head_of_a_json_line() -> None:
    """A field named like time, level or event is kept under a name of its own."""
    values = json.loads(json_line(own_line(AT, "INFO", Event("e", time=1, level="x", event="y"))))
    assert (values["level"], values["event"]) == ("INFO", "e")
    assert (values["time_"], values["level_"], values["event_"]) == (1, "x", "y")


FORGED = "x\n2026-11-22T02:13:14.120+01:00 ERROR forged\r\x1b[31m\x00\x7f\x85\u2028\u00e9\udc80"


@pytest.mark.parametrize("make", [text_line, json_line])
@pytest.mark.parametrize("msg", [Event("e", error=FORGED), FORGED])
def test_no_value_can_forge_a_line(make: t.Callable[[Line], str], msg: t.Any) -> None:
    """Control characters and characters outside ASCII are escaped, so a record is exactly one line."""
    line = make(line_of(record(msg)))
    assert line.endswith("\n") and all(" " <= char <= "~" for char in line[:-1])


def failure() -> t.Any:
    """Return the exc_info of an error whose text tries to forge a line."""
    try:
        raise ValueError(FORGED)
    except ValueError:
        return sys.exc_info()


def test_a_traceback_follows_indented() -> None:
    """In text, each line of a traceback stands indented behind its record, in printable ASCII."""
    first, *others = text_line(line_of(record(Event("crash"), exc_info=failure()))).rstrip("\n").split("\n")
    assert first.endswith(" WARNING crash")
    assert others[0] == "    Traceback (most recent call last):"
    assert any("ValueError: x" in other for other in others)
    assert all(other.startswith("    ") and all(" " <= char <= "~" for char in other) for other in others)


def test_a_traceback_is_a_field_of_json() -> None:
    """In JSON the traceback is one field of the one line."""
    line = json_line(line_of(record(Event("crash"), exc_info=failure())))
    assert line.count("\n") == 1 and "ValueError: x\n2026" in json.loads(line)["traceback"]


def test_a_stack_that_was_asked_for_is_kept() -> None:
    """A stack given by stack_info follows as a traceback does; no exception means no traceback."""
    assert line_of(record("m", stack="Stack:\n  f")).trace == "Stack:\n  f"
    assert line_of(record("m", exc_info=(None, None, None))).trace == ""


@pytest.mark.parametrize("msg, args", [("%d clients", ("x",)), ("%s", (Odd(),)), (Event("e", odd=Odd()), ())])
def test_a_wrong_log_call_says_where_it_stands(msg: t.Any, args: t.Tuple[t.Any, ...]) -> None:
    """A record that cannot become text is a line with the place of the call and the error."""
    line = line_of(record(msg, *args))
    assert line.level == "ERROR" and line.text.startswith("unprintable where=server.py:31 error=")
