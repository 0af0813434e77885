"""RESP as both ends of the control socket speak it: requests in, replies out and in. Bytes and values only."""
import re
import shlex
import typing as t

MOST_BYTES = 64 << 10  # of one request
MOST_WORDS = 64
LONGEST_LINE = 1 << 20  # bytes of a reply that is a line
LONGEST_REPLY = 32 << 20  # bytes; 100,000 connections take 30 MB

_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(rb"-?[0-9]{1,9}\Z")

_Words = t.List[str]


class ProtocolError(ValueError):
    """What came is no request, or no reply."""


class ErrorReply(Exception):
    """An error reply, without its `-`."""


class Requests:
    """Takes the bytes of one client and gives its requests: arrays of bulk strings, or lines of words."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def begun(self) -> bool:
        """Tell whether a part of a request is waiting for the rest."""
        return bool(self._data)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._data += data

    def take(self) -> t.Optional[_Words]:
        """Return the words of the next request, or None when it is not complete; raise ProtocolError."""
        while self._data:
            found = _array(self._data) if self._data.startswith(b"*") else _line(self._data)
            size = len(self._data) if found is None else found[1]
            if size > MOST_BYTES:
                raise ProtocolError("more than %d bytes" % MOST_BYTES)
            if found is None:
                return None
            del self._data[:size]
            if found[0]:  # an empty line or array asks for nothing
                return found[0]
        return None


def _line(data: bytearray) -> t.Optional[t.Tuple[_Words, int]]:
    end = data.find(b"\n")
    line = bytes(data if end < 0 else data[:end])
    line = line[:-1] if line.endswith(b"\r") else line
    if _UNPRINTABLE.search(line):
        raise ProtocolError("neither an array nor a line of text")
    if end < 0:
        return None
    try:
        words = shlex.split(_text(line))
    except ValueError as error:
        raise ProtocolError("quotes that are not closed") from error
    if len(words) > MOST_WORDS:
        raise ProtocolError("more than %d words" % MOST_WORDS)
    return words, end + 1


def _array(data: bytearray) -> t.Optional[t.Tuple[_Words, int]]:
    head = _number(data, 0, b"*", MOST_WORDS)
    if head is None:
        return None
    count, at = head
    words = []
    for _ in range(count):
        head = _number(data, at, b"$", MOST_BYTES)
        if head is None:
            return None
        size, at = head
        if size < 0:
            raise ProtocolError("a null among the words")
        if len(data) < at + size + 2:
            return None
        if data[at + size : at + size + 2] != b"\r\n":
            raise ProtocolError("a word of another length than was said")
        words.append(_text(bytes(data[at : at + size])))
        at += size + 2
    return words, at


def _number(data: bytearray, at: int, sign: bytes, most: int) -> t.Optional[t.Tuple[int, int]]:
    """Return the number behind `sign` and where its line ends, None when that has not come yet."""
    end = data.find(b"\r\n", at, at + 16)
    line = bytes(data[at : end if end >= 0 else at + 16])
    if line[:1] not in (b"", sign) or (end < 0 and len(line) == 16):
        raise ProtocolError("expected %r and a number" % sign.decode())
    if end < 0:
        return None
    if not _NUMBER.match(line[1:]) or int(line[1:]) > most:
        raise ProtocolError("expected %r and a number up to %d" % (sign.decode(), most))
    return int(line[1:]), end + 2


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def request(words: t.Sequence[str]) -> bytes:
    """Return the bytes of a request."""
    return _many(b"*%d\r\n", [_bulk(word.encode("utf-8", "surrogateescape")) for word in words])


def simple(text: str) -> bytes:
    """Return a short reply of one line; the text is one of ours."""
    return b"+%s\r\n" % text.encode("ascii")


def failure(text: str) -> bytes:
    """Return an error reply; whatever is not plain in the text is escaped, so that it stays one line."""
    return b"-%s\r\n" % text.encode("unicode_escape")


def bulk(text: str) -> bytes:
    """Return a text of any size."""
    return _bulk(text.encode("utf-8", "backslashreplace"))


def array(*replies: bytes) -> bytes:
    """Return a list of replies."""
    return _many(b"*%d\r\n", replies)


def mapping(*replies: bytes) -> bytes:
    """Return names and values in turn as a map, which RESP3 has."""
    return b"%%%d\r\n" % (len(replies) // 2) + b"".join(replies)


def number(value: int) -> bytes:
    """Return a whole number."""
    return b":%d\r\n" % value


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def _many(head: bytes, parts: t.Sequence[bytes]) -> bytes:
    return head % len(parts) + b"".join(parts)


def parse_reply(data: bytes) -> t.Optional[str]:
    """Return the text of the one reply in `data`, None when it is not complete; raise ErrorReply or ProtocolError."""
    kind, end = data[:1], data.find(b"\r\n", 0, LONGEST_LINE)
    if kind not in (b"", b"+", b"-", b"$"):
        raise ProtocolError("a reply that begins with %r" % kind)
    if end < 0:
        if len(data) >= LONGEST_LINE:
            raise ProtocolError("a line of more than %d bytes" % LONGEST_LINE)
        return None
    line = data[1:end]
    if kind == b"-":
        raise ErrorReply(_text(line))
    return _text(line) if kind == b"+" else _bulk_text(data, line, end + 2)


def _bulk_text(data: bytes, line: bytes, start: int) -> t.Optional[str]:
    if not _NUMBER.match(line):
        raise ProtocolError("a reply of a length that is no number")
    size = int(line)
    if size > LONGEST_REPLY:
        raise ProtocolError("a reply of more than %d bytes" % LONGEST_REPLY)
    return _text(data[start:start + size]) if len(data) >= start + size + 2 else None
