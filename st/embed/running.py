"""One life of embedded tunnels, from a start to the stop."""
import threading

from st.app import App
from st.app.changes import Changes
from st.app.room import room_for
from st.config.values import Settings
from st.deadline import Deadline
from st.errors import LocalError
from st.host.limits import descriptor_limit, thread_limit
from st.ops.herald import Callback, Herald

STOP_WAIT = 2.0  # seconds for what ends, when somebody is about to start


class Running:
    """The tunnels and the thread of the callbacks. `start` once; `stop` is for any thread, callbacks included."""

    def __init__(self, settings: Settings) -> None:
        self._herald = Herald("on_switch")
        # The limit is the program's, and so is the other half of it.
        self.app = App(settings, room_for(settings, descriptor_limit() // 2, thread_limit()), self._herald.tell)
        self._drain = settings.drain
        self._lock = threading.Lock()  # guards `stopping`
        self.stopping = False
        self._ended = threading.Event()  # set when nothing of the app is left that could be waited for

    def start(self) -> None:
        """Listen and begin; raise ListenError or LocalError, leaving nothing behind."""
        try:
            self.app.start()
            self._herald.start()
        except RuntimeError as error:
            self.stop(STOP_WAIT)
            raise LocalError("cannot start: %s: raise the limit of processes (ulimit -u, TasksMax)" % error) from error

    def reload(self, settings: Settings) -> Changes:
        """Change to other settings; raise ListenError or ConfigError with nothing changed."""
        changes = self.app.reload(settings)
        self._drain = settings.drain
        return changes

    def subscribe(self, callback: Callback) -> None:
        """Call `callback` for each switch from now on."""
        self._herald.subscribe(callback)

    def goes_on(self) -> bool:
        """Tell whether it serves; False when it was stopped, and then its places are free, as a rule."""
        if self.stopping:
            self._ended.wait(STOP_WAIT)
        return not self.stopping

    def stop(self, timeout: float) -> None:
        """End everything within `timeout`; half of it, at the most, is for clients that wait for a reply."""
        deadline = Deadline(timeout)
        with self._lock:
            first, self.stopping = not self.stopping, True
        if first:
            try:
                self.app.stop(min(self._drain, timeout / 2), deadline)
            finally:
                self._ended.set()
        else:
            self._ended.wait(deadline.left())
        self._herald.stop(deadline)
