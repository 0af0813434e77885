"""RESP on the control socket: bytes to words and back, without any socket."""
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as some

from st.control import protocol
from st.control.protocol import MOST_BYTES, MOST_WORDS, ErrorReply, ProtocolError, Requests, parse_reply, request

Words = t.List[str]

WORDS = some.lists(some.text(max_size=20), min_size=1, max_size=5)


def taken(data: bytes) -> t.List[Words]:
    """Return all requests in `data`."""
    requests = Requests()
    requests.feed(data)
    return list(iter(requests.take, None))


@given(some.lists(WORDS, max_size=4), some.integers(1, 7))
def test_arrays_come_out_as_they_went_in(many: t.List[Words], size: int) -> None:
    """Any words, however the bytes are cut into pieces."""
    requests, found = Requests(), []
    data = b"".join(map(request, many))
    for at in range(0, len(data), size):
        requests.feed(data[at : at + size])
        found += list(iter(requests.take, None))
    assert found == many and not requests.begun


@given(some.binary(max_size=200))
def test_any_bytes_are_requests_or_an_error(data: bytes) -> None:
    """Nothing else happens, and nothing is kept that is longer than what came."""
    try:
        found = taken(data)
    except ProtocolError:
        return
    assert all(isinstance(word, str) for words in found for word in words)


@pytest.mark.parametrize("data, words", [
    (b"STATUS\r\n", [["STATUS"]]),
    (b"STATUS JSON\n", [["STATUS", "JSON"]]),
    (b"  KILL\t5 \r\nPING\r\n", [["KILL", "5"], ["PING"]]),
    (b"PING 'a b' \"c d\"\r\n", [["PING", "a b", "c d"]]),
    (b"\r\n\n", []),
    (b"*0\r\n*-1\r\nPING\r\n", [["PING"]]),
    (b"*1\r\n$0\r\n\r\n", [[""]]),
    (b"PING", []),
    (b"*2\r\n$4\r\nPING\r\n$1\r\n", [])])
def test_lines_and_arrays(data: bytes, words: t.List[Words]) -> None:
    """What a person types and what a library sends; a part of a request waits for the rest."""
    assert taken(data) == words


@pytest.mark.parametrize("data, why", [
    (b"\x16\x03\x01\x02", "neither an array nor a line of text"),
    (b"PING 'x\r\n", "quotes that are not closed"),
    (b"*x\r\n", "expected '*' and a number"),
    (b"*65\r\n", "a number up to 64"),
    (b"*1\r\nPING\r\n", "expected '$'"),
    (b"*1\r\n$-1\r\n", "a null among the words"),
    (b"*1\r\n$99999\r\n", "a number up to 65536"),
    (b"*1\r\n$4\r\nPINGS\r\n", "another length"),
    (b"*1\r\n$" + b"1" * 20, "expected '$'"),
    (b"x " * (MOST_WORDS + 1) + b"\r\n", "more than 64 words"),
    (b"x" * (MOST_BYTES + 1), "more than 65536 bytes"),
    (b"x" * MOST_BYTES + b"\r\n", "more than 65536 bytes"),
    (b"*2\r\n$40000\r\n%s\r\n$40000\r\n" % (b"x" * 40000) + b"x" * 40000, "more than 65536 bytes")])
def test_what_is_no_request_says_why(data: bytes, why: str) -> None:
    """Garbage and what is too much is an error at once, not a wait for more."""
    with pytest.raises(ProtocolError) as caught:
        taken(data)
    assert why in str(caught.value)


def test_what_comes_before_the_garbage_is_answered() -> None:
    """A request in the same piece as garbage counts."""
    requests = Requests()
    requests.feed(b"PING\r\n\x00")
    assert requests.take() == ["PING"] and requests.begun
    with pytest.raises(ProtocolError):
        requests.take()


@pytest.mark.parametrize("data, text", [
    (protocol.simple("OK"), "OK"), (protocol.bulk("two\nlines"), "two\nlines"), (protocol.bulk(""), "")])
def test_replies_are_read(data: bytes, text: str) -> None:
    """The whole reply and nothing less is one."""
    assert parse_reply(data) == text
    assert [parse_reply(data[:size]) for size in range(len(data))] == [None] * len(data)


def test_an_error_reply_is_raised() -> None:
    """As one line of ASCII, whatever was in it."""
    with pytest.raises(ErrorReply, match=r"\AERR a\\nb\\xe9\Z"):
        parse_reply(protocol.failure("ERR a\nb\u00e9"))


@pytest.mark.parametrize("data", [b"HTTP/1.1 400\r\n", b"*1\r\n", b"$x\r\n", b":1\r\n"])
def test_what_is_no_reply_of_ours_is_an_error(data: bytes) -> None:
    """Somebody else listens there."""
    with pytest.raises(ProtocolError):
        parse_reply(data)
