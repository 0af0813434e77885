"""Following one master: what a round of answers and roles does to the row, to connections and to the log."""
import logging
import socket
import typing as t

import pytest

from st.address import Address
from st.nat import parse_nat_map
from st.sentinel.answers import Answer, Report
from st.sentinel.election import UNREACHABLE
from st.sentinel.follower import Follower
from st.sentinel.masters import MasterRow, Target
from st.sentinel.prober import Probed
from st.sentinel.round import Round
from st.wire.dial import Endpoint
from st.wire.role import MASTER, REPLICA, UNKNOWN, Role
from tests.configs import settings

A, B = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)
UNKNOWN_NAME = Answer(problem="it does not monitor this name", unknown=True)
Said = t.Union[Answer, str, t.Tuple[Address, t.Optional[int]]]


def endpoint(address: Address, port: t.Optional[int] = None) -> Endpoint:
    """Return the endpoint of an address; localhost is 127.0.0.1."""
    host = "127.0.0.1" if address.host == "localhost" else address.host
    return Endpoint(socket.AF_INET, (host, port or address.port))


class Case:
    """A follower, its row, and what it asked for; three Sentinels s0 to s2 are known."""

    def __init__(self, text: str = "", **options: t.Any) -> None:
        tunnel = settings("[sentinel-tunnel]\nsentinels = s\n[tunnel:t]\nport = 1\nmaster = m\n" + text).tunnels[0]
        self.row = MasterRow("t", "m")
        self.asked: t.List[Address] = []
        self.stale: t.List[int] = []  # generations of which the older ones were cut
        nat_map = parse_nat_map(options.pop("nat_map", ""))
        self.follower = Follower(tunnel, self.row, nat_map, self._probe, self._cut, **options)

    def _probe(self, tunnel: str, address: Address) -> None:
        assert tunnel == "t"
        self.asked.append(address)

    def _cut(self, tunnel: str, generation: int) -> int:
        assert tunnel == "t" and self.row.generation == generation  # the table has changed before anything is cut
        self.stale.append(generation)
        return 5

    def consider(self, *said: Said, complete: bool = True, heard: str = "poll") -> None:
        """Take what the Sentinels say: address and epoch, an Answer, or the text of an error."""
        self.follower.consider(Round([_report(number, each) for number, each in enumerate(said)], 3, complete, heard))

    def round(self, *said: Said, heard: str = "poll", **roles: t.Union[str, Probed]) -> None:
        """Make one complete round: answers, the roles of `a` and `b` (masters unless said) when asked, a decision."""
        self.asked.clear()
        self.follower.begin()
        self.consider(*said, heard=heard)
        for address in list(self.asked):
            role = roles.get({A: "a", B: "b"}.get(address, "other"), MASTER)
            probed = role if isinstance(role, Probed) else self.probed(address, role)
            self.follower.take(probed)
            self.consider(*said, heard=heard)

    @staticmethod
    def probed(address: Address, role: str = MASTER, at: t.Optional[Endpoint] = None) -> Probed:
        """Return what a node said."""
        place = at or endpoint(address)
        return Probed("t", address, Role(role, "detail"), place, (place,))

    @property
    def master(self) -> t.Optional[Address]:
        """The address of the target, also while connections are held."""
        target = self.row.current()
        return target and target.address


def _report(number: int, said: Said) -> Report:
    sentinel = Address("s%d" % number, 26379)
    if isinstance(said, str):
        return Report(sentinel, 1, error=said, kind="timeout")
    answer = said if isinstance(said, Answer) else Answer(said[0], said[1], frozenset(["master"]))
    return Report(sentinel, 1, {"m": answer}, "id%d" % number)


def lines(caplog: t.Any, name: str) -> t.List[str]:
    """Return the lines of the log with the event `name`."""
    return [record.getMessage() for record in caplog.records if record.getMessage().split()[0] == name]


def test_the_first_master(caplog: t.Any) -> None:
    """It is adopted when it said that it is master, as the first generation, and told in one line."""
    caplog.set_level(logging.INFO, "st")
    case = Case()
    case.follower.begin()
    case.consider((A, 1), (A, 1), (A, 1))
    assert case.asked == [A] and case.master is None
    case.follower.take(case.probed(A))
    case.consider((A, 1), (A, 1), (A, 1))
    assert case.row.now()[1:] == (1, "") and case.stale == [1]
    target = case.row.current()
    assert target is not None and target == Target(A, endpoint(A), 1, True)
    assert (case.follower.agreeing, case.follower.settled, case.follower.switches) == (3, True, 0)
    assert lines(caplog, "master") == ["master tunnel=t master=10.0.0.1:6379 epoch=1 heard=poll sentinels=3/3 "
                                       "by=s0:26379,s1:26379,s2:26379"]
    assert not lines(caplog, "switch") and case.follower.since > 0


def test_a_switch(caplog: t.Any) -> None:
    """A new master is a new generation; connections of older ones are cut after that; one WARNING tells it."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round((B, 2), (A, 1), (A, 1), heard="event")
    assert (case.master, case.row.generation, case.stale, case.follower.switches) == (B, 2, [1, 2], 1)
    line, = lines(caplog, "switch")
    assert line.startswith("switch tunnel=t old=10.0.0.1:6379 new=10.0.0.2:6379 gap=0.0s closed=5 took=")
    assert line.endswith("epoch=2 heard=event sentinels=1/3 by=s0:26379")
    assert not case.follower.settled


def test_back_again() -> None:
    """From A to B to A between two rounds is seen by the epoch: another generation of the same address."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round((A, 3), (A, 3), (A, 3))
    assert (case.master, case.row.generation) == (A, 2)
    case.round((A, 3), (A, 3), (A, 3))
    assert case.row.generation == 2


@pytest.mark.parametrize("before, after, kept", [(None, 3, 3), (3, None, 3), (3, 2, 2)])
def test_what_is_learned_of_the_same_master(before: t.Optional[int], after: t.Optional[int], kept: int) -> None:
    """An epoch that is told for the first time, no more, or reset, makes no connection stale."""
    case = Case()
    case.round(*[(A, before)] * 3)
    case.round(*[(A, after)] * 3)
    target = case.row.current()
    assert target is not None and (target.epoch, case.row.generation) == (kept, 1)


def test_another_spelling() -> None:
    """A host name for the address that we have is no switch, whoever is in the majority, for any number of rounds."""
    name, number = Address("localhost", 6379), Address("127.0.0.1", 6379)
    case = Case()
    case.round((number, 1), (number, 1), (name, 1))
    for said in ([number, name, name], [name, name, name], [number, name, number], [name, number]):
        case.round(*[(address, 1) for address in said])
    assert (case.row.generation, case.stale, case.follower.switches) == (1, [1], 0)


def test_a_name_with_several_endpoints() -> None:
    """A name that is found at another of its endpoints is the same node; at one that it did not have, it is not."""
    case, name = Case(), Address("node", 6379)
    first, second, third = [Endpoint(socket.AF_INET, ("10.0.0.%d" % number, 6379)) for number in (1, 2, 3)]
    case.round((name, 1), other=Probed("t", name, Role(MASTER), first, (first, second)))
    case.round((name, 1), other=Probed("t", name, Role(MASTER), second, (second, first)))
    target = case.row.current()
    assert case.row.generation == 1 and target is not None and target.endpoint == second  # where it was reached last
    case.round((name, 1), other=Probed("t", name, Role(MASTER), third, (third, first)))
    assert case.row.generation == 2


@pytest.mark.parametrize("role, words", [(REPLICA, "says that it is a replica, not master"), (UNREACHABLE, "detail")])
def test_a_target_that_is_no_master(role: str, words: str) -> None:
    """It is not adopted, whoever names it, and the reason is in the row; it is adopted once it turns master."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    for _ in range(3):
        case.round((B, 2), (B, 2), (B, 2), b=role)
        assert (case.master, case.row.generation, case.follower.settled) == (A, 1, False)
        assert words in case.row.now().reason and "3 of 3 sentinels answer" in case.row.now().reason
    case.round((B, 2), (B, 2), (B, 2))
    assert (case.master, case.row.now().reason) == (B, "")


def test_a_role_that_is_not_told(caplog: t.Any) -> None:
    """It is used as named, with a warning; not where role_check is strict."""
    case, strict = Case(), Case("role_check = strict\n")
    for each in (case, strict):
        each.round((A, 1), (A, 1), (A, 1), a=UNKNOWN)
    target = case.row.current()
    assert target is not None and not target.verified and len(lines(caplog, "role_unknown")) == 1
    assert strict.master is None and "does not tell its role" in strict.row.now().reason
    case.round((A, 1), (A, 1), (A, 1))
    target = case.row.current()
    assert target is not None and target.verified and case.row.generation == 1


def test_before_a_round_is_complete() -> None:
    """A newer epoch is followed at once; nothing else is decided, and no reason is noted, on half the answers."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.follower.begin()
    case.consider((B, 1), complete=False)
    case.consider("refused", "refused", complete=False)
    assert case.row.now().reason == "" and case.master == A
    case.consider((B, 2), complete=False)
    case.follower.take(case.probed(B))
    case.consider((B, 2), complete=False)
    assert case.master == B


def test_the_current_master_is_asked_with_the_sentinels() -> None:
    """Its role is wanted in each round, before anybody has answered, and only once."""
    case = Case()
    case.round((A, 1))
    case.asked.clear()
    case.follower.begin()
    assert case.asked == [A] and case.follower.wanted() == {A}
    case.consider((A, 1), (B, 1))
    case.consider((A, 1), (B, 1))
    assert case.asked == [A, B] and case.follower.wanted() == {A, B}


def test_a_role_of_an_earlier_round_is_forgotten() -> None:
    """What a node said before this round, or that nobody asked for, decides nothing."""
    case = Case()
    case.follower.begin()
    case.consider((A, 1))
    case.follower.take(case.probed(A))
    case.follower.begin()
    case.follower.take(case.probed(B))
    case.consider((B, 1), (A, 1))
    assert case.master is None and set(case.asked) == {A, B}


def test_all_sentinels_gone(caplog: t.Any) -> None:
    """The target stays and may be used; the reason tells what the Sentinels did; no connection is cut."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    for _ in range(3):
        case.round("s0: refused", "s1: silent", "s2: silent")
    snapshot = case.row.now()
    assert snapshot.target is not None and snapshot.target.address == A and case.stale == [1]
    assert snapshot.reason == "0 of 3 sentinels answer, s0: refused" and case.follower.agreeing == 0
    assert len(lines(caplog, "master_kept")) == 1
    case.round((A, 1))
    assert case.row.now().reason == ""


def test_an_outage_may_be_refused() -> None:
    """With sentinel_outage = refuse new connections wait while nobody answers; one answer is enough to go on."""
    case = Case(serve_outage=False)
    case.round((A, 1))
    case.round("s0: refused", "s1: refused")
    assert case.row.now().target is None and "sentinel_outage is refuse" in case.row.now().reason
    assert case.master == A and case.stale == [1]
    case.round("s0: refused", UNKNOWN_NAME)
    assert case.row.now().target is not None


def test_nobody_knows_the_name() -> None:
    """Nil from all is told apart from no answer, before a master was seen and after."""
    case = Case()
    case.round(UNKNOWN_NAME, UNKNOWN_NAME, "s2: refused")
    assert case.row.now() == (None, 0, "2 of 3 sentinels answer, none of them monitors this name")
    case.round((A, 1), UNKNOWN_NAME)
    assert case.row.now().reason == ""
    case.round(UNKNOWN_NAME, UNKNOWN_NAME, UNKNOWN_NAME)
    assert case.master == A and "none of them monitors" in case.row.now().reason


def test_min_sentinels() -> None:
    """While fewer agree new connections wait, and open ones stay; they go on when enough agree."""
    case = Case(min_sentinels=2)
    case.round((A, 1), "refused", "refused")
    assert case.master == A and case.row.now().target is None
    assert "only 1 agree on the master, min_sentinels is 2" in case.row.now().reason
    case.round((A, 1), (A, 1), "refused")
    assert case.row.now().target is not None and case.row.now().reason == ""
    case.round((A, 1), (B, 0), "refused")
    assert case.row.now().target is None
    case.round("refused", "refused", "refused")
    assert case.row.now().target is None
    case.round((A, 1), (A, 1), (A, 1))
    assert case.row.now().target is not None and case.stale == [1]


def test_min_sentinels_at_a_switch() -> None:
    """The first Sentinel with a newer epoch moves the target, but only the next that agrees lets anybody in."""
    case = Case(min_sentinels=2)
    case.round((A, 1), (A, 1), (A, 1))
    case.round((B, 2), (A, 1), (A, 1))
    assert case.master == B and case.row.now().target is None and case.stale == [1, 2]
    case.round((B, 2), (B, 2), (A, 1))
    assert case.row.now().target is not None and case.row.generation == 2


@pytest.mark.parametrize("flags", ["s_down", "o_down", "failover_in_progress"])
def test_trouble_is_watched_closely(flags: str) -> None:
    """A Sentinel that sees its master in trouble is a reason to hurry, and to do nothing else."""
    case = Case()
    case.round((A, 1), (A, 1))
    assert case.follower.settled
    case.round((A, 1), Answer(A, 1, frozenset(["master", flags])))
    assert not case.follower.settled and case.row.now()[1:] == (1, "") and case.stale == [1]


def test_a_failover_is_told_to_who_waits() -> None:
    """While the master does not answer and a failover runs, the reason says both."""
    case = Case()
    case.round(Answer(A, 1, frozenset(["o_down"])), a=UNREACHABLE)
    assert case.row.now().reason == "1 of 3 sentinels answer, failover in progress, detail"


def test_the_address_map() -> None:
    """The mapped address is asked and adopted; the announced one never."""
    case = Case(nat_map="10.0.0.1 -> 192.0.2.7")
    case.round((A, 1), (A, 1))
    assert case.master == Address("192.0.2.7", 6379) and case.asked == [case.master]


def test_states_are_told_once(caplog: t.Any) -> None:
    """One line for each change of state, not for each round; a first round that is well says nothing."""
    caplog.set_level(logging.INFO, "st")
    case = Case()
    for _ in range(3):
        case.round((A, 1), (A, 1))
    for _ in range(3):
        case.round((A, 1), (A, 1), a=UNREACHABLE)
    for _ in range(3):
        case.round((A, 1), (A, 1))
    assert [record.getMessage().split()[0] for record in caplog.records] == ["master", "no_master", "master_ok"]
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]


def test_a_sentinel_is_counted_once() -> None:
    """Two reports of one Sentinel, known under two addresses, are one vote."""
    case = Case()
    reports = [_report(0, (A, 1)), _report(0, (A, 1))._replace(sentinel=Address("other", 1))]
    case.follower.begin()
    case.follower.consider(Round(reports, 3, True, "poll"))
    case.follower.take(case.probed(A))
    case.follower.consider(Round(reports, 3, True, "poll"))
    assert case.follower.agreeing == 1


def test_flags_of_a_service_that_is_always_so() -> None:
    """Redis Enterprise says `disconnected` of every master: that is no reason to hurry."""
    case = Case()
    for _ in range(2):
        case.round(*[Answer(A, 1, frozenset(["master", "disconnected"]))] * 3)
    assert case.follower.settled


def test_a_master_that_was_demoted_by_hand(caplog: t.Any) -> None:
    """Said twice in a row that it is a replica, its connections are cut once and new ones wait, until it is master."""
    case = Case()
    case.round((A, 1), (A, 1), (A, 1))
    case.round((A, 1), (A, 1), (A, 1), a=REPLICA)
    assert case.stale == [1] and case.row.now().target is not None
    for _ in range(3):
        case.round((A, 1), (A, 1), (A, 1), a=REPLICA)
    assert case.stale == [1, 2] and case.row.now().target is None and case.master == A
    assert [record.getMessage().split()[0] for record in caplog.records].count("demoted") == 1
    case.round((A, 1), (A, 1), (A, 1))
    assert case.stale == [1, 2] and case.row.now()[1:] == (2, "") and case.row.now().target is not None
    for _ in range(2):
        case.round((A, 1), (A, 1), (A, 1), a=REPLICA)
    assert case.stale == [1, 2, 3]  # and again, should it happen again


def test_replies_of_a_replica_count_only_in_a_row() -> None:
    """A node that says master in between was not demoted; nor one that cannot be reached."""
    for other in (MASTER, UNREACHABLE):
        case = Case()
        for role in (MASTER, REPLICA, other, REPLICA, other):
            case.round((A, 1), (A, 1), (A, 1), a=role)
        assert case.stale == [1] and case.row.now().target is not None


def test_a_demoted_master_is_followed_by_the_next() -> None:
    """The Sentinels notice later what was done by hand: their next master is adopted as any other."""
    case = Case()
    for role in (MASTER, REPLICA, REPLICA):
        case.round((A, 1), (A, 1), (A, 1), a=role)
    case.round((B, 2), (B, 2), (B, 2), a=REPLICA)
    assert case.master == B and case.row.now().target is not None and case.stale == [1, 2, 3]


@pytest.mark.parametrize("sentinel, loud", [("10.0.0.9", True), ("127.0.0.1", False), (None, False)])
def test_a_loopback_address_from_afar(sentinel: t.Optional[str], loud: bool, caplog: t.Any) -> None:
    """A Sentinel on another host that announces 127.0.0.1 means its own host: a warning says so, once."""
    case, local = Case(), Address("127.0.0.1", 6379)
    reports = [_report(0, (local, 1))._replace(reached=Address(sentinel, 26379) if sentinel else None)]
    case.follower.begin()
    case.follower.consider(Round(reports, 1, True, "poll"))
    case.follower.take(case.probed(local))
    for _ in range(2):
        case.follower.consider(Round(reports, 1, True, "poll"))
    assert [record.getMessage().split()[0] for record in caplog.records].count("loopback_master") == loud
