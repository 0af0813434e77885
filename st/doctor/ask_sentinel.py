"""Ask one Sentinel for all that the findings need. Blocking, within deadlines; nothing is changed unless that is said.

Each exchange has a deadline of its own, and the first that passes ends it all: one that hangs costs one deadline.
"""
import socket
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.doctor.trouble import refusal, trouble_of
from st.doctor.values import GARBAGE, PLAIN_REDIS, Fields, SentinelSeen, Told, Trouble
from st.errors import PeerError
from st.sentinel.answers import Credentials, lacks_subcommand, read_address
from st.sentinel.client import connect
from st.wire.conversation import Conversation
from st.wire.resp import Command, Reply, ReplyError, pairs, shown, text

PINGS = 3
MOST_NAMES = 100
BATCH = 10  # names that are asked about at once: with many, and far away, one by one takes too long

WRITE_PATIENCE = 5.0  # seconds for FLUSHCONFIG; a disk may be slow


class Questions(t.NamedTuple):
    """What to ask every Sentinel, and how long each exchange may take."""

    names: t.Tuple[str, ...]  # (): those that it monitors itself
    credentials: Credentials
    patience: float  # seconds
    write_test: bool = False


def look_at_sentinel(address: Address, questions: Questions) -> SentinelSeen:
    """Return what was seen of one Sentinel; never raises for what a node can do."""
    deadline, conversation = Deadline(questions.patience), None
    seen = SentinelSeen(address)
    try:
        conversation = connect(address, deadline, questions.credentials.tls)
        seen = seen._replace(reached=conversation.reached, on_this_host=_is_ours(conversation.reached))
        return _converse(conversation, seen, questions)
    except PeerError as error:
        trouble = trouble_of(error, address, deadline, conversation is not None, questions.credentials.tls is not None)
        return seen._replace(trouble=trouble)
    finally:
        if conversation is not None:
            conversation.close()


def read_info(reply: Reply) -> Fields:
    """Return the fields of INFO; none when it was refused."""
    lines = text(reply).splitlines() if isinstance(reply, bytes) else []
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _converse(conversation: Conversation, seen: SentinelSeen, questions: Questions) -> SentinelSeen:
    auth = questions.credentials.commands()
    commands: t.List[Command] = [["SENTINEL", "MASTERS"], ["SENTINEL", "MYID"], ["INFO", "server"],
                                 ["INFO", "sentinel"]]
    replies = conversation.ask(auth + commands, Deadline(questions.patience))
    auth_reply = replies.pop(0) if auth else None
    masters, myid, server, sentinel = replies
    trouble = _trouble(masters, auth_reply)
    if trouble is not None:
        return seen._replace(trouble=trouble)
    listed = tuple(sorted(fields["name"] for fields in _all_fields(masters) or () if fields.get("name")))
    names = questions.names or listed[:MOST_NAMES + 1]
    told: t.Dict[str, Told] = {}
    for start in range(0, len(names), BATCH):
        told.update(_ask_of(conversation, names[start:start + BATCH], questions.patience))
    denied = [each.refused["GET-MASTER-ADDR-BY-NAME"] for each in told.values()
              if "GET-MASTER-ADDR-BY-NAME" in each.refused]
    return seen._replace(
        trouble=refusal(denied[0], auth_reply) if denied else None,
        myid=text(myid) if isinstance(myid, bytes) else "", told=told,
        info=dict(read_info(server), **read_info(sentinel)), ping=_ping(conversation, questions.patience),
        masters=listed, lists_masters=isinstance(masters, list),
        written=_write(conversation) if questions.write_test else "")


def _is_ours(address: t.Optional[Address]) -> bool:
    """Tell whether an address is one of this host: only then a socket can be bound to it."""
    if address is None:
        return False
    try:
        with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((address.host, 0))
    except OSError:
        return False
    return True


def _trouble(masters: Reply, auth_reply: Reply) -> t.Optional[Trouble]:
    if isinstance(masters, list) and all(isinstance(entry, list) for entry in masters):
        return None
    if not isinstance(masters, ReplyError):
        return Trouble(GARBAGE, "it answers SENTINEL MASTERS with %s" % shown(masters))
    if str(masters).startswith("NOPERM"):  # which may concern this list alone
        return None
    if "unknown command" in str(masters).lower():
        return Trouble(PLAIN_REDIS, str(masters))
    return refusal(masters, auth_reply)


def _ask_of(conversation: Conversation, names: t.Sequence[str], patience: float) -> t.Dict[str, Told]:
    commands = ["MASTER", "GET-MASTER-ADDR-BY-NAME", "REPLICAS", "SENTINELS", "CKQUORUM", "INFO-CACHE"]
    found = _ask_all(conversation, names, commands, patience)
    if any(lacks_subcommand(replies["REPLICAS"]) for replies in found.values()):  # before Redis 5
        for name, replies in _ask_all(conversation, names, ["SLAVES"], patience).items():
            found[name]["REPLICAS"] = replies["SLAVES"]
    return {name: _told(replies) for name, replies in found.items()}


def _ask_all(conversation: Conversation, names: t.Sequence[str], words: t.Sequence[str],
             patience: float) -> t.Dict[str, t.Dict[str, Reply]]:
    """Return the replies about each name, by the words that were asked."""
    commands: t.List[Command] = [["SENTINEL", word, name] for name in names for word in words]
    replies = iter(conversation.ask(commands, Deadline(patience)))
    return {name: {word: next(replies) for word in words} for name in names}


def _told(replies: t.Dict[str, Reply]) -> Told:
    refused = {word: str(reply) for word, reply in replies.items() if isinstance(reply, ReplyError)}
    named = replies["GET-MASTER-ADDR-BY-NAME"]
    quorum = refused.pop("CKQUORUM", "") if refused.get("CKQUORUM", "").startswith("NOQUORUM") else ""
    unknown = named is None or refused.get("MASTER", "").startswith("ERR No such")
    return Told(address=_address(named), unknown=unknown,
                fields=pairs(replies["MASTER"]), replicas=_all_fields(replies["REPLICAS"]),
                sentinels=_all_fields(replies["SENTINELS"]), quorum=quorum or _plain(replies["CKQUORUM"]),
                cache=_cached(replies["INFO-CACHE"]), refused=refused)


def _address(reply: Reply) -> t.Optional[Address]:
    try:
        return read_address(reply)
    except ValueError:
        return None


def _all_fields(reply: Reply) -> t.Optional[t.Tuple[Fields, ...]]:
    return tuple(map(pairs, reply)) if isinstance(reply, list) else None


def _plain(reply: Reply) -> str:
    return text(reply) if isinstance(reply, bytes) else ""


def _cached(reply: Reply) -> Fields:
    """Return the master's INFO in a reply to INFO-CACHE: a name, then age and text of each node, the master first."""
    try:
        return read_info(reply[1][0][1])
    except (TypeError, IndexError, KeyError):
        return {}


def _ping(conversation: Conversation, patience: float) -> float:
    """Return the shortest time of a few questions: the others tell of our own host too."""
    times = []
    for _ in range(PINGS):
        started = time.monotonic()
        conversation.ask([["PING"]], Deadline(patience))
        times.append(time.monotonic() - started)
    return min(times)


def _write(conversation: Conversation) -> str:
    """Let it write its configuration, which it does by itself at every change; return what it said."""
    return text(conversation.ask([["SENTINEL", "FLUSHCONFIG"]], Deadline(WRITE_PATIENCE))[0])
