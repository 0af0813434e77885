"""Switches told in a thread of their own: in order, to everybody, and never at the cost of who tells."""
import logging
import threading
import typing as t

import pytest

from st.deadline import Deadline
from st.ops.herald import Herald
from st.switch import Switch
from tests.switches import switch
from tests.waiting import FACTOR, wait_until

LONG = 60 * FACTOR  # seconds; no test waits so long


@pytest.fixture
def herald() -> t.Iterator[Herald]:
    """Give a herald that has room for three, and is stopped at the end."""
    made = Herald("herald", 3)
    yield made
    made.stop(Deadline(LONG))


class Slow:
    """A callback that waits at a gate, and keeps what it was told."""

    def __init__(self) -> None:
        self.told: t.List[float] = []
        self.entered = threading.Event()
        self.gate = threading.Event()

    def __call__(self, switch: Switch) -> None:
        self.entered.set()
        self.gate.wait(LONG)
        self.told.append(switch.at)


def test_each_is_told_in_order_to_all(herald: Herald) -> None:
    """Two callbacks hear of each switch, also of those before the start, in a thread that is not the teller's."""
    first: t.List[float] = []
    second: t.List[str] = []
    herald.subscribe(lambda switch: first.append(switch.at))
    herald.subscribe(lambda switch: second.append(threading.current_thread().name))
    herald.tell(switch(at=1))
    herald.start()
    herald.start()
    herald.tell(switch(at=2))
    wait_until(lambda: len(second) == 2, "both are told")
    assert first == [1, 2] and second == ["herald", "herald"]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_exception_harms_nobody_else(
        herald: Herald, expect_error: t.Callable[[str], None], caplog: t.Any, error: t.Type[BaseException]) -> None:
    """It is logged with its traceback; the other callbacks and the next switch are told all the same."""
    def fail(switch: Switch) -> None:
        raise error("broken callback")

    expect_error("callback_failed by=herald tunnel=sessions")
    heard: t.List[float] = []
    herald.subscribe(fail)
    herald.subscribe(lambda switch: heard.append(switch.at))
    herald.start()
    herald.tell(switch(at=1))
    herald.tell(switch(at=2))
    wait_until(lambda: heard == [1, 2], "both are told")
    assert "broken callback" in caplog.text and "Traceback" in caplog.text


def test_the_oldest_are_dropped_while_a_callback_hangs(herald: Herald, caplog: t.Any) -> None:
    """Whoever tells never waits; too many waiting is one warning and a count, and the newest are told in the end."""
    slow = Slow()
    herald.subscribe(slow)
    herald.start()
    herald.tell(switch(at=0))
    assert slow.entered.wait(LONG)
    for number in range(1, 9):
        herald.tell(switch(at=number))
    assert herald.dropped == 5
    slow.gate.set()
    wait_until(lambda: slow.told == [0, 6, 7, 8], "the newest are told")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "switches_dropped by=herald waiting=3" in str(warnings[0].msg)


def test_the_end_delivers_what_waits(herald: Herald) -> None:
    """stop() returns when all that waited is told; afterwards nothing is, and a second stop is fine."""
    slow = Slow()
    herald.subscribe(slow)
    herald.start()
    for number in range(3):
        herald.tell(switch(at=number))
    slow.gate.set()
    herald.stop(Deadline(LONG))
    assert slow.told == [0, 1, 2]
    herald.tell(switch(at=3))
    herald.stop(Deadline(LONG))
    herald.start()
    assert slow.told == [0, 1, 2]


def test_the_end_does_not_wait_for_ever(herald: Herald, caplog: t.Any) -> None:
    """A callback that hangs is left behind at the deadline, and what waits behind it is not told."""
    slow = Slow()
    herald.subscribe(slow)
    herald.start()
    herald.tell(switch(at=0))
    assert slow.entered.wait(LONG)
    herald.tell(switch(at=1))
    herald.stop(Deadline(0.05))
    assert slow.told == []
    slow.gate.set()
    herald.stop(Deadline(LONG))
    assert slow.told == [0] and herald.dropped == 1
    assert "switches_dropped by=herald waiting=1 " in str(caplog.records[-1].msg)


def test_a_callback_may_stop_it(herald: Herald) -> None:
    """It does not wait for itself, and what waited before is still delivered."""
    heard: t.List[float] = []
    herald.subscribe(lambda switch: herald.stop(Deadline(LONG)))
    herald.subscribe(lambda switch: heard.append(switch.at))
    herald.tell(switch(at=1))
    herald.tell(switch(at=2))
    herald.start()
    wait_until(lambda: heard == [1, 2], "both are told")
    wait_until(lambda: "herald" not in [thread.name for thread in threading.enumerate()], "its thread ends")


def test_stopping_what_never_started_is_fine() -> None:
    """There is nothing to wait for."""
    herald = Herald()
    herald.tell(switch())
    herald.stop(Deadline(LONG))


def test_many_tellers() -> None:
    """From many threads nothing is lost or told twice, within the room there is."""
    roomy = Herald("roomy", 4000)
    heard: t.List[float] = []
    roomy.subscribe(lambda switch: heard.append(switch.at))
    roomy.start()

    def tell_many(base: int) -> None:
        for number in range(500):
            roomy.tell(switch(at=base + number))

    threads = [threading.Thread(target=tell_many, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    roomy.stop(Deadline(LONG))
    assert sorted(heard) == [1000 * base + number for base in range(4) for number in range(500)]
    assert all(sorted(part) == part for part in ([at for at in heard if at // 1000 == base] for base in range(4)))
