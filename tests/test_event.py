"""An Event prints as one line that nobody outside can forge."""
import json
import shlex
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.event import Event


def test_an_event_is_its_name_and_its_fields() -> None:
    """Fields stand in the order they were given, plain values without quotes."""
    event = Event("switch", old="10.0.0.21:6379", epoch=7, gap=7.2)
    assert str(event) == "switch old=10.0.0.21:6379 epoch=7 gap=7.2"
    assert (event.name, event.fields["epoch"]) == ("switch", 7)


@pytest.mark.parametrize("value, text", [
    ("", '""'),
    ("a b", '"a b"'),
    ("a=b", '"a=b"'),
    ('a"b', r'"a\"b"'),
    ("a\\b", r'"a\\b"'),
    ("a\nERROR forged", r'"a\nERROR forged"'),
    ("caf\u00e9", r'"caf\u00e9"'),
    ("\x7f", r'"\u007f"'),
    ("sessions", "sessions"),
])
def test_a_value_is_quoted_when_it_could_be_misread(value: str, text: str) -> None:
    """Quotes and escapes keep a value inside its field."""
    assert str(Event("e", k=value)) == "e k=" + text


@given(st.text())
def test_a_line_stays_one_line_of_ascii(value: str) -> None:
    """Whatever a value holds, the line has no control character, is ASCII, and the value can be had back."""
    line = str(Event("e", k=value, last=1))
    assert line.isprintable() and all(char < "\x7f" for char in line)
    text = line[len("e k="):-len(" last=1")]
    assert (json.loads(text) if text.startswith('"') else text) == value


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers()))
def test_fields_can_be_split_again(fields: t.Dict[str, int]) -> None:
    """A script splits the line at its white space and equals signs."""
    words = shlex.split(str(Event("e", **fields)))
    assert dict(word.split("=") for word in words[1:]) == {key: str(value) for key, value in fields.items()}
