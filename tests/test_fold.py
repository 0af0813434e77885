"""Repeats in the log, from literals: what is written at once, what is counted, and when that is told."""
import random
import typing as t

from st.event import Event
from st.log.fold import FOLD_SECONDS, OFTEN, Fold
from st.log.lines import Line, own_line

AT = 1763774000.12


def texts(lines: t.List[Line]) -> t.List[str]:
    """Return level and text of lines."""
    return ["%s %s" % (line.level, line.text) for line in lines]


def event_at(seconds: float, level: str = "INFO", **fields: t.Any) -> Line:
    """Return a line for the event `probe`, some seconds after AT."""
    return own_line(AT + seconds, level, Event("probe", **fields))


def test_repeats_are_counted_until_another_comes() -> None:
    """The same line again is held back; another line is preceded by the count, at the time of the last repeat."""
    fold = Fold()
    assert texts(fold.add(event_at(0, n=1))) == ["INFO probe n=1"]
    assert [fold.add(event_at(second, n=1)) for second in (1, 2, 3)] == [[], [], []]
    lines = fold.add(event_at(9, n=2))
    assert texts(lines) == ["INFO repeated count=3 event=probe", "INFO probe n=2"]
    assert lines[0].created == AT + 3


def test_a_minute_ends_the_counting() -> None:
    """The next record after a minute writes the count and itself, and another minute begins."""
    fold = Fold()
    fold.add(event_at(0))
    fold.add(event_at(1))
    assert texts(fold.add(event_at(FOLD_SECONDS))) == ["INFO repeated count=1 event=probe", "INFO probe"]
    assert fold.add(event_at(FOLD_SECONDS + 59)) == []


def test_a_clock_set_back_ends_the_counting() -> None:
    """A record from before the first one is written, so that a clock set back a year silences nothing."""
    fold = Fold()
    fold.add(event_at(0))
    assert texts(fold.add(event_at(-1))) == ["INFO probe"]


def test_level_and_traceback_make_a_line_another() -> None:
    """The same text with another level or another traceback is no repeat."""
    fold = Fold()
    fold.add(event_at(0))
    assert texts(fold.add(event_at(1, level="ERROR"))) == ["ERROR probe"]
    assert texts(fold.add(event_at(1, level="ERROR")._replace(trace="x"))) == ["ERROR probe"]


def test_the_count_is_told_once() -> None:
    """What is due is written once, and counting begins again."""
    fold = Fold()
    assert fold.due() == []
    fold.add(event_at(0))
    assert fold.due() == []
    fold.add(event_at(1, level="INFO"))
    assert texts(fold.due()) == ["INFO repeated count=1 event=probe"]
    assert fold.due() == []
    fold.add(event_at(2))
    assert texts(fold.due()) == ["INFO repeated count=1 event=probe"]


def probe(seconds: float, name: str) -> Line:
    """Return a line that tells of `name`."""
    return event_at(seconds, who=name)


def test_lines_that_take_turns_are_counted_too() -> None:
    """Two or more that alternate for hours: each is written a few times a minute, and once a minute counted."""
    fold = Fold()
    written: t.List[Line] = []
    for second in range(600):
        for name in ("a", "b", "c"):
            written += fold.add(probe(second, name))
    lines = texts(written)
    for name in ("a", "b", "c"):
        assert lines.count("INFO probe who=%s" % name) == 10 * OFTEN
        assert lines.count('INFO repeated count=%d event=probe text="probe who=%s"' % (60 - OFTEN, name)) == 9
    assert len(lines) == 30 * OFTEN + 27


def test_a_line_that_comes_back_is_written() -> None:
    """A state that comes and goes a few times is seen as it was, in order, up to the last."""
    fold = Fold()
    lines = [fold.add(probe(second, name)) for second, name in enumerate("abab")]
    assert [texts(each) for each in lines] == [["INFO probe who=%s" % name] for name in "abab"]


def test_nothing_that_was_held_back_goes_uncounted() -> None:
    """However lines come, those written and those counted are all of them."""
    fold = Fold()
    dice = random.Random(7)
    written: t.List[Line] = []
    second = 0.0
    for _ in range(20000):
        second += dice.choice((0, 0, 0.5, 20, -30)) if dice.random() < 0.2 else 0.01
        written += fold.add(probe(second, dice.choice("abcdefgh") * dice.randrange(1, 20)))
    written += fold.due()
    counts = [line.event.fields["count"] for line in written if line.event.name == "repeated"]
    assert len(written) - len(counts) + sum(counts) == 20000 and counts and min(counts) > 0


def test_many_different_lines_take_no_memory() -> None:
    """Old ones are forgotten, with their count told."""
    fold = Fold()
    assert [fold.add(probe(0, "first")) for _ in range(3)][1:] == [[], []]
    lines = [line for number in range(1000) for line in fold.add(probe(1, str(number)))]
    assert len(lines) == 1001 and texts(lines)[0] == "INFO repeated count=2 event=probe"
    assert texts(fold.add(probe(2, "first"))) == ["INFO probe who=first"]
