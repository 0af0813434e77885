"""What the threads are doing, while they come and go."""
import _thread
import threading

from st.ops.stacks import thread_stacks


def wait_here(go: threading.Event) -> None:
    """Wait, so that a stack has this name in it."""
    go.wait(30)


def deep(calls: int, go: threading.Event, there: threading.Event) -> None:
    """Wait `calls` calls deep."""
    if calls:
        deep(calls - 1, go, there)
    else:
        there.set()
        go.wait(30)


def test_every_thread_is_named_with_its_calls() -> None:
    """Each thread is one event with its name and its calls, the innermost first."""
    go = threading.Event()
    thread = threading.Thread(target=wait_here, args=(go,), name="a-waiter")
    thread.start()
    try:
        stacks = {event.fields["thread"]: event.fields["calls"] for event in thread_stacks()}
    finally:
        go.set()
        thread.join()
    assert stacks["MainThread"].startswith("ops/stacks.py:")
    assert " thread_stacks < tests/test_stacks.py:" in stacks["MainThread"]
    inner, outer = stacks["a-waiter"].split("test_stacks.py:")[0], stacks["a-waiter"].split(" wait_here < ")[1]
    assert inner.count(" < ") <= 3 and "threading.py:" in outer


def test_a_deep_stack_is_cut_at_its_outer_end() -> None:
    """Of endless recursion the innermost 30 calls are shown."""
    go, there = threading.Event(), threading.Event()
    thread = threading.Thread(target=deep, args=(100, go, there), name="deep")
    thread.start()
    assert there.wait(30)
    try:
        calls = [event.fields["calls"] for event in thread_stacks() if event.fields["thread"] == "deep"]
    finally:
        go.set()
        thread.join()
    assert calls[0].count(" < ") == 29 and calls[0].endswith(" deep")


def test_threads_may_come_and_go() -> None:
    """Nothing is raised while threads start and end, and the main thread is always there."""
    end = threading.Event()

    def churn() -> None:
        while not end.is_set():
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()

    churner = threading.Thread(target=churn)
    churner.start()
    try:
        seen = [[event.fields["thread"] for event in thread_stacks()] for _ in range(300)]
    finally:
        end.set()
        churner.join()
    assert all("MainThread" in names for names in seen)


def test_a_thread_python_does_not_know_is_shown_by_its_number() -> None:
    """A thread started below threading, as by a C library, has a stack too."""
    go, there, gone = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        there.set()
        go.wait(30)
        gone.set()

    number = _thread.start_new_thread(run, ())
    assert there.wait(30)
    names = [event.fields["thread"] for event in thread_stacks()]
    go.set()
    assert gone.wait(30) and "unknown-%d" % number in names
