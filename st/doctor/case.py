"""One master name at a time: who says what of it. Pure."""
import typing as t

from st.doctor.values import NodeSeen, Seen, SentinelSeen, Told


class Teller(t.NamedTuple):
    """One Sentinel and what it says of the name in question."""

    sentinel: SentinelSeen
    told: Told


class Case(t.NamedTuple):
    """One master name, with what was seen of it: `first` and `second` are the Sentinels that monitor it, in two looks.

    Without a second look, `second` is the first one.
    """

    name: str
    seen: Seen
    first: t.Tuple[Teller, ...]
    second: t.Tuple[Teller, ...]

    @property
    def master(self) -> t.Optional[NodeSeen]:
        """The node that most of the Sentinels name."""
        named = [teller.told.address for teller in self.first if teller.told.address]
        return self.seen.nodes.get(max(named, key=named.count)) if named else None

    @property
    def in_failover(self) -> bool:
        """Tell whether a failover runs, in which much is different for a while."""
        return any("failover_in_progress" in teller.told.flags for teller in self.first + self.second)


def case_of(seen: Seen, name: str) -> Case:
    """Return what was seen of one name."""
    first = _tellers(seen.sentinels, name)
    return Case(name, seen, first, _tellers(seen.again, name) if seen.again else first)


def voices(sentinels: t.Iterable[SentinelSeen]) -> t.List[SentinelSeen]:
    """Return the Sentinels that answered, each process once."""
    found: t.Dict[str, SentinelSeen] = {}
    for sentinel in sentinels:
        if sentinel.trouble is None:
            found.setdefault(sentinel.process, sentinel)
    return list(found.values())


def _tellers(sentinels: t.Iterable[SentinelSeen], name: str) -> t.Tuple[Teller, ...]:
    tellers = [Teller(sentinel, sentinel.told.get(name, Told(unknown=True))) for sentinel in voices(sentinels)]
    return tuple(teller for teller in tellers if not teller.told.unknown)
