"""The RESP of the fakes, with literals."""
import typing as t

import pytest

from st.testing.wire import (
    NIL_ARRAY, Error, ProtocolError, Push, RequestParser, Several, Simple, Value, Verbatim, encode,
)

REQUESTS = b"PING\r\n\r\n*0\r\n*2\r\n$4\r\nECHO\r\n$4\r\n\r\n*$\r\n  get   a \n"
COMMANDS = [[b"PING"], [b"ECHO", b"\r\n*$"], [b"get", b"a"]]

ENCODED = [
    (None, b"$-1\r\n", b"_\r\n"),
    (NIL_ARRAY, b"*-1\r\n", b"_\r\n"),
    (Simple("OK"), b"+OK\r\n", b"+OK\r\n"),
    (Error("ERR x"), b"-ERR x\r\n", b"-ERR x\r\n"),
    (-7, b":-7\r\n", b":-7\r\n"),
    ("\xe9", b"$2\r\n\xc3\xa9\r\n", b"$2\r\n\xc3\xa9\r\n"),
    (Verbatim("hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
    ([b"a", [1]], b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n"),
    ({"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
    (Push([1]), b"*1\r\n:1\r\n", b">1\r\n:1\r\n"),
    (Several([1, 2]), b":1\r\n:2\r\n", b":1\r\n:2\r\n"),
]


@pytest.mark.parametrize("value, resp2, resp3", ENCODED)
def test_encode(value: Value, resp2: bytes, resp3: bytes) -> None:
    """Each kind of value has its form in both protocols."""
    assert (encode(value), encode(value, 3)) == (resp2, resp3)


@pytest.mark.parametrize("size", range(1, len(REQUESTS) + 1))
def test_requests_in_pieces(size: int) -> None:
    """However the bytes are cut, the commands are the same and empty ones are passed over."""
    parser = RequestParser()
    pieces = [REQUESTS[start:start + size] for start in range(0, len(REQUESTS), size)]
    assert [command for piece in pieces for command in parser.feed(piece)] == COMMANDS


@pytest.mark.parametrize("data, problem", [
    (b"*x\r\n", "invalid multibulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n+a\r\n", "expected '\\$', got '\\+'"),
])
def test_wrong_bytes(data: bytes, problem: str) -> None:
    """Commands before the wrong byte are given, then the problem is raised."""
    commands: t.Iterator[t.List[bytes]] = RequestParser().feed(b"PING\r\n" + data)
    assert next(commands) == [b"PING"]
    with pytest.raises(ProtocolError, match=problem):
        next(commands)
