"""Answers in, decision out: examples of every rule, and what must hold whatever the answers are."""
import typing as t

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from st.address import Address
from st.sentinel.election import UNREACHABLE, Current, Verdict, Vote, decide
from st.wire.role import MASTER, REPLICA, SENTINEL, UNKNOWN, Role

A, B, C = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379), Address("10.0.0.3", 6379)
ALL_MASTERS = {address: Role(MASTER) for address in (A, B, C)}
Told = t.Tuple[Address, t.Optional[int]]


def votes_of(*told: Told) -> t.List[Vote]:
    """Return one vote of a different Sentinel for each address and epoch."""
    return [Vote("s%d" % number, address, epoch) for number, (address, epoch) in enumerate(told)]


def choice_of(told: t.Sequence[Told], current: t.Optional[Told] = None, known: int = 3, complete: bool = True,
              roles: t.Mapping[str, str] = {}, stuck: bool = False) -> t.Optional[Told]:
    """Return the choice when A, B and C are masters but for `roles`; None: keep what there is."""
    said = dict(ALL_MASTERS)
    said.update({{"a": A, "b": B, "c": C}[key]: Role(name) for key, name in roles.items()})
    verdict = decide(votes_of(*told), current and Current(*current), said, known, complete, stuck=stuck)
    return None if verdict.choice is None else tuple(verdict.choice)  # type: ignore[return-value]


@pytest.mark.parametrize("told, current, choice", [
    ([(A, 1), (A, 1), (A, 1)], None, (A, 1)),
    ([(A, 1), (A, 1), (B, 2)], None, (B, 2)),  # the greater epoch wins, be it of one
    ([(A, 1), (A, 1), (B, 2)], (A, 1), (B, 2)),
    ([(A, 1), (B, 2), (C, 3)], (A, 1), (C, 3)),
    ([(A, 2), (A, 2), (A, 2)], (A, 1), (A, 2)),  # A again, in a new reign
    ([(A, 1), (B, 1), (B, 1)], (A, 1), (B, 1)),  # at a tie the majority of those known
    ([(A, 1), (B, 1)], (A, 1), (A, 1)),  # no majority: the current one while it is master
    ([(B, 1), (C, 1)], (A, 1), (A, 1)),
    ([(B, 1), (B, 1)], (A, 1), (B, 1)),
    ([(B, 1)], (A, 1), (A, 1)),
    ([(A, 1), (B, 2), (C, 2)], (A, 1), (B, 2)),  # a tie among newer ones: the first of them, always the same
    ([(A, 1), (B, 2), (A, 2)], (A, 1), (A, 2)),  # a tie at a newer epoch with the current one among them
    ([(B, 0), (B, 0)], (A, 5), (B, 0)),  # a lower epoch from a majority: Sentinels were reset
    ([(B, 0), (C, 0), (C, 1)], (A, 5), (C, 1)),
    ([(B, 0)], (A, 5), (A, 5)),  # a lower epoch from a minority
    ([(B, 0), (C, 0), (A, 4)], (A, 5), (A, 5)),
    ([(A, None), (A, None)], None, (A, None)),  # nobody tells an epoch: a majority, else the current one
    ([(B, None), (B, None)], (A, None), (B, None)),
    ([(B, None), (A, None)], (A, None), (A, None)),
    ([(B, None)], (A, 5), (A, 5)),
    ([(B, None), (B, None)], (A, 5), (B, None)),
    ([(A, None), (A, None), (B, 3)], (A, None), (B, 3)),  # who tells an epoch is believed before who does not
    ([(A, None), (A, 3), (B, 3)], None, (A, 3)),  # who does not tell supports an address
    ([], (A, 1), None),
    ([], None, None),
])
def test_rules(told: t.List[Told], current: t.Optional[Told], choice: t.Optional[Told]) -> None:
    """Each rule alone, three Sentinels being known and every node saying that it is master."""
    assert choice_of(told, current) == choice


@pytest.mark.parametrize("told, current, roles, choice", [
    ([(A, 1), (B, 1)], (A, 1), {"a": REPLICA}, (B, 1)),  # a tie: one that says so
    ([(A, 1), (B, 1)], (A, 1), {"a": UNKNOWN}, (B, 1)),
    ([(A, 1), (B, 1)], (A, 1), {"a": UNKNOWN, "b": UNKNOWN}, (A, 1)),  # nobody tells: no reason to move
    ([(A, 1), (B, 1)], (A, 1), {"a": UNREACHABLE, "b": UNKNOWN}, None),  # a minority's word alone moves nobody
    ([(B, 2), (B, 2)], (A, 1), {"b": REPLICA}, None),  # named by all, not master (yet)
    ([(B, 2), (B, 2)], (A, 1), {"b": UNREACHABLE}, None),
    ([(B, 2), (B, 2)], (A, 1), {"b": SENTINEL}, None),
    ([(B, 2), (B, 2)], (A, 1), {"b": UNKNOWN}, (B, 2)),
    ([(A, 1), (A, 1)], (A, 1), {"a": REPLICA}, None),
    ([(B, 1), (B, 1), (A, 1)], (A, 1), {"b": REPLICA}, None),  # neither the majority's nor the minority's
    ([(B, 0), (B, 0)], (A, 5), {"b": REPLICA}, None),
    ([(B, 0)], (A, 5), {"a": REPLICA}, None),  # a minority at a lower epoch never, whatever the current one says
])
def test_roles(told: t.List[Told], current: Told, roles: t.Dict[str, str], choice: t.Optional[Told]) -> None:
    """What says master is chosen, else what does not tell if the votes leave no other; a replica never."""
    assert choice_of(told, current, roles=roles) == choice


def test_before_the_round_is_complete() -> None:
    """Early answers count when they are newer than what there is, and not for the first choice."""
    assert choice_of([(B, 2)], (A, 1), complete=False) == (B, 2)
    assert choice_of([(B, 1), (B, 1)], (A, 1), complete=False) is None
    assert choice_of([(B, 0), (B, 0)], (A, 1), complete=False) is None
    assert choice_of([(B, 2)], None, complete=False) is None
    assert choice_of([(B, None), (B, None)], (A, None), complete=False) is None


def test_strict() -> None:
    """A role that is not told is no master for who insists."""
    verdict = decide(votes_of((A, 1)), None, {A: Role(UNKNOWN, "NOPERM x")}, 3, strict=True)
    assert verdict == Verdict(None, (), 0, "10.0.0.1:6379 does not tell its role: NOPERM x")
    assert decide(votes_of((A, 1)), None, {A: Role(MASTER)}, 3, strict=True).choice == Current(A, 1)


def test_roles_are_asked_first() -> None:
    """Nothing is chosen that was not asked; all that may matter are asked at once; a bad one is asked no more."""
    votes = votes_of((A, 1), (B, 1), (C, 0))
    assert decide(votes, None, {}, 3).ask == (A, B)
    assert decide(votes, None, {B: Role(MASTER)}, 3).ask == (A,)
    assert decide(votes, None, {A: Role(MASTER)}, 3) == Verdict(Current(A, 1), (), 1)
    assert decide(votes, Current(B, 1), {}, 3).ask == (B, A)
    assert decide(votes_of((B, 2)), Current(A, 1), {A: Role(MASTER)}, 3).ask == (B,)


def test_what_stands_in_the_way() -> None:
    """The reason names each address and what is wrong with it."""
    roles = {A: Role(REPLICA), B: Role(SENTINEL), C: Role(UNREACHABLE, "10.0.0.3:6379: refused")}
    assert decide(votes_of((A, 1), (B, 1), (C, 1)), None, roles, 3).reason == (
        "10.0.0.1:6379 says that it is a replica, not master; 10.0.0.2:6379 says that it is sentinel, not master; "
        "10.0.0.3:6379: refused")


def test_a_sentinel_has_one_vote() -> None:
    """A Sentinel that is known by two addresses makes no majority."""
    twice = [Vote("same", B, 1), Vote("same", B, 1), Vote("other", A, 1)]
    assert decide(twice, Current(A, 1), ALL_MASTERS, 3).choice == Current(A, 1)
    assert decide(twice, Current(A, 1), ALL_MASTERS, 3).agreeing == 1


def test_agreeing() -> None:
    """Those that name the master are counted, also while it is kept."""
    agreed, split = votes_of((A, 1), (A, 1), (A, 0)), votes_of((A, 1), (A, 1), (B, 0))
    assert decide(agreed, Current(A, 1), ALL_MASTERS, 3).agreeing == 3
    assert decide(split, Current(A, 1), ALL_MASTERS, 3).agreeing == 2
    assert decide([], Current(A, 1), ALL_MASTERS, 3).agreeing == 0
    assert decide(votes_of((B, 2)), Current(A, 1), {B: Role(REPLICA)}, 3).agreeing == 0


addresses = st.sampled_from([A, B, C])
epochs = st.none() | st.integers(0, 3)
ballots = st.lists(st.tuples(addresses, epochs), min_size=1, max_size=5).map(lambda told: votes_of(*told))
currents = st.none() | st.builds(Current, addresses, epochs)
role_names = st.sampled_from([MASTER, REPLICA, SENTINEL, UNKNOWN, UNREACHABLE])
all_roles = st.fixed_dictionaries({address: st.builds(Role, role_names) for address in (A, B, C)})


@given(ballots, currents, all_roles, st.integers(0, 3), st.booleans())
def test_it_never_changes_its_mind(votes: t.List[Vote], current: t.Optional[Current],
                                   roles: t.Dict[Address, Role], silent: int, strict: bool) -> None:
    """Two rounds with the same answers and roles come to the same master: nothing flaps."""
    known = len(votes) + silent
    first = decide(votes, current, roles, known, strict=strict).choice
    if first is not None:
        assert decide(votes, first, roles, known, strict=strict).choice == first


@given(ballots, currents, all_roles, st.booleans(), st.booleans())
def test_only_a_master_is_chosen(votes: t.List[Vote], current: t.Optional[Current],
                                 roles: t.Dict[Address, Role], strict: bool, complete: bool) -> None:
    """Whatever is named, a replica, a Sentinel and a dead end are never chosen; what is chosen was named or current."""
    choice = decide(votes, current, roles, 5, complete, strict).choice
    if choice is not None:
        assert roles[choice.address].name in ((MASTER,) if strict else (MASTER, UNKNOWN))
        assert choice.address in {vote.address for vote in votes} | {current.address if current else None}


@given(ballots, currents, all_roles, st.sets(addresses))
def test_nothing_is_chosen_unasked(votes: t.List[Vote], current: t.Optional[Current], roles: t.Dict[Address, Role],
                                   unasked: t.Set[Address]) -> None:
    """Asking for the roles that are wanted, one round of it, leads to the decision with all roles known."""
    some = {address: role for address, role in roles.items() if address not in unasked}
    verdict = decide(votes, current, some, 5)
    assert verdict.choice is None or verdict.choice.address in some
    assert not set(verdict.ask) & set(some) and not (verdict.ask and verdict.choice)
    if verdict.ask:
        some.update({address: roles[address] for address in verdict.ask})
        assert decide(votes, current, some, 5) == decide(votes, current, roles, 5)


@given(ballots, currents, all_roles, st.randoms())
def test_the_order_of_answers_is_nothing(votes: t.List[Vote], current: t.Optional[Current],
                                         roles: t.Dict[Address, Role], random: t.Any) -> None:
    """Who answers first does not decide."""
    shuffled = list(votes)
    random.shuffle(shuffled)
    assert decide(shuffled, current, roles, 5) == decide(votes, current, roles, 5)


@given(st.integers(1, 7), st.integers(0, 3), st.data(), currents, addresses)
def test_a_majority_at_one_epoch_wins(size: int, epoch: int, data: st.DataObject, current: t.Optional[Current],
                                      master: Address) -> None:
    """A majority of the known that names a master at one epoch gets it, unless somebody tells a newer epoch."""
    minority = data.draw(st.lists(st.tuples(addresses, st.none() | st.integers(0, epoch)), max_size=(size - 1) // 2))
    votes = votes_of(*([(master, epoch)] * (size - len(minority)) + minority))
    assume(len(votes) * 2 > size)
    assert decide(votes, current, ALL_MASTERS, size).choice == Current(master, epoch)


@given(ballots, st.builds(Current, addresses, st.integers(0, 3)), all_roles, st.integers(0, 6))
def test_a_minority_at_no_newer_epoch_never_moves_a_master(votes: t.List[Vote], current: Current,
                                                           roles: t.Dict[Address, Role], silent: int) -> None:
    """As long as the current master says so, only a newer epoch or a majority of all known takes connections away."""
    known = len(votes) + silent
    roles[current.address] = Role(MASTER)
    choice = decide(votes, current, roles, known).choice
    newest = max((-1 if vote.epoch is None else vote.epoch) for vote in votes)
    assert current.epoch is not None
    if choice is not None and choice.address != current.address and newest <= current.epoch:
        assert sum(vote.address == choice.address for vote in votes) * 2 > known


@given(ballots, st.builds(Current, addresses, st.integers(0, 3)), all_roles, st.integers(0, 6))
def test_a_lower_epoch_only_from_a_majority(votes: t.List[Vote], current: Current, roles: t.Dict[Address, Role],
                                            silent: int) -> None:
    """The epoch goes back only when a majority of all known names that master, whatever the nodes say."""
    known = len(votes) + silent
    choice = decide(votes, current, roles, known).choice
    assert current.epoch is not None
    if choice is not None and (choice.epoch is None or choice.epoch < current.epoch):
        assert sum(vote.address == choice.address for vote in votes) * 2 > known


@pytest.mark.parametrize("told, current, roles, choice", [
    ([(A, 99), (C, 9), (C, 9)], (B, 8), {"a": UNREACHABLE, "b": UNREACHABLE}, (C, 9)),  # a dead end at a made-up epoch
    ([(A, 99), (C, 9), (C, 9)], None, {"a": REPLICA}, (C, 9)),
    ([(A, 99), (C, 9), (C, 9)], (C, 9), {"a": REPLICA}, (C, 9)),
    ([(A, 99), (C, 9), (C, 9)], (B, 8), {}, (A, 99)),  # what works at the highest epoch is believed
    ([(A, 99), (C, 9), (C, 9)], (B, 8), {"a": REPLICA, "c": UNKNOWN}, None),  # only what says master
    ([(A, 99), (C, 9), (B, 9)], (B, 8), {"a": REPLICA}, None),  # only from a majority
])
def test_one_sentinel_with_a_wrong_epoch(told: t.List[Told], current: t.Optional[Told], roles: t.Dict[str, str],
                                         choice: t.Optional[Told]) -> None:
    """It does not stand in the way of what most Sentinels name, once its own master proved to be none."""
    assert choice_of(told, current, roles=roles, stuck=True) == choice
    if choice == (C, 9) and current != (C, 9):
        assert choice_of(told, current, roles=roles) is None  # not at once: it may be a failover that goes on


def test_the_majoritys_address_is_asked_only_when_the_highest_epoch_failed() -> None:
    """No node is asked that need not be, and none before the round is complete."""
    votes = votes_of((A, 99), (C, 9), (C, 9))
    assert decide(votes, Current(B, 8), {A: Role(REPLICA)}, 3, stuck=True).ask == (C,)
    assert decide(votes, Current(B, 8), {A: Role(REPLICA)}, 3).ask == ()
    assert decide(votes, Current(B, 8), {A: Role(REPLICA)}, 3, complete=False, stuck=True).ask == ()
    assert decide(votes, Current(B, 8), {}, 3, stuck=True).ask == (A,)
