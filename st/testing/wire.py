"""RESP for the fakes: bytes to commands, values to replies; written apart from the code under test."""
import typing as t

Command = t.List[bytes]
Value = t.Any  # what encode() takes


class Simple(str):
    """A status reply, `+OK`."""


class Error(str):
    """An error reply, `-ERR ...`."""


class Verbatim(str):
    """A text that RESP3 marks as such, as INFO does; a bulk string in RESP2."""


class Push(t.List[t.Any]):
    """An array that RESP3 marks as out of band, as Pub/Sub does."""


class Several(t.List[t.Any]):
    """Replies that one command gets one after the other."""


NIL_ARRAY = object()  # `*-1`, where None is `$-1`


class ProtocolError(ValueError):
    """The peer did not speak RESP; the text is the one of Redis."""


def encode(value: Value, protocol: int = 2) -> bytes:
    """Return `value` as a reply in RESP2 or RESP3; a dict is flat in RESP2."""
    if value is None or value is NIL_ARRAY:
        return b"_\r\n" if protocol == 3 else b"$-1\r\n" if value is None else b"*-1\r\n"
    if isinstance(value, (Simple, Error)):
        return (b"+" if isinstance(value, Simple) else b"-") + value.encode() + b"\r\n"
    if isinstance(value, Verbatim) and protocol == 3:
        return b"=%d\r\ntxt:%s\r\n" % (len(value.encode()) + 4, value.encode())
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        return b"$%d\r\n%s\r\n" % (len(data), data)
    return _encode_many(value, protocol)


def _encode_many(value: Value, protocol: int) -> bytes:
    items = [item for pair in value.items() for item in pair] if isinstance(value, dict) else value
    body = b"".join(encode(item, protocol) for item in items)
    if isinstance(value, Several):
        return body
    if isinstance(value, dict) and protocol == 3:
        return b"%%%d\r\n" % len(value) + body
    return (b">%d\r\n" if isinstance(value, Push) and protocol == 3 else b"*%d\r\n") % len(items) + body


class RequestParser:
    """Cuts the bytes of a client into commands, in RESP or inline."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> t.Iterator[Command]:
        """Yield each command that is complete with `data`; raise ProtocolError at the first byte that is wrong."""
        self._buffer += data
        while True:
            taken, words = self._next()
            if not taken:
                return
            del self._buffer[:taken]
            if words:
                yield words

    def _next(self) -> t.Tuple[int, Command]:
        """Return the length of the first command and its words, or 0 while it is not complete."""
        end = self._buffer.find(b"\n") + 1
        if not end or not self._buffer.startswith(b"*"):
            return end, bytes(self._buffer[:end]).split()
        words: Command = []
        for _ in range(_number(self._buffer[1:end], "invalid multibulk length")):
            start = self._buffer.find(b"\n", end) + 1
            if not start:
                return 0, []
            if self._buffer[end:end + 1] != b"$":
                raise ProtocolError("expected '$', got '%s'" % chr(self._buffer[end]))
            size = _number(self._buffer[end + 1:start], "invalid bulk length")
            end = start + size + 2
            if len(self._buffer) < end:
                return 0, []
            words.append(bytes(self._buffer[start:start + size]))
        return end, words


def _number(digits: bytearray, problem: str) -> int:
    if not digits.strip().isdigit():
        raise ProtocolError(problem)
    return int(digits)
