"""The events of Sentinels as values and in words."""
import pytest

from st.address import Address
from st.drill.events import CHANNELS, LISTENING, LOST, Heard, Told, read_event, read_message
from st.drill.words import WORDS, clock, concerns, sentence

SENTINEL = Address("10.0.0.11", 26379)
MASTER, REPLICA = Address("10.0.0.21", 6379), Address("10.0.0.22", 6379)
OF_MASTER = "master sessions 10.0.0.21 6379"
OF_REPLICA = "slave 10.0.0.22:6379 10.0.0.22 6379 @ sessions 10.0.0.21 6379"
AT = 1763777587.0


def heard(channel: str, payload: str, sentinel: Address = SENTINEL) -> Heard:
    """Return an event as it comes from a Sentinel."""
    return Heard(sentinel, channel, payload, AT, 0.0)


@pytest.mark.parametrize("channel, payload, told", [
    ("+sdown", OF_MASTER, Told("sessions", "master", MASTER)),
    ("+odown", OF_MASTER + " #quorum 2/2", Told("sessions", "master", MASTER, more="#quorum 2/2")),
    ("+promoted-slave", OF_REPLICA, Told("sessions", "replica", REPLICA)),
    ("+role-change", OF_REPLICA + " new reported role is master",
     Told("sessions", "replica", REPLICA, more="new reported role is master")),
    ("+config-update-from", "sentinel %s 10.0.0.12 26379 @ sessions 10.0.0.21 6379" % ("a" * 40),
     Told("sessions", "sentinel", Address("10.0.0.12", 26379))),
    ("+switch-master", "sessions 10.0.0.21 6379 10.0.0.22 6379", Told("sessions", "master", REPLICA, MASTER)),
    ("+switch-master", "of two words fd00::1 6379 fd00::2 6380",
     Told("of two words", "master", Address("fd00::2", 6380), Address("fd00::1", 6379))),
    ("+sdown", "slave 10.0.0.22:6379 10.0.0.22 6379 @ of two words 10.0.0.21 6379",
     Told("of two words", "replica", REPLICA)),
    ("+new-epoch", "7", Told(more="7")),
    ("+tilt", "#tilt mode entered", Told(more="#tilt mode entered")),
    ("+switch-master", "damaged", Told(more="damaged")),
])
def test_what_an_event_says(channel: str, payload: str, told: Told) -> None:
    """Each of Sentinel's forms, and any other as it is."""
    assert read_event(channel, payload) == told


@pytest.mark.parametrize("channel, payload, words", [
    ("+sdown", OF_MASTER, "sessions: sentinel 10.0.0.11 thinks the master 10.0.0.21:6379 is down (+sdown)"),
    ("+odown", OF_MASTER + " #quorum 2/2",
     "sessions: sentinel 10.0.0.11 finds enough others that think the master 10.0.0.21:6379 is down (quorum 2/2) "
     "(+odown)"),
    ("+promoted-slave", OF_REPLICA,
     "sessions: sentinel 10.0.0.11 sees that the replica 10.0.0.22:6379 has become master (+promoted-slave)"),
    ("+switch-master", "sessions 10.0.0.21 6379 10.0.0.22 6379",
     "sessions: sentinel 10.0.0.11 says the master is 10.0.0.22:6379 now, it was 10.0.0.21:6379 (+switch-master)"),
    ("+tilt", "#tilt mode entered",
     "sentinel 10.0.0.11 stops acting: its clock jumped, or it was not run for a while (TILT) (+tilt)"),
    (LOST, "10.0.0.11:26379: closed the connection",
     "sentinel 10.0.0.11 cannot be heard: 10.0.0.11:26379: closed the connection"),
    ("+evil\x1b[31m", "line\nbreak {node}", "sentinel 10.0.0.11 line\\nbreak {node} (+evil\\x1b[31m)"),
])
def test_sentences(channel: str, payload: str, words: str) -> None:
    """One line each, in ASCII, with the time of day before it."""
    assert sentence(heard(channel, payload)) == "%s %s" % (clock(AT), words)


def test_a_port_of_its_own_is_told() -> None:
    """A Sentinel is called by its host alone on the usual port only."""
    assert " sentinel 10.0.0.11:26380 is listened to" in sentence(heard(LISTENING, "", Address("10.0.0.11", 26380)))


def test_every_channel_has_words() -> None:
    """And none has words that nobody listens to."""
    assert set(WORDS) == set(CHANNELS) | {LISTENING, LOST}


def test_whom_an_event_concerns() -> None:
    """One of other masters is left out; one of a Sentinel itself concerns all."""
    assert concerns(heard("+sdown", OF_REPLICA), ["sessions"])
    assert not concerns(heard("+sdown", OF_REPLICA), ["cache"])
    assert concerns(heard("+tilt", "#tilt mode entered"), ["cache"])


def test_messages_are_told_from_answers() -> None:
    """The answer to PING of a subscriber is an array too."""
    assert read_message([b"message", b"+sdown", b"caf\xe9"]) == ("+sdown", "caf\ufffd")
    assert read_message([b"pong", b""]) is None and read_message(b"PONG") is None
