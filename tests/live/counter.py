"""Count through a tunnel, and find out afterwards which acknowledged writes are missing, and from when they are."""
import datetime
import itertools
import time
import typing as t

from tests.live.clients import PATIENCE, Repeated
from tests.live.hosts import Host
from tests.live.node import Node
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel

KEY = "written"  # a set
REPLICATION = 1.0  # seconds by which a replica may be behind when nothing is broken


class Write(t.NamedTuple):
    """A number that Redis has acknowledged; times are monotonic."""

    word: str
    sent: float
    acknowledged: float


class Writer:
    """Writes increasing numbers on one connection, and opens another when that has ended, or each time if `anew`."""

    def __init__(self, name: str, place: Host, address: t.Tuple[str, int], anew: bool = False) -> None:
        self.acknowledged: t.List[Write] = []
        self._name = name
        self._anew = anew
        self._place = place
        self._address = address
        self._numbers = itertools.count()
        self._talk: t.Optional[Talk] = None

    def write(self) -> None:
        """Write the next number. One that was not acknowledged is never tried again."""
        if self._talk is None:
            with self._place.inside():
                self._talk = Talk(self._address, timeout=PATIENCE)
        word = "%s-%d" % (self._name, next(self._numbers))
        sent = time.monotonic()
        try:
            self._talk.call("SADD", KEY, word)
        except BaseException:
            self.close()
            raise
        self.acknowledged.append(Write(word, sent, time.monotonic()))
        if self._anew:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None


class Counter:
    """Writers in threads of their own through one tunnel, from the beginning to the end of a `with` block."""

    def __init__(self, name: str, place: Host, tunnel: Tunnel, writers: int = 1, anew: bool = False) -> None:
        [address] = tunnel.addresses.values()
        self.writers = [Writer("%s-%d" % (name, number), place, address, anew) for number in range(writers)]
        self._runs = [Repeated(writer.write) for writer in self.writers]

    def __enter__(self) -> "Counter":
        for run in self._runs:
            run.__enter__()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        for run in self._runs:
            run.__exit__(*exc)
        for writer in self.writers:
            writer.close()

    def all_since(self, moment: float, least: int = 5) -> bool:
        """Tell whether every writer has had some writes acknowledged that it sent after a moment."""
        return all([write.sent > moment for write in writer.acknowledged[-least:]].count(True) >= least
                   for writer in self.writers)

    def acknowledged(self) -> int:
        """Return how many writes were acknowledged so far."""
        return sum(len(writer.acknowledged) for writer in self.writers)

    def failures(self) -> t.List[str]:
        """Return what the writes said that were not acknowledged."""
        return [failure.value for run in self._runs for failure in run.failures]

    def missing(self, master: Node) -> t.List[Write]:
        """Return the acknowledged writes that this master does not have, in the order in which they were sent."""
        kept = set(master.cli("SMEMBERS", KEY))
        written = [write for writer in self.writers for write in writer.acknowledged]
        return sorted((write for write in written if write.word not in kept), key=lambda write: write.sent)


def switches(tunnel: Tunnel, event: str = "switch") -> t.List[float]:
    """Return when (monotonic) the tunnel has adopted another master, or logged another event.

    What an event tells of was over by then.
    """
    ahead = time.time() - time.monotonic()
    lines = [line.split(" ", 3) for line in tunnel.log().splitlines()]
    return [_timestamp(line[0]) - ahead for line in lines if line[2:3] == [event]]


def unexcused(missing: t.Iterable[Write], adopted: t.Sequence[float], troubles: t.Sequence[float]) -> t.List[Write]:
    """Return the missing writes that no switch explains.

    Redis replicates after it has answered: what an old master took since the trouble that led to a switch began is
    lost with it. `adopted` are the moments of the switches, `troubles` those when something was broken.
    """
    def excused(write: Write) -> bool:
        switch = min((moment for moment in adopted if moment >= write.sent), default=None)
        begun = [moment for moment in troubles if switch is not None and moment <= switch]
        return bool(begun) and write.sent > max(begun) - REPLICATION

    return [write for write in missing if not excused(write)]


def report(missing: t.Sequence[Write], adopted: float) -> str:
    """Say how many acknowledged writes are missing, and when they were sent, seen from the adoption of the master."""
    if not missing:
        return "no acknowledged write is missing"
    return ("%d acknowledged writes are missing, sent %.3f s to %.3f s after the new master was adopted: %s ... %s"
            % (len(missing), missing[0].sent - adopted, missing[-1].sent - adopted, missing[0].word, missing[-1].word))


def _timestamp(text: str) -> float:
    """Return the seconds since the epoch; the log cuts off what is less than a millisecond."""
    zone = text[-6:].replace(":", "")  # CPython 3.6 knows no colon there
    return datetime.datetime.strptime(text[:-6] + zone, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() + 0.001
