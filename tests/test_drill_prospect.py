"""Whether a failover can succeed, by what Sentinels said."""
import typing as t

import pytest

from st.address import Address
from st.drill.prospect import candidates, doubts, look
from st.errors import NoMasterError
from st.sentinel.answers import Answer, Credentials, Report
from st.sentinel.survey import Asker
from st.testing.sentinel import Replica
from tests.fakes import Error, World
from tests.waiting import FACTOR

A, B = Address("10.0.0.21", 6379), Address("10.0.0.22", 6379)


def entry(**fields: str) -> t.List[bytes]:
    """Return a replica as SENTINEL SLAVES lists it."""
    all_fields = dict({"ip": "10.0.0.22", "port": "6379", "flags": "slave", "slave-priority": "100",
                       "master-link-status": "ok"}, **fields)
    return [word.encode() for pair in all_fields.items() for word in pair]


@pytest.mark.parametrize("fields, why", [
    ({}, ""),
    ({"flags": "slave,s_down,disconnected"}, "disconnected, s_down"),
    ({"slave-priority": "0"}, "replica-priority is 0"),
    ({"master-link-status": "err"}, "its link to the master is down"),
])
def test_which_replica_may_be_promoted(fields: t.Dict[str, str], why: str) -> None:
    """By the rules of Sentinel, as far as it tells; the reason stands behind the others."""
    good, bad = candidates([entry(**fields)])
    assert (good, bad) == (([], ["10.0.0.22:6379 (%s)" % why]) if why else (["10.0.0.22:6379"], []))


def said(number: int, answer: t.Optional[Answer]) -> Report:
    """Return what a Sentinel said of the master; None: nothing."""
    sentinel = Address("10.0.0.%d" % number, 26379)
    return Report(sentinel, 0, {"m": answer}) if answer else Report(sentinel, 0, error="silent")


@pytest.mark.parametrize("answers, words", [
    ([Answer(A), Answer(A), None], []),
    ([Answer(A, flags=frozenset(["master", "failover_in_progress"])), Answer(A)],
     ["10.0.0.1 says of the master: failover_in_progress"]),
    ([Answer(A, flags=frozenset(["master", "s_down", "o_down"])), Answer(A)],
     ["10.0.0.1 says of the master: o_down, s_down"]),
    ([Answer(A), Answer(B)], ["the Sentinels name different masters: 10.0.0.1 names 10.0.0.21:6379, "
                              "10.0.0.2 names 10.0.0.22:6379"]),
])
def test_what_speaks_against_it(answers: t.Sequence[t.Optional[Answer]], words: t.List[str]) -> None:
    """One that runs already, a master that is down, and Sentinels that do not agree; not that one is silent."""
    assert doubts("m", [said(number, answer) for number, answer in enumerate(answers, 1)]) == words


def test_all_is_asked_of_the_sentinels(world: World) -> None:
    """A healthy deployment has no problem; a refusal is passed on in the Sentinel's words."""
    whom = Asker([Address(*world.seeds[0])], Credentials(), 10 * FACTOR)
    prospect = look(whom, world.name, True)
    assert (prospect.problems, prospect.master) == ((), world.master.address)
    assert prospect.replicas == tuple("%s:%d" % node.address for node in world.replicas)
    assert list(prospect.sentinels) == world.seeds and (prospect.down_after, prospect.failover_timeout) == (30.0, 180.0)
    world.sentinels[0].replies["SENTINEL CKQUORUM"] = Error("NOQUORUM 1 usable Sentinels")
    world.sentinels[0].replicas[world.name] = [Replica(("10.0.0.9", 1), "slave,s_down")]
    assert look(whom, world.name, True).problems == (
        "the Sentinels cannot agree on a failover: NOQUORUM 1 usable Sentinels",
        "no replica can be promoted: 10.0.0.9:1 (s_down)")
    with pytest.raises(NoMasterError):
        look(whom, "other", True)
