"""What Sentinels say, read into values: addresses that can be used, epochs, errors, other Sentinels."""
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.address import Address
from st.errors import PeerError, PeerGarbage, PeerRefused
from st.secret import Secret
from st.sentinel.answers import (Answer, Credentials, Listed, Peer, Report, lacks_subcommand, questions, read_address,
                                 read_answer, read_masters, read_peers, read_replicas)
from st.wire.resp import Reply, ReplyError

GOOD = [b"10.0.0.1", b"6379"]
NO_SUCH_MASTER = ReplyError("ERR No such master with that name")

anything = st.recursive(
    st.none() | st.integers() | st.binary(max_size=12) | st.builds(ReplyError, st.text(max_size=12))
    | st.sampled_from([b"ip", b"port", b"config-epoch", b"flags", b"6379", b"\xc2\xb2", b"9" * 5000, b"-1", b"name"]),
    lambda inner: st.lists(inner, max_size=6), max_leaves=20)


def fields(**more: str) -> t.List[bytes]:
    """Return the reply to SENTINEL MASTER, flat, as RESP2 has it; `_` stands for `-`."""
    given_fields = dict({"name": "m", "ip": "6.6.6.6", "port": "6", "flags": "master", "config_epoch": "7"}, **more)
    return [word.encode() for key, value in given_fields.items() for word in (key.replace("_", "-"), value)]


def test_the_questions_are_asked_together() -> None:
    """The address is asked with GET-MASTER-ADDR-BY-NAME, the epoch with MASTER, the name as it is."""
    assert questions("a b") == [["SENTINEL", "MASTER", "a b"], ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "a b"]]


def test_address_and_epoch_come_from_different_replies() -> None:
    """MASTER prints the old address during a failover: its ip and port are never used."""
    answer = read_answer(GOOD, fields(flags="master,s_down"), "s")
    assert answer == Answer(Address("10.0.0.1", 6379), 7, frozenset(["master", "s_down"]))


@pytest.mark.parametrize("state, promoting", [
    ("none", False), ("wait_start", False), ("select_slave", False), ("send_slaveof_noone", True),
    ("wait_promotion", True), ("reconf_slaves", False), ("update_config", False), ("", False)])
def test_states_of_a_failover(state: str, promoting: bool) -> None:
    """A Sentinel that has chosen a replica, and has not seen that it is master, is promoting it (sentinel.c)."""
    reply = fields(flags="master,failover_in_progress", failover_state=state)
    assert read_answer(GOOD, reply, "s").promoting is promoting and not read_answer(GOOD, fields(), "s").promoting


@pytest.mark.parametrize("reply", [ReplyError("NOPERM no MASTER"), NO_SUCH_MASTER, None, [], b"x", 7, [b"odd"]])
def test_the_address_is_enough(reply: Reply) -> None:
    """Without a usable reply to MASTER the epoch is not known, and that is all."""
    assert read_answer(GOOD, reply, "s") == Answer(Address("10.0.0.1", 6379))


@pytest.mark.parametrize("epoch, read", [("0", 0), ("18446744073709551615", 2 ** 64 - 1), ("", None), ("-1", None),
                                         ("1e3", None), ("\u00b2", None), ("9" * 5000, None), (" 1", None)])
def test_epochs(epoch: str, read: t.Optional[int]) -> None:
    """An epoch is digits; anything else is none."""
    assert read_answer(GOOD, fields(config_epoch=epoch), "s").epoch == read


@pytest.mark.parametrize("reply", [None, ReplyError("IDONTKNOW I have not enough information")])
def test_a_name_that_is_not_monitored(reply: Reply) -> None:
    """Nil says so, and IDONTKNOW did up to Redis 2.8.6."""
    answer = read_answer(reply, NO_SUCH_MASTER, "s")
    assert answer.unknown and answer.master is None and "not monitor" in answer.problem


@pytest.mark.parametrize("host, port", [("10.0.0.1", "1"), ("node1.local", "65535"), ("::1", "6379"),
                                        ("fe80::1%eth0", "6379"), ("127.0.0.1", "06379")])
def test_addresses(host: str, port: str) -> None:
    """A host may be a name or an address of either family."""
    assert read_address([host.encode(), port.encode()]) == Address(host, int(port))


@pytest.mark.parametrize("reply", [
    [], [b"h"], [b"h", b"1", b"x"], b"h:1", 7, None, [b"h", 1], [None, None], [[b"h"], b"1"],
    [b"", b"6379"], [b"?", b"6379"], [b"0.0.0.0", b"6379"], [b"::", b"6379"], [b"*", b"6379"], [b"a b", b"6379"],
    [b"a\r\nb", b"6379"], [b"a\x00", b"6379"], [b"h" * 300, b"6379"],
    [b"h", b"0"], [b"h", b"65536"], [b"h", b"-1"], [b"h", b""], [b"h", b"63a"], [b"h", b"\xc2\xb2"],
    [b"h", b"00637999999"], [b"h", b"9" * 5000], [b"h", b" 6379"],
])
def test_addresses_that_nobody_can_use(reply: Reply) -> None:
    """A placeholder, port 0 or no address at all is a problem of this name, not an address and not an exception."""
    with pytest.raises(ValueError) as caught:
        read_address(reply)
    assert len(str(caught.value)) < 300
    if reply is not None:
        answer = read_answer(reply, fields(), "s")
        assert answer.master is None and not answer.unknown and "no usable address" in answer.problem


@pytest.mark.parametrize("error", ["NOAUTH Authentication required.", "NOPERM no", "DENIED protected", "WRONGPASS x",
                                   "ERR operation not permitted", "ERR max number of clients reached"])
def test_refusals(error: str) -> None:
    """A Sentinel that refuses us is told as such, with the line, and with what AUTH said if that failed."""
    with pytest.raises(PeerRefused, match="s: this Sentinel refuses us: %s$" % error) as caught:
        read_answer(ReplyError(error), None, "s", b"OK")
    assert caught.value.line == error.encode()
    with pytest.raises(PeerRefused, match="AUTH said: WRONGPASS invalid"):
        read_answer(ReplyError(error), None, "s", ReplyError("WRONGPASS invalid"))


@pytest.mark.parametrize("error", ["ERR unknown command 'SENTINEL'", "ERR unknown command `SENTINEL`, with args",
                                   "ERR Unknown command"])
def test_a_plain_redis(error: str) -> None:
    """A node that does not know the command is no Sentinel."""
    with pytest.raises(PeerGarbage, match="plain Redis"):
        read_answer(ReplyError(error), None, "s")


def test_any_other_error_is_of_this_name_only() -> None:
    """An error that we do not know is kept in words; another name may still be answered."""
    assert read_answer(ReplyError("ERR odd"), None, "s") == Answer(problem="ERR odd")


@given(anything, anything, anything)
def test_any_reply_is_an_answer_or_an_error_of_the_peer(address: Reply, master: Reply, auth: Reply) -> None:
    """No reply makes the reading fail in any other way, and an address that comes out can be dialled."""
    try:
        answer = read_answer(address, master, "s", auth)
    except PeerError:
        return
    assert (answer.master is None) == bool(answer.problem)
    assert answer.master is None or 0 < answer.master.port < 65536


def sibling(host: str, port: str, runid: str = "", flags: str = "sentinel") -> t.List[bytes]:
    """Return one entry of SENTINEL SENTINELS."""
    words = ("name", "x", "ip", host, "port", port, "runid", runid, "flags", flags)
    return [word.encode() for word in words]


def test_peers() -> None:
    """Each entry has an address, an id and whether it is down; those of port 0 have no address and are left out."""
    found = read_peers([sibling("10.0.0.2", "26379", "b" * 40), sibling("10.0.0.3", "0"),
                        sibling("s4", "1", "d", "s_down"), sibling("s5", "1", "e", "sentinel,disconnected"),
                        [b"odd"], None, ReplyError("x"), [b"ip", None]])
    assert found == (Peer(Address("10.0.0.2", 26379), "b" * 40, False), Peer(Address("s4", 1), "d", True),
                     Peer(Address("s5", 1), "e", True))


@pytest.mark.parametrize("reply", [None, ReplyError("NOPERM"), b"x", 7])
def test_no_list_of_peers(reply: Reply) -> None:
    """A refusal is not an empty list: nobody is forgotten because of it."""
    assert read_peers(reply) is None and read_peers([]) == ()


@given(anything)
def test_any_reply_is_a_list_of_peers_or_none(reply: Reply) -> None:
    """Whatever a Sentinel lists, what comes out can be dialled."""
    for peer in read_peers(reply) or ():
        assert peer.address.host and 0 < peer.address.port < 65536


def test_replicas() -> None:
    """Each entry has an address, whether it is down, and whether it follows its master; others are left out."""
    odd = [sibling("10.0.0.2", "0"), [b"odd"], None, ReplyError("x")]
    ill = sibling("r2", "2", flags="slave,disconnected") + [b"master-link-status", b"err"]
    assert read_replicas([sibling("r1", "1", flags="slave"), ill] + odd) == (
        Listed(Address("r1", 1), False, True), Listed(Address("r2", 2), True, False))
    assert len(read_replicas([sibling("r1", str(port)) for port in range(1, 5000)]) or ()) == 256
    assert read_replicas(ReplyError("NOPERM")) is None and read_replicas([]) == ()


@given(anything)
def test_any_reply_is_a_list_of_replicas_or_none(reply: Reply) -> None:
    """Whatever a Sentinel lists, what comes out can be dialled."""
    for replica in read_replicas(reply) or ():
        assert replica.address.host and 0 < replica.address.port < 65536


@pytest.mark.parametrize("error, lacks", [
    ("ERR Unknown sentinel subcommand 'REPLICAS'", True),
    ("ERR unknown subcommand 'REPLICAS'. Try SENTINEL HELP.", True),
    ("ERR No such master with that name", False), ("NOPERM this user has no permissions", False),
])
def test_a_sentinel_without_the_subcommand(error: str, lacks: bool) -> None:
    """In the words of 3.2 to 4.0, and of 7.0."""
    assert lacks_subcommand(ReplyError(error)) == lacks and not lacks_subcommand([b"unknown subcommand"])


def test_masters() -> None:
    """Every entry with a name counts; errors are those of an answer."""
    entries = read_masters([fields(), [b"ip", b"x"], None, fields(name="n")], "s")
    assert [entry["name"] for entry in entries] == ["m", "n"]
    with pytest.raises(PeerRefused, match="NOPERM"):
        read_masters(ReplyError("NOPERM x"), "s")
    for reply in (ReplyError("ERR unknown command"), b"x", None, ReplyError("ERR odd")):
        with pytest.raises(PeerGarbage, match="is no Sentinel"):
            read_masters(reply, "s")


def test_voters() -> None:
    """The id tells Sentinels apart; without one the address does."""
    assert Report(Address("s", 1), 0, myid="abc").voter == "abc"
    assert Report(Address("s", 1), 0).voter == "s:1"


def test_credentials() -> None:
    """AUTH has the password, before it the user if there is one; no password, no AUTH."""
    assert Credentials().commands() == Credentials("u").commands() == []
    assert Credentials(None, Secret("p")).commands() == [["AUTH", "p"]]
    assert Credentials("u", Secret("p")).commands() == [["AUTH", "u", "p"]]
