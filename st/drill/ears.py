"""Listens to all Sentinels at the same time, each in a thread of its own, and again when a connection has ended."""
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.drill.events import CHANNELS, LISTENING, LOST, Heard, read_message
from st.errors import PeerError
from st.sentinel.answers import Credentials
from st.sentinel.client import connect, subscribe
from st.sentinel.subscription import next_message
from st.sentinel.worker import Worker
from st.wire.keeper import Keeper


class Ear(Keeper):
    """Hears one Sentinel. One thread runs `listen`; any may call `interrupt`."""

    def __init__(self, sentinel: Address, credentials: Credentials, timeout: float,
                 heard: t.Callable[[Heard], None]) -> None:
        super().__init__()
        self._sentinel = sentinel
        self._credentials = credentials
        self._timeout = timeout  # seconds, to connect and subscribe
        self._heard = heard
        self._lost = False  # it was told that it cannot be heard
        self._ending = False  # written once, by interrupt()

    def interrupt(self) -> None:
        """End the conversation for good, from another thread; that is no news."""
        self._ending = True
        super().interrupt()

    def listen(self) -> None:
        """Subscribe once, and pass on what comes until the connection ends; that is told once until it is back."""
        try:
            deadline = Deadline(self._timeout)
            self._kept = connect(self._sentinel, deadline, self._credentials.tls)
            subscribe(self._kept, self._credentials, deadline, CHANNELS)
            self._lost = False
            self._tell(LISTENING, "")
            while True:
                message = read_message(next_message(self._kept))
                if message is not None:
                    self._tell(*message)
        except PeerError as error:
            if not self._lost and not self._ending:
                self._tell(LOST, str(error))
            self._lost = True
        finally:
            self.close()

    def _tell(self, channel: str, payload: str) -> None:
        self._heard(Heard(self._sentinel, channel, payload, time.time(), time.monotonic()))


class Ears:
    """Hears many Sentinels; `heard` is called by the thread of each, and must not block."""

    def __init__(self, sentinels: t.Iterable[Address], credentials: Credentials, timeout: float,
                 heard: t.Callable[[Heard], None]) -> None:
        self._workers = []
        for sentinel in sentinels:
            ear = Ear(sentinel, credentials, timeout, heard)
            self._workers.append(Worker("hear %s" % (sentinel,), ear.listen, ear.interrupt, ear.close))

    def start(self) -> None:
        """Start the threads; raise RuntimeError when the system has none left."""
        for worker in self._workers:
            worker.start()
        self.again()

    def again(self) -> None:
        """Connect where a connection has ended; to be called about once a second."""
        for worker in self._workers:
            worker.call()  # while it listens this is for later

    def stop(self, deadline: Deadline) -> None:
        """End all threads; returns at the deadline at the latest."""
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.join(deadline)
