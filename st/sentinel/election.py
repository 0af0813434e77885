"""Answers in, decision out: which master the Sentinels agree on. Pure: no clock, no I/O, no state.

The rules, in their order (config-epoch: "the greater version always wins", Redis Sentinel documentation,
"Configuration propagation"; the rest guards against what was seen to go wrong in the field):
1. The highest config-epoch among the answers decides.
2. At a tie, the address that a majority of the known Sentinels names.
3. Without a majority, the current master while it says that it is master; else one that says so.
4. A lower epoch than the current one (Sentinels were reset) counts only from a majority of the known Sentinels.
5. When none of these could be used for a while, what a majority of the known Sentinels names, if it says that it is
   master: one Sentinel with a wrong and higher epoch must not stand in the way for ever.
No address is chosen before it was asked for its role.
"""
import collections
import typing as t

from st.address import Address
from st.wire.role import MASTER, UNKNOWN, Role, denial

UNREACHABLE = "unreachable"
NO_EPOCH = -1


class Vote(t.NamedTuple):
    """One Sentinel names an address at an epoch (None: it does not tell). `voter` tells Sentinels apart."""

    voter: str
    address: Address
    epoch: t.Optional[int] = None


class Current(t.NamedTuple):
    """The master that connections go to now."""

    address: Address
    epoch: t.Optional[int] = None


class Verdict(t.NamedTuple):
    """What to do: `choice` is the master to have (None: keep what there is), `ask` whose role is wanted first."""

    choice: t.Optional[Current] = None
    ask: t.Tuple[Address, ...] = ()
    agreeing: int = 0  # Sentinels that name the choice, or the current master when it is kept
    reason: str = ""  # in words, what stands in the way


def decide(votes: t.Sequence[Vote], current: t.Optional[Current], roles: t.Mapping[Address, Role],
           known: int, complete: bool = True, strict: bool = False, stuck: bool = False) -> Verdict:
    """Return the verdict on one round of answers.

    `roles`: what each address said it is, in this round; absent when it was not asked yet.
    `known`: Sentinels that could have answered, for majorities. `complete`: no more answers are expected;
    before that only a newer epoch than the current one counts. `strict`: a role that is not told is no master.
    `stuck`: there has been no usable master for longer than Sentinels need to agree after a failover.
    """
    votes = list({vote.voter: vote for vote in votes}.values())
    top = max((_epoch(vote) for vote in votes), default=NO_EPOCH)
    if not votes or (not complete and (current is None or top <= _epoch(current))):
        return Verdict(agreeing=_agreeing(votes, current))
    ranked, epoch, first_stands_out = _ranked(votes, current, top, known)
    verdict = _first_usable(ranked, epoch, first_stands_out, votes, current, roles, strict)
    if stuck and complete and verdict.choice is None and not verdict.ask:
        return _named_by_most(votes, current, roles, known) or verdict
    return verdict


def _ranked(votes: t.Sequence[Vote], current: t.Optional[Current], top: int,
            known: int) -> t.Tuple[t.List[Address], t.Optional[int], bool]:
    """Return the addresses to consider, best first, the epoch of a choice, and whether the first stands out."""
    lower = top < _epoch(current)
    counts = collections.Counter(vote.address for vote in votes if lower or vote.epoch is None or vote.epoch == top)
    # Who does not tell an epoch supports an address, but does not put one up against those who do.
    at_top = sorted({vote.address for vote in votes if lower or _epoch(vote) == top},
                    key=lambda address: (-counts[address], address))
    named_by_most = [address for address, count in counts.items() if 2 * count > known]
    epoch = None if top == NO_EPOCH else top
    if at_top[0] in named_by_most:
        return at_top[:1], epoch, True
    if current is not None and lower:
        return [current.address], current.epoch, True
    ranked = at_top + [address for address in named_by_most if address not in at_top]
    if current is not None and (top == _epoch(current) or current.address in at_top):
        # A minority does not outvote it, whether or not it is among those that are named.
        return [current.address] + [address for address in ranked if address != current.address], epoch, True
    return ranked, epoch, len(at_top) == 1


def _first_usable(ranked: t.Sequence[Address], epoch: t.Optional[int], first_stands_out: bool, votes: t.Sequence[Vote],
                  current: t.Optional[Current], roles: t.Mapping[Address, Role], strict: bool) -> Verdict:
    """Choose the first that says it is master; one that does not tell only where the votes leave no other."""
    for address in ranked:
        if address not in roles:  # it may yet say master
            unasked = tuple(other for other in ranked if other not in roles)
            return Verdict(None, unasked, _agreeing(votes, current))
        if roles[address].name == MASTER:
            return _chosen(address, epoch, current, votes)
    if roles[ranked[0]].name == UNKNOWN and first_stands_out and not strict:
        return _chosen(ranked[0], epoch, current, votes)
    wrong = "; ".join(_wrong(address, roles[address]) for address in ranked)
    return Verdict(None, (), _agreeing(votes, current), wrong)


def _named_by_most(votes: t.Sequence[Vote], current: t.Optional[Current], roles: t.Mapping[Address, Role],
                   known: int) -> t.Optional[Verdict]:
    """Rule 5; None when there is no such address."""
    counts = collections.Counter(vote.address for vote in votes)
    most = [address for address, count in counts.items() if 2 * count > known]
    if not most or roles.get(most[0], Role(MASTER)).name != MASTER:
        return None
    if most[0] not in roles:
        return Verdict(None, (most[0],), _agreeing(votes, current))
    epochs = [vote.epoch for vote in votes if vote.address == most[0] and vote.epoch is not None]
    return _chosen(most[0], max(epochs, default=None), current, votes)


def _chosen(address: Address, epoch: t.Optional[int], current: t.Optional[Current], votes: t.Sequence[Vote]) -> Verdict:
    if epoch is None and current is not None and current.address == address:
        epoch = current.epoch  # nobody told one: what is known of this reign stays
    choice = Current(address, epoch)
    return Verdict(choice, (), _agreeing(votes, choice))


def _wrong(address: Address, role: Role) -> str:
    return role.detail if role.name == UNREACHABLE else denial(address, role, MASTER)


def _agreeing(votes: t.Iterable[Vote], current: t.Optional[Current]) -> int:
    return sum(1 for vote in votes if current is not None and vote.address == current.address)


def _epoch(holder: t.Union[Vote, Current, None]) -> int:
    return NO_EPOCH if holder is None or holder.epoch is None else holder.epoch
