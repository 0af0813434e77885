"""Listening to one Sentinel: every event of ours is heard, and a subscription that is lost is noticed."""
import contextlib
import typing as t

import pytest

from st.address import Address
from st.deadline import Deadline
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.client import EVENTS
from st.sentinel.subscription import Subscription
from st.sentinel.worker import Worker
from tests.fakes import Error, FakeSentinel, refused_address, silent_listener
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
SHORT = 0.1  # seconds; for what never comes
MakeSentinel = t.Callable[..., FakeSentinel]


class Listening:
    """A subscription with a worker of its own, and what it heard."""

    def __init__(self, address: t.Tuple[str, int], timeout: float = LONG, password: t.Optional[str] = None,
                 names: t.Sequence[str] = ("mymaster",)) -> None:
        self.heard: t.List[str] = []
        credentials = Credentials(None, None if password is None else Secret(password))
        self.subscription = Subscription(Address(*address), credentials, names, timeout, self.heard.append)
        self.ends = 0  # how often listen() came back
        self.worker = Worker("events", self._listen, self.subscription.interrupt, self.subscription.close)
        self.worker.start()

    def _listen(self) -> None:
        try:
            self.subscription.listen()
        finally:
            self.ends += 1

    def begin(self) -> "Listening":
        """Call until it has subscribed: a call soon after an end does nothing."""
        before = len(self.heard)

        def subscribed() -> bool:
            self.worker.call()
            return "subscribed" in self.heard[before:]

        wait_until(subscribed, "it is subscribed")
        return self


@pytest.fixture
def listening() -> t.Iterator[t.Callable[..., Listening]]:
    """Give a maker of Listening; each ends with the test, whatever it waits for."""
    with contextlib.ExitStack() as stack:
        def make(*args: t.Any, **options: t.Any) -> Listening:
            made = Listening(*args, **options)
            stack.callback(made.worker.join, Deadline(LONG))
            stack.callback(made.worker.dismiss)  # the last is called first
            return made

        yield make


def test_every_event_is_heard(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """All channels reach us, in order; those of other masters do not."""
    sentinel = fake_sentinel()
    listener = listening(sentinel.address).begin()
    for channel in EVENTS:
        sentinel.publish(channel, "master other 10.0.0.1 6379")
        sentinel.publish(channel, "master mymaster 10.0.0.1 6379")
    expected = [channel for channel in EVENTS for _ in range(2 if "tilt" in channel else 1)]
    wait_until(lambda: len(listener.heard) > len(expected), "all are heard")
    assert listener.heard == ["subscribed"] + expected


def test_subscribing_is_a_reason_to_ask(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """What happened before the subscription stood is not sent again: each time it stands we are told."""
    sentinel = fake_sentinel()
    listener = listening(sentinel.address).begin()
    assert listener.subscription.connected
    sentinel.drop_all()
    wait_until(lambda: not listener.subscription.connected, "the end is noticed")
    listener.begin()
    assert listener.heard == ["subscribed"] * 2


def test_events_in_pieces(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """Events one byte a time are the same events."""
    sentinel = fake_sentinel()
    sentinel.fault = "one_byte"
    listener = listening(sentinel.address).begin()
    sentinel.publish("+switch-master", "mymaster 10.0.0.1 1 10.0.0.2 2")
    wait_until(lambda: listener.heard == ["subscribed", "+switch-master"], "the event is heard")


def test_a_password(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """The subscription logs in as the questions do, also where nobody wants a password."""
    sentinel = fake_sentinel()
    listening(sentinel.address, password="p").begin()
    sentinel.password = "p"
    listening(sentinel.address, password="p").begin()


def test_no_right_to_subscribe(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """A refusal is no fault and not asked again and again: polling goes on without events."""
    sentinel = fake_sentinel()
    sentinel.replies["SUBSCRIBE"] = Error("NOPERM no SUBSCRIBE")
    listener = listening(sentinel.address)
    for ends in (1, 2, 3):
        listener.worker.call()
        wait_until(lambda: listener.ends >= ends, "it gives up")
    assert sentinel.count("SUBSCRIBE") == len(EVENTS) // 9 + 1 and listener.heard == []


@pytest.mark.parametrize("reply", [b"*0\r\n", b"*-2\r\n", b"+OK\r\n", b"HTTP/1.1 400\r\n", b"*1000000000\r\n",
                                   lambda connection, command: connection.close()])
def test_garbage_ends_it(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening], reply: t.Any) -> None:
    """Something that is no Sentinel is tried again at the next call, without a word at the level of errors."""
    sentinel = fake_sentinel()
    sentinel.replies["SUBSCRIBE"] = reply
    listener = listening(sentinel.address)
    listener.worker.call()
    wait_until(lambda: listener.ends, "it gives up")
    sentinel.replies.clear()
    listener.begin()


def test_dead_ends(listening: t.Callable[..., Listening]) -> None:
    """A Sentinel that cannot be reached costs its time-out."""
    with refused_address() as refused, silent_listener() as silent:
        for address in (refused, silent):
            listener = listening(address, SHORT)
            listener.worker.call()
            wait_until(lambda: listener.ends, "it gives up")


def test_silence_while_subscribing(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """A Sentinel that accepts and says nothing is given up."""
    sentinel = fake_sentinel()
    sentinel.fault = "silence"
    listener = listening(sentinel.address, SHORT)
    listener.worker.call()
    wait_until(lambda: listener.ends, "it gives up")


def test_a_quiet_subscription_is_pinged(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """After silence a PING tells a quiet Sentinel, whose events still come, from one that vanished without a word."""
    alive, vanished = fake_sentinel(), fake_sentinel()
    listeners = [listening(sentinel.address).begin() for sentinel in (alive, vanished)]
    vanished.fault = "silence"
    wait_until(lambda: not listeners[1].subscription.connected, "the vanished one is given up", 60)
    assert alive.count("PING") >= 1 and vanished.count("PING") == 1
    alive.publish("+odown", "master mymaster 10.0.0.1 6379")
    wait_until(lambda: listeners[0].heard == ["subscribed", "+odown"], "the other one still tells")
    assert listeners[0].subscription.connected


def test_dismissed_while_it_listens(fake_sentinel: MakeSentinel, listening: t.Callable[..., Listening]) -> None:
    """A dismissed listener ends although nothing comes, and closes its connection."""
    sentinel = fake_sentinel()
    listener = listening(sentinel.address).begin()
    listener.worker.dismiss()
    assert listener.worker.join(Deadline(LONG))
    wait_until(lambda: not sentinel.open, "the connection is closed")
