"""What is fuzzed: each target takes any bytes, and raises when something comes out that must not."""
import functools
import socket
import ssl
import typing as t

from st.config import Loaded, parse
from st.config.environment import PREFIX
from st.config.table import SETTINGS
from st.control import protocol
from st.control.commands import answer
from st.control.steering import Steering
from st.deadline import Deadline
from st.errors import ConfigError, PeerError
from st.ops import history
from st.sentinel.answers import read_answer, read_masters, read_peers
from st.sentinel.client import concerns
from st.web.answers import refusal
from st.web.answers import answer as web_answer
from st.web.exchange import reply
from st.web.request import BadRequest, Request
from st.web.request import parse as parse_request
from st.web.samples import Samples
from st.wire.resp import MORE, MalformedReply, ReplyReader, shown
from st.wire.role import judge_hello, judge_info, judge_role
from st.wire.tls import TlsSocket, secure
from tests.switches import switch
from tests.test_status import BOTH
from tests.tls_ends import presenting, trusting
from tests.web import views

NAME = "mymaster"
PIECES = (1, 3, 7, 65536)  # bytes that come at a time; the first byte of the input says which
LONG = 300  # bytes; more than these come at once, for speed


def _pieces(data: bytes) -> t.Iterator[bytes]:
    size = PIECES[data[0] % len(PIECES)] if 0 < len(data) <= LONG else 65536
    for start in range(1, len(data), size):
        yield data[start:start + size]


def _configured(make: t.Callable[[], Loaded]) -> None:
    """Every problem is a line that may be printed, and what is accepted can be told of."""
    try:
        told = list(make().warnings)
    except ConfigError as error:
        told = list(error.problems)
        assert told
    assert all(line.isprintable() for line in told), told


def ini(data: bytes) -> None:
    """An INI file."""
    _configured(lambda: parse(data.decode("utf-8", "ignore"), "f"))


def json(data: bytes) -> None:
    """A JSON file, of the original tool or ours."""
    _configured(lambda: parse("{" + data.decode("utf-8", "ignore"), "f"))


def environment(data: bytes) -> None:
    """Variables NAME=VALUE, a line each, as the system hands them over; the names get our prefix."""
    lines = [line.partition("=") for line in data.decode("utf-8", "surrogateescape").replace("\0", "").splitlines()]
    environ = {PREFIX + name: value for name, _, value in lines}
    _configured(lambda: parse("[tunnel:a]\nport = 1\n", None, None, environ))


def options(data: bytes) -> None:
    """Options NAME=VALUE and words of tunnels, a line each."""
    lines = data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    named = [line.partition("=") for line in lines]
    given = {name: value for name, _, value in named if name in SETTINGS}
    words = [line for line in lines if line.partition("=")[0] not in SETTINGS]
    _configured(lambda: parse("", None, given, {}, words))


def replies(data: bytes) -> None:
    """What a Sentinel or a node replies, and what is made of it."""
    reader, taken = ReplyReader(), []
    try:
        for piece in _pieces(data):
            reader.feed(piece)
            taken += list(iter(reader.take, MORE))
            reader.rest()
    except MalformedReply:
        pass
    for first, second in zip(taken, taken[1:] + [None]):
        for read in (lambda: read_answer(first, second, "s"), lambda: read_masters(first, "s"),
                     lambda: judge_role(first, "s")):  # type: t.Callable[[], t.Any]
            try:
                read()
            except PeerError as error:
                assert len(str(error)) < 2000
        read_peers(first), judge_info(first), judge_hello(first), concerns(first, [NAME]), shown(first)


def _steering() -> Steering:
    return Steering(lambda: BOTH, lambda: [], lambda number: False, lambda: [switch()], lambda: ["changed: poll"],
                    lambda: None, "f")


def control(data: bytes) -> None:
    """Requests on the control socket; each gets one reply that its client can read."""
    requests = protocol.Requests()
    try:
        for piece in _pieces(data):
            requests.feed(piece)
            for words in iter(requests.take, None):
                if words[0].upper() != "WAIT":
                    _check_reply(answer(_steering(), words, lambda: True, 1, "fuzz").reply)
    except protocol.ProtocolError as error:
        _check_reply(protocol.failure("ERR Protocol error: %s" % error))


def _check_reply(made: bytes) -> None:
    reader = ReplyReader()
    if made.startswith(b"%"):  # HELLO 3 is answered in RESP3, which nobody of ours reads
        return
    reader.feed(made)
    assert reader.take() is not MORE and reader.rest() == b"", made


def control_replies(data: bytes) -> None:
    """What somebody who poses as our process replies to a command."""
    try:
        text = protocol.parse_reply(data)
    except (protocol.ProtocolError, protocol.ErrorReply):
        return
    assert text is None or isinstance(text, str)


def http(data: bytes) -> None:
    """A request of HTTP; each has one answer with a whole head."""
    received, request = b"", None
    for piece in _pieces(data):
        received += piece
        try:
            request = parse_request(received)
            if request is None:
                assert len(received) < 10000
                continue
            made = web_answer(request, views(), Samples())
        except BadRequest as error:
            made = refusal(error)
        head, _, body = reply(made, (request or Request("GET", "", {}))._replace(method="GET")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 ") and len(head.split(b"\r\n")) < 11 and body
        return


def history_file(data: bytes) -> None:
    """Lines of the history file, which another program may have written."""
    lines = data.decode("utf-8", "replace").split("\n")
    found = [each for each in map(history._from_line, lines) if each]
    for line in history.as_text(found, 0.0).splitlines():
        assert line.isprintable()


@functools.lru_cache(None)
def _server() -> ssl.SSLContext:
    return presenting()


def tls(data: bytes) -> None:
    """What a client sends to a listener with TLS, all at once, and then no more."""
    ours, far = socket.socketpair()
    with ours, far:
        far.setblocking(False)
        try:
            far.send(data)
            far.shutdown(socket.SHUT_WR)
            made = secure(ours, _server(), None, Deadline(20), "fuzz")
            made.settimeout(20)
            while made.recv(65536):
                pass
        except (PeerError, OSError):
            pass


def _client_hello() -> bytes:
    ours, far = socket.socketpair()
    with ours, far:
        made = TlsSocket(ours, trusting(), "localhost")
        try:
            made.handshake(Deadline(0), "fuzz")
        except PeerError:
            pass
        return far.recv(65536)


class Target(t.NamedTuple):
    """A function to be called with bytes, and texts that its inputs are made of."""

    call: t.Callable[[bytes], None]
    parts: t.Sequence[bytes]


_VALUES = [b"127.0.0.1", b"[::1]:1", b"a:1, b:2", b"%s", b"500ms", b"1e9", b"yes", b"off", b"''", b"\"", b"\\",
           b"\xc3\xa9", b"\x1b[2J", b"\xe2\x80\xae", b"\r", b"\n", b"\n  ", b"=", b":", b"/", b"/run/x.sock", b"#",
           b";", b" ", b"0", b"-1", b"65536", b"10.0.0.0/8=1.2.3.4", b"99999999999999999999", b"9" * 5000, b"a" * 300]
_KEYS = [name.encode() for name in SETTINGS]
_RESP = [b"*1\r\n", b"*2\r\n", b"*3\r\n", b"*-1\r\n", b"$-1\r\n", b"$4\r\nname\r\n", b"$8\r\nmymaster\r\n",
         b"$0\r\n\r\n", b"$9\r\n127.0.0.1\r\n", b"$4\r\n6379\r\n", b"$2\r\nip\r\n", b"$4\r\nport\r\n",
         b"$5\r\nflags\r\n", b":1\r\n", b"$12\r\nconfig-epoch\r\n", b"-NOAUTH x\r\n", b"-ERR unknown command\r\n",
         b"+OK\r\n", b"%1\r\n", b">3\r\n", b"~1\r\n", b"$6\r\nmaster\r\n", b"$7\r\nmessage\r\n",
         b"$14\r\n+switch-master\r\n", b"*99999\r\n", b"$1000000000\r\n", b"_\r\n", b",1.5\r\n", b"#t\r\n",
         b"=5\r\ntxt:a\r\n", b"(1\r\n", b"!3\r\nERR\r\n", b"*?\r\n", b"$?\r\n", b"|1\r\n"]
_COMMANDS = [b"PING", b"STATUS", b"CLIENTS", b"KILL", b"HISTORY", b"RELOAD", b"STOP", b"HELP", b"QUIT", b"COMMAND",
             b"HELLO", b"CLIENT", b"SETINFO", b"JSON", b" ", b"\r\n", b"\n", b"'", b"\"", b"\\", b"3",
             b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$6\r\nSTATUS\r\n$4\r\nJSON\r\n", b"*0\r\n", b"*64\r\n", b"$65536\r\n",
             b"$-1\r\n", b"sessions", b"\x1b[2J"]
_HTTP = [b"GET ", b"HEAD ", b"POST ", b"/", b"/status", b"/metrics", b"/readiness", b"?tunnel=", b"sessions",
         b"%0d%0a", b"%", b"%ff", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"\r\n", b"\n", b"Host: h", b"http://h",
         b"?", b"&", b"=", b":", b"\0", b" ", b"\t", b"a" * 5000, b"Content-Length: 5",
         b"GET /readiness?tunnel=x HTTP/1.1\r\nHost: h\r\n\r\n"]
_HELLO = _client_hello()
_TLS = [_HELLO, _HELLO[:5], _HELLO[5:], _HELLO[:60], _HELLO[60:], b"\x16\x03\x01", b"\x16\x03\x03\xff\xff",
        b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x01a", b"\x14\x03\x03\x00\x01\x01", b"\0", b"\xff",
        b"PING\r\n", b"GET / HTTP/1.0\r\n\r\n"]
_HISTORY = [history._to_line(switch()).encode(), b"{", b"}", b"[", b"]", b"\n", b",", b":", b"\"", b"null", b"NaN",
            b"1e999", b"-1", b"true", b"\\u001b", b"\\ud800", b"\"at\": ", b"\"gap\": ", b"\"old\": ",
            b"\"closed\": ", b"[" * 2000, b"9" * 400]

_INI = [b"[sentinel-tunnel]\n", b"[tunnel:a]\n", b"sentinels=a\n", b"port=1\n"]
_JSON = [b'"', b"[", b"]", b"{", b"}", b",", b"null", b"[" * 2000, b'"Sentinels_addresses_list":["a:1"]',
         b'"Databases":[{"Name":"a","Local_port":"1"}]']
_VARIABLES = [name.upper() + b"=" for name in _KEYS] + [b"TUNNELS=a=1", b"CONFIG=x"]
_OPTIONS = [name + b"=" for name in _KEYS] + [b"a=1\n", b"b=[::1]:2\n"]

TARGETS = {
    "ini": Target(ini, _VALUES + _KEYS + _INI),
    "json": Target(json, _VALUES + _KEYS + _JSON),
    "environment": Target(environment, _VALUES + _VARIABLES),
    "options": Target(options, _VALUES + _OPTIONS),
    "replies": Target(replies, _RESP),
    "control": Target(control, _COMMANDS),
    "control_replies": Target(control_replies, _RESP),
    "http": Target(http, _HTTP),
    "history_file": Target(history_file, _HISTORY),
    "tls": Target(tls, _TLS),
}
