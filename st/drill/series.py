"""The numbered keys of one drill: written, read, looked for afterwards, and removed."""
import os
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.drill.caller import Attempt, Login, converse, demand
from st.wire.resp import Command, Reply

PREFIX = "sentinel-tunnel:drill:"
EXPIRY = 900  # seconds; longer than any drill: whatever becomes of us, the keys go
BATCH = 500  # keys in one command
TIMEOUT = 5.0  # seconds for each


class Series:
    """Keys of a prefix of their own, each holding its number."""

    def __init__(self, place: Address, login: Login) -> None:
        self.prefix = "%s%s:" % (PREFIX, os.urandom(6).hex())
        self._place = place
        self._login = login

    def write(self, number: int) -> Command:
        """Return the command that writes a number."""
        return ["SET", self.prefix + str(number), number, "EX", EXPIRY]

    def read(self, number: int) -> Command:
        """Return the command that reads it."""
        return ["GET", self.prefix + str(number)]

    def missing(self, attempts: t.Sequence[Attempt]) -> t.List[Attempt]:
        """Return those whose number is not there; raise PeerError when that cannot be told."""
        values: t.List[Reply] = []
        for reply in self._in_batches("MGET", [attempt.number for attempt in attempts]):
            values += reply
        return [attempt for attempt, value in zip(attempts, values) if value != b"%d" % attempt.number]

    def remove(self, count: int) -> None:
        """Remove the keys of the first `count` numbers; raise PeerError when that fails."""
        for _ in self._in_batches("DEL", range(count)):
            pass

    def check(self) -> None:
        """Raise PeerError when `missing` or `remove` would be refused."""
        for word in ("MGET", "DEL"):
            for _ in self._in_batches(word, [-1]):  # a number that nobody writes
                pass

    def _in_batches(self, word: str, numbers: t.Sequence[int]) -> t.Iterator[Reply]:
        """Yield the replies to a command about the keys of these numbers, some at a time."""
        conversation = converse(self._place, self._login, Deadline(TIMEOUT))
        try:
            for start in range(0, len(numbers), BATCH):
                keys = [self.prefix + str(number) for number in numbers[start:start + BATCH]]
                yield demand(conversation, [word, *keys], Deadline(TIMEOUT))
        finally:
            conversation.close()
