"""A worker: one job at a time, once for each call, and an end that waits for nothing."""
import threading
import typing as t

import pytest

from st.deadline import Deadline
from st.sentinel.worker import Worker
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass


class Bench:
    """A worker whose job waits at a gate, and what happened to it in order."""

    def __init__(self) -> None:
        self.log: t.List[str] = []
        self.gate = threading.Event()
        self.failing = False
        self.interrupts = 0
        self.deaf_to = 0  # interrupts that come before the job could be interrupted
        self.worker = Worker("bench", self._job, self._interrupt, lambda: self.log.append("close"))

    def _interrupt(self) -> None:
        self.interrupts += 1

    def _job(self) -> None:
        self.log.append("job")
        if self.failing:
            raise RuntimeError("out of order")
        while not self.gate.wait(0.005) and self.interrupts <= self.deaf_to:
            pass


@pytest.fixture
def bench() -> t.Iterator[Bench]:
    """Give a bench with its worker started; ended with the test."""
    made = Bench()
    made.worker.start()
    yield made
    made.worker.dismiss()
    assert made.worker.join(Deadline(LONG))


def test_no_call_no_job(bench: Bench) -> None:
    """A worker that is never called does nothing but close."""
    bench.worker.dismiss()
    assert bench.worker.join(Deadline(LONG)) and bench.log == ["close"]


def test_a_call_is_a_run(bench: Bench) -> None:
    """Each call that comes while the worker is idle runs the job once."""
    bench.gate.set()
    for runs in range(1, 4):
        bench.worker.call()
        wait_until(lambda: len(bench.log) == runs, "the job has run")


def test_calls_during_a_run_are_one_more(bench: Bench) -> None:
    """However often it is called while it works, it works once more: what is asked then is new enough for all."""
    bench.worker.call()
    wait_until(lambda: bench.log, "the job has begun")
    for _ in range(5):
        bench.worker.call()
    bench.gate.set()
    wait_until(lambda: len(bench.log) == 2, "the job runs again")
    bench.worker.dismiss()
    assert bench.worker.join(Deadline(LONG)) and bench.log == ["job", "job", "close"]


def test_a_job_that_waits_is_interrupted(bench: Bench) -> None:
    """Dismissed in the middle of a job, the worker is interrupted, closes in its own thread and ends."""
    bench.worker.call()
    wait_until(lambda: bench.log, "the job has begun")
    bench.worker.dismiss()
    assert bench.worker.join(Deadline(LONG)) and bench.log == ["job", "close"]


def test_a_job_that_begins_to_wait_after_the_interrupt(bench: Bench) -> None:
    """Joining interrupts again and again: the job may have opened its connection only after the first time."""
    bench.worker.call()
    wait_until(lambda: bench.log, "the job has begun")
    bench.deaf_to = 1
    bench.worker.dismiss()
    assert bench.worker.join(Deadline(LONG)) and bench.log == ["job", "close"]


def test_a_job_that_hangs_is_left_behind() -> None:
    """A job that no interrupt ends, as a name lookup, costs the deadline and is told."""
    gate, begun = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        gate.wait(LONG)

    worker = Worker("stuck", job, lambda: None, lambda: None)
    worker.start()
    worker.call()
    begun.wait(LONG)
    worker.dismiss()
    assert not worker.join(Deadline(0.1)) and not worker.join(Deadline(0))
    gate.set()
    assert worker.join(Deadline(LONG))


def test_no_job_after_the_dismissal(bench: Bench) -> None:
    """A call that was waiting when the worker was dismissed is not run."""
    bench.worker.call()
    wait_until(lambda: bench.log, "the job has begun")
    bench.worker.call()
    bench.worker.dismiss()
    assert bench.worker.join(Deadline(LONG)) and bench.log == ["job", "close"]


def test_a_fault_is_logged_and_survived(bench: Bench, expect_error: t.Callable[[str], None]) -> None:
    """An exception of ours is in the log with its traceback, and the next call runs."""
    expect_error("RuntimeError: out of order")
    bench.failing = True
    bench.worker.call()
    wait_until(lambda: bench.log, "the job has failed")
    bench.failing = False
    bench.gate.set()
    bench.worker.call()
    wait_until(lambda: len(bench.log) == 2, "the job runs again")


def test_a_worker_that_never_started() -> None:
    """It may be dismissed and joined all the same."""
    worker = Bench().worker
    worker.dismiss()
    assert worker.join(Deadline(0))
