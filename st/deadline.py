"""Time left: one monotonic deadline for an operation of several steps."""
import time
import typing as t


class Deadline:
    """A moment on the monotonic clock, `seconds` from now; None never comes."""

    def __init__(self, seconds: t.Optional[float]) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self, most: t.Optional[float] = None) -> t.Optional[float]:
        """Return the seconds left, never below 0 and never above `most`; None is no limit."""
        if self._at is None:
            return most
        left = max(0.0, self._at - time.monotonic())
        return left if most is None else min(left, most)

    def passed(self) -> bool:
        """Tell whether the moment has come."""
        return self._at is not None and time.monotonic() >= self._at
