"""The table of targets: for each tunnel where its connections go, and waiting for that; here, of masters."""
import threading
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.wire.dial import Endpoint
from st.wire.role import MASTER


class Target(t.NamedTuple):
    """Where a tunnel's connections go."""

    address: Address  # as Sentinels name it, after the address map
    endpoint: Endpoint  # numeric, as it was verified: nobody looks up names to connect a client
    epoch: t.Optional[int] = None  # config-epoch, None when Sentinels do not tell
    verified: bool = True  # it said that it has this role; False: it does not tell
    role: str = MASTER  # or REPLICA: what it must not deny to be


class Snapshot(t.NamedTuple):
    """A tunnel's row at one moment. `target` None: no new connection may be made, `reason` says why."""

    target: t.Optional[Target]
    generation: int  # tells this reign of the target from others
    reason: str


class Row:
    """What the rows have in common. The watcher alone writes a row; connections read it and wait for a change."""

    wanted = MASTER  # in words, what its connections go to

    def __init__(self, tunnel: str, master_name: str) -> None:
        self.tunnel = tunnel
        self.master_name = master_name
        self._changed = threading.Condition()  # its lock guards the attributes below, and those of the subclasses
        self._reason = ""
        self._without = 0.0  # seconds in all without a usable target, until `_without_since`
        self._without_since: t.Optional[float] = time.monotonic()  # None: it has one

    def now(self) -> Snapshot:
        """Return the row as it is."""
        with self._changed:
            return self._snapshot()

    def targets(self) -> t.Tuple[Target, ...]:
        """Return where connections go, also while new ones are held."""
        raise NotImplementedError

    def is_current(self, snapshot: Snapshot) -> bool:
        """Tell whether a connection to this target may go on. Takes no lock: it is asked of 1,000 in a row."""
        raise NotImplementedError

    def claim(self, deadline: Deadline, given_up: t.Callable[[], bool] = lambda: False) -> Snapshot:
        """Do as `wait_usable`, and count a connection at the target until `release`."""
        return self.wait_usable(deadline, given_up)

    def release(self, snapshot: Snapshot) -> None:
        """Count a connection no more."""

    def failed(self, snapshot: Snapshot) -> bool:
        """Note that a target could not be used; True when there is another one to be tried at once."""
        return False

    def wait_usable(self, deadline: Deadline, given_up: t.Callable[[], bool] = lambda: False) -> Snapshot:
        """Return the row once it has a usable target, at the deadline, or when `given_up` after a `wake`."""
        with self._changed:
            self._wait_usable(deadline, given_up)
            return self._snapshot()

    def wait_stale(self, snapshot: Snapshot, deadline: Deadline,
                   given_up: t.Callable[[], bool] = lambda: False) -> None:
        """Wait until the target is not current any more, the deadline, or `given_up` after a `wake`."""
        with self._changed:
            while self.is_current(snapshot) and not given_up() and not deadline.passed():
                self._changed.wait(deadline.left())

    def wake(self) -> None:
        """Let every waiting connection look again whether it was given up."""
        with self._changed:
            self._changed.notify_all()

    def unavailable(self) -> float:
        """Return the seconds, in all since the start, in which there was no usable target."""
        with self._changed:
            since = self._without_since
            return self._without + (0.0 if since is None else time.monotonic() - since)

    def _wait_usable(self, deadline: Deadline, given_up: t.Callable[[], bool]) -> None:
        while not self._usable() and not given_up() and not deadline.passed():
            self._changed.wait(deadline.left())

    def _note_usable(self) -> bool:
        """Count the time without a usable target; True when there is one again."""
        now, usable, since = time.monotonic(), self._serves(), self._without_since
        if usable and since is not None:
            self._without += now - since
            self._without_since = None
            return True
        if not usable and since is None:
            self._without_since = now
        return False

    def _usable(self) -> bool:
        raise NotImplementedError

    def _serves(self) -> bool:
        """Tell whether there is a usable target, as far as is known: connections may try one that does not answer."""
        return self._usable()

    def _snapshot(self) -> Snapshot:
        raise NotImplementedError


class MasterRow(Row):
    """The row of a tunnel to the master: one target, and its generation."""

    def __init__(self, tunnel: str, master_name: str) -> None:
        super().__init__(tunnel, master_name)
        self._target: t.Optional[Target] = None
        self._generation = 0  # counts switches: a connection of an older generation is stale
        self._held = False  # new connections wait although there is a target
        self._demoted = False  # held because the target said that it is no master
        self._good = True  # the target has answered as it should when it was last asked

    def targets(self) -> t.Tuple[Target, ...]:
        """Return the target, if there is one."""
        target = self.current()
        return () if target is None else (target,)

    def is_current(self, snapshot: Snapshot) -> bool:
        """Tell whether there was no switch since."""
        return snapshot.generation == self._generation

    def current(self) -> t.Optional[Target]:
        """Return the target, also while new connections are held."""
        with self._changed:
            return self._target

    @property
    def generation(self) -> int:
        """The generation that a connection must have to be carried on."""
        with self._changed:
            return self._generation

    def adopt(self, target: Target, hold: str = "") -> int:
        """Make `target` the master of a new generation and return that: all older connections are stale from now on.

        With `hold`, a reason, new connections wait all the same.
        """
        with self._changed:
            self._target = target
            self._generation += 1
            self._held, self._reason, self._demoted, self._good = bool(hold), hold, False, True
            self._note_usable()
            self._changed.notify_all()
            return self._generation

    def demote(self, reason: str) -> t.Optional[int]:
        """Make all connections stale and new ones wait: the target is no master now. None when that is so already.

        It stays the target: if it says master again, `conclude` lets connections in.
        """
        with self._changed:
            self._reason = reason
            if self._demoted:
                return None
            self._generation += 1
            self._held = self._demoted = True
            self._note_usable()
            self._changed.notify_all()
            return self._generation

    def refine(self, target: Target) -> None:
        """Note what was learned of the same master (epoch, spelling, verified) without making connections stale."""
        with self._changed:
            self._target = target

    def conclude(self, reason: str, hold: bool, good: bool = True) -> None:
        """Note in words what is wrong ("": nothing), and whether new connections wait although there is a target.

        A target that is not `good` is tried still, but the time counts as one without a master.
        """
        with self._changed:
            self._reason = reason
            if self._held and not hold:
                self._changed.notify_all()
            self._held, self._demoted, self._good = hold, False, good
            self._note_usable()

    def _usable(self) -> bool:
        return self._target is not None and not self._held

    def _serves(self) -> bool:
        return self._usable() and self._good

    def _snapshot(self) -> Snapshot:
        return Snapshot(None if self._held else self._target, self._generation, self._reason)
