"""The commands of the control socket: words in, a reply out."""
import logging
import re
import time
import typing as t

from st import __version__
from st.config.findings import did_you_mean
from st.control import protocol
from st.control.steering import Steering
from st.deadline import Deadline
from st.errors import SentinelTunnelError
from st.event import Event
from st.ops import clients, history
from st.ops.peers import peers_of
from st.ops.status import UP
from st.plain import plain

logger = logging.getLogger(__name__)

LONGEST_WAIT = 3600  # seconds
WAIT_LOOK = 0.1  # seconds between two looks at the tunnels, and whether the one who waits is still there
RESP = {"2": 2, "3": 3}


class Refusal(SentinelTunnelError):
    """A command that cannot be carried out as it was given."""


class Question(t.NamedTuple):
    """One command of one client: the words after its name, and what may be asked about the client."""

    words: t.List[str]
    gone: t.Callable[[], bool]  # whether the client has hung up
    number: int  # of the client


class Answer(t.NamedTuple):
    """A reply; when it has been sent, `then` is called, or the connection ends."""

    reply: bytes
    then: t.Optional[t.Callable[[], None]] = None
    ends: bool = False


class _Command(t.NamedTuple):
    usage: str
    help: str
    most: int  # words after its name
    answer: t.Callable[[Steering, Question], Answer]


def answer(steering: Steering, words: t.Sequence[str], gone: t.Callable[[], bool], number: int, who: str) -> Answer:
    """Return the answer to a command; `who` is for the log."""
    name, question = words[0].upper(), Question(list(words[1:]), gone, number)
    command = _COMMANDS.get(name)
    try:
        if command is None:
            # Not only "try HELP": redis-cli answers that itself, and never sends it.
            raise Refusal("unknown command '%s'; there are %s" % (words[0][:64], ", ".join(_known())))
        if len(question.words) > command.most:
            raise Refusal("too many words: %s" % command.usage)
        if name in _STEERING:
            logger.info(Event("control", command=" ".join([name] + question.words), by=who))
        return command.answer(steering, question)
    except SentinelTunnelError as error:
        return Answer(protocol.failure("ERR " + "; ".join(str(error).splitlines())))


def _known() -> t.List[str]:
    return [name for name, command in _COMMANDS.items() if command.help]


def _ping(steering: Steering, question: Question) -> Answer:
    return Answer(protocol.bulk(question.words[0]) if question.words else protocol.simple("PONG"))


def _status(steering: Steering, question: Question) -> Answer:
    json, rest = _wants_json(question.words)
    if rest:
        raise Refusal("expected STATUS or STATUS JSON")
    status = steering.status()
    return Answer(protocol.bulk(status.as_json() if json else status.as_text(time.time(), steering.config)))


def _clients(steering: Steering, question: Question) -> Answer:
    json, names = _wants_json(question.words)
    listening = {tunnel.name: tunnel.listen for tunnel in steering.status().tunnels}
    _check_tunnel(names, listening)
    found = [client for client in steering.clients() if not names or client.tunnel == names[0]]
    peers = peers_of(found, listening)
    known = [clients.KnownClient(client, peers.get(client.id)) for client in found]
    return Answer(protocol.bulk(clients.as_json(known) if json else clients.as_text(known, time.time())))


def _kill(steering: Steering, question: Question) -> Answer:
    number = question.words[0] if question.words else ""
    if not re.match(r"[0-9]{1,18}\Z", number):
        raise Refusal("expected KILL and the id of a connection: CLIENTS lists them")
    if not steering.kill(int(number)):
        raise Refusal("no connection has the id %s: CLIENTS lists them" % number)
    return Answer(protocol.simple("OK"))


def _history(steering: Steering, question: Question) -> Answer:
    json, names = _wants_json(question.words)
    switches = [switch for switch in steering.history() if not names or switch.tunnel == names[0]]
    if not switches:
        _check_tunnel(names, [tunnel.name for tunnel in steering.status().tunnels])
    return Answer(protocol.bulk(history.as_json(switches) if json else history.as_text(switches, time.time())))


def _reload(steering: Steering, question: Question) -> Answer:
    try:
        return Answer(protocol.bulk("\n".join(plain(line) for line in steering.reload()) + "\n"))
    except SentinelTunnelError as error:
        raise Refusal("reload refused: %s" % error) from error


def _stop(steering: Steering, question: Question) -> Answer:
    return Answer(protocol.simple("OK"), then=steering.stop)


def _wait(steering: Steering, question: Question) -> Answer:
    text = question.words[0] if question.words else ""
    if not re.match(r"[0-9]{1,4}(\.[0-9]{1,9})?\Z", text) or float(text) > LONGEST_WAIT:
        raise Refusal("expected WAIT and a number of seconds up to %d" % LONGEST_WAIT)
    deadline, late = Deadline(float(text)), _late(steering)
    while late and not deadline.passed() and not question.gone():
        time.sleep(deadline.left(WAIT_LOOK) or 0)
        late = _late(steering)
    if late:
        raise Refusal("no master: %s" % "; ".join(late))
    return Answer(protocol.simple("OK"))


def _late(steering: Steering) -> t.List[str]:
    tunnels = [tunnel for tunnel in steering.status().tunnels if tunnel.state != UP]
    return ["%s: %s" % (tunnel.name, tunnel.reason or "still asking") for tunnel in tunnels]


def _help(steering: Steering, question: Question) -> Answer:
    width = max(len(command.usage) for command in _COMMANDS.values())
    lines = ["%-*s  %s" % (width, command.usage, command.help) for command in _COMMANDS.values() if command.help]
    return Answer(protocol.bulk("\n".join(lines) + "\n"))


def _quit(steering: Steering, question: Question) -> Answer:
    return Answer(protocol.simple("OK"), ends=True)


def _describe_commands(steering: Steering, question: Question) -> Answer:
    return Answer(protocol.array())  # an interactive redis-cli asks for what it could complete


def _greet(steering: Steering, question: Question) -> Answer:
    """Answer HELLO as far as client libraries need it: which RESP, and whom they talk to."""
    version = RESP.get(question.words[0]) if question.words else 2
    if version is None:
        return Answer(protocol.failure("NOPROTO unsupported protocol version"))
    fields = {"server": protocol.bulk("sentinel-tunnel"), "version": protocol.bulk(__version__),
              "proto": protocol.number(version), "id": protocol.number(question.number),
              "mode": protocol.bulk("standalone"), "role": protocol.bulk("master"), "modules": protocol.array()}
    parts = [part for name, value in fields.items() for part in (protocol.bulk(name), value)]
    return Answer((protocol.mapping if version == 3 else protocol.array)(*parts))


def _introduce(steering: Steering, question: Question) -> Answer:
    if question.words and question.words[0].upper() in ("SETINFO", "SETNAME"):
        return Answer(protocol.simple("OK"))
    raise Refusal("CLIENT knows SETINFO and SETNAME only; the clients of tunnels: CLIENTS")


def _wants_json(words: t.List[str]) -> t.Tuple[bool, t.List[str]]:
    """Tell whether the first word is JSON, and return the others."""
    json = bool(words) and words[0].upper() == "JSON"
    if len(words) > 1 and not json:
        raise Refusal("JSON comes before the name of a tunnel")
    return json, words[1:] if json else words


def _check_tunnel(names: t.Sequence[str], known: t.Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise Refusal("no tunnel '%s'%s" % (name, did_you_mean(name, known)))


_STEERING = ("KILL", "RELOAD", "STOP")  # they change something, so the log tells who asked

_COMMANDS = {
    "PING": _Command("PING", "answers PONG", 1, _ping),
    "STATUS": _Command("STATUS [JSON]", "tunnels and Sentinels", 1, _status),
    "CLIENTS": _Command("CLIENTS [JSON] [tunnel]", "the open connections, and whose they are", 2, _clients),
    "KILL": _Command("KILL id", "ends one of them", 1, _kill),
    "HISTORY": _Command("HISTORY [JSON] [tunnel]", "the switches, the newest last", 2, _history),
    "RELOAD": _Command("RELOAD", "reads the configuration again and tells what changed", 0, _reload),
    "STOP": _Command("STOP", "ends the process as SIGTERM does", 0, _stop),
    "WAIT": _Command("WAIT seconds", "until every tunnel has a master", 1, _wait),
    "HELP": _Command("HELP", "this", 0, _help),
    "QUIT": _Command("QUIT", "ends this connection", 0, _quit),
    # What clients of Redis say by themselves; not worth a line of help.
    "COMMAND": _Command("COMMAND", "", protocol.MOST_WORDS, _describe_commands),
    "HELLO": _Command("HELLO [2|3]", "", protocol.MOST_WORDS, _greet),
    "CLIENT": _Command("CLIENT SETINFO|SETNAME", "", protocol.MOST_WORDS, _introduce),
}
