"""A failover that is about to promote a replica: connections are kept off the old master, within limits."""
import logging
import typing as t

import pytest

from st.address import Address
from st.sentinel.answers import Answer
from st.sentinel.election import UNREACHABLE
from st.sentinel.follower import Follower
from st.sentinel.handover import LONGEST, REST, Handover
from tests.test_follower import A, B, Case, lines

ONE, TWO = ({Address("s%d" % number, 26379)} for number in (1, 2))
NOBODY: t.Set[Address] = set()
PROMOTING = Answer(A, 1, frozenset(["master", "failover_in_progress"]), promoting=True)
FAILING = "failover in progress"


def begun() -> Handover:
    """Return one that began at 1000.0, by the word of one Sentinel against another's."""
    handover = Handover()
    assert handover.begins(1000.0, ONE, TWO) and handover.on
    return handover


def test_it_begins_once() -> None:
    """The word of one Sentinel is enough, and is no news when it is repeated."""
    handover = begun()
    assert not handover.begins(1000.1, ONE, TWO) and not handover.begins(1000.2, ONE | TWO, NOBODY)
    assert handover.goes_on(1000.2)


def test_nobody_says_so() -> None:
    """Without anybody's word nothing begins."""
    handover = Handover()
    assert not handover.begins(1000.0, NOBODY, ONE | TWO) and not handover.goes_on(1000.0) and not handover.on


def test_it_ends_when_who_said_so_takes_it_back() -> None:
    """What another Sentinel says is no reason, nor is silence; a word of each that said so is."""
    handover = begun()
    assert not handover.begins(1000.1, NOBODY, TWO) and handover.goes_on(1000.1)  # the one is busy with it
    handover.begins(1000.2, NOBODY, ONE | TWO)
    assert not handover.goes_on(1000.2) and not handover.on


def test_it_has_a_limit() -> None:
    """A Sentinel that never comes to an end is not waited for longer, and gets no second time while it says so."""
    handover = begun()
    assert handover.goes_on(1000.0 + LONGEST - 0.1) and not handover.goes_on(1000.0 + LONGEST)
    for seconds in range(10, int(3 * REST), 10):
        assert not handover.begins(1000.0 + seconds, ONE, TWO) and not handover.goes_on(1000.0 + seconds)


def test_a_liar_is_believed_seldom() -> None:
    """After one that came to no switch there is a long rest, also when somebody else says so."""
    handover = begun()
    handover.begins(1001.0, NOBODY, ONE | TWO)
    assert not handover.goes_on(1001.0)
    assert not handover.begins(1000.0 + REST - 0.1, TWO, ONE)
    handover.begins(1000.0 + REST, NOBODY, ONE | TWO)
    assert handover.begins(1000.0 + 2 * REST, ONE, TWO)


def test_the_next_may_follow_a_switch_at_once() -> None:
    """One that came to a switch was true: it is forgotten, and what it closed is told once."""
    handover = begun()
    handover.closed = 7
    assert (handover.switched(True), handover.switched(True), handover.on) == (7, 0, False)
    assert handover.begins(1000.1, TWO, ONE)


def test_a_new_reign_of_the_same_master() -> None:
    """It ends the wait and nothing else: a liar's epochs must not make him believed again."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round(PROMOTING, (A, 1), (A, 1))
    case.round(PROMOTING._replace(epoch=2), (A, 1), (A, 1))
    assert case.row.now().target is not None and case.stale == [1, 2, 3]
    for epoch in range(3, 9):
        case.round(PROMOTING._replace(epoch=epoch), (A, 1), (A, 1))
        assert case.row.now().target is not None and case.row.generation == epoch + 1


def test_connections_leave_before_the_promotion(caplog: t.Any) -> None:
    """One Sentinel's word cuts them once, before the others have answered; new ones wait; the next master gets them."""
    caplog.set_level(logging.INFO, "st")
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.follower.begin()
    case.consider(PROMOTING, complete=False)
    assert case.stale == [1, 2] and case.master == A and case.row.now() == (None, 2, FAILING)
    for _ in range(2):
        case.round((A, 1), PROMOTING, (A, 1))
        assert case.row.now() == (None, 2, "3 of 3 sentinels answer, failover in progress")
    assert case.follower.condition.state == "no_master" and not lines(caplog, "no_master") and not case.follower.settled
    case.round((A, 1), (B, 2), (A, 1))
    assert case.stale == [1, 2, 3] and case.master == B and case.row.now()[1:] == (3, "")
    assert lines(caplog, "handover") == ["handover tunnel=t master=10.0.0.1:6379 by=s0:26379 closed=5"
                                         " means=\"failover begins; new connections wait\""]
    assert " closed=10 " in lines(caplog, "switch")[0]  # 5 each time in this case


def test_the_time_without_a_master_counts_from_the_cut() -> None:
    """The old master still says that it is one: it is no good all the same."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.follower._last_good -= 60
    case.round(PROMOTING, (A, 1), (A, 1))
    case.round(PROMOTING, (A, 1), (A, 1))
    case.round((B, 2), (A, 1), (A, 1))
    assert case.follower.gaps.distribution().sum > 50


@pytest.mark.parametrize("how", ["aborted", "too long"])
def test_no_switch_follows(how: str, caplog: t.Any) -> None:
    """The old master is used again, and what is said once more within the rest changes nothing."""
    caplog.set_level(logging.INFO, "st")
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round(PROMOTING, (A, 1), (A, 1))
    assert case.row.now().target is None
    if how == "aborted":
        case.round((A, 1), (A, 1), (A, 1))
    else:
        case.follower._handover._since -= LONGEST
    for _ in range(3):
        case.round(PROMOTING, (A, 1), (A, 1))
        assert case.row.now().target is not None and case.row.now()[1:] == (2, "")
    assert case.stale == [1, 2] and case.follower.switches == 0
    assert [record.getMessage().split()[0] for record in caplog.records] == [
        "master", "handover", "master_ok"]


def test_its_leader_ends_on_the_way() -> None:
    """A Sentinel that is gone may be at it still: the wait has the same limit, and then the old master is used."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round(PROMOTING, (A, 1), (A, 1))
    case.round("gone", (A, 1), (A, 1))
    assert case.row.now().target is None and not case.follower.settled  # else nobody looks again before the next poll
    case.follower._handover._since -= LONGEST
    case.round("gone", (A, 1), (A, 1))
    assert case.row.now().target is not None and case.row.now()[1:] == (2, "") and case.follower.settled


def test_another_master_that_is_silent() -> None:
    """Its role is waited for, as long as it is not too long for those who want the old master."""
    case, said = Case(), (PROMOTING, (A, 1), (B, 9))
    case.round((A, 1), (A, 1), (A, 1))
    case.round(PROMOTING, (A, 1), (A, 1))
    case.follower.begin()
    case.consider(*said)
    case.follower.take(case.probed(A))
    for given_up in (False, True):
        case.consider((A, 1), *said[1:])
        assert (case.row.now().target is not None) == given_up
        case.follower._handover._since -= LONGEST
    assert case.follower.condition.state == "master_kept" and "no reply to ROLE from 10.0.0.2" in case.row.now().reason


def test_the_old_master_has_gone_meanwhile(caplog: t.Any) -> None:
    """That there is no master has a line of its own, once the wait for the new one is over."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    for said in (PROMOTING, PROMOTING, (A, 1), (A, 1)):
        case.round(said, (A, 1), (A, 1), a=UNREACHABLE)
        assert case.follower.condition.state == "no_master"
        assert len(lines(caplog, "no_master")) == (said != PROMOTING)


def test_a_replica_of_another_master() -> None:
    """A Sentinel that promotes a replica of another master than ours, an old one say, is no reason for anything."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round((B, 2), (B, 2), (B, 2))
    case.round((B, 2), (B, 2), PROMOTING)
    assert case.stale == [1, 2] and case.master == B and case.row.now()[1:] == (2, "")


def test_before_the_first_master() -> None:
    """A master that is found in the middle of a failover is known, and not used."""
    case = Case()
    case.round(PROMOTING, (A, 1), (A, 1))
    assert case.master == A and case.row.now().target is None


def test_a_reload_in_the_middle() -> None:
    """The follower that takes over knows of it: nobody is cut twice, and the wait is no longer."""
    case, other = Case(), Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round(PROMOTING, (A, 1), (A, 1))
    follower: Follower = other.follower
    follower.row = case.row
    other.row = case.row
    follower.go_on_as(case.follower)
    other.round(PROMOTING, (A, 1), (A, 1))
    assert other.stale == [] and case.row.now().target is None


def test_a_switch_after_the_limit(caplog: t.Any) -> None:
    """It comes of the same failover: what was closed for it is told with it. What was given up is forgotten."""
    for given_up in (False, True):
        caplog.clear()
        case = Case()
        case.round((A, 1), (A, 1), (A, 1))
        case.round(PROMOTING, (A, 1), (A, 1))
        case.follower._handover._since -= LONGEST
        case.round((A, 1) if given_up else PROMOTING, (A, 1), (A, 1))
        case.round((B, 2), (A, 1), (A, 1))
        assert " closed=%d " % (5 if given_up else 10) in lines(caplog, "switch")[0]
