"""A conversation: replies in the order of the questions, each exchange within its deadline, over after any error."""
import socket
import threading
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import PeerGarbage, PeerRefused, PeerSilent, PeerUnreachable
from st.wire.conversation import Conversation
from st.wire.resp import ReplyError
from tests.fakes import Error, FakeRedis, Simple, dial, endless_line
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
SHORT = 0.05  # seconds; for what never comes


@pytest.fixture
def node(fake_redis: t.Callable[..., FakeRedis]) -> FakeRedis:
    """Give a master."""
    return fake_redis()


@pytest.fixture
def conversation(node: FakeRedis) -> t.Iterator[Conversation]:
    """Give a conversation with the node, which knows it as the peer `node`."""
    made = Conversation(dial(node.address), "node")
    yield made
    made.close()


def test_replies_come_in_the_order_of_the_questions(node: FakeRedis, conversation: Conversation) -> None:
    """All questions go out at once, and each reply stands where its question stood."""
    questions = [[b"ECHO", b"a"], [b"NOSUCH"], [b"ECHO", b"\r\n"], [b"GET", b"none"]]
    first, second, third, fourth = conversation.ask(questions, Deadline(LONG))
    assert (first, third, fourth) == (b"a", b"\r\n", None) and isinstance(second, ReplyError)
    assert conversation.ask([["ECHO", "again"]], Deadline(LONG)) == [b"again"]
    assert conversation.rest() == b""


def test_replies_one_byte_a_time(node: FakeRedis, conversation: Conversation) -> None:
    """Packets of one byte make the same replies."""
    node.fault = "one_byte"
    role, echo = conversation.ask([["ROLE"], ["ECHO", "x"]], Deadline(LONG))
    assert (role[0], echo) == (b"master", b"x")


def test_silence(node: FakeRedis, conversation: Conversation) -> None:
    """A peer that does not reply is silent, which is not the same as gone."""
    node.fault = "silence"
    with pytest.raises(PeerSilent, match="node: no reply in time"):
        conversation.ask([["PING"]], Deadline(SHORT))


def test_the_deadline_is_for_the_whole_exchange(node: FakeRedis, conversation: Conversation) -> None:
    """A peer that sends something now and then does not get more time: no time is left, no byte is read."""
    node.replies["PING"] = lambda connection, command: endless_line(connection, command)
    with pytest.raises((PeerSilent, PeerGarbage)):
        conversation.ask([["PING"]], Deadline(SHORT))
    with pytest.raises(PeerSilent):
        conversation.receive(Deadline(0))


def test_an_endless_line_is_garbage(node: FakeRedis, conversation: Conversation) -> None:
    """A reply without an end is given up when it is too long for any reply."""
    node.replies["PING"] = lambda connection, command: endless_line(connection, command)
    with pytest.raises(PeerGarbage, match="does not speak RESP: more than"):
        conversation.ask([["PING"]], Deadline(LONG))


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400\r\n\r\n", b"*-2\r\n", b"*1000000000\r\n", b"\x16\x03\x01\x02"])
def test_garbage(reply: bytes, node: FakeRedis, conversation: Conversation) -> None:
    """What is not RESP is told as such."""
    node.replies["PING"] = reply
    with pytest.raises(PeerGarbage, match="node: does not speak RESP"):
        conversation.ask([["PING"]], Deadline(LONG))


def test_half_a_reply(node: FakeRedis, conversation: Conversation) -> None:
    """An end in the middle of a reply is the end."""
    node.fault = "half"
    with pytest.raises(PeerUnreachable, match="closed the connection") as caught:
        conversation.ask([["ROLE"]], Deadline(LONG))
    assert not isinstance(caught.value, PeerSilent)


def test_an_end_between_two_replies(node: FakeRedis, conversation: Conversation) -> None:
    """A peer that answers one question of two and closes has answered none."""
    node.replies["PING"] = lambda connection, command: connection.close()
    with pytest.raises(PeerUnreachable, match="closed"):
        conversation.ask([["ECHO", "a"], ["PING"]], Deadline(LONG))


def test_reset(node: FakeRedis, conversation: Conversation) -> None:
    """RST is unreachable, with the reason of the kernel."""
    node.replies["PING"] = lambda connection, command: connection.reset()
    with pytest.raises(PeerUnreachable, match="node: Connection reset by peer"):
        conversation.ask([["PING"]], Deadline(LONG))


@pytest.mark.parametrize("greeting", ["DENIED Redis is running in protected mode", "ERR max number of clients reached"])
def test_what_a_server_says_before_it_closes(greeting: str, fake_redis: t.Callable[..., FakeRedis]) -> None:
    """A line that comes unasked, with the end behind it, is why there are no replies."""
    node = fake_redis()
    node.greeting = b"-" + greeting.encode() + b"\r\n"
    refused = Conversation(dial(node.address), "node")
    with pytest.raises(PeerRefused, match=greeting) as caught:
        refused.ask([["PING"], ["PING"]], Deadline(LONG))
    assert caught.value.line == greeting.encode()
    refused.close()


def test_an_error_before_silence_is_no_refusal(node: FakeRedis, conversation: Conversation) -> None:
    """An error reply explains an end of file only, not that the next reply is missing."""
    node.replies["GET"] = Error("ERR something")
    node.delays["PING"] = 3600
    with pytest.raises(PeerSilent):
        conversation.ask([["GET", "a"], ["PING"]], Deadline(0.3))
    del node.delays["PING"]


def test_a_peer_that_takes_no_bytes(node: FakeRedis, conversation: Conversation) -> None:
    """A peer that does not read is silent once the buffers between are full."""
    node.fault = "stop_reading"
    with pytest.raises(PeerSilent, match="node: takes no bytes"):
        conversation.send([["ECHO", b"x" * (32 << 20)]], Deadline(0.3))
    node.fault = ""


def test_rest_is_not_consumed(node: FakeRedis, conversation: Conversation) -> None:
    """What follows the reply belongs to somebody else."""
    node.replies["PING"] = b"+PONG\r\n+more\r\n$3"
    assert conversation.ask([["PING"]], Deadline(LONG)) == [b"PONG"]
    assert conversation.rest() in (b"+more\r\n$3", b"+more\r\n", b"")  # it came in one packet or it did not


def test_interrupt_ends_a_wait(node: FakeRedis, conversation: Conversation) -> None:
    """Another thread ends the wait for a reply, again and again without harm, also after the close."""
    node.delays["PING"] = 3600
    errors: t.List[PeerUnreachable] = []

    def run() -> None:
        try:
            conversation.ask([["PING"]], Deadline(None))
        except PeerUnreachable as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_until(lambda: node.count("PING"), "the question arrives")
    conversation.interrupt()
    thread.join(LONG)
    assert errors and not isinstance(errors[0], PeerSilent)
    conversation.close()
    conversation.interrupt()


def test_after_the_close_nothing_is_sent() -> None:
    """A closed conversation raises the error of a peer, not one of the socket module."""
    ours, other = socket.socketpair()
    with other:
        over = Conversation(ours, "node")
        over.close()
        with pytest.raises(PeerUnreachable, match="node"):
            over.ask([["PING"]], Deadline(LONG))


def test_a_status_and_a_string_are_alike(node: FakeRedis, conversation: Conversation) -> None:
    """A status reply is bytes, as a string is."""
    node.replies["PING"] = Simple("PONG")
    assert conversation.ask([["PING"]], Deadline(LONG)) == [b"PONG"]
