"""Threads that wait for their turn: a few at a time, each once, and none is forgotten."""
import threading
import typing as t

from st.tunnel.turns import AT_ONCE, Turn, Turns
from tests.waiting import FACTOR, wait_until


class Crowd:
    """Threads that all wait for a turn."""

    def __init__(self, count: int) -> None:
        self.turns = Turns()
        self.each = [Turn() for _ in range(count)]
        self.awake: t.List[Turn] = []
        self._threads = [threading.Thread(target=self._wait, args=(turn,)) for turn in self.each]
        for thread in self._threads:
            thread.start()

    def _wait(self, turn: Turn) -> None:
        turn.wait()
        self.awake.append(turn)

    def join(self) -> None:
        """Wait until all have been awake."""
        for thread in self._threads:
            thread.join(20 * FACTOR)
            assert not thread.is_alive()


def test_a_few_at_a_time_in_their_order() -> None:
    """The next one wakes when one before it is done."""
    crowd = Crowd(10)
    for turn in crowd.each:
        crowd.turns.add(turn)
    for done, turn in enumerate(crowd.each):
        wait_until(lambda: len(crowd.awake) == min(AT_ONCE + done, 10), "as many as may be are awake")
        assert set(crowd.awake) == set(crowd.each[:AT_ONCE + done])
        crowd.turns.done(turn)
        crowd.turns.done(turn)
    crowd.join()


def test_one_out_of_turn_takes_nobodys_place() -> None:
    """It was woken by itself, and what it is done with counts for nothing."""
    crowd = Crowd(AT_ONCE + 2)
    first, *others, last = crowd.each
    for turn in others + [last]:
        crowd.turns.add(turn)
    first.wake()
    wait_until(lambda: len(crowd.awake) == AT_ONCE + 1, "the few and the first are awake")
    crowd.turns.done(first)
    assert last not in crowd.awake
    crowd.turns.done(others[0])
    crowd.join()
