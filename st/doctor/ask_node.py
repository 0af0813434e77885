"""Ask one Redis node for what the findings need. Blocking, within one deadline; reads only."""
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.doctor.ask_sentinel import read_info
from st.doctor.trouble import trouble_of
from st.doctor.values import Login, NodeSeen
from st.errors import PeerError
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.client import connect
from st.wire.conversation import Conversation
from st.wire.login import refusal_of_auth
from st.wire.resp import Command, Reply, ReplyError, pairs
from st.wire.role import TURNED_AWAY, UNKNOWN, ask_role

# One pattern each: several in one command are Redis 7's. "min-*-to-write" had two names.
WANTED = ("requirepass", "masterauth", "masteruser", "min-*-to-write", "maxclients", "timeout")


def look_at_node(address: Address, dialled: Address, credentials: Credentials, patience: float) -> NodeSeen:
    """Return what was seen of one node; never raises for what a node can do."""
    deadline, conversation = Deadline(patience), None
    seen = NodeSeen(address, dialled)
    try:
        conversation = connect(dialled, deadline, credentials.tls)
        return _converse(conversation, seen._replace(reached=conversation.reached), credentials, deadline)
    except PeerError as error:
        trouble = trouble_of(error, dialled, deadline, conversation is not None, credentials.tls is not None)
        return seen._replace(trouble=trouble, reached=conversation.reached if conversation else None)
    finally:
        if conversation is not None:
            conversation.close()


def _converse(conversation: Conversation, seen: NodeSeen, credentials: Credentials, deadline: Deadline) -> NodeSeen:
    auth = credentials.commands()
    auth_reply = conversation.ask(auth, deadline)[0] if auth else None
    if isinstance(auth_reply, ReplyError) and not str(auth_reply).startswith(TURNED_AWAY):
        seen = seen._replace(refusal=refusal_of_auth(auth_reply))
    role = ask_role(conversation, deadline)
    if role.name == UNKNOWN and role.detail.startswith("NOAUTH"):
        said = "refuses our password: " + refusal_of_auth(auth_reply) if auth else "no Redis password given"
        return seen._replace(role=role, closed=said, wants_password=True)
    commands: t.List[Command] = [["INFO"]]
    commands += [["CONFIG", "GET", word] for word in WANTED]
    info, *replies = conversation.ask(commands, deadline)
    refused = [refusal_of_auth(reply) for reply in replies + [info] if isinstance(reply, ReplyError)]
    seen = seen._replace(role=role, info=read_info(info), closed=refused[0] if refused else "",
                         wants_password=bool(auth) and not isinstance(auth_reply, ReplyError))
    if any(isinstance(reply, ReplyError) for reply in replies):
        return seen
    config = _read_config(replies)
    login = Login(Secret(config.pop("requirepass", "")), Secret(config.pop("masterauth", "")),
                  config.pop("masteruser", ""))
    return seen._replace(config=config, login=login,
                         wants_password=seen.wants_password or bool(login.requirepass.reveal()))


def _read_config(replies: t.Iterable[Reply]) -> t.Dict[str, str]:
    found: t.Dict[str, str] = {}
    for reply in replies:
        found.update(pairs(reply))
    return found
