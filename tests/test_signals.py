"""Signals of the process: caught without work in a handler, told in their order, given back."""
import os
import signal
import subprocess
import sys

from st.host.signals import POKED, STOP, Signals
from tests.programs import ROOT

CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def test_they_come_in_their_order() -> None:
    """Also those that came before anybody waited."""
    with Signals() as signals:
        for number in CAUGHT + (signal.SIGHUP,):
            os.kill(os.getpid(), number)
        assert [signals.wait() for _ in range(5)] == list(CAUGHT) + [signal.SIGHUP]


def test_a_wait_ends_with_a_poke_or_its_time() -> None:
    """Other threads have work for the main thread, and it has some of its own now and then."""
    with Signals() as signals:
        assert signals.wait(0) is None
        signals.poke()
        os.kill(os.getpid(), signal.SIGHUP)
        assert [signals.wait(), signals.wait(), signals.wait(0)] == [POKED, signal.SIGHUP, None]


def test_a_poke_never_blocks_and_never_fails() -> None:
    """Nor when nobody takes them, or nobody is there any more."""
    with Signals() as signals:
        for _ in range(70000):  # more than a pipe holds
            signals.poke()
        assert signals.wait() == POKED
    signals.poke()


def test_they_are_given_back() -> None:
    """A program that embeds us, or a test, has its own handlers again, and its wake-up descriptor."""
    before = [signal.getsignal(number) for number in CAUGHT]
    with Signals():
        assert [signal.getsignal(number) for number in CAUGHT] != before
    assert [signal.getsignal(number) for number in CAUGHT] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_term_and_int_stop() -> None:
    """And no others."""
    assert set(STOP) == {signal.SIGTERM, signal.SIGINT}


def test_the_next_one_ends_the_process_whatever_it_does() -> None:
    """Exit code 0 at once, though the main thread waits for ever and no `finally` is run."""
    script = ("import os, signal, threading\n"
              "from st.host.signals import Signals\n"
              "with Signals() as signals:\n"
              "    signals.end_at_next()\n"
              "    try:\n"
              "        os.kill(os.getpid(), signal.%s)\n"
              "        threading.Event().wait(3600)\n"
              "    finally:\n"
              "        print('still here')\n")
    for name in ("SIGTERM", "SIGINT"):
        ended = subprocess.Popen([sys.executable, "-c", script % name], cwd=ROOT, stdout=subprocess.PIPE)
        output, _ = ended.communicate(timeout=60)
        assert (ended.returncode, output) == (0, b"")


def test_the_next_one_may_have_come_already() -> None:
    """Two in a row, before the first could be acted on: the second is the next one all the same."""
    script = ("import os, signal\n"
              "from st.host.signals import Signals\n"
              "with Signals() as signals:\n"
              "    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):\n"
              "        os.kill(os.getpid(), number)\n"
              "    assert signals.wait() == signal.SIGTERM\n"
              "    signals.end_at_next()\n"
              "    print('still here')\n")
    ended = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    output, _ = ended.communicate(timeout=60)
    assert (ended.returncode, output) == (0, b"")
