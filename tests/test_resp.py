"""RESP: commands become bytes, bytes become replies, and nothing that comes makes it grow or fail otherwise."""
import typing as t

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from st.wire.resp import (DANGEROUS_HEADER, MORE, MOST_BYTES, MalformedReply, ReplyError, ReplyReader, encode, pairs,
                          shown, text)
from tests import fakes

# What a Redis can send in RESP2, as the fakes write it and as we read it.
scalars = st.none() | st.integers(-2 ** 63, 2 ** 63 - 1) | st.binary(max_size=30)
replies = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=8)


def test_commands_are_binary_safe() -> None:
    """Words go out as bulk strings with their length in bytes, whatever is in them."""
    assert encode([["PING"], ["SENTINEL", "MASTER", "a b\r\n\u00e9"], [b"\x00\xff", 7]]) == (
        b"*1\r\n$4\r\nPING\r\n"
        b"*3\r\n$8\r\nSENTINEL\r\n$6\r\nMASTER\r\n$7\r\na b\r\n\xc3\xa9\r\n"
        b"*2\r\n$2\r\n\x00\xff\r\n$1\r\n7\r\n"
    )


def test_bytes_that_are_no_text_survive() -> None:
    """A name that came in as undecodable bytes goes out as the same bytes."""
    assert encode([[b"\xff\xfe".decode("utf-8", "surrogateescape")]]) == b"*1\r\n$2\r\n\xff\xfe\r\n"


@given(st.lists(st.lists(st.text(max_size=9) | st.binary(max_size=9), min_size=1, max_size=4), max_size=4))
def test_commands_are_read_back(commands: t.List[t.List[t.Union[str, bytes]]]) -> None:
    """The parser of the fakes reads the words that were written."""
    as_bytes = [[word if isinstance(word, bytes) else word.encode() for word in command] for command in commands]
    assert list(fakes.wire.RequestParser().feed(encode(commands))) == as_bytes


@given(st.lists(replies, min_size=1, max_size=5), st.data())
def test_replies_are_read_in_pieces(values: t.List[t.Any], data: st.DataObject) -> None:
    """However the bytes are cut, the same replies come out in their order, and then MORE."""
    stream = b"".join(map(fakes.encode, values))
    assume(not DANGEROUS_HEADER.search(stream))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, found = ReplyReader(), []
    for start, end in zip([0] + cuts, cuts + [len(stream)]):
        reader.feed(stream[start:end])
        found += list(iter(reader.take, MORE))
    assert found == values


@given(st.lists(replies, min_size=1, max_size=4), st.integers(0, 4), st.binary(max_size=20))
def test_rest_is_what_was_not_taken(values: t.List[t.Any], taken: int, end: bytes) -> None:
    """What follows the replies that were taken is given back byte for byte."""
    taken = min(taken, len(values))
    reader = ReplyReader()
    pieces = [fakes.encode(value) for value in values]
    assume(not DANGEROUS_HEADER.search(b"".join(pieces) + b"+" + end))
    reader.feed(b"".join(pieces) + b"+" + end)  # a reply without its end, or whatever the peer sent next
    for value in values[:taken]:
        assert reader.take() == value
    assert reader.rest() == b"".join(pieces[taken:]) + b"+" + end


def test_text_that_looks_like_a_header_is_text() -> None:
    """Only numbers of many digits are refused, not whatever begins with the sign of an array."""
    reader = ReplyReader()
    reader.feed(b"$12\r\n\n* a\n> text\n\r\n")
    assert reader.take() == b"\n* a\n> text\n"


def test_rest_knows_replies_that_were_taken_before() -> None:
    """Replies that came and went earlier do not shift what is left."""
    reader = ReplyReader()
    for data, rest in ((b"+a\r\n", b""), (b":1\r\n+b\r\n$3", b"+b\r\n$3"), (b"\r\nxyz\r\ntail", b"$3\r\nxyz\r\ntail")):
        reader.feed(data)
        reader.take()
        assert reader.rest() == rest


def test_an_error_is_a_value() -> None:
    """An error reply is returned, alone or in an array, also one that is no text."""
    reader = ReplyReader()
    reader.feed(b"-NOAUTH Authentication required.\r\n*1\r\n-ERR x\r\n-\xff\r\n")
    first, second, third = reader.take(), reader.take(), reader.take()
    assert isinstance(first, ReplyError) and str(first) == "NOAUTH Authentication required."
    assert isinstance(second, list) and isinstance(second[0], ReplyError) and isinstance(third, ReplyError)


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 400 Bad Request\r\n", b"*-2\r\n", b"*+3\r\n", b"$-7\r\n", b":x\r\n", b"\x00\x00\x00", b"\x16\x03\x01",
    b"SSH-2.0-OpenSSH_9.2\r\n", b"%1\r\n*0\r\n+a\r\n", b"*1\r\n%1\r\n*0\r\n+a\r\n",
])
def test_garbage_is_malformed(data: bytes) -> None:
    """Bytes that are not RESP, and lengths that no reply has, end in one exception of ours."""
    reader = ReplyReader()
    with pytest.raises(MalformedReply):
        reader.feed(data)
        while reader.take() is not MORE:
            pass


@pytest.mark.parametrize("header", [b"*100000\r\n", b"*2147483647\r\n", b"+a\r\n*1000000\r\n", b"*1\r\n*4294967296\r\n",
                                    b"*9223372036854775807\r\n"])
@pytest.mark.parametrize("piece", [1, 3, 100])
def test_a_huge_array_is_refused_before_room_is_made(header: bytes, piece: int) -> None:
    """A header that announces a huge array is refused as soon as its digits are there, also in pieces."""
    reader = ReplyReader()
    with pytest.raises(MalformedReply, match="100000"):
        for start in range(0, len(header), piece):
            reader.feed(header[start:start + piece])
            reader.take()


def test_an_endless_reply_is_refused() -> None:
    """A line or string without an end is refused when it has more bytes than any reply that we ask for."""
    for head in (b"+", b"$99999999\r\n"):
        reader, fed = ReplyReader(), 0
        reader.feed(head)
        with pytest.raises(MalformedReply, match="more than"):
            while fed <= MOST_BYTES:
                fed += 65536
                reader.feed(b"x" * 65536)
                assert reader.take() is MORE


def test_many_replies_do_not_add_up() -> None:
    """The bound is for what is held at one time, not for a long life."""
    reader = ReplyReader()
    for _ in range(2 * MOST_BYTES // 65536 + 2):
        reader.feed(b"$65530\r\n" + b"x" * 65530 + b"\r\n")
        assert reader.take() == b"x" * 65530
    assert reader.rest() == b""


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"*3\r\n", b"$4\r\n", b"\r\n", b"%2\r\n", b"-ERR\r\n"])))
def test_any_bytes_are_replies_or_malformed(chunks: t.List[bytes]) -> None:
    """No input makes the reader fail in any other way."""
    reader = ReplyReader()
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while reader.take() is not MORE:
                pass
            reader.rest()
    except MalformedReply:
        pass


def test_text_is_for_people() -> None:
    """Bytes are decoded, whatever they are; other values are shown."""
    assert (text(b"caf\xc3\xa9"), text(b"\xff"), text(7), text(None)) == ("caf\u00e9", "\ufffd", "7", "None")


def test_a_reply_of_any_depth_can_be_shown() -> None:
    """Arrays nested so deep that repr() gives up are shown by their beginning, as is a long string."""
    reader = ReplyReader()
    reader.feed(b"*1\r\n" * 2000 + b"*0\r\n")
    try:
        reply = reader.take()
    except MalformedReply:  # old releases of hiredis allow 7 levels
        reply = []
    assert len(text(reply)) < 100 and shown(b"x" * 1000).startswith("b'xxx") and len(shown(b"x" * 1000)) < 100


def test_pairs() -> None:
    """A flat array is a dictionary; what is none is an empty one."""
    assert pairs([b"ip", b"10.0.0.1", b"port", b"6379"]) == {"ip": "10.0.0.1", "port": "6379"}
    assert pairs([b"ip"]) == pairs(None) == pairs(b"ip") == pairs(ReplyError("ERR")) == {}
