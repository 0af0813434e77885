"""One conversation with one Sentinel: what is asked and kept, who may ask, and every way in which it can fail."""
import threading
import typing as t

import pytest

from st.address import Address
from st.errors import PeerRefused, PeerUnreachable
from st.secret import Secret
from st.sentinel.answers import Answer, Credentials, Listed, Peer, Report
from st.sentinel.client import SentinelClient, ask_masters
from tests.fakes import (NIL_ARRAY, Error, FakeSentinel, Monitored, Replica, Sibling, endless_line, refused_address,
                         silent_listener, unknown_command)
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
SHORT = 0.1  # seconds; for what never comes
A, B = ("10.0.0.1", 6379), ("10.0.0.2", 6380)
ANSWER_A = Answer(Address(*A), 7, frozenset(["master"]))
ANSWER_B = Answer(Address(*B), 9, frozenset(["master", "s_down"]))
LISTED_B = Listed(Address(*B), False, True)
NOPERM = Error("NOPERM this user has no permissions to run the command")
MakeClient = t.Callable[..., SentinelClient]


@pytest.fixture
def sentinel(fake_sentinel: t.Callable[..., FakeSentinel]) -> FakeSentinel:
    """Give a Sentinel that monitors a and b."""
    made = fake_sentinel()
    made.masters = {"a": Monitored(A, 7), "b": Monitored(B, 9, "master,s_down")}
    made.siblings = [Sibling(("10.0.1.1", 26379), "1" * 40), Sibling(("10.0.1.2", 0), "2" * 40)]
    return made


@pytest.fixture
def client(sentinel: FakeSentinel) -> t.Iterator[MakeClient]:
    """Give a maker of clients of the Sentinel; each is closed when the test ends."""
    made: t.List[SentinelClient] = []

    def make(user: t.Optional[str] = None, password: t.Optional[str] = None) -> SentinelClient:
        credentials = Credentials(user, None if password is None else Secret(password))
        made.append(SentinelClient(Address(*sentinel.address), credentials))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_several_names_are_asked_at_once(sentinel: FakeSentinel, client: MakeClient) -> None:
    """Each name gets its own answer, with the id of the Sentinel and the number of the round."""
    report = client().report(["b", "none", "a"], LONG, round=3)
    assert report.answers["a"] == ANSWER_A and report.answers["b"] == ANSWER_B and report.answers["none"].unknown
    assert (report.round, report.myid, report.error, report.kind) == (3, sentinel.runid, "", "ok")
    assert report.peers is None and 0 < report.latency < LONG


@pytest.mark.parametrize("fault", ["one_byte", "slow"])
def test_answers_belong_to_their_questions(sentinel: FakeSentinel, client: MakeClient, fault: str) -> None:
    """Delayed replies and replies in pieces never pair the answer of one name with another."""
    asker = client()
    sentinel.fault = "one_byte" if fault == "one_byte" else ""
    sentinel.delays = {"SENTINEL": 0.01} if fault == "slow" else {}
    for _ in range(3):
        assert asker.report(["a", "b"], LONG).answers == {"a": ANSWER_A, "b": ANSWER_B}
    assert sentinel.accepted == 1


def test_a_late_reply_never_answers_a_later_question(sentinel: FakeSentinel, client: MakeClient) -> None:
    """After a time-out the connection is given up: what was late comes to nobody."""
    asker = client()
    sentinel.delays["SENTINEL GET-MASTER-ADDR-BY-NAME"] = 3600
    late = asker.report(["a"], SHORT)
    assert late.kind == "timeout" and "no reply in time" in late.error and not late.answers
    del sentinel.delays["SENTINEL GET-MASTER-ADDR-BY-NAME"]
    assert asker.report(["b"], LONG).answers == {"b": ANSWER_B}
    assert sentinel.accepted == 2


def test_the_connection_is_kept(sentinel: FakeSentinel, client: MakeClient) -> None:
    """One connection serves all rounds, and the password is sent once on it."""
    asker = client(password="p")
    sentinel.password = "p"
    assert [asker.report(["a"], LONG).error for _ in range(3)] == [""] * 3
    assert (sentinel.accepted, sentinel.count("AUTH")) == (1, 1)


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_was_closed_between_rounds(sentinel: FakeSentinel, client: MakeClient, reset: bool) -> None:
    """A Sentinel with `timeout` or a firewall may end it: one try on a new connection, with no error to see."""
    asker = client(password="p")
    sentinel.password = "p"
    asker.report(["a"], LONG)
    sentinel.drop_all(reset)
    assert asker.report(["a"], LONG).answers == {"a": ANSWER_A}
    assert (sentinel.accepted, sentinel.count("AUTH")) == (2, 2)


def test_a_new_connection_is_not_tried_twice(sentinel: FakeSentinel, client: MakeClient) -> None:
    """A Sentinel that closes every connection is asked once a round."""
    sentinel.fault = "close"
    report = client().report(["a"], LONG)
    assert report.kind == "timeout" and report.error and sentinel.accepted == 1


def test_an_outage_is_over(sentinel: FakeSentinel, client: MakeClient) -> None:
    """Errors are reports; the same client answers again once the Sentinel is back."""
    asker = client()
    asker.report(["a"], LONG)
    sentinel.stop()
    down = asker.report(["a"], LONG)
    assert "refused" in down.error and down.kind == "timeout"
    sentinel.start()
    assert asker.report(["a"], LONG).answers == {"a": ANSWER_A}


@pytest.mark.parametrize("reply", [b"*-2\r\n", b"HTTP/1.0 400\r\n", b"*1000000000\r\n", endless_line,
                                   b"%1\r\n*0\r\n+\r\n"])
def test_garbage(sentinel: FakeSentinel, client: MakeClient, reply: t.Any) -> None:
    """A Sentinel that does not speak RESP is an error, and the next round gets a new connection."""
    asker = client()
    sentinel.replies["SENTINEL GET-MASTER-ADDR-BY-NAME"] = reply
    report = asker.report(["a"], LONG)
    assert report.kind == "error" and "does not speak RESP" in report.error
    sentinel.replies.clear()
    assert asker.report(["a"], LONG).answers == {"a": ANSWER_A}


@pytest.mark.parametrize("reply", [b"*0\r\n", Error("ERR odd"), b"+OK\r\n", b":7\r\n", ["h"], ["h", "0"], ["?", "1"]])
def test_an_answer_that_is_none(sentinel: FakeSentinel, client: MakeClient, reply: t.Any) -> None:
    """A reply without a usable address is a problem of its name; the other name is answered in the same round."""
    def choose(connection: t.Any, command: t.List[bytes]) -> t.Any:
        return reply if command[2] == b"a" else list(map(str, B))

    sentinel.replies["SENTINEL GET-MASTER-ADDR-BY-NAME"] = choose
    answers = client().report(["a", "b"], LONG).answers
    assert answers["b"] == ANSWER_B and answers["a"].master is None and answers["a"].problem


@pytest.mark.parametrize("fault", ["half", "silence", "reset", "stop_reading"])
def test_faults_of_the_connection(sentinel: FakeSentinel, client: MakeClient, fault: str) -> None:
    """Whatever the connection does, the report says what was wrong and names the Sentinel."""
    sentinel.fault = fault
    report = client().report(["a"], 0.3)
    assert "%s:%d" % sentinel.address in report.error and not report.answers


def test_an_echo_names_no_master(sentinel: FakeSentinel, client: MakeClient) -> None:
    """Our own questions coming back are no answers."""
    sentinel.fault = "echo"
    report = client().report(["a"], LONG)
    assert report.answers["a"].master is None and not report.answers["a"].unknown and not report.myid


def test_dead_ends() -> None:
    """No Sentinel, no host and no name are reports too."""
    with refused_address() as refused, silent_listener() as silent:
        for address in (Address(*refused), Address(*silent), Address("no-such-host.invalid", 1)):
            report = SentinelClient(address, Credentials()).report(["a"], SHORT, 5)
            assert (report.kind, report.round, report.sentinel) == ("timeout", 5, address) and report.error


@pytest.mark.parametrize("line", ["DENIED Redis is running in protected mode", "ERR max number of clients reached"])
def test_turned_away(sentinel: FakeSentinel, client: MakeClient, line: str) -> None:
    """A line that comes unasked, before the end, is the reason, with a password and without."""
    sentinel.greeting = b"-%s\r\n" % line.encode()
    for asker in (client(), client(password="p")):
        report = asker.report(["a"], LONG)
        assert report.kind == "noauth" and line in report.error
    sentinel.greeting = b""
    assert asker.report(["a"], LONG).answers == {"a": ANSWER_A}


def test_nobody_knows_the_name(sentinel: FakeSentinel, client: MakeClient) -> None:
    """A Sentinel that monitors none of the names is not down."""
    sentinel.replies["SENTINEL GET-MASTER-ADDR-BY-NAME"] = NIL_ARRAY
    report = client().report(["a", "b"], LONG)
    assert report.kind == "unknown_name" and not report.error and report.answers["b"].unknown


@pytest.mark.parametrize("user, password", [(None, "right"), ("default", "right")])
def test_password(sentinel: FakeSentinel, client: MakeClient, user: t.Optional[str], password: str) -> None:
    """A password, or a user and a password, opens the Sentinel."""
    sentinel.password = "right"
    assert client(user, password).report(["a"], LONG).answers == {"a": ANSWER_A}


@pytest.mark.parametrize("user, password, reason", [
    (None, None, "NOAUTH"), (None, "wrong", "AUTH said: WRONGPASS"), ("other", "right", "AUTH said: WRONGPASS"),
])
def test_no_way_in(sentinel: FakeSentinel, client: MakeClient, user: t.Optional[str], password: t.Optional[str],
                   reason: str) -> None:
    """A missing or wrong password is a refusal that tells what AUTH said, and never the password."""
    sentinel.password = "right"
    report = client(user, password).report(["a"], LONG)
    assert report.kind == "noauth" and reason in report.error
    assert "right" not in report.error and "'wrong" not in report.error


@pytest.mark.parametrize("refusal", [None, unknown_command("AUTH"),
                                     Error("ERR wrong number of arguments for 'auth' command")])
def test_a_password_that_nobody_wants(sentinel: FakeSentinel, client: MakeClient, refusal: t.Optional[Error]) -> None:
    """A Sentinel without a password, or too old for one, is used: the answer to the question counts."""
    if refusal:
        sentinel.replies["AUTH"] = refusal
    assert client(password="p").report(["a", "b"], LONG).answers == {"a": ANSWER_A, "b": ANSWER_B}
    assert sentinel.count("AUTH") == 1


def test_a_password_set_while_we_are_connected(sentinel: FakeSentinel, client: MakeClient) -> None:
    """A refusal ends the connection, so that the next round logs in anew."""
    asker = client(password="new")
    asker.report(["a"], LONG)
    sentinel.replies["SENTINEL"] = Error("NOAUTH Authentication required.")
    assert asker.report(["a"], LONG).kind == "noauth"
    sentinel.replies.clear()
    sentinel.password = "new"
    assert asker.report(["a"], LONG).answers == {"a": ANSWER_A}


PEERS = (Peer(Address("10.0.1.1", 26379), "1" * 40, False),)


@pytest.mark.parametrize("command, expected", [
    ("SENTINEL MASTER", lambda full: full._replace(answers={"a": Answer(Address(*A))})),
    ("SENTINEL SENTINELS", lambda full: full._replace(peers=None)),
    ("SENTINEL MYID", lambda full: full._replace(myid="")),
])
def test_minimal_rights(sentinel: FakeSentinel, client: MakeClient, command: str,
                        expected: t.Callable[[Report], Report]) -> None:
    """Each question but that for the address may be refused alone, and takes nothing else with it."""
    full = client().report(["a"], LONG, peers=True)
    assert full.peers == PEERS and full.myid
    sentinel.replies[command] = NOPERM
    report = client().report(["a"], LONG, peers=True)
    assert report._replace(latency=0) == expected(full)._replace(latency=0)


def test_no_right_to_ask_for_the_address(sentinel: FakeSentinel, client: MakeClient) -> None:
    """Without the one question that counts the Sentinel is of no use, and says why."""
    sentinel.replies["SENTINEL GET-MASTER-ADDR-BY-NAME"] = NOPERM
    report = client().report(["a"], LONG)
    assert report.kind == "noauth" and "NOPERM" in report.error


def test_peers_of_the_names_that_are_monitored(sentinel: FakeSentinel, client: MakeClient) -> None:
    """A name that this Sentinel does not monitor hides no other Sentinel; those of all names are told."""
    assert client().report(["a", "none"], LONG, peers=True).peers == PEERS
    assert client().report(["a", "b"], LONG, peers=True).peers == PEERS * 2
    assert client().report(["none"], LONG, peers=True).peers is None
    assert sentinel.count("SENTINEL SENTINELS") == 5
    client().report(["a"], LONG)
    assert sentinel.count("SENTINEL SENTINELS") == 5


def test_replicas_of_the_names_that_want_them(sentinel: FakeSentinel, client: MakeClient) -> None:
    """Asked together with the rest; a name of which they are not told has none, which is not the same as no replica."""
    sentinel.replicas["a"] = [Replica(B), Replica(A, "slave,s_down", "err")]
    answers = client().report(["a", "b", "none"], LONG, peers=True, replicas_of=["a", "none"]).answers
    assert answers["a"] == ANSWER_A._replace(replicas=(LISTED_B, Listed(Address(*A), True, False)))
    assert answers["b"] == ANSWER_B and answers["none"].replicas is None
    assert client().report(["b"], LONG, replicas_of=["b"]).answers["b"].replicas == ()


def test_an_old_sentinel_calls_replicas_slaves(sentinel: FakeSentinel, client: MakeClient) -> None:
    """It is asked in its words from then on; one that is newer, on the next connection, in its own."""
    sentinel.replicas["a"] = [Replica(B)]
    sentinel.replies["SENTINEL REPLICAS"] = Error("ERR Unknown sentinel subcommand 'REPLICAS'")
    old = client()
    for _ in range(2):
        report = old.report(["a"], LONG, peers=True, replicas_of=["a"])
        assert report.answers["a"].replicas == (LISTED_B,) and report.peers == PEERS
    assert (sentinel.count("SENTINEL REPLICAS"), sentinel.count("SENTINEL SLAVES")) == (1, 2)
    del sentinel.replies["SENTINEL REPLICAS"]
    old.close()
    assert old.report(["a"], LONG, replicas_of=["a"]).answers["a"].replicas == (LISTED_B,)
    assert (sentinel.count("SENTINEL REPLICAS"), sentinel.count("SENTINEL SLAVES")) == (2, 2)


def test_no_right_to_list_replicas(sentinel: FakeSentinel, client: MakeClient) -> None:
    """The master is told all the same."""
    sentinel.replies["SENTINEL REPLICAS"] = NOPERM
    assert client().report(["a"], LONG, replicas_of=["a"]).answers["a"] == ANSWER_A
    assert not sentinel.count("SENTINEL SLAVES")


def test_interrupt(sentinel: FakeSentinel, client: MakeClient) -> None:
    """Another thread ends a report that waits; before the first connection and after the last it does nothing."""
    asker, reports = client(), []  # type: SentinelClient, t.List[Report]
    asker.interrupt()
    asker.report(["a"], LONG)
    sentinel.delays["SENTINEL"] = 3600
    thread = threading.Thread(target=lambda: reports.append(asker.report(["b"], LONG)), daemon=True)
    thread.start()
    wait_until(lambda: sentinel.count("SENTINEL MASTER") >= 2, "the second question arrives")
    del sentinel.delays["SENTINEL"]
    asker.interrupt()
    thread.join(LONG)
    assert len(reports) == 1
    asker.close()
    asker.interrupt()


def test_ask_masters(sentinel: FakeSentinel) -> None:
    """Every master comes with its fields, and the connection is closed, also after an error."""
    address = Address(*sentinel.address)
    sentinel.password = "p"
    found = ask_masters(address, Credentials(None, Secret("p")), LONG)
    assert {fields["name"]: fields["config-epoch"] for fields in found} == {"a": "7", "b": "9"}
    with pytest.raises(PeerRefused, match="NOAUTH"):
        ask_masters(address, Credentials(), LONG)
    sentinel.delays["*"] = 3600
    with pytest.raises(PeerUnreachable):
        ask_masters(address, Credentials(), SHORT)
    sentinel.delays.clear()
    wait_until(lambda: not sentinel.open, "all connections are closed")
