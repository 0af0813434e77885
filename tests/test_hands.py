"""Threads that serve one client after the other: reused, named, few that wait, and none left behind."""
import gc
import sys
import threading
import traceback
import typing as t
import weakref

import pytest

from st.deadline import Deadline
from st.tunnel.hands import IDLE, MOST_IDLE, Hands
from tests.fakes import FakeRedis, World
from tests.tunnels import OneTunnel, ask, running
from tests.waiting import FACTOR, wait_until

LONG = 3600.0  # seconds


@pytest.fixture
def hands() -> t.Iterator[Hands]:
    """Give hands that are closed when the test ends."""
    made = Hands(LONG)
    yield made
    made.close()


class Noted:
    """Work that notes in which thread it was done, and waits for leave to end."""

    def __init__(self, ends_at_once: bool = True) -> None:
        self.leave = threading.Event()
        self.done_by: t.Optional[threading.Thread] = None
        self.name = ""
        if ends_at_once:
            self.leave.set()

    def __call__(self) -> None:
        self.done_by = threading.current_thread()
        self.name = self.done_by.name
        self.leave.wait()


def idle(hands: Hands) -> int:
    """Return how many threads wait."""
    return len(hands._idle)


def test_one_thread_serves_one_after_the_other(hands: Hands) -> None:
    """Under a name of its own for each."""
    done = []
    for number in range(3):
        done.append(Noted())
        hands.serve("client #%d" % number, done[-1])
        wait_until(lambda: idle(hands) == 1, "it is done")
    assert len({each.done_by for each in done}) == 1 and done[0].done_by and done[0].done_by.name == IDLE
    assert [each.name for each in done] == ["client #0", "client #1", "client #2"]


def test_nobody_waits_for_another(hands: Hands) -> None:
    """Work that comes while all threads are at work gets a new one, and only so many wait afterwards."""
    works = [Noted(ends_at_once=False) for _ in range(MOST_IDLE + 4)]
    for work in works:
        hands.serve("client", work)
    wait_until(lambda: all(work.done_by for work in works), "all are served at a time")
    for work in works:
        work.leave.set()
    threads = [t.cast(threading.Thread, work.done_by) for work in works]
    wait_until(lambda: sum(thread.is_alive() for thread in threads) == MOST_IDLE == idle(hands), "the others ended")


def test_a_thread_that_waits_in_vain_ends() -> None:
    """After a moment; and the next client gets a new one."""
    hands, first, second = Hands(0.01), Noted(), Noted()
    hands.serve("first", first)
    wait_until(lambda: first.done_by and not first.done_by.is_alive(), "it ended")
    assert idle(hands) == 0
    hands.serve("second", second)
    wait_until(lambda: second.done_by, "it is served")


def test_closed_nobody_waits(hands: Hands) -> None:
    """Those that wait end at once, those that work do after it; opened again they wait as before."""
    threads: t.List[threading.Thread] = []
    for turn in range(2):
        waits, works = Noted(), Noted(ends_at_once=False)
        hands.serve("works", works)
        wait_until(lambda: works.done_by, "it works")
        hands.serve("waits", waits)
        wait_until(lambda: idle(hands) == 1, "one waits")
        hands.close()
        assert idle(hands) == 0
        works.leave.set()
        threads = [t.cast(threading.Thread, each.done_by) for each in (waits, works)]
        wait_until(lambda: not any(thread.is_alive() for thread in threads), "both ended, turn %d" % turn)
        hands.open()


def test_joined_nobody_is_left(hands: Hands) -> None:
    """Neither who waited nor who worked; one that does not end is left behind at the deadline."""
    waits, works = Noted(), Noted(ends_at_once=False)
    hands.serve("works", works)
    hands.serve("waits", waits)
    wait_until(lambda: works.done_by and idle(hands) == 1, "one works, one waits")
    threads = [t.cast(threading.Thread, each.done_by) for each in (waits, works)]
    hands.close()
    hands.join(Deadline(0.1))
    assert threads[1].is_alive()
    works.leave.set()
    hands.join(Deadline(20 * FACTOR))
    assert not any(thread.is_alive() for thread in threads)


def test_work_that_stops_all_does_not_wait_for_itself(hands: Hands) -> None:
    """A password function, which is called in the thread of a connection, may well stop the tunnels."""
    ended = threading.Event()

    def stop() -> None:
        hands.close()
        hands.join(Deadline(None))
        ended.set()

    hands.serve("stops", stop)
    assert ended.wait(20 * FACTOR)


def test_what_was_done_is_forgotten(hands: Hands) -> None:
    """A thread that waits keeps nothing of its last client."""
    work = Noted()
    reference = weakref.ref(work)
    hands.serve("client", work)
    del work
    wait_until(lambda: idle(hands) == 1, "it is done")
    gc.collect()
    assert reference() is None


def test_a_tunnel_that_stops_keeps_no_thread(fake_redis: t.Callable[..., FakeRedis]) -> None:
    """It is not to outlive its tunnel by a second; one that listens again keeps threads as before."""
    with OneTunnel(fake_redis()) as tunnel:
        hands = tunnel.server._hands
        hands._patience = LONG
        for _ in range(2):
            with tunnel.connect() as client:
                assert ask(client, "PING") == b"+PONG\r\n"
            wait_until(lambda: idle(hands) == 1, "its thread waits for the next")
            tunnel.server.stop(Deadline(10 * FACTOR))
            tunnel.server.join(Deadline(20 * FACTOR))
            assert idle(hands) == 0 and not any(thread.is_alive() for thread in hands._threads)
            tunnel.server.resume()


def test_a_stop_waits_for_the_threads_of_connections(world: World) -> None:
    """One whose connection is closed already is about to end: who looks at the threads after the stop finds none."""
    with running(world) as made, made.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        server = made.app._parts.lanes["mymaster"].server
        thread = next(iter(server._hands._threads))
        stopping = threading.Thread(target=made.app.stop, args=(0,), name="stopping")
        with server._crowd._lock:  # which the thread wants when its connection is closed
            stopping.start()
            wait_until(lambda: _is_in(Hands.join, stopping) or not stopping.is_alive(), "it waits for the thread")
            assert stopping.is_alive() and thread.is_alive() and not len(server.registry)
        stopping.join(20 * FACTOR)


def _is_in(function: t.Callable[..., t.Any], thread: threading.Thread) -> bool:
    """Tell whether a thread is within a function."""
    frame = sys._current_frames().get(thread.ident or 0)
    return any(each.f_code is function.__code__ for each, _ in traceback.walk_stack(frame)) if frame else False
