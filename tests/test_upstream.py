"""Reaching the master: connect, ask for the role on the client's own socket, demand a master."""
import socket
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import PeerGarbage, PeerRefused, PeerSilent, PeerUnreachable
from st.secret import Secret
from st.tunnel.upstream import Gauges, NotMaster, prepare
from tests.fakes import Error, FakeRedis, refused_address, silent_listener
from tests.tunnels import ask, target_at, target_of, tunnel_settings
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
NO_RIGHT = Error("NOPERM this user has no permissions to run the 'role' command")


def prepared(node: FakeRedis, **changes: t.Any) -> bytes:
    """Return what `prepare` returns for a node."""
    return prepared_at(node.address, **changes)


def prepared_at(address: t.Tuple[str, int], seconds: float = 20, **changes: t.Any) -> bytes:
    """Return what `prepare` returns for an address, on a socket that is closed afterwards."""
    with socket.socket() as sock:
        return prepare(sock, target_at(address), tunnel_settings(**changes), Deadline(seconds), Gauges()).first_reply


def test_a_master_is_ready_for_the_client(fake_redis: MakeRedis) -> None:
    """After one ROLE the socket is the client's: nothing else was said on it."""
    node = fake_redis()
    with socket.socket() as sock:
        assert prepare(sock, target_of(node), tunnel_settings(), Deadline(20), Gauges()).first_reply == b""
        assert ask(sock, "ECHO", "x") == b"$1\r\nx\r\n"
    assert node.commands == [[b"ROLE"], [b"ECHO", b"x"]]


@pytest.mark.parametrize("role, said", [("slave", "a replica"), ("sentinel", "sentinel")])
def test_another_role_is_refused(fake_redis: MakeRedis, role: str, said: str) -> None:
    """The error names the node and what it says."""
    node = fake_redis(role=role)
    with pytest.raises(NotMaster) as caught:
        prepared(node)
    assert str(caught.value) == "%s:%d says that it is %s, not master" % (node.address + (said,))


def test_a_replica_is_ready_for_a_reader(fake_redis: MakeRedis) -> None:
    """Where a replica is wanted; then it is the master that is refused."""
    node = fake_redis(role="slave")
    target = target_of(node)._replace(role="slave")
    with socket.socket() as sock:
        assert prepare(sock, target, tunnel_settings(), Deadline(20), Gauges()).first_reply == b""
    node.role = "master"
    with socket.socket() as sock, pytest.raises(NotMaster, match="says that it is master, not a replica"):
        prepare(sock, target, tunnel_settings(), Deadline(20), Gauges())


@pytest.mark.parametrize("role", ["master", "slave"])
@pytest.mark.parametrize("refused", [("ROLE",), ("ROLE", "INFO")])
def test_other_questions_do_where_role_is_refused(fake_redis: MakeRedis, role: str, refused: t.Tuple[str, ...]) -> None:
    """INFO, then HELLO: an ACL user or an old server may not know ROLE."""
    node = fake_redis(role=role)
    node.replies.update({name: NO_RIGHT for name in refused})
    if role == "master":
        assert prepared(node) == b""
    else:
        with pytest.raises(NotMaster):
            prepared(node)


def test_a_node_that_tells_nothing_is_used(fake_redis: MakeRedis) -> None:
    """All three refused: the Sentinels name it, and no client may be locked out for its own ACL."""
    node = fake_redis()
    node.replies.update({name: NO_RIGHT for name in ("ROLE", "INFO", "HELLO")})
    assert prepared(node) == b""
    with pytest.raises(NotMaster, match="does not tell its role: NOPERM"):
        prepared(node, role_check="strict")


def test_our_password_is_never_said_on_the_clients_socket(fake_redis: MakeRedis) -> None:
    """It would make the client our user: the role is asked on a connection apart, which is closed."""
    node = fake_redis()
    node.password, node.user = "secret", "checker"
    with socket.socket() as sock:
        tunnel = tunnel_settings(redis_user="checker", redis_password=Secret("secret"), role_check="strict")
        assert prepare(sock, target_of(node), tunnel, Deadline(20), Gauges()).first_reply == b""
        assert ask(sock, "PING").startswith(b"-NOAUTH")
        first, second = node.connections
        assert first.commands == [[b"ROLE"], [b"PING"]]
        assert second.commands == [[b"AUTH", b"checker", b"secret"], [b"ROLE"]]
        wait_until(lambda: len(node.open) == 1, "the connection apart is closed")


def test_a_login_apart_that_hangs_is_not_waited_for(fake_redis: MakeRedis) -> None:
    """A few such connections are all there are for all tunnels: one lasts for connect_timeout at the most."""
    node = fake_redis()
    node.password, node.delays["AUTH"] = "secret", 3600
    with pytest.raises(PeerSilent, match="no reply in time"):
        prepared(node, seconds=3600, connect_timeout=0.2, redis_password=Secret("secret"))


def test_with_our_password_a_replica_is_found_out(fake_redis: MakeRedis) -> None:
    """That is what the password is for."""
    node = fake_redis(role="slave")
    node.password = "secret"
    with pytest.raises(NotMaster):
        prepared(node, redis_password=Secret("secret"))


def test_no_role_check_says_nothing(fake_redis: MakeRedis) -> None:
    """role_check = no: the first byte on the socket is the client's."""
    node = fake_redis(role="slave")
    assert prepared(node, role_check="no") == b""
    wait_until(lambda: node.accepted == 1 and not node.open, "it was connected to")
    assert not node.commands


def test_a_hung_node_is_silent(fake_redis: MakeRedis) -> None:
    """It accepts, as the kernel of a stopped process does: the wait ends with the patience, not before."""
    node = fake_redis()
    node.fault = "silence"
    with pytest.raises(PeerSilent, match="no reply in time"):
        prepared(node, seconds=0.3, connect_timeout=0.01)


def test_a_node_without_a_network_is_not_waited_for() -> None:
    """Every SYN is dropped: connect_timeout ends it, however much patience there is."""
    with silent_listener() as address, pytest.raises(PeerUnreachable, match="no connection in time"):
        prepared_at(address, seconds=3600, connect_timeout=0.2)


def test_nobody_listens() -> None:
    """The kernel's word is in the error."""
    with refused_address() as address, pytest.raises(PeerUnreachable, match="Connection refused"):
        prepared_at(address)


def test_a_full_node_is_quoted(fake_redis: MakeRedis) -> None:
    """The very line is kept for the client."""
    node = fake_redis()
    node.greeting = b"-ERR max number of clients reached\r\n"
    with pytest.raises(PeerRefused) as caught:
        prepared(node)
    assert caught.value.line == b"ERR max number of clients reached"


def test_something_else_listens(fake_redis: MakeRedis) -> None:
    """What echoes our question, or speaks HTTP, is not Redis: no client byte may go there."""
    for reply in (b"*1\r\n$4\r\nROLE\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+master\r\n"):
        node = fake_redis()
        node.replies["ROLE"] = reply
        with pytest.raises(PeerGarbage):
            prepared(node)


def test_a_stale_dial_ends_before_the_question(fake_redis: MakeRedis) -> None:
    """What is called after connecting may give up: the node is not even asked."""
    node = fake_redis()

    def stale() -> None:
        raise PeerUnreachable("stale")

    with socket.socket() as sock, pytest.raises(PeerUnreachable, match="stale"):
        prepare(sock, target_of(node), tunnel_settings(), Deadline(20), Gauges(), stale)
    wait_until(lambda: node.accepted == 1 and not node.open, "it was connected to")
    assert not node.commands
