"""Plots of an hour, and the line of days with the switches: numbers in, SVG out."""
import re
import time
import typing as t

import pytest

from st.web.plots import HEIGHT, WIDTH, canvas, outages, plot, span_of
from st.web.samples import HOUR, Stretch
from st.web.timeline import DAYS, LANES, LISTED, last_days, newest, timeline
from tests.page_states import NOW, SWITCHES
from tests.switches import switch

HALF_HOURS = DAYS * 48


def stretches(*values: float, without: t.Sequence[int] = ()) -> t.List[Stretch]:
    """Return half minutes up to now with so many connections a second; `without` are those with an outage."""
    last = len(values)
    return [Stretch(30.0 * (last - number), 30.0 * (last - number - 1), 0, value, 0, 0, 2.0 * (number in without))
            for number, value in enumerate(values)]


def drawn(*values: float, without: t.Sequence[int] = ()) -> str:
    """Return the plot of values."""
    return plot("label", canvas(stretches(*values, without=without)), values)


def path(svg: str) -> str:
    """Return the line of a plot."""
    found, = re.findall('class="line" d="([^"]*)"', svg)
    return str(found)


def test_steps_from_the_ground_to_the_greatest_value() -> None:
    """The greatest is at the top, 0 at the bottom, now at the right, and equal neighbours are one step."""
    low = HEIGHT - 1
    assert path(drawn(0, 2, 2, 1)) == "M232 %dV%dH234V1H238V%dH240V%d" % (HEIGHT, low, 1 + (HEIGHT - 2) // 2, HEIGHT)
    assert path(drawn(0, 0)) == "M236 %dV%dH240V%d" % (HEIGHT, low, HEIGHT)
    assert path(plot("label", canvas([]), [])) == ""


def test_all_of_an_hour_fits() -> None:
    """And a stretch that began before it is cut off at its edge."""
    numbers = [int(number) for number in re.findall("[0-9]+", path(drawn(*[each % 7 for each in range(120)])))]
    assert numbers[0] == 0 and max(numbers) == WIDTH
    early = [Stretch(2 * HOUR, 0, 0, 1, 0, 0, 0)]
    assert path(plot("label", canvas(early), [1])) == "M0 %dV1H%dV%d" % (HEIGHT, WIDTH, HEIGHT)


def test_a_young_process_has_short_plots() -> None:
    """Ten minutes, as long as that holds all that is known of every tunnel: an hour would be empty."""
    young, old = stretches(*[1] * 20), stretches(*[1] * 21)
    assert [span_of([]), span_of([[]]), span_of([young, []]), span_of([young, old])] == [600, 600, 600, HOUR]
    assert path(plot("label", canvas(young, 600), [1.0] * 20)) == "M0 %dV1H%dV%d" % (HEIGHT, WIDTH, HEIGHT)


def test_an_outage_is_marked_however_short() -> None:
    """Two seconds of half a minute; neighbours are one bar; the moment that any start takes is none."""
    assert outages(stretches(1, 1, 1, without=(0, 2))) == 4.0
    assert outages([Stretch(30, 0, 0, 0, 0, 0, 0.3)]) == 0 == len(canvas([Stretch(30, 0, 0, 0, 0, 0, 0.3)]).bars)
    found = re.findall('class="out" x="([0-9]+)" y="0" width="([0-9]+)"', drawn(1, 1, 1, 1, 1, without=(0, 2, 3)))
    assert found == [("230", "2"), ("234", "4")]
    assert "out" not in drawn(1, 1)


def test_days_begin_at_local_midnight() -> None:
    """Seven of them, the last one is today."""
    days = last_days(NOW)
    assert len(days.begin) == DAYS and all(time.localtime(at)[3:6] == (0, 0, 0) for at in (*days.begin, days.end))
    assert days.begin[-1] <= NOW < days.end and days.covers(NOW) and not days.covers(days.end)
    assert days.x(days.begin[0]) == 0 and days.x(days.end) == HALF_HOURS


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Europe/Berlin"])
def test_days_of_another_length(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock is changed in that week, midnights are midnights all the same."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for month, day in ((3, 10), (3, 31), (10, 27), (11, 3), (1, 2)):
            days = last_days(time.mktime((2024, month, day, 12, 0, 0, 0, 0, -1)))
            assert [time.localtime(at)[3:6] for at in (*days.begin, days.end)] == [(0, 0, 0)] * (DAYS + 1)
            assert len({time.localtime(at)[2] for at in days.begin}) == DAYS
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_lane_for_each_tunnel() -> None:
    """The one with the latest switch first; a mark for each, as high as its gap is long, and told in words."""
    text = timeline(SWITCHES[1:], NOW)
    assert re.findall('<span class="name">([^<]+)<', text) == ["sessions", "cache"]
    cache = text.split('<span class="name">')[2]
    assert [int(height) for height in re.findall('class="mark" .*? height="([0-9]+)"', cache)] == [18, 24]
    assert "cache: 2 switches in the last 7 days, longest gap 1m 1s" in text
    assert "gap 6.4 s" in text and "gap 1.9 s (2 switches within half an hour)" in text


def test_switches_outside_of_the_days() -> None:
    """Older ones, and those of a clock that was ahead, are not drawn; without any that is said."""
    outside = [switch(at=NOW - 8 * 86400), switch(at=NOW + 2 * 86400), switch(at=0)]
    assert timeline(outside, NOW) == timeline([], NOW) == "<p>No switch in the last 7 days.</p>"


def test_many_switches_are_bounded() -> None:
    """A thousand of a hundred tunnels: the latest lanes, a mark for each half hour at the most, the newest rows."""
    many = [switch(tunnel="t%d" % (number % 100), at=NOW - 600000 + 600 * number) for number in range(1000)]
    text = timeline(many, NOW)
    assert text.count('class="days" viewBox') == LANES and "88 more tunnels switched" in text
    assert newest(many, NOW).count("<li>") == LISTED and "990 older ones" in newest(many, NOW)
    one = timeline([switch(at=NOW - 60 * number) for number in range(1000)], NOW)
    assert one.count('class="mark"') < 40 and "1000 switches in the last 7 days" in one


def test_the_newest_switch_stands_first() -> None:
    """With old and new master, gap, and what was heard of it by whom."""
    text = newest(SWITCHES, NOW)
    assert [text.index(gap) for gap in ("gap 6.4 s", "gap 1m 1s", "gap 0.4 s", "gap 1.9 s", "gap 7.2 s")] == sorted(
        text.index(gap) for gap in ("gap 6.4 s", "gap 1m 1s", "gap 0.4 s", "gap 1.9 s", "gap 7.2 s"))
    assert "10.0.0.21:6379 &rarr; 10.0.0.22:6380" in text and "heard by event, 2/3 Sentinels, 41 closed" in text
    assert newest([], NOW) == ""
