"""Following replicas: what rounds and roles do to the places, to connections and to the log."""
import logging
import socket
import threading
import typing as t

import pytest

from st.address import Address
from st.deadline import Deadline
from st.nat import NatMap
from st.sentinel.answers import Answer, Listed, Report
from st.sentinel.election import UNREACHABLE
from st.sentinel.prober import Probed
from st.sentinel.replica_follower import ReplicaFollower
from st.sentinel.replica_roles import Roles
from st.sentinel.replica_row import ReplicaRow
from st.sentinel.round import Round
from st.wire.dial import Endpoint
from st.wire.role import MASTER, REPLICA, Role
from tests.configs import settings
from tests.waiting import FACTOR, wait_until

M, A, B = Address("10.0.0.9", 6379), Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)
WELL, MASTERS_WORD = Role(REPLICA), Role(MASTER)
UNLINKED, DEAD = Role(REPLICA, link="connect"), Role(UNREACHABLE, "it is dead")
BOTH = (Listed(A, False, True), Listed(B, False, True))


NOTHING = Deadline(0)
LONG = 30 * FACTOR  # seconds; no test waits for it to pass


class Case:
    """A follower whose nodes say what `roles` has; three Sentinels s0 to s2 are known."""

    def __init__(self, text: str = "", calm_after: float = 0.0, **options: t.Any) -> None:
        head = "[sentinel-tunnel]\nsentinels = s\n[tunnel:t]\nport = 1\nmaster = m\nrole = replica\n"
        self.row = ReplicaRow("t", "m")
        self.roles = {M: MASTERS_WORD, A: WELL, B: WELL}
        self.asked: t.List[Address] = []
        self.cuts = -1  # the first adoption of a master cuts as well, with nobody to be cut
        self.follower = ReplicaFollower(settings(head + text).tunnels[0], self.row, NatMap(), self._probe, self._cut,
                                        calm_after=calm_after, **options)

    def _probe(self, tunnel: str, address: Address) -> None:
        self.asked.append(address)

    def _cut(self, tunnel: str, generation: int) -> int:
        self.cuts += 1
        return 5

    def round(self, *answers: Answer, late: t.Sequence[Address] = ()) -> t.Set[Address]:
        """Make one round with these answers, or the usual one of three Sentinels; return who is in use then."""
        self.asked.clear()
        self.follower.begin()
        round = Round([Report(Address("s%d" % number, 1), 1, {"m": answer})
                       for number, answer in enumerate(answers or [said()] * 3)], 3, True, "poll")
        self.follower.consider(round)
        for address in self.asked:  # grows while it is gone through
            if address in self.roles and address not in late:
                self.follower.take(probed(address, self.roles[address]))
                self.follower.consider(round)
        return {target.address for target in self.row.targets()}


def said(replicas: t.Optional[t.Sequence[Listed]] = BOTH, master: Address = M, epoch: int = 1,
         flags: t.Iterable[str] = ()) -> Answer:
    """Return the answer of one Sentinel."""
    return Answer(master, epoch, frozenset(flags), replicas=None if replicas is None else tuple(replicas))


def probed(address: Address, role: Role) -> Probed:
    """Return what a node says."""
    place = Endpoint(socket.AF_INET, tuple(address))
    return Probed("t", address, role, None if role.name == UNREACHABLE else place, (place,))


def lines(caplog: pytest.LogCaptureFixture) -> t.List[str]:
    """Return the lines of the log at INFO and above."""
    return [str(record.msg) for record in caplog.records if record.levelno >= logging.INFO]


def test_replicas_are_asked_and_used(caplog: pytest.LogCaptureFixture) -> None:
    """In one round, with a line for each; what is logged of a master stays in the background."""
    caplog.set_level(logging.DEBUG, "st")
    case = Case()
    assert case.round() == {A, B} and case.follower.state == "master_ok" and case.follower.agreeing == 3
    assert lines(caplog) == ["replica_up tunnel=t replica=10.0.0.1:6379", "replica_up tunnel=t replica=10.0.0.2:6379"]
    case.round()
    assert case.follower.settled and len(lines(caplog)) == 2 and not case.cuts


class States(logging.Handler):
    """Notes the state of a follower each time that it logs something."""

    def __init__(self, follower: ReplicaFollower) -> None:
        super().__init__(logging.INFO)
        self.seen: t.List[str] = []
        self._follower = follower

    def emit(self, record: logging.LogRecord) -> None:
        """Note the state."""
        self.seen.append(self._follower.state)


def test_the_state_is_ahead_of_the_row(caplog: pytest.LogCaptureFixture) -> None:
    """Who was woken because there is a replica does not read that the tunnel is starting."""
    caplog.set_level(logging.INFO, "st")
    case = Case()
    states = States(case.follower)
    logging.getLogger("st").addHandler(states)
    case.round()
    logging.getLogger("st").removeHandler(states)
    assert states.seen == ["master_ok"] * 2


def test_the_master_does_not_stand_in_before_replicas_were_asked() -> None:
    """Or the first clients after a start would all go there."""
    case = Case()
    assert case.round(late=[A, B]) == set() and case.follower.state == ""
    assert case.round() == {A, B}


def test_a_lost_link_ends_the_use_when_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """Seen twice, with the master well both times; it is used again when it is linked."""
    case = Case()
    case.round()
    case.roles[A] = UNLINKED
    assert case.round() == {A, B} and not case.follower.settled
    assert case.round() == {B} and case.cuts == 1
    assert "replica_down" in caplog.text and "has no link to its master (connect)" in caplog.text
    case.roles[A] = WELL
    assert case.round() == {A, B}


def test_a_link_that_was_lost_with_the_master_ends_nothing() -> None:
    """All replicas lose it when the master dies; they are used on, from before its death is known until long after."""
    case = Case(calm_after=600.0)
    case.round()
    case.roles.update({A: UNLINKED, B: UNLINKED})
    assert case.round() == {A, B}
    case.roles[M] = DEAD
    for _ in range(3):
        assert case.round() == {A, B}
    for _ in range(3):
        assert case.round(*[said(flags=["s_down", "o_down"])] * 3) == {A, B}
    case.roles.update({A: MASTERS_WORD})
    assert case.round(*[said([Listed(B, True, False)], A, 2)] * 3) == {B}
    case.roles.update({B: WELL})
    assert case.round(*[said([Listed(B, False, True), Listed(M, True, True)], A, 2)] * 3) == {B}


def test_a_master_that_is_not_heard_yet_decides_nothing() -> None:
    """The link was lost with the master, and the replicas' answers were faster than its own."""
    case = Case()
    case.round()
    case.roles.update({A: UNLINKED, B: UNLINKED})
    for _ in range(4):
        assert case.round(late=[M]) == {A, B}


def test_a_failover_that_sentinels_see_is_one() -> None:
    """The master answers us still; what they do next cuts the links, and must not end the readers."""
    case = Case()
    case.round()
    case.roles.update({A: UNLINKED, B: UNLINKED})
    for _ in range(4):
        assert case.round(*[said(flags=["failover_in_progress"])] * 3) == {A, B}


def test_who_waits_at_an_old_master_is_woken() -> None:
    """A client that could not use it, while there is no replica: the new one is there."""
    case, waits = Case(), threading.Event()
    case.round(*[said([])] * 3)
    claim = case.row.claim(NOTHING)
    assert claim.target is not None and claim.target.address == M

    def stay() -> bool:  # asked with the lock held, which is free again when it waits
        waits.set()
        return False

    waiter = threading.Thread(target=lambda: case.row.wait_stale(claim, Deadline(3600), stay), daemon=True)
    waiter.start()
    assert waits.wait(LONG)
    case.roles[A] = MASTERS_WORD
    case.round(*[said([], A, 2)] * 3)
    waiter.join(LONG)
    assert not waiter.is_alive()


def test_connections_to_replicas_are_kept() -> None:
    """They are asked in each round: those to them and the master, and no others, are worth a connection."""
    case = Case()
    case.round()
    assert case.follower.wanted() == {M, A, B}
    case.round(*[said(BOTH[:1])] * 3)
    case.round(*[said(BOTH[:1])] * 3)
    assert case.follower.wanted() == {M, A}


def test_a_node_that_never_answers_is_not_reached() -> None:
    """Such as in a name lookup, which has no end."""
    roles = Roles(lambda address: None, 0.0)
    assert roles.role(A) is None
    roles.ask(A)
    assert wait_until(lambda: roles.role(A), "it has been silent for too long") == Role(UNREACHABLE, "no reply to ROLE")
    roles.take(probed(A, WELL))
    assert roles.role(A) == WELL


def test_only_sentinels_that_know_the_master_are_heard() -> None:
    """One that has missed a failover may list the master itself, and nodes of the past."""
    case = Case()
    old = said([Listed(Address("10.0.0.3", 1), False, True)], B, 0)
    assert case.round(said(), said(), old) == {A, B}
    assert Address("10.0.0.3", 1) not in case.asked


def test_sentinels_that_do_not_list_change_nothing() -> None:
    """They may not be asked, or are gone: who answers himself is used on."""
    case = Case()
    case.round()
    assert case.round(*[said(None)] * 3) == {A, B}
    case.roles[A] = MASTERS_WORD
    assert case.round(Answer()) == {B}


def test_why_there_is_none() -> None:
    """Each replica with what is wrong with it."""
    case = Case("replica_fallback = refuse\n")
    case.roles.update({A: UNLINKED, B: DEAD})
    assert case.round() == set() and case.follower.state == "no_master"
    assert case.row.now().reason == ("3 of 3 sentinels answer, no replica is fit: 10.0.0.1:6379 has no link to its "
                                     "master (connect); 10.0.0.2:6379 it is dead")
    case.round(*[said(None)] * 3)
    assert "lists the replicas" in case.row.now().reason


def test_held_for_want_of_sentinels() -> None:
    """As with a tunnel to the master: min_sentinels."""
    case = Case(min_sentinels=3)
    case.round()
    assert case.row.now().target is not None
    case.round(said(), said())
    assert case.row.now().target is None and "min_sentinels" in case.row.now().reason and not case.cuts


def test_a_silent_replica_keeps_its_clients() -> None:
    """It may be busy; when the Sentinels call it down too, they end."""
    case = Case()
    case.round()
    claim = case.row.claim(NOTHING)
    assert claim.target is not None
    silent = claim.target.address
    case.roles[silent] = DEAD
    assert silent not in case.round() and case.row.is_current(claim)
    down = [Listed(each, each == silent, True) for each in (A, B)]
    assert silent not in case.round(*[said(down)] * 3) and not case.row.is_current(claim) and case.cuts == 1


def test_a_great_many_are_not_all_asked() -> None:
    """Each costs a thread and a descriptor."""
    case = Case()
    many = [Listed(Address("10.0.1.%d" % number, 1), False, True) for number in range(100)]
    case.round(*[said(many)] * 3)
    assert len(set(case.asked) - {M}) == 16


def test_it_goes_on_as_before_a_reload(caplog: pytest.LogCaptureFixture) -> None:
    """Another follower on the same row: nobody is cut, and nothing is told again."""
    caplog.set_level(logging.INFO, "st")
    case, after = Case(), Case()
    case.round()
    told = len(lines(caplog))
    after.row = case.row
    after.follower = ReplicaFollower(case.follower.tunnel, case.row, NatMap(), after._probe, after._cut)
    after.follower.go_on_as(case.follower)
    assert after.round() == {A, B} and after.cuts == -1 and len(lines(caplog)) == told
