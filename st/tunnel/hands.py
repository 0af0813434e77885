"""Threads that serve one client after the other: to start one costs more than most of what a short client needs."""
import threading
import typing as t
import weakref

from st.deadline import Deadline

PATIENCE = 1.0  # seconds that a thread waits for another client
IDLE = "waits for a client"  # the name of a thread that does
MOST_IDLE = 16  # threads that wait at a time

Work = t.Callable[[], None]


class Hand:
    """One thread, and what it is to do next."""

    def __init__(self, name: str, work: Work) -> None:
        self._name = name
        self._work: t.Optional[Work] = work
        self._given = threading.Lock()
        self._given.acquire()

    def give(self, name: str = "", work: t.Optional[Work] = None) -> None:
        """Let it go on, without work to its end; once for each time that it waits."""
        self._name, self._work = name, work
        self._given.release()

    def wait(self, seconds: float = -1) -> bool:
        """Wait to go on; False after so many seconds."""
        return self._given.acquire(timeout=seconds)

    def work(self) -> bool:
        """Do what it was given, and forget it; False when that was nothing."""
        work, self._work = self._work, None
        if work is None:
            return False
        threading.current_thread().name = self._name
        work()
        threading.current_thread().name = IDLE
        return True


class Hands:
    """Gives each work a thread: one that has done another, or a new one."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience  # seconds
        self._lock = threading.Lock()  # guards the attributes below
        self._idle: t.List[Hand] = []
        self._most_idle = MOST_IDLE
        self._threads: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()  # all that live

    def serve(self, name: str, work: Work) -> None:
        """Do it in a thread of this name; raise RuntimeError when the system has no thread left."""
        with self._lock:
            hand = self._idle.pop() if self._idle else None
        if hand is None:
            thread = threading.Thread(target=self._live, args=(Hand(name, work),), name=name, daemon=True)
            with self._lock:
                self._threads.add(thread)
            thread.start()
        else:
            hand.give(name, work)

    def open(self) -> None:
        """Let threads wait for work, as in the beginning."""
        with self._lock:
            self._most_idle = MOST_IDLE

    def close(self) -> None:
        """Let no thread wait for work any more; those that work do so to the end."""
        with self._lock:
            self._most_idle = 0
            idle, self._idle = self._idle, []
        for hand in idle:
            hand.give()

    def join(self, deadline: Deadline) -> None:
        """Wait for the threads to end, after `close`; those that are at work still are left behind at the deadline."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            # A thread that is being started cannot be joined yet; and work may well stop all, and so wait for itself.
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(deadline.left())

    def _live(self, hand: Hand) -> None:
        while hand.work() and self._may_go_on(hand):
            pass

    def _may_go_on(self, hand: Hand) -> bool:
        with self._lock:
            if len(self._idle) >= self._most_idle:
                return False
            self._idle.append(hand)
        if not hand.wait(self._patience):
            with self._lock:
                if hand in self._idle:
                    self._idle.remove(hand)
                    return False
            hand.wait()  # it was chosen a moment ago: it is about to be given something
        return True
