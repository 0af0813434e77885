"""A Deadline tells the time left, and never a negative one."""
import threading

from st.deadline import Deadline


def test_time_runs_out() -> None:
    """The time left shrinks to 0, and then the moment has passed."""
    deadline = Deadline(0.05)
    left = deadline.left()
    assert left is not None and 0 < left <= 0.05 and not deadline.passed()
    threading.Event().wait(left + 0.02)
    assert deadline.passed() and deadline.left() == 0.0


def test_none_never_comes() -> None:
    """A deadline of None sets no limit of its own."""
    deadline = Deadline(None)
    assert deadline.left() is None and deadline.left(2.0) == 2.0 and not deadline.passed()


def test_no_step_gets_more_than_its_most() -> None:
    """The time for one step is bounded by `most` and by what is left of the whole."""
    assert Deadline(60.0).left(2.0) == 2.0
    left = Deadline(1.0).left(60.0)
    assert left is not None and left <= 1.0


def test_a_deadline_of_zero_has_come() -> None:
    """Nothing is left of no time at all, or of less."""
    assert Deadline(0.0).passed() and Deadline(-1.0).left() == 0.0
