"""The role of a node: what each reply to ROLE, INFO and HELLO means, and when which is asked."""
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import PeerGarbage, PeerRefused, PeerSilent, PeerUnreachable
from st.wire.conversation import Conversation
from st.wire.resp import ReplyError
from st.wire.role import MASTER, REPLICA, SENTINEL, UNKNOWN, Role, ask_role, judge_hello, judge_info, judge_role
from tests.fakes import Error, FakeRedis, dial, unknown_command
from tests.waiting import FACTOR

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
NOPERM = Error("NOPERM this user has no permissions to run the command")


@pytest.fixture
def node(fake_redis: t.Callable[..., FakeRedis]) -> FakeRedis:
    """Give a master."""
    return fake_redis()


def role_of(node: FakeRedis, seconds: float = LONG) -> Role:
    """Return the role of a node, asked on a connection of its own, with nothing left unread."""
    conversation = Conversation(dial(node.address), "node")
    try:
        role = ask_role(conversation, Deadline(seconds))
        assert conversation.rest() == b""
        return role
    finally:
        conversation.close()


@pytest.mark.parametrize("name", [MASTER, REPLICA, SENTINEL])
def test_role_alone_is_asked_where_it_is_answered(node: FakeRedis, name: str) -> None:
    """One question is enough on every usual server."""
    node.role = name
    assert role_of(node) == Role(name)
    assert node.commands == [[b"ROLE"]]


@pytest.mark.parametrize("refusal", [NOPERM, unknown_command("ROLE"), Error("BUSY Redis is busy running a script.")])
@pytest.mark.parametrize("name", [MASTER, REPLICA])
def test_info_comes_second(node: FakeRedis, refusal: Error, name: str) -> None:
    """Where ROLE is refused, unknown or blocked by a script, INFO replication tells."""
    node.role, node.replies["ROLE"] = name, refusal
    assert role_of(node).name == name
    assert node.commands == [[b"ROLE"], [b"INFO", b"replication"]]


@pytest.mark.parametrize("name", [MASTER, REPLICA])
def test_hello_comes_third(node: FakeRedis, name: str) -> None:
    """Where INFO is refused as well, HELLO tells: it is allowed to everybody who is logged in."""
    node.role, node.replies["ROLE"], node.replies["INFO"] = name, NOPERM, NOPERM
    assert role_of(node).name == name
    assert node.commands[2:] == [[b"HELLO"]]


def test_a_role_that_nothing_tells(node: FakeRedis) -> None:
    """With all three refused the role is unknown, and the detail is the reply to ROLE."""
    node.replies["*"] = Error("ERR unknown command")
    node.replies["ROLE"] = NOPERM
    assert role_of(node) == Role(UNKNOWN, str(NOPERM))


def test_a_password_is_wanted(node: FakeRedis) -> None:
    """A node that wants a password tells nothing on INFO and HELLO either: they are not asked."""
    node.password = "secret"
    role = role_of(node)
    assert role.name == UNKNOWN and role.detail.startswith("NOAUTH")
    assert node.commands == [[b"ROLE"]]


@pytest.mark.parametrize("line", ["DENIED Redis is running in protected mode", "ERR max number of clients reached"])
def test_a_node_that_turns_us_away(node: FakeRedis, line: str) -> None:
    """The line of a server that closes at once is kept for the client."""
    node.greeting = b"-%s\r\n" % line.encode()
    with pytest.raises(PeerRefused, match=line) as caught:
        role_of(node)
    assert caught.value.line == line.encode()


@pytest.mark.parametrize("reply", [b"*0\r\n", b"*-1\r\n", b"$-1\r\n", b"+OK\r\n", b":1\r\n", b"$6\r\nmaster\r\n",
                                   b"*1\r\n$7\r\nprimary\r\n", b"*1\r\n*1\r\n$6\r\nmaster\r\n", b"*2\r\n",
                                   b"HTTP/1.1\r\n", b"*-2\r\n"])
def test_garbage(node: FakeRedis, reply: bytes) -> None:
    """Anything else is no Redis, and above all no master."""
    node.replies["ROLE"] = reply
    with pytest.raises((PeerGarbage, PeerSilent)):
        role_of(node, LONG if reply != b"*2\r\n" else 0.1)


def test_an_echo_is_no_master(node: FakeRedis) -> None:
    """Our own bytes coming back are no answer."""
    node.fault = "echo"
    with pytest.raises(PeerGarbage, match="is not Redis"):
        role_of(node)


def test_silence_and_the_end(node: FakeRedis) -> None:
    """No reply in time and no reply at all are told apart."""
    node.delays["ROLE"] = 3600
    with pytest.raises(PeerSilent):
        role_of(node, 0.1)
    del node.delays["ROLE"]
    node.fault = "half"
    with pytest.raises(PeerUnreachable, match="closed"):
        role_of(node)


def test_replies_one_byte_a_time(node: FakeRedis) -> None:
    """The fallbacks work however the bytes come."""
    node.fault, node.role, node.replies["ROLE"] = "one_byte", REPLICA, NOPERM
    assert role_of(node).name == REPLICA


@pytest.mark.parametrize("reply, name", [
    ([b"master", 0, []], MASTER), ([b"slave", b"h", 1, b"connected", 5], REPLICA), ([b"sentinel", []], SENTINEL),
    (ReplyError("NOPERM x"), UNKNOWN), (ReplyError("LOADING x"), UNKNOWN),
])
def test_judge_role(reply: t.Any, name: str) -> None:
    """The first word of the array is the role; an error leaves it unknown."""
    assert judge_role(reply, "node").name == name


@pytest.mark.parametrize("reply, link", [
    ([b"slave", b"h", 1, b"connected", 5], ""), ([b"slave", b"h", 1, b"sync", 5], "sync"), ([b"slave"], ""),
    ([b"slave", b"h", 1, None, 5], "None"), ([b"master", 0, [], b"sync"], ""),
])
def test_the_link_of_a_replica(reply: t.Any, link: str) -> None:
    """The fourth word of ROLE, unless that says that all is well."""
    assert judge_role(reply, "node").link == link


def test_the_link_of_a_replica_by_info() -> None:
    """A line of its own, too; HELLO does not tell it."""
    assert judge_info(b"role:slave\r\nmaster_link_status:down\r\n") == Role(REPLICA, link="down")
    assert judge_info(b"role:slave\r\nmaster_link_status:up\r\n") == Role(REPLICA)
    assert judge_hello([b"role", b"replica"]) == Role(REPLICA)


@pytest.mark.parametrize("reply, name", [
    (b"# Replication\r\nrole:master\r\nconnected_slaves:0\r\n", MASTER), (b"role:slave\n", REPLICA),
    (b"master_host:role:master\r\n", UNKNOWN), (b"xrole:master", UNKNOWN), (b"", UNKNOWN), (None, UNKNOWN),
    (ReplyError("NOPERM"), UNKNOWN), ([b"role:master"], UNKNOWN),
])
def test_judge_info(reply: t.Any, name: str) -> None:
    """Only a line of its own tells the role."""
    assert judge_info(reply).name == name


@pytest.mark.parametrize("reply, name", [
    ([b"role", b"master"], MASTER), ([b"proto", 2, b"role", b"replica"], REPLICA), ([b"role", b"slave"], REPLICA),
    ([b"mode", b"sentinel"], UNKNOWN), ([b"role"], UNKNOWN), ([b"role", b"chief"], UNKNOWN), (None, UNKNOWN),
    (ReplyError("NOAUTH"), UNKNOWN),
])
def test_judge_hello(reply: t.Any, name: str) -> None:
    """The field `role` tells, and HELLO calls a replica by its new name."""
    assert judge_hello(reply).name == name
