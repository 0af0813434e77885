"""Work for the main thread: done in order, answered, and never waited for in vain."""
import threading
import typing as t

import pytest

from st.errors import ConfigError, LocalError
from st.ops.errands import Errands
from tests.waiting import FACTOR, wait_until


class Asker:
    """A thread that asks for one errand and keeps what came of it."""

    def __init__(self, errands: Errands, work: t.Callable[[], t.Any]) -> None:
        self.outcome: t.List[t.Any] = []
        self._errands, self._work = errands, work
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.outcome.append(self._errands.ask(self._work))
        except Exception as error:
            self.outcome.append(error)

    def wait(self) -> t.Any:
        """Return what came of it."""
        self.thread.join(20 * FACTOR)
        return self.outcome[0]


def test_the_one_who_asks_gets_the_answer() -> None:
    """The work runs in the thread that calls run(), which was poked; its result or error reaches the other."""
    pokes: t.List[int] = []
    errands = Errands(lambda: pokes.append(1))
    good = Asker(errands, threading.current_thread)
    bad = Asker(errands, lambda: (_ for _ in ()).throw(ConfigError(["f:1: no"])))
    wait_until(lambda: len(pokes) == 2, "both have asked")
    errands.run()
    assert good.wait() is threading.main_thread()
    error = bad.wait()
    assert isinstance(error, ConfigError) and error.problems == ("f:1: no",)


def test_nothing_waits_for_a_process_that_stops() -> None:
    """What is waiting is refused, and so is what comes later."""
    pokes: t.List[int] = []
    errands = Errands(lambda: pokes.append(1))
    waiting = Asker(errands, lambda: "done")
    wait_until(lambda: pokes, "it has asked")
    errands.close()
    assert isinstance(waiting.wait(), LocalError)
    with pytest.raises(LocalError, match="stopping"):
        errands.ask(lambda: "done")
