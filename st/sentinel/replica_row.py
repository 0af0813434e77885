"""The row of a tunnel to replicas: several targets at a time, and which of them a connection gets."""
import time
import typing as t

from st.deadline import Deadline
from st.sentinel.masters import MasterRow, Row, Snapshot, Target
from st.sentinel.replicas import Load, pick
from st.wire.dial import Endpoint
from st.wire.role import MASTER

WARM_UP = 30.0  # seconds for which a replica that came (back) is fresh
FAILED_FOR = 2.0  # seconds for which a replica is avoided that a client could not use


class _Place:
    """One replica with the connections to it; `number` tells this stay from an earlier one at the same endpoint."""

    def __init__(self, target: Target, number: int) -> None:
        self.target = target
        self.number = number
        self.open = True  # new connections may go there
        self.since = time.monotonic()  # when it was opened
        self.failed_at = -FAILED_FOR  # monotonic time
        self.connections = 0

    def load(self) -> Load:
        """Return how busy it is."""
        now = time.monotonic()
        return Load(self.connections, now - self.since < WARM_UP, now - self.failed_at < FAILED_FOR)


class Changed(t.NamedTuple):
    """What an update did: who is open now and was not, who left or is not; `stale`: connections must be cut."""

    up: t.Tuple[Target, ...]
    down: t.Tuple[Target, ...]
    stale: bool


class ReplicaRow(Row):
    """Places at replicas; `master` is the row of their master, for the time when there are none."""

    wanted = "replica"

    def __init__(self, tunnel: str, master_name: str) -> None:
        super().__init__(tunnel, master_name)
        self.master = MasterRow(tunnel, master_name)  # has a lock of its own, which is taken after ours
        self._places: t.Dict[Endpoint, _Place] = {}
        self._numbers = 0
        self._current: t.FrozenSet[int] = frozenset()  # numbers of the places; replaced, never changed: read unlocked
        self._fallback = False  # without a replica the master is used
        self._held = False  # new connections wait in any case

    @property
    def generation(self) -> int:
        """The number of the newest place."""
        return self._numbers

    def places(self) -> t.Tuple[Target, ...]:
        """Return every replica that connections may go on to."""
        with self._changed:
            return tuple(place.target for place in self._places.values())

    def targets(self) -> t.Tuple[Target, ...]:
        """Return where new connections go, also while they are held: replicas, or else the master."""
        with self._changed:
            found = tuple(place.target for place in self._open())
            return found if found or not self._fallback else self.master.targets()

    def is_current(self, snapshot: Snapshot) -> bool:
        """Tell whether the replica has been in its place since; with the master, whether there was no switch."""
        if snapshot.target is not None and snapshot.target.role == MASTER:
            return self.master.is_current(snapshot)
        return snapshot.generation in self._current

    def claim(self, deadline: Deadline, given_up: t.Callable[[], bool] = lambda: False) -> Snapshot:
        """Wait for a usable target, and count a connection at it: choosing and counting are one step."""
        with self._changed:
            self._wait_usable(deadline, given_up)
            snapshot = self._snapshot()
            place = self._place_of(snapshot)
            if place is not None:
                place.connections += 1
            return snapshot

    def release(self, snapshot: Snapshot) -> None:
        """Count a connection no more."""
        with self._changed:
            place = self._place_of(snapshot)
            if place is not None:
                place.connections -= 1

    def failed(self, snapshot: Snapshot) -> bool:
        """Avoid a replica for a moment; True when there is another one to be tried at once."""
        with self._changed:
            place = self._place_of(snapshot)
            if place is not None:
                place.failed_at = time.monotonic()
            return not self._held and any(not each.load().failed for each in self._open())

    def update(self, use: t.Sequence[Target], keep: t.AbstractSet[Endpoint], fallback: bool, held: bool,
               reason: str) -> Changed:
        """Let new connections go to `use`, and those at `keep` go on; all others become stale."""
        with self._changed:
            before = self._places
            were_open = {place.target.endpoint for place in self._open()}
            self._places = {target.endpoint: self._opened(target) for target in use}
            for endpoint, place in before.items():
                if endpoint in keep and endpoint not in self._places and place.connections:
                    place.open = False
                    self._places[endpoint] = place
            gone, self._current = self._current, frozenset(place.number for place in self._places.values())
            self._fallback, self._held, self._reason = fallback, held, reason
            stale = not gone <= self._current
            if self._note_usable() or stale:
                self._changed.notify_all()
            return self._compare(before, were_open, stale)

    def _compare(self, before: t.Mapping[Endpoint, _Place], were_open: t.AbstractSet[Endpoint], stale: bool) -> Changed:
        up = tuple(place.target for place in self._open() if place.target.endpoint not in were_open)
        closed = [place for endpoint, place in before.items() if endpoint in were_open and not self._is_open(endpoint)]
        ended = [place for endpoint, place in before.items() if endpoint not in were_open
                 and endpoint not in self._places and place.connections]
        return Changed(up, tuple(place.target for place in closed + ended), stale)

    def _is_open(self, endpoint: Endpoint) -> bool:
        return endpoint in self._places and self._places[endpoint].open

    def _opened(self, target: Target) -> _Place:
        place = self._places.get(target.endpoint)
        if place is None:
            self._numbers += 1
            return _Place(target, self._numbers)
        if not place.open:
            place.open, place.since = True, time.monotonic()
        place.target = target
        return place

    def _open(self) -> t.List[_Place]:
        return [place for place in self._places.values() if place.open]

    def _place_of(self, snapshot: Snapshot) -> t.Optional[_Place]:
        if snapshot.target is None or snapshot.target.role == MASTER:
            return None
        place = self._places.get(snapshot.target.endpoint)
        return place if place is not None and place.number == snapshot.generation else None

    def _usable(self) -> bool:
        return not self._held and (bool(self._open()) or (self._fallback and self.master.now().target is not None))

    def _snapshot(self) -> Snapshot:
        places = [] if self._held else self._open()
        if places:
            place = places[pick([place.load() for place in places])]
            return Snapshot(place.target, place.number, self._reason)
        if self._fallback and not self._held:
            return self.master.now()._replace(reason=self._reason)
        return Snapshot(None, self._numbers, self._reason)
