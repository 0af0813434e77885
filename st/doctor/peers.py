"""What the Sentinels say of each other. Pure."""
import typing as t

from st.address import Address
from st.doctor.case import voices
from st.doctor.passing import most
from st.doctor.values import Fields, Seen, SentinelSeen, address_of, is_down, number

NO_ID = "older than Redis 6.2, or no right to SENTINEL MYID"


class Peer(t.NamedTuple):
    """One Sentinel, as others list it: under one address, for these master names."""

    address: Address
    ids: t.FrozenSet[str]
    names: t.Tuple[str, ...]
    down: bool  # say most that list it
    silent: int  # milliseconds since its last good reply to any of them
    by: t.Tuple[Address, ...]  # who calls it down


def peers(seen: Seen) -> t.List[Peer]:
    """Return every Sentinel that any of those who answered lists."""
    found: t.Dict[Address, t.List[t.Tuple[SentinelSeen, str, Fields]]] = {}
    for sentinel in voices(seen.sentinels):
        for name in seen.names:
            told = sentinel.told.get(name)
            for fields in (told.sentinels if told else None) or ():
                address = address_of(fields)
                if address is not None:
                    found.setdefault(address, []).append((sentinel, name, fields))
    return [_peer(address, entries) for address, entries in found.items()]


def _peer(address: Address, entries: t.Sequence[t.Tuple[SentinelSeen, str, Fields]]) -> Peer:
    told = [fields for _, _, fields in entries]
    return Peer(address, frozenset(fields.get("runid", "") for fields in told),
                tuple(sorted({name for _, name, _ in entries})), most(told, is_down),
                min(number(fields, "last-ok-ping-reply") or 0 for fields in told),
                tuple(sorted({sentinel.address for sentinel, _, fields in entries if is_down(fields)})))


def at(seen: Seen, address: Address) -> t.Optional[SentinelSeen]:
    """Return the Sentinel that is known by an address."""
    return next((sentinel for sentinel in seen.sentinels if address in sentinel.places), None)


def known_as(seen: Seen, peer: Peer) -> t.Optional[SentinelSeen]:
    """Return the Sentinel that answered under another address than the one that others list, by its id."""
    return next((sentinel for sentinel in voices(seen.sentinels)
                 if sentinel.myid in peer.ids and sentinel.myid and peer.address not in sentinel.places), None)
