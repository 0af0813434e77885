"""RESP2: commands to bytes, replies to values. No I/O. The only module that imports hiredis."""
import re
import reprlib
import typing as t

import hiredis

Word = t.Union[bytes, str, int]
Command = t.Sequence[Word]
Reply = t.Any  # bytes, int, None, ReplyError, or a list of these
ReplyError = hiredis.ReplyError

MOST_BYTES = 4 << 20  # no reply that we ask for comes near this; 4,600 masters of SENTINEL MASTERS fill it
MOST_ARRAYS = 10000  # its release 2.0 spends 200 bytes on each `*1`, and knows no limit of depth
MOST_ELEMENTS = 250000
LONGEST_ERROR = 500  # characters that are kept of an error, which goes to the log, the status and waiting clients
# hiredis makes room for as many elements as a header announces, before one of them has come; and its release 2.0 ends
# the whole process at a map of RESP3 (which nobody asked for) that has an array as key. A line of a bulk string that
# looks like one is refused as well: nothing that we ask for has such a line, and telling them apart could go wrong.
DANGEROUS_HEADER = re.compile(rb"(?:^|\n)(?:[*>|]\+?\d{6,}|[%~]\d+\r\n)")
HEADER = re.compile(rb"(?:^|\n)[*>|]\+?(\d+)\r")
LONGEST_HEADER = 32  # bytes
# Which of these a bad reply raises differs between hiredis 1.0 and 3.5.
READER_FAULTS = (hiredis.ProtocolError, SystemError, MemoryError, ValueError, TypeError)


class MalformedReply(ValueError):
    """The bytes are not RESP, or announce more than anything we ask for."""


class _More:
    """The type of MORE, so that no reply can be taken for it."""


MORE = _More()


def encode(commands: t.Iterable[Command]) -> bytes:
    """Return the bytes of several commands, each an array of binary-safe bulk strings."""
    parts: t.List[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            data = word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
            parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class ReplyReader:
    """Cuts a stream of bytes into replies; what it holds is bounded. Useless after MalformedReply."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._raw = bytearray()  # fed since the last moment when no reply was left in the reader
        self._taken = 0  # replies taken out of _raw
        self._looked = 0  # bytes of _raw whose headers have been counted
        self._arrays = self._elements = 0  # as announced there

    def feed(self, data: bytes) -> None:
        """Add received bytes; raise MalformedReply when they could only be an attack or not RESP."""
        self._raw += data
        if len(self._raw) > MOST_BYTES:
            raise MalformedReply("more than %d bytes in replies" % MOST_BYTES)
        if DANGEROUS_HEADER.search(self._raw, max(0, len(self._raw) - len(data) - LONGEST_HEADER)):
            raise MalformedReply("an array of 100000 elements or more, or a map of RESP3")
        self._count_announced()
        self._reader.feed(data)

    def take(self) -> t.Union[Reply, _More]:
        """Return the next reply, or MORE when it is not complete yet."""
        try:
            reply = self._reader.gets()
        except READER_FAULTS as error:
            raise MalformedReply(str(error)) from error
        if reply is False:  # hiredis for "not complete"; RESP2 has no such value
            return MORE
        self._taken += 1
        if not self._reader.has_data():
            self._raw.clear()
            self._taken = self._looked = self._arrays = self._elements = 0
        return _shortened(reply) if isinstance(reply, ReplyError) else reply

    def rest(self) -> bytes:
        """Return the bytes after the replies taken so far, unchanged."""
        if not self._taken:
            return bytes(self._raw)
        low, high = 0, len(self._raw)
        while low < high:  # hiredis does not tell where a reply ends: the shortest beginning that has all of them does
            middle = (low + high) // 2
            low, high = (low, middle) if _has_replies(bytes(self._raw[:middle]), self._taken) else (middle + 1, high)
        return bytes(self._raw[low:])

    def _count_announced(self) -> None:
        """Raise MalformedReply when what came announces too much: many small headers cost as much as a large one."""
        for header in HEADER.finditer(self._raw, self._looked):
            self._looked = header.end()
            self._arrays += 1
            self._elements += int(header.group(1))
        self._looked = max(self._looked, len(self._raw) - LONGEST_HEADER)
        if self._arrays > MOST_ARRAYS or self._elements > MOST_ELEMENTS:
            raise MalformedReply("more than %d arrays, or %d elements in them" % (MOST_ARRAYS, MOST_ELEMENTS))


def _has_replies(data: bytes, number: int) -> bool:
    reader = hiredis.Reader()
    reader.feed(data)
    return all(reader.gets() is not False for _ in range(number))


def _shortened(error: Reply) -> Reply:
    return error if len(str(error)) <= LONGEST_ERROR else ReplyError(str(error)[:LONGEST_ERROR] + "...")


def text(value: Reply) -> str:
    """Return a reply as text for people and comparisons, whatever its bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, (str, Exception)) else shown(value)


def shown(reply: Reply) -> str:
    """Return the beginning of a reply for an error text; repr() would fail on one that is nested deep enough."""
    return reprlib.repr(reply)


def pairs(reply: Reply) -> t.Dict[str, str]:
    """Return a flat array of names and values as a dictionary; empty when the reply is none."""
    if not isinstance(reply, list) or len(reply) % 2:
        return {}
    return {text(reply[i]): text(reply[i + 1]) for i in range(0, len(reply), 2)}
