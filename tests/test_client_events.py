"""Events of a Sentinel: the subscription, and which messages concern us."""
import socket
import typing as t

import pytest

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError, PeerGarbage, PeerRefused
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.client import EVENTS, concerns, connect, subscribe
from st.wire.resp import ReplyError
from tests.fakes import Error, FakeSentinel
from tests.waiting import FACTOR

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
NOPERM = Error("NOPERM this user has no permissions to run the command")
MakeSentinel = t.Callable[..., FakeSentinel]


def test_subscribe(fake_sentinel: MakeSentinel) -> None:
    """All channels are subscribed under the names that the code of Sentinel publishes."""
    sentinel = fake_sentinel()
    sentinel.password = "p"
    conversation = connect(Address(*sentinel.address), Deadline(LONG))
    subscribe(conversation, Credentials(None, Secret("p")), Deadline(LONG))
    assert sentinel.connections[0].channels == set(map(str.encode, EVENTS))
    assert {"+switch-master", "+promoted-slave", "+failover-state-reconf-slaves", "+reset-master"} < set(EVENTS)
    assert conversation._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    conversation.close()


@pytest.mark.parametrize("reply, error", [(NOPERM, PeerRefused), (Error("NOAUTH x"), PeerRefused), ([], PeerGarbage),
                                          (["message"], PeerGarbage), (b"+OK\r\n", PeerGarbage), (None, PeerGarbage),
                                          (b"*-2\r\n", PeerGarbage)])
def test_no_subscription(fake_sentinel: MakeSentinel, reply: t.Any, error: t.Type[PeerError]) -> None:
    """A refusal and garbage are told apart: only the first is no fault."""
    sentinel = fake_sentinel()
    sentinel.replies["SUBSCRIBE"] = reply if reply is not None else b"$-1\r\n"
    conversation = connect(Address(*sentinel.address), Deadline(LONG))
    with pytest.raises(error, match="%s:%d" % sentinel.address):
        subscribe(conversation, Credentials(), Deadline(LONG))
    conversation.close()


@pytest.mark.parametrize("message, channel", [
    ([b"message", b"+switch-master", b"m 10.0.0.1 6379 10.0.0.2 6379"], "+switch-master"),
    ([b"message", b"+switch-master", b"other 10.0.0.1 6379 10.0.0.2 6379"], ""),
    ([b"message", b"+switch-master", b"mm 10.0.0.1 6379 10.0.0.2 6379"], ""),
    ([b"message", b"+sdown", b"slave 10.0.0.2:6379 10.0.0.2 6379 @ m 10.0.0.1 6379"], "+sdown"),
    ([b"message", b"+odown", b"master m 10.0.0.1 6379 #quorum 2/2"], "+odown"),
    ([b"message", b"+reboot", b"master with space 10.0.0.1 6379"], "+reboot"),
    ([b"message", b"+tilt", b"#tilt mode entered"], "+tilt"), ([b"message", b"-tilt", b"#tilt mode exited"], "-tilt"),
    ([b"subscribe", b"+switch-master", b"m"], ""), ([b"pong", b""], ""), ([], ""), (b"m", ""), (None, ""),
    (ReplyError("ERR m"), ""), ([b"message", None, None], ""), ([[b"message"], b"+tilt", b"m"], ""),
])
def test_which_messages_concern_us(message: t.Any, channel: str) -> None:
    """A message counts when it names one of our masters, or is of the Sentinel itself."""
    assert concerns(message, ["m", "with space"]) == channel
