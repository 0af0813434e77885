"""The last hour in numbers: rates between samples, what may be missing, and how much is kept."""
import typing as t

import pytest

from st.web.samples import HOUR, KEPT, PERIOD, Counts, Moment, Samples, moment, without_for
from tests.test_status import BOTH, CACHE
from tests.web import measures

NONE = Counts(0, 0, 0, 0, 0.0)


def samples(*moments: Moment) -> Samples:
    """Return samples with these moments, the oldest first."""
    made = Samples()
    for each in moments:
        made.add(each)
    return made


def at(seconds: float, **changes: t.Any) -> Moment:
    """Return a moment of one tunnel called a, with changes of its counts."""
    return Moment(seconds, {"a": NONE._replace(**changes)})


def test_rates_between_two_moments() -> None:
    """What was added, by the seconds in which it was; what is open is not a rate."""
    stretch, = samples(at(100, accepted=5)).hour(at(120, clients=3, accepted=45, to_master=2000, to_client=10))["a"]
    assert stretch == (20, 0, 3, 2.0, 100.0, 0.5, 0.0)


def test_the_newest_stretch_is_not_too_short() -> None:
    """A rate over two seconds would jump with each look: then it reaches back to the sample before."""
    made = samples(at(100), at(130, accepted=30))
    assert [each.opened for each in made.hour(at(132, accepted=32))["a"]] == [1.0]
    assert [each.opened for each in made.hour(at(150, accepted=70))["a"]] == [1.0, 2.0]
    assert samples(at(100)).hour(at(102, accepted=6))["a"][0].opened == 3.0  # the only one is better than none


def test_without_a_sample_there_are_no_rates() -> None:
    """Nor with one of half a second ago."""
    assert Samples().hour(at(1)) == {"a": []} == samples(at(1)).hour(at(1.5))


def test_what_is_older_than_an_hour_is_not_shown() -> None:
    """A process that was stopped for a while has few samples, and one of them may be old."""
    found = samples(at(0), at(30), at(HOUR)).hour(at(HOUR + 20))["a"]
    assert [each.begin for each in found] == [HOUR - 10, 20]


def test_a_tunnel_that_a_reload_replaced() -> None:
    """It counts from 0 again: that is no negative rate, and no rate at all for the stretch between."""
    for without in (0.0, 9.0):
        made = samples(at(0, accepted=900, without=without), at(30, accepted=930, without=without), at(60, accepted=2))
        assert [each.opened for each in made.hour(at(90, accepted=32))["a"]] == [1.0, 1.0]


def test_tunnels_come_and_go() -> None:
    """One that is gone is not told of; a new one has a shorter hour."""
    made = samples(Moment(0, {"old": NONE}), Moment(30, {"old": NONE, "new": NONE}))
    found = made.hour(Moment(60, {"new": NONE, "newest": NONE}))
    assert {name: len(stretches) for name, stretches in found.items()} == {"new": 1, "newest": 0}


def test_no_more_than_an_hour_is_kept() -> None:
    """However long the process runs."""
    made = samples(*[at(PERIOD * number) for number in range(3 * KEPT)])
    assert len(made._moments) == KEPT and (KEPT - 1) * PERIOD == HOUR


def test_a_sample_is_due_once_a_period() -> None:
    """At once, and then whenever so much time has passed; a late one does not make the next ones come faster."""
    made = Samples()
    assert [made.due(now) for now in (5.0, 5.5, 34.9, 35.0, 200.0, 200.5, 229.9, 230.0)] == [
        True, False, False, True, True, False, False, True]


@pytest.mark.parametrize("withouts, seconds", [
    ((0, 0, 0), 0), ((0, 0, 12.5), 12.5), ((0, 4, 30), 34), ((30, 30, 29.9), 89.9), ((30, 10, 30), 40),
    ((30, 30, 0), 0)])
def test_how_long_there_has_been_no_master(withouts: t.Sequence[float], seconds: float) -> None:
    """Back to the stretch in which there still was one; an outage that is over does not count."""
    total, moments = 0.0, [at(0)]
    for number, without in enumerate(withouts, 1):
        total += without
        moments.append(at(30 * number, without=total))
    found = samples(*moments[:-1]).hour(moments[-1])["a"]
    assert without_for(found) == pytest.approx(seconds)


def test_a_moment_of_a_status() -> None:
    """Counts by the names of the tunnels; one that came or went between the two looks is left out."""
    made = moment(7.0, BOTH, measures(BOTH._replace(tunnels=(CACHE,))))
    assert made == (7.0, {"cache": Counts(CACHE.clients, CACHE.accepted, 1, 1, 2.5)})
