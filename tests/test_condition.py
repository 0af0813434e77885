"""How a tunnel is doing: which lines of the log a round makes."""
import logging
import typing as t

from st.address import Address
from st.sentinel.condition import DISAGREE, KEPT, NO_MASTER, OK, Condition
from tests.waiting import wait_until

A = Address("10.0.0.1", 6379)


def lines(caplog: t.Any) -> t.List[str]:
    """Return the lines of the log."""
    return [record.getMessage() for record in caplog.records]


def test_a_state_is_told_when_it_changes(caplog: t.Any) -> None:
    """A round like the one before says nothing, and neither does a first one that is well."""
    caplog.set_level(logging.INFO, "st")
    condition = Condition("t")
    rounds = [("", True), ("no answer", True), ("no answer", True), ("refused", False), ("", True), ("", True)]
    for why, usable in rounds:
        condition.concluded(A, why, usable, agree=True)
    assert [line.split()[0] for line in lines(caplog)] == [KEPT, NO_MASTER, OK]
    assert lines(caplog)[1] == "no_master tunnel=t master=10.0.0.1:6379 why=refused"


def test_a_lasting_disagreement_is_told_once(caplog: t.Any) -> None:
    """Sentinels that name different masters for longer than in any failover are set up wrongly."""
    caplog.set_level(logging.INFO, "st")
    condition = Condition("t")
    condition.concluded(A, "", True, agree=False)
    assert condition.state == OK and not lines(caplog)  # a failover looks like that for a moment

    def told() -> bool:
        condition.concluded(A, "", True, agree=False)
        return condition.state == DISAGREE

    wait_until(told, "it is told")
    condition.concluded(A, "", True, agree=False)
    condition.concluded(A, "", True, agree=True)
    assert [line.split()[0] for line in lines(caplog)] == [DISAGREE, OK]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "they have named different masters" in lines(caplog)[0]


def test_a_new_master_has_its_own_line(caplog: t.Any) -> None:
    """What is adopted is told by the switch: here only the state is kept, so that the end of a hold is told."""
    caplog.set_level(logging.INFO, "st")
    condition = Condition("t")
    condition.adopted(held=True)
    assert condition.state == NO_MASTER and not lines(caplog)
    condition.concluded(A, "", True, agree=True)
    assert [line.split()[0] for line in lines(caplog)] == [OK]
