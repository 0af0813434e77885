"""Waiting in tests: for a condition, never for a length of time."""
import os
import time
import typing as t

# Slow machines (emulated processors, loaded builders) set this; every bound of the tests is multiplied by it.
FACTOR = float(os.environ.get("TEST_TIME_FACTOR", "1"))

T = t.TypeVar("T")


def wait_until(condition: t.Callable[[], T], message: str, seconds: float = 30) -> T:
    """Return the first true value of `condition`; fail with `message` and the last value after `seconds`."""
    __tracebackhide__ = True  # pytest shows the caller's line
    end = time.monotonic() + seconds * FACTOR
    value = condition()
    while not value:
        if time.monotonic() >= end:
            raise AssertionError("%s: not so within %g s; last value: %r" % (message, seconds * FACTOR, value))
        time.sleep(0.003)  # seconds
        value = condition()
    return value
