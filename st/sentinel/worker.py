"""A named thread that does one blocking job each time it is called, so that the watcher never blocks."""
import logging
import threading
import typing as t

from st.deadline import Deadline

logger = logging.getLogger(__name__)

IDLE_LOOK = 60.0  # seconds; no wait is without a limit


class Worker:
    """Runs `job` once for each call, never two at once; calls during a run count as one more run.

    `interrupt` is called by others to end a job that waits; `close` by the thread itself when it ends.
    """

    def __init__(self, name: str, job: t.Callable[[], None], interrupt: t.Callable[[], None],
                 close: t.Callable[[], None]) -> None:
        self._job = job
        self._interrupt = interrupt
        self._close = close
        self._called = threading.Event()
        self._stopping = False  # written once, by dismiss()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; raise RuntimeError when the system has none left."""
        self._thread.start()

    def call(self) -> None:
        """Let the job run once (more)."""
        self._called.set()

    def dismiss(self) -> None:
        """Tell the thread to end, and interrupt its job."""
        self._stopping = True
        self._called.set()
        self._interrupt()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the dismissed thread; False when it still hangs in a name lookup: it is a daemon and ends later.

        So does this very thread, when something that it called back has stopped all.
        """
        while self._thread.is_alive():
            if self._thread is threading.current_thread():
                return False
            self._interrupt()  # again: the job may have opened its connection after the last time
            if deadline.passed():
                return False
            self._thread.join(deadline.left(0.05))
        return True

    def _run(self) -> None:
        while not self._stopping:
            if self._called.wait(IDLE_LOOK) and not self._stopping:
                self._called.clear()
                try:
                    self._job()
                except Exception:  # a fault of ours in one job must not end the watching
                    logger.exception("a job of %s failed", self._thread.name)
        self._close()
