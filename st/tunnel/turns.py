"""Lets threads that all have something to do at the same moment do it one after the other.

Thousands that run at once fight for the interpreter's lock: each that waits for it asks for it every few milliseconds,
and so they keep each other from their work. Those that sleep until it is their turn cost nothing.
"""
import collections
import threading
import typing as t

AT_ONCE = 1  # two or four took a third more processor time for 5,000 connections that were cut


class Turn:
    """One thread's."""

    def __init__(self) -> None:
        self.counted = False  # others sleep until it is `done`; guarded by the lock of its Turns
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def wait(self) -> None:
        """Sleep until it is woken."""
        self._asleep.acquire()

    def wake(self) -> None:
        """Wake the thread, out of turn; once for each time that it waits."""
        self._asleep.release()


class Turns:
    """Those who wait for each other; every method is for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the attributes below
        self._waiting: t.Deque[Turn] = collections.deque()
        self._awake = 0

    def add(self, turn: Turn) -> None:
        """Wake it as soon as there are few enough awake."""
        with self._lock:
            self._waiting.append(turn)
        self._wake_next()

    def done(self, turn: Turn) -> None:
        """Tell that its thread has done what was urgent. Twice is fine, and for one that was woken out of turn."""
        with self._lock:
            if not turn.counted:
                return
            turn.counted = False
            self._awake -= 1
        self._wake_next()

    def _wake_next(self) -> None:
        with self._lock:
            if not self._waiting or self._awake >= AT_ONCE:
                return
            self._awake += 1
            turn = self._waiting.popleft()
            turn.counted = True
        turn.wake()
