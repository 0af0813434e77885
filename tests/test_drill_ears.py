"""Ears hear every Sentinel, and tell when one cannot be heard."""
import contextlib
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.drill.ears import Ears
from st.drill.events import CHANNELS, LISTENING, LOST, Heard
from st.sentinel.answers import Credentials
from tests.fakes import Error, FakeSentinel, World
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass


@contextlib.contextmanager
def hearing(*sentinels: t.Tuple[str, int]) -> t.Iterator[t.Tuple[Ears, t.List[Heard]]]:
    """Give ears for these Sentinels, and what they have heard."""
    heard: t.List[Heard] = []
    ears = Ears([Address(*each) for each in sentinels], Credentials(), LONG, heard.append)
    ears.start()
    try:
        yield ears, heard
    finally:
        ears.stop(Deadline(LONG))


def count(heard: t.Sequence[Heard], channel: str) -> int:
    """Return how many events of a channel were heard."""
    return [event.channel for event in heard].count(channel)


def test_each_channel_of_each_sentinel_is_heard(world: World) -> None:
    """In their order, with who said it and when; the answers to our own questions are not."""
    with hearing(*world.seeds) as (_, heard):
        wait_until(lambda: count(heard, LISTENING) == 3, "all are listened to")
        for channel in CHANNELS:
            world.sentinels[1].publish(channel, "of " + channel)
        wait_until(lambda: len(heard) == 3 + len(CHANNELS), "all is heard")
    assert [(event.channel, event.payload) for event in heard[3:]] == [(each, "of " + each) for each in CHANNELS]
    assert {event.sentinel for event in heard[3:]} == {Address(*world.seeds[1])}
    moments = [event.moment for event in heard]
    assert moments == sorted(moments) and heard[-1].at > 1.7e9


def test_one_that_comes_back_is_heard_again(fake_sentinel: t.Callable[..., FakeSentinel]) -> None:
    """And that is told, so that who reads it knows what he may have missed; that it cannot be heard is told once."""
    sentinel = fake_sentinel()
    sentinel.replies["SUBSCRIBE"] = Error("NOPERM this user has no permissions to access one of the channels")
    with hearing(sentinel.address) as (ears, heard):
        def tried(condition: t.Callable[[], bool]) -> bool:
            ears.again()
            return condition()

        wait_until(lambda: tried(lambda: sentinel.accepted >= 4), "it is tried")
        assert count(heard, LOST) == len(heard) == 1 and "NOPERM" in heard[0].payload
        sentinel.replies.clear()
        wait_until(lambda: tried(lambda: count(heard, LISTENING) > 0), "it is listened to")
        sentinel.publish("+tilt", "#tilt mode entered")
        wait_until(lambda: count(heard, "+tilt"), "it is heard")
