"""Ask a Redis node for its role: ROLE, else INFO replication, else HELLO."""
import typing as t

from st.deadline import Deadline
from st.errors import PeerGarbage, PeerRefused
from st.wire.conversation import Conversation
from st.wire.resp import Command, Reply, ReplyError, pairs, shown, text

MASTER, REPLICA, SENTINEL, UNKNOWN = "master", "slave", "sentinel", "unknown"

LINKED = "connected"  # to its master, says a replica

# Redis writes one of these to a fresh connection, unasked, and closes it.
TURNED_AWAY = ("DENIED", "ERR max number of clients")


class Role(t.NamedTuple):
    """What a node says it is: master, slave, sentinel, or unknown with the error that it gave instead."""

    name: str
    detail: str = ""
    link: str = ""  # of a replica: the state of its link to its master, "" when it is connected or not told


def ask_role(conversation: Conversation, deadline: Deadline) -> Role:
    """Return the node's role; exactly the replies to our own questions are consumed.

    Raises PeerUnreachable, PeerRefused when the node turned us away, PeerGarbage when it is not Redis.
    ROLE is refused to some ACL users and unknown before Redis 2.8.12; INFO and HELLO are weaker but wider.
    """
    role = judge_role(_one(conversation, ["ROLE"], deadline), conversation.peer)
    if role.name != UNKNOWN or role.detail.startswith("NOAUTH"):
        return role
    info = judge_info(_one(conversation, ["INFO", "replication"], deadline))
    if info.name != UNKNOWN:
        return info
    hello = judge_hello(_one(conversation, ["HELLO"], deadline))
    return hello if hello.name != UNKNOWN else role


def judge_role(reply: Reply, peer: str) -> Role:
    """Return what the reply to ROLE means; raise PeerRefused or PeerGarbage."""
    if isinstance(reply, ReplyError):
        detail = str(reply)
        if detail.startswith(TURNED_AWAY):
            raise PeerRefused("%s: %s" % (peer, detail), detail.encode())
        return Role(UNKNOWN, detail)
    name = text(reply[0]) if isinstance(reply, list) and reply else ""
    if name not in (MASTER, REPLICA, SENTINEL):
        raise PeerGarbage("%s: is not Redis: it answers ROLE with %s" % (peer, shown(reply)))
    state = text(reply[3]) if name == REPLICA and len(reply) > 3 else ""
    return Role(name, link="" if state == LINKED else state)


def judge_info(reply: Reply) -> Role:
    """Return what the reply to INFO replication means."""
    if isinstance(reply, bytes):
        lines = reply.splitlines()
        for line in lines:
            if line in (b"role:master", b"role:slave"):
                return Role(text(line[5:]), link="down" if b"master_link_status:down" in lines else "")
    return Role(UNKNOWN, text(reply))


def judge_hello(reply: Reply) -> Role:
    """Return what the reply to HELLO without arguments means."""
    name = pairs(reply).get("role", "")
    if name in (MASTER, "replica", REPLICA, SENTINEL):
        return Role(REPLICA if name == "replica" else name)
    return Role(UNKNOWN, text(reply))


def denial(node: object, role: Role, wanted: str) -> str:
    """Return in words that a node has not the role that is wanted of it, or does not tell."""
    if role.name == UNKNOWN:
        return "%s does not tell its role: %s" % (node, role.detail)
    return "%s says that it is %s, not %s" % (node, _called(role.name), _called(wanted))


def _called(name: str) -> str:
    return "a replica" if name == REPLICA else name


def _one(conversation: Conversation, command: Command, deadline: Deadline) -> Reply:
    return conversation.ask([command], deadline)[0]
