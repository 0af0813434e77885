"""Log in on a connection: whatever is asked on it afterwards is done by that user."""
import typing as t

from st.deadline import Deadline
from st.errors import LoginRefused, PeerRefused
from st.secret import Secret
from st.wire.conversation import Conversation
from st.wire.resp import ReplyError
from st.wire.role import TURNED_AWAY


def log_in(conversation: Conversation, user: t.Optional[str], password: Secret, deadline: Deadline) -> None:
    """Send AUTH; raise PeerRefused when that is refused, with a line for whoever wants to use the connection."""
    revealed = password.reveal()
    words = ["AUTH", revealed] if user is None else ["AUTH", user, revealed]
    reply = conversation.ask([words], deadline)[0]
    if reply == b"OK":
        return
    said = refusal_of_auth(reply)
    if said.startswith(TURNED_AWAY):
        raise PeerRefused("%s: %s" % (conversation.peer, said), said.encode())
    if revealed in said:
        said = "in words that hold the password"
    said = "%s %s%s: %s" % (conversation.peer, LoginRefused.words, " of user '%s'" % user if user else "", said)
    line = "ERR sentinel-tunnel: %s; check redis_user and redis_password of the tunnel" % said
    raise LoginRefused(said, line.encode("ascii", "backslashreplace"))


def refusal_of_auth(reply: t.Any) -> str:
    """Return what a node said to AUTH, without the password: where it does not know AUTH, it repeats the words."""
    said = str(reply) if isinstance(reply, ReplyError) else "not OK"
    return said.partition(", with args")[0]
