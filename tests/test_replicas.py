"""Which replicas are fit to be used, and which of them a client gets."""
import collections
import random
import typing as t

import hypothesis.strategies as st
import pytest
from hypothesis import given

from st.address import Address
from st.sentinel.answers import Listed
from st.sentinel.election import UNREACHABLE
from st.sentinel.replicas import DROP, KEEP, USE, Load, Opinion, Seen, judge, opinions, pick
from st.wire.role import MASTER, REPLICA, SENTINEL, UNKNOWN, Role

A, B = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)
ALL, NONE = Opinion(3, 3), Opinion(3, 0)
MOST_DOWN, MOST_UNLINKED = Opinion(3, 3, down=2), Opinion(3, 3, unlinked=2)
SAYS_REPLICA, SYNCING = Role(REPLICA), Role(REPLICA, link="sync")
SILENT, TIGHT_LIPPED = Role(UNREACHABLE, "no reply"), Role(UNKNOWN, "NOPERM")

ROLES = st.sampled_from([None, SAYS_REPLICA, SYNCING, SILENT, TIGHT_LIPPED, Role(MASTER), Role(SENTINEL)])
LOADS = st.lists(st.builds(Load, st.integers(0, 50), st.booleans(), st.booleans()), min_size=1, max_size=6)


@st.composite
def an_opinion(draw: t.Callable[..., t.Any]) -> Opinion:
    """Make counts that fit together."""
    told = draw(st.integers(0, 7))
    listed = draw(st.integers(0, told))
    return Opinion(told, listed, draw(st.integers(0, listed)), draw(st.integers(0, listed)))


SEEN = st.builds(Seen, an_opinion(), ROLES, st.booleans(), st.booleans())


@pytest.mark.parametrize("opinion, role, fate, words", [
    (ALL, SAYS_REPLICA, USE, ""),
    (ALL, TIGHT_LIPPED, USE, ""),
    (Opinion(3, 3, down=1, unlinked=1), SAYS_REPLICA, USE, ""),
    (Opinion(2, 1), SAYS_REPLICA, USE, ""),
    (ALL, Role(MASTER), DROP, "says that it is master, not a replica"),
    (Opinion(3, 1), SAYS_REPLICA, DROP, "is not listed by the Sentinels"),
    (MOST_DOWN, SAYS_REPLICA, KEEP, "is down, say 2 of 3 Sentinels"),
    (MOST_UNLINKED, SAYS_REPLICA, KEEP, "has no link to its master"),
    (MOST_UNLINKED, TIGHT_LIPPED, DROP, "has no link to its master"),
    (ALL, SILENT, KEEP, "no reply"),
    (MOST_DOWN, SILENT, DROP, "no reply"),
    (ALL, None, KEEP, "has not told its role yet"),
])
def test_the_fate_of_a_replica(opinion: Opinion, role: t.Optional[Role], fate: str, words: str) -> None:
    """Each rule, for a replica that is in use while nothing is wrong with the master."""
    assert judge(Seen(opinion, role, in_use=True), calm=True) == (fate, words)


def test_a_lost_link_ends_the_use() -> None:
    """Once it was seen twice; once alone, it is the moment in which the master went down."""
    assert judge(Seen(ALL, SYNCING, in_use=True), calm=True).what == USE
    assert judge(Seen(ALL, SYNCING, lost=True, in_use=True), calm=True) == (DROP, "has no link to its master (sync)")


def test_a_replica_without_link_is_not_taken() -> None:
    """Neither by its own word nor by that of the Sentinels, in a failover or not."""
    for calm in (True, False):
        assert judge(Seen(ALL, SYNCING), calm).what == KEEP
        assert judge(Seen(MOST_UNLINKED, SAYS_REPLICA), calm).what == KEEP


def test_a_role_that_is_not_told_is_not_enough_for_strict() -> None:
    """With role_check = strict."""
    assert judge(Seen(ALL, TIGHT_LIPPED, in_use=True), calm=True, strict=True).what == DROP


@given(seen=SEEN)
def test_in_a_failover_a_replica_that_answers_stays(seen: Seen) -> None:
    """Whatever the Sentinels say of it and of its link, as long as one lists it or none tells."""
    seen = seen._replace(role=SAYS_REPLICA, in_use=True)
    gone = seen.opinion.told and not seen.opinion.listed
    assert judge(seen, calm=False).what == (DROP if gone else USE)


@given(seen=SEEN, calm=st.booleans(), strict=st.booleans())
def test_who_is_used_is_fit(seen: Seen, calm: bool, strict: bool) -> None:
    """Nobody is used who says that he is no replica or says nothing, and no stranger with any doubt about him."""
    if judge(seen, calm, strict).what != USE:
        return
    assert seen.role is not None and seen.role.name in (REPLICA, UNKNOWN)
    assert not (strict and seen.role.name == UNKNOWN)
    if not seen.in_use:
        assert not seen.role.link and 2 * seen.opinion.down <= seen.opinion.listed and seen.opinion.listed


@given(seen=SEEN, calm=st.booleans(), strict=st.booleans())
def test_who_is_not_used_is_told_why(seen: Seen, calm: bool, strict: bool) -> None:
    """In words; and who is used needs none."""
    fate = judge(seen, calm, strict)
    assert bool(fate.why) == (fate.what != USE)


def test_the_opinions_are_counted() -> None:
    """By replica; a Sentinel that lists one twice counts once."""
    twice = [Listed(A, False, True), Listed(A, True, True), Listed(B, False, False)]
    assert opinions([twice, [Listed(A, True, True)], []]) == {A: Opinion(3, 2, 2, 0), B: Opinion(3, 1, 0, 1)}


def test_the_least_busy_is_picked() -> None:
    """And at a tie all have the same chance."""
    assert pick([Load(3), Load(1), Load(2)]) == 1
    assert pick([Load(1), Load(2), Load(1)], choose=len) == 2  # places in the list, of which one is drawn


def test_one_that_failed_is_avoided() -> None:
    """Unless all of them have."""
    assert pick([Load(0, failed=True), Load(9)]) == 1
    assert pick([Load(0, failed=True), Load(9, failed=True)]) == 0


@given(loads=LOADS)
def test_the_pick_is_one_of_them(loads: t.List[Load]) -> None:
    """And no settled one is busier than another settled one that could have been picked."""
    position = pick(loads)
    able = [load for load in loads if not load.failed] or loads
    assert loads[position] in able
    settled = [load.connections for load in able if not load.fresh]
    assert loads[position].fresh or loads[position].connections == min(settled)


@given(settled=st.integers(1, 5), busy=st.integers(1, 500), seed=st.integers())
def test_a_fresh_replica_gets_a_share(settled: int, busy: int, seed: int) -> None:
    """About half of the new clients at the most, however few it has and however many the others; and some."""
    counts, clients, choose = [busy] * settled + [0], 300, random.Random(seed).choice
    for _ in range(clients):
        loads = [Load(count, fresh=position == settled) for position, count in enumerate(counts)]
        counts[pick(loads, choose)] += 1
    assert clients / 20 < counts[settled] < clients * 2 / 3


@given(clients=st.integers(0, 60), replicas=st.integers(1, 5), fresh=st.booleans())
def test_clients_are_spread_evenly(clients: int, replicas: int, fresh: bool) -> None:
    """From the start, when all are fresh, and later."""
    counts: t.Counter[int] = collections.Counter(range(replicas))
    for _ in range(clients):
        counts[pick([Load(counts[each], fresh) for each in range(replicas)])] += 1
    assert max(counts.values()) - min(counts.values()) <= 1
