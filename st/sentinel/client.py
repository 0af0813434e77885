"""One conversation with one Sentinel: connect, log in, ask, subscribe. Blocking, within deadlines."""
import ssl
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError, PeerGarbage, PeerRefused, PeerUnreachable
from st.sentinel.answers import (
    Credentials, Report, lacks_subcommand, questions, read_answer, read_masters, read_peers, read_replicas,
)
from st.wire.conversation import Conversation
from st.wire.dial import dial_address, set_keepalive
from st.wire.keeper import Keeper
from st.wire.resp import Command, Reply, ReplyError, shown, text
from st.wire.tls import secure_own

KEEPALIVE = 15  # seconds; a Sentinel host that is gone is noticed by the poll, this ends the old socket

REPLICAS, SLAVES = "REPLICAS", "SLAVES"  # before Redis 5 there is only the latter

# The code publishes these names with their sign; the official list of events drops some (sentinel.c, sentinelEvent).
EVENTS = (
    "+switch-master +failover-state-send-slaveof-noone +promoted-slave +failover-state-reconf-slaves"
    " +config-update-from +failover-end +failover-end-for-timeout +reset-master +monitor -monitor +reboot +odown"
    " -odown +sdown -sdown +role-change -role-change +convert-to-slave -failover-abort-not-elected"
    " -failover-abort-no-good-slave -failover-abort-slave-timeout +sentinel +tilt -tilt"
).split()


def connect(sentinel: Address, deadline: Deadline, tls: t.Optional[ssl.SSLContext] = None) -> Conversation:
    """Connect to a Sentinel, with TLS when there is a context; raise PeerUnreachable or PeerTlsError."""
    sock, endpoint = dial_address(sentinel, deadline)
    set_keepalive(sock, KEEPALIVE)
    leg = secure_own(sock, tls, sentinel.host, deadline, str(sentinel))
    return Conversation(leg, str(sentinel), Address(*endpoint.sockaddr[:2]))


class Wanted(t.NamedTuple):
    """What to ask a Sentinel for."""

    names: t.Sequence[str]
    replicas_of: t.Sequence[str]  # some of these names
    peers: bool


class SentinelClient(Keeper):
    """Asks one Sentinel again and again over a connection that it keeps. One thread uses it; any may interrupt it."""

    def __init__(self, sentinel: Address, credentials: Credentials) -> None:
        super().__init__()
        self.sentinel = sentinel
        self._credentials = credentials
        self._listing = REPLICAS  # the word that lists replicas; each new connection finds it out anew

    def report(self, names: t.Sequence[str], timeout: float, round: int = 0, peers: bool = False,
               replicas_of: t.Sequence[str] = ()) -> Report:
        """Return what this Sentinel says of each name within `timeout` seconds; an error is in it, not raised.

        Of the names in `replicas_of` it lists the replicas too; with `peers` all Sentinels that it knows.
        """
        started = time.monotonic()
        try:
            report = self._ask(Wanted(names, replicas_of, peers), Deadline(timeout))
        except PeerError as error:
            self.close()
            report = Report(self.sentinel, round, error=str(error), kind=error.kind)
        return report._replace(round=round, latency=time.monotonic() - started)

    def _ask(self, wanted: "Wanted", deadline: Deadline) -> Report:
        if self._kept is not None:
            try:
                return self._exchange(self._kept, [], wanted, deadline)
            except PeerUnreachable:
                # A Sentinel with `timeout` set, or a firewall, may have closed it between two polls: no fault yet.
                if deadline.passed():
                    raise
                self.close()
        self._kept, self._listing = connect(self.sentinel, deadline, self._credentials.tls), REPLICAS
        return self._exchange(self._kept, self._credentials.commands(), wanted, deadline)

    def _exchange(self, conversation: Conversation, auth: t.List[t.Any], wanted: "Wanted",
                  deadline: Deadline) -> Report:
        names, commands = wanted.names, list(auth)
        for name in names:
            commands += questions(name)
        commands += [["SENTINEL", self._listing, name] for name in wanted.replicas_of]
        commands += [["SENTINEL", "SENTINELS", name] for name in names if wanted.peers]
        replies = conversation.ask(commands + [["SENTINEL", "MYID"]], deadline)
        if conversation.rest():  # what was not asked for would be taken for the answer to the next question
            raise PeerGarbage("%s: is no Sentinel: it speaks unasked" % conversation.peer)
        auth_reply, myid = replies.pop(0) if auth else None, replies.pop()
        listings = replies[2 * len(names):][:len(wanted.replicas_of)]
        if self._listing == REPLICAS and any(lacks_subcommand(reply) for reply in listings):
            self._listing = SLAVES
            return self._exchange(conversation, [], wanted, deadline)
        answers = {}
        for position, name in enumerate(names):
            answers[name] = read_answer(replies[2 * position + 1], replies[2 * position], conversation.peer, auth_reply)
        for name, listing in zip(wanted.replicas_of, listings):
            answers[name] = answers[name]._replace(replicas=read_replicas(listing))
        unknown = bool(answers) and all(answer.unknown for answer in answers.values())
        listed = [read_peers(reply) for reply in replies[2 * len(names) + len(listings):]]
        told = [each for each in listed if each is not None]  # one name that it does not monitor says nothing
        known = tuple(peer for each in told for peer in each) if told else None
        return Report(self.sentinel, 0, answers, text(myid) if isinstance(myid, bytes) else "", known,
                      kind="unknown_name" if unknown else "ok", reached=conversation.reached)


def ask_masters(sentinel: Address, credentials: Credentials, timeout: float) -> t.List[t.Dict[str, str]]:
    """Return every master that a Sentinel monitors, by its fields (SENTINEL MASTERS); raise PeerError."""
    deadline = Deadline(timeout)
    conversation = connect(sentinel, deadline, credentials.tls)
    try:
        replies = conversation.ask(credentials.commands() + [["SENTINEL", "MASTERS"]], deadline)
        return read_masters(replies[-1], conversation.peer, None if len(replies) == 1 else replies[0])
    finally:
        conversation.close()


def subscribe(conversation: Conversation, credentials: Credentials, deadline: Deadline,
              events: t.Sequence[str] = EVENTS) -> None:
    """Subscribe to the events; raise PeerRefused when this user may not, as with the documentation's minimal rights."""
    auth = credentials.commands()
    # Before a login Redis takes no command of more than 10 words: it would say "Protocol error" instead of NOAUTH.
    commands: t.List[Command] = [["SUBSCRIBE", *events[start:start + 9]] for start in range(0, len(events), 9)]
    replies = conversation.ask(auth + commands, deadline)
    answer = replies[len(auth)]
    if isinstance(answer, ReplyError):
        said = "; ".join(str(reply) for reply in replies[:len(auth) + 1] if isinstance(reply, ReplyError))
        raise PeerRefused("%s: no events: %s" % (conversation.peer, said), str(answer).encode())
    if not isinstance(answer, list) or not answer or text(answer[0]) != "subscribe":
        raise PeerGarbage("%s: is no Sentinel: it answers SUBSCRIBE with %s" % (conversation.peer, shown(answer)))
    for _ in events[len(commands):]:  # each channel has a reply: when all are there, nothing is missed any more
        conversation.receive(deadline)


def concerns(message: Reply, names: t.Iterable[str]) -> str:
    """Return the channel of a pushed message when it speaks of one of our masters, else ""."""
    if not isinstance(message, list) or len(message) != 3 or text(message[0]) != "message":
        return ""
    channel, payload = text(message[1]), text(message[2])
    # +switch-master is "NAME ip port ip port", the rest "TYPE NAME ip port [@ NAME ip port]"; +tilt names nobody.
    padded = " %s " % payload
    if channel.endswith("tilt") or any(" %s " % name in padded for name in names):
        return channel
    return ""
