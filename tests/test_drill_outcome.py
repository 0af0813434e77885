"""What is measured in a drill, told in words, as JSON, and drawn."""
import json
import typing as t
import xml.etree.ElementTree

import pytest

from st.address import Address
from st.drill.caller import Attempt
from st.drill.events import LOST, Heard
from st.drill.outcome import CRASH, FAILOVER, Outage, Outcome, Phase, outage, phases_of, silences_of
from st.drill.plot import Scale, as_svg
from st.drill.report import as_json, as_text

OLD, NEW = Address("10.0.0.21", 6379), Address("10.0.0.22", 6379)
SENTINELS = Address("10.0.0.11", 26379), Address("10.0.0.12", 26379)
ZERO = 100.0


def attempts(*ends: float) -> t.List[Attempt]:
    """Return attempts that ended then, the negative ones with an error."""
    return [Attempt(number, abs(end) - 0.01, abs(end), "no" if end < 0 else "") for number, end in enumerate(ends)]


def an_outcome(**changed: t.Any) -> Outcome:
    """Return one of a failover that went well, or what `changed` makes of it."""
    writes = attempts(99.9, 100.0, 100.3, -100.4, -101.0, 102.0, 102.1)
    made = Outcome("sessions", FAILOVER, OLD, NEW, 1763777587.0, ZERO, 103.0, writes, attempts(100.1, 101.9, 102.0),
                   [Phase("asked", ZERO, "of sentinel 10.0.0.11"), Phase("noticed", 101.5, "by the tunnel")], [], "")
    return made._replace(**changed)


@pytest.mark.parametrize("ends, found", [
    ((1, 1.1, 2.5, 2.6), Outage(1.1, 2.5)),
    ((1, -1.1, -1.9, 2.5, 2.6), Outage(1, 2.5)),
    ((1, 2.6, -2.7, -2.9), Outage(2.6, None)),
    ((2.4, 2.5, -2.6, -2.9), Outage(2.5, None)),
    ((1, 1.1, 1.2), Outage(1.2, None)),
    ((1, 1.6, 2.0, -2.1, 2.2, 2.3), Outage(2.0, 2.2)),
    ((2.9,), None),
    ((-1, -2), None),
    ((), None),
])
def test_an_outage_is_the_longest_time_without_success(ends: t.Sequence[float],
                                                       found: t.Optional[Outage]) -> None:
    """Whether attempts failed meanwhile, or waited; also when it goes on at the end."""
    assert outage(attempts(*ends), 3.0) == found


def test_each_phase_is_the_first_event_that_tells_it() -> None:
    """Of this master, since the drill began, whichever Sentinel tells it."""
    def heard(number: int, channel: str, moment: float, payload: str = "master sessions 10.0.0.21 6379") -> Heard:
        return Heard(SENTINELS[number], channel, payload, 0.0, moment)

    promoted = "slave 10.0.0.22:6379 10.0.0.22 6379 @ sessions 10.0.0.21 6379"
    found = phases_of([
        heard(0, "+elected-leader", 9.0), heard(0, "+sdown", 10.5, promoted), heard(1, "+sdown", 10.3),
        heard(0, "+sdown", 10.2), heard(1, "+elected-leader", 11.0, "master other 10.0.0.31 6379"),
        heard(1, "+elected-leader", 12.0), heard(1, "+promoted-slave", 13.0, promoted), heard(1, "+set", 14.0),
    ], "sessions", 10.0)
    assert found == [Phase("down", 10.2, "by 10.0.0.11"), Phase("elected", 12.0, "by 10.0.0.12"),
                     Phase("promoted", 13.0, "10.0.0.22:6379, by 10.0.0.12")]


def test_the_report() -> None:
    """What came of it first, then what clients saw, then when what happened."""
    lines = as_text(an_outcome()).splitlines()
    assert lines[0].endswith(" sessions: a failover from 10.0.0.21:6379 to") and lines[1:] == [
        "  10.0.0.22:6379 worked",
        "  writes: none for 1.70 s; 5 acknowledged, 0 of them lost, 2 failed",
        "  reads:  none for 1.80 s; 3 answered, 0 failed", "  failed: 2 x no", "",
        "    0.00 s  asked        of sentinel 10.0.0.11", "    1.50 s  noticed      by the tunnel"]
    assert max(map(len, lines)) <= 80


def test_what_clients_were_told() -> None:
    """Each error once with its number, the most frequent first, safe to print; of many only some to a person."""
    said = ["a"] * 2 + ["b\x1b"] * 3 + list("cdefg")
    writes = [Attempt(number, 100.0, 100.1, error) for number, error in enumerate(said)]
    failed = [line for line in as_text(an_outcome(writes=writes)).splitlines() if line.startswith("  failed:")]
    assert failed[:2] == ["  failed: 3 x b\\x1b", "  failed: 2 x a"] and len(failed) == 5
    assert len(json.loads(as_json(an_outcome(writes=writes)))["errors"]) == 7


def test_a_failover_that_was_given_up() -> None:
    """That it was, by whom, and that a Sentinel could not be heard any more, are among the phases."""
    heard = [Heard(SENTINELS[0], "-failover-abort-slave-timeout", "master sessions 10.0.0.21 6379", 0.0, 12.0),
             Heard(SENTINELS[1], LOST, "10.0.0.12:26379: closed the connection", 0.0, 9.0),
             Heard(SENTINELS[1], LOST, "10.0.0.12:26379: closed the connection", 0.0, 13.0)]
    assert phases_of(heard, "sessions", 10.0) == [Phase("given up", 12.0, "by 10.0.0.11")]
    assert silences_of(heard, 10.0) == [Phase("not heard", 13.0, "10.0.0.12:26379: closed the connection")]


def test_what_was_lost_is_told_with_the_reason() -> None:
    """When it was acknowledged, and that it is no fault of the tunnel."""
    outcome = an_outcome(lost=an_outcome().writes[1:3])
    assert not outcome.passed
    text = " ".join(as_text(outcome).split())
    assert "worked, but writes were lost" in text and "2 of them lost" in text
    assert "lost: acknowledged from 0.00 s to 0.30 s. Redis replicates after it has answered" in text


@pytest.mark.parametrize("changed, words", [
    (dict(new=None, problem="no new master within 30s"), "did not come about: no new master within 30s"),
    (dict(problem="the new master does not serve: x\x1b"), "to 10.0.0.22:6379: the new master does not serve: x\\x1b"),
    (dict(kind=CRASH), "a failover (after a crash) from 10.0.0.21:6379 to 10.0.0.22:6379 worked"),
    (dict(lost=None), "not known how many of them are lost"),
    (dict(writes=attempts(-100.4)), "writes: none for all the time; 0 acknowledged"),
    (dict(until=110.0), "reads: none for 8.00 s to the end"),
])
def test_reports_of_other_ends(changed: t.Dict[str, t.Any], words: str) -> None:
    """Each says how it was."""
    assert words in " ".join(as_text(an_outcome(**changed)).split())


def test_passed_is_a_failover_without_loss() -> None:
    """Nothing else, since a program looks at the exit code alone."""
    assert an_outcome().passed
    for changed in (dict(new=None), dict(problem="x"), dict(lost=None), dict(lost=an_outcome().writes[:1])):
        assert not an_outcome(**changed).passed


def test_the_report_as_json() -> None:
    """The same for programs; times count from the moment `at`."""
    found = json.loads(as_json(an_outcome(lost=an_outcome().writes[2:3])))
    assert found == {
        "name": "sessions", "kind": "failover", "at": 1763777587.0, "passed": False, "old": "10.0.0.21:6379",
        "new": "10.0.0.22:6379", "problem": "",
        "writes": {"acknowledged": 5, "failed": 2, "lost": 1, "lost_at": [0.3], "outage": 1.7},
        "reads": {"answered": 3, "failed": 0, "outage": 1.8}, "errors": {"no": 2},
        "phases": [{"phase": "asked", "seconds": 0.0, "detail": "of sentinel 10.0.0.11"},
                   {"phase": "noticed", "seconds": 1.5, "detail": "by the tunnel"}]}
    never = json.loads(as_json(an_outcome(new=None, lost=None, until=110.0)))
    assert (never["new"], never["writes"]["lost"], never["reads"]["outage"]) == (None, None, None)


def test_the_picture_is_svg() -> None:
    """It is well-formed, whatever a name may hold, with a bar for each attempt and a line for each phase."""
    outcome = an_outcome(name="<&\x1b>", lost=an_outcome().writes[2:3])
    root = xml.etree.ElementTree.fromstring(as_svg(outcome).encode("utf-8"))
    kinds = [each.get("class") for each in root.iter() if each.tag.endswith("line")]
    assert [kinds.count(kind) for kind in ("good", "lost", "bad", "phase")] == [4 + 3, 1, 2, 2]
    assert sum(each.get("class") == "gap" for each in root.iter()) == 2
    texts = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert {"1.70 s", "1.80 s", "asked 0.00 s", "noticed 1.50 s"} <= set(texts)


@pytest.mark.parametrize("last, marks", [(0.2, 13), (3.0, 9), (200.0, 11)])
def test_the_axis_has_a_few_marks(last: float, marks: int) -> None:
    """However long it took."""
    assert len(Scale(-1.0, last).marks()) == marks
