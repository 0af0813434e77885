"""What cron mails: the same only once an hour."""
import pathlib

import pytest

from st.host.reminder import INTERVAL, Reminder

NOW = 1763770000.5


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file in a directory that is not there yet."""
    return tmp_path / "run" / "told"


def test_once_an_hour(path: pathlib.Path) -> None:
    """Each look is that of another process."""
    assert Reminder(str(path)).is_due("text", NOW)
    assert not Reminder(str(path)).is_due("text", NOW)
    assert not Reminder(str(path)).is_due("text", NOW + INTERVAL - 60)
    assert Reminder(str(path)).is_due("text", NOW + INTERVAL + 1)
    assert not Reminder(str(path)).is_due("text", NOW + INTERVAL + 60)


def test_another_text_is_news(path: pathlib.Path) -> None:
    """And does not make the first one news again: two may take turns."""
    reminder = Reminder(str(path))
    assert [reminder.is_due(text, NOW) for text in "abab"] == [True, True, False, False]


def test_the_clock_may_be_put_back(path: pathlib.Path) -> None:
    """A time to come must not silence us until then."""
    reminder = Reminder(str(path))
    assert reminder.is_due("text", NOW + 86400) and reminder.is_due("text", NOW)
    assert not reminder.is_due("text", NOW)


def test_forgotten_it_is_news(path: pathlib.Path) -> None:
    """Things were well meanwhile; forgetting twice is fine."""
    reminder = Reminder(str(path))
    assert reminder.is_due("text", NOW)
    reminder.forget()
    reminder.forget()
    assert not path.exists() and reminder.is_due("text", NOW)


@pytest.mark.parametrize("content", ["", "garbage\n", "a b\nc d e\n", "\x00" * 100, "\u00e9 9\n"])
def test_garbage_is_no_memory(path: pathlib.Path, content: str) -> None:
    """Whatever is in the file, it is written anew."""
    path.parent.mkdir()
    path.write_bytes(content.encode("utf-8"))
    reminder = Reminder(str(path))
    assert reminder.is_due("text", NOW) and not reminder.is_due("text", NOW)


def test_the_memory_is_bounded(path: pathlib.Path) -> None:
    """A text that is different each time fills no disk; it is the oldest that is forgotten."""
    reminder = Reminder(str(path))
    for number in range(300):
        assert reminder.is_due("text %d" % number, NOW)
    assert path.stat().st_size < 5000
    assert not reminder.is_due("text 299", NOW) and reminder.is_due("text 0", NOW)


def test_without_a_memory_all_is_news() -> None:
    """Rather too often than never."""
    reminder = Reminder("/dev/null/told")
    assert reminder.is_due("text", NOW) and reminder.is_due("text", NOW)
    reminder.forget()
