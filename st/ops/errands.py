"""Work that others want done by the main thread, such as a reload: one after the other, with an answer."""
import concurrent.futures
import queue
import typing as t

from st.errors import LocalError

PATIENCE = 60.0  # seconds that the one who asks waits for the answer

Result = t.TypeVar("Result")


class Errands:
    """`ask` is for any thread, `run` and `close` for the main thread, which `poke` wakes."""

    def __init__(self, poke: t.Callable[[], None]) -> None:
        self._poke = poke
        self._waiting: "queue.Queue[t.Tuple[t.Callable[[], t.Any], concurrent.futures.Future[t.Any]]]" = queue.Queue()
        self._closed = False

    def ask(self, work: t.Callable[[], Result]) -> Result:
        """Let the main thread do `work` and return or raise what comes of it; raise LocalError when it does not."""
        future: "concurrent.futures.Future[t.Any]" = concurrent.futures.Future()
        self._waiting.put((work, future))
        if self._closed:
            self._refuse_all()
        self._poke()
        try:
            return t.cast(Result, future.result(PATIENCE))
        except concurrent.futures.TimeoutError as error:
            raise LocalError("not done within %gs: the process is busy; look at its log" % PATIENCE) from error

    def run(self) -> None:
        """Do what is waiting."""
        while True:
            try:
                work, future = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                future.set_result(work())
            except Exception as error:  # it belongs to the one who asked
                future.set_exception(error)

    def close(self) -> None:
        """Refuse what is waiting, and all that will be."""
        self._closed = True
        self._refuse_all()

    def _refuse_all(self) -> None:
        while True:
            try:
                self._waiting.get_nowait()[1].set_exception(LocalError("the process is stopping"))
            except queue.Empty:
                return
