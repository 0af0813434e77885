"""What clients do during a drill: one writes and one reads all the time, through a tunnel of this host."""
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.drill.caller import Attempt, Caller, Login
from st.drill.outcome import acknowledged
from st.drill.series import EXPIRY, PREFIX, Series
from st.errors import PeerError, SentinelTunnelError
from st.ops.advice import next_step

STEADY = 50  # attempts of each that must go well before anything is done
TIMEOUT = 5.0  # seconds for threads to end
RIGHTS = "the user needs these rights: ~%s* +set +get +mget +del" % PREFIX
_LOOK = 0.02  # seconds between two looks at how it goes


class DrillError(SentinelTunnelError):
    """The drill cannot be done; the message says why."""


class Traffic:
    """A writer, a reader of what was written last, and their keys. `say` prints for a person."""

    def __init__(self, place: Address, login: Login, say: t.Callable[[str], None]) -> None:
        self._series, self._say = Series(place, login), say
        self._writer = Caller("writer", place, login, self._series.write)
        self._reader = Caller("reader", place, login, self._read_last)

    @property
    def writes(self) -> t.Sequence[Attempt]:
        """What the writer has tried so far."""
        return self._writer.attempts

    @property
    def reads(self) -> t.Sequence[Attempt]:
        """What the reader has tried so far."""
        return self._reader.attempts

    @property
    def last_error(self) -> str:
        """What the last write said that failed, or ""."""
        return self._writer.last_error

    def start(self) -> None:
        """Begin."""
        self._writer.start()
        self._reader.start()

    def wait_steady(self, deadline: Deadline) -> None:
        """Wait until all goes well; raise DrillError when it does not, or the keys could not be looked at afterwards.
        """
        for caller in (self._writer, self._reader):
            while caller.good_since(0) < STEADY:
                hopeless = len(caller.attempts) >= STEADY and not caller.good_since(0)
                if hopeless or deadline.passed():
                    raise _useless(caller.last_error or "too slow")
                time.sleep(_LOOK)
        try:
            self._series.check()
        except PeerError as error:
            raise _useless(str(error)) from error

    def served_since(self, moment: float) -> bool:
        """Tell whether both were answered what they began after a moment."""
        return bool(self._writer.good_since(moment) and self._reader.good_since(moment))

    def stop(self) -> None:
        """End both, whatever they wait for; twice is fine."""
        self._writer.stop(Deadline(TIMEOUT))
        self._reader.stop(Deadline(TIMEOUT))

    def lost(self) -> t.Optional[t.List[Attempt]]:
        """Return the acknowledged writes that are not there any more; None when nobody can tell, which is said."""
        try:
            return self._series.missing(acknowledged(self.writes))
        except PeerError as error:
            self._say("what was lost is not known: %s" % error)
            return None

    def remove_keys(self) -> None:
        """Remove all keys; what is left is said."""
        try:
            self._series.remove(self._writer.begun)
        except PeerError as error:
            self.tell_left(str(error))

    def tell_left(self, why: str) -> None:
        """Say that the keys are still there."""
        if acknowledged(self.writes):
            self._say("keys %s* are left, until Redis removes them after %d min at the most: %s"
                      % (self._series.prefix, EXPIRY // 60, why))

    def _read_last(self, number: int) -> t.Any:
        return self._series.read(self.writes[-1].number if self.writes else number)


def _useless(error: str) -> DrillError:
    """Return why nothing is done: what is to be measured fails already."""
    step = RIGHTS if "NOPERM" in error else next_step(error)
    return DrillError("; ".join(filter(None, [
        "nothing was done: the master cannot be written and read: %s" % error, step])))
