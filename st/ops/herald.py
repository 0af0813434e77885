"""Tells of switches in a thread of its own, so that the watcher never waits for whoever is told."""
import collections
import logging
import threading
import typing as t

from st.deadline import Deadline
from st.event import Event
from st.switch import Switch

logger = logging.getLogger(__name__)

_LOOK = 60.0  # seconds; no wait is without a limit

Callback = t.Callable[[Switch], None]


class Herald:
    """Calls back for each switch, in order, in one thread. All methods are for any thread, callbacks included."""

    def __init__(self, name: str = "herald", most: int = 1000) -> None:
        self.name = name
        self.dropped = 0  # switches that nobody was told of; written under the lock
        self._most = most
        self._changed = threading.Condition()  # guards the attributes below and `dropped`
        self._waiting: t.Deque[Switch] = collections.deque()
        self._callbacks: t.List[Callback] = []
        self._thread: t.Optional[threading.Thread] = None
        self._end: t.Optional[Deadline] = None  # once stopped: for what is still waiting
        self._is_late = False  # that switches are dropped has been logged

    def subscribe(self, callback: Callback) -> None:
        """Call `callback` for each switch from now on; an exception in it is logged and harms nobody else."""
        with self._changed:
            self._callbacks.append(callback)

    def start(self) -> None:
        """Begin to deliver; switches told before have waited. A second call does nothing."""
        with self._changed:
            if self._thread is not None or self._end is not None:
                return
            thread = threading.Thread(target=self._deliver, name=self.name, daemon=True)
            thread.start()
            self._thread = thread

    def tell(self, switch: Switch) -> None:
        """Have `switch` delivered; when too many wait the oldest is dropped. Never blocks."""
        with self._changed:
            dropping = len(self._waiting) >= self._most
            first = dropping and not self._is_late
            if dropping:
                self._waiting.popleft()
                self.dropped += 1
                self._is_late = True
            self._waiting.append(switch)
            self._changed.notify()
        if first:
            logger.warning(Event("switches_dropped", by=self.name, waiting=self._most,
                                 means="a callback or command takes too long: the oldest switches are not told"))

    def stop(self, deadline: Deadline) -> None:
        """Deliver what waits, and end, both within `deadline`; a callback that hangs is left behind."""
        with self._changed:
            self._end = self._end or deadline
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():  # a callback may stop us
            thread.join(deadline.left())

    def _deliver(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._waiting or self._end, _LOOK):
                    continue
                if not self._waiting or (self._end is not None and self._end.passed()):
                    left = len(self._waiting)
                    self.dropped += left
                    break
                switch = self._waiting.popleft()
                self._is_late = self._is_late and bool(self._waiting)
                callbacks = tuple(self._callbacks)
            for callback in callbacks:
                self._call(callback, switch)
        if left:
            logger.warning(Event("switches_dropped", by=self.name, waiting=left, means="stopped before they were told"))

    def _call(self, callback: Callback, switch: Switch) -> None:
        try:
            callback(switch)
        except BaseException:  # whatever a stranger's code raises, sys.exit() too: the others are called all the same
            logger.exception(Event("callback_failed", by=self.name, tunnel=switch.tunnel, callback=callback))
