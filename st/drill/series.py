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
        found: t.List[Attempt] = []
        for batch, values in self._in_batches(attempts, "MGET"):
            found += [each for each, value in zip(batch, values) if value != b"%d" % each.number]
        return found

    def remove(self, attempts: t.Sequence[Attempt]) -> None:
        """Remove their keys; raise PeerError when that fails."""
        for _ in self._in_batches(attempts, "DEL"):
            pass

    def _in_batches(self, attempts: t.Sequence[Attempt], word: str) -> t.Iterator[t.Tuple[t.Sequence[Attempt], Reply]]:
        """Yield attempts with the reply to a command about their keys, some at a time."""
        conversation = converse(self._place, self._login, Deadline(TIMEOUT))
        try:
            for start in range(0, len(attempts), BATCH):
                batch = attempts[start:start + BATCH]
                keys = [self.prefix + str(each.number) for each in batch]
                yield batch, demand(conversation, [word, *keys], Deadline(TIMEOUT))
        finally:
            conversation.close()
