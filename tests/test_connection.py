"""The life of one client: holding, dialling, the race with a switch, refusal in words, being cut."""
import contextlib
import socket
import struct
import threading
import typing as t

import pytest
import redis

from st.address import Address
from st.deadline import Deadline
from st.secret import Secret
from st.sentinel.masters import MasterRow, Snapshot
from tests.conftest import open_descriptors
from tests.fakes import Error, FakeRedis, read_all, read_exactly, refused_address, silent_listener
from tests.tunnels import OneTunnel, ask, command, reset, silent_for, target_at, until_ended
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
LONG = 3600.0  # seconds: a gate, not a wait
NO_MASTER = b"-LOADING sentinel-tunnel: no master for 'mymaster' (%s). Retry.\r\n"


def sets_of(node: FakeRedis) -> t.List[t.List[bytes]]:
    """Return what clients asked of a node, without our own questions."""
    return [words for words in node.commands if words[0] not in (b"ROLE", b"INFO", b"HELLO")]


def test_a_client_reaches_the_master(fake_redis: MakeRedis, redis_client: t.Callable[..., redis.Redis]) -> None:
    """A client library speaks to the tunnel as to Redis itself."""
    node = fake_redis()
    with OneTunnel(node) as tunnel:
        client = redis_client(tunnel.address)
        assert client.set("k", "v") and client.get("k") == b"v"
        client.connection_pool.disconnect()


def test_the_role_is_asked_before_the_first_byte(fake_redis: MakeRedis) -> None:
    """Nothing of the client's passes before ROLE was answered, and it then comes first to last."""
    node = fake_redis()
    node.delays["ROLE"] = LONG
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        client.sendall(command("SET", "k", "v"))
        wait_until(lambda: node.count("ROLE"), "ROLE is asked")
        assert node.commands == [[b"ROLE"]]
        del node.delays["ROLE"]
        assert read_exactly(client, 5) == b"+OK\r\n"
        assert node.commands == [[b"ROLE"], [b"SET", b"k", b"v"]]


def test_a_switch_while_the_old_master_is_dialled(fake_redis: MakeRedis) -> None:
    """The race that other proxies lose: read the old address, switch, register. Nothing may reach the old master."""
    old, new = fake_redis(), fake_redis()
    old.delays["ROLE"] = LONG
    with OneTunnel(old) as tunnel, tunnel.connect() as client:
        client.sendall(command("SET", "k", "v"))
        wait_until(lambda: old.count("ROLE"), "the old master is asked for its role")
        assert tunnel.switch(new) == 0  # it carried nothing yet
        assert read_exactly(client, 5) == b"+OK\r\n"
        old.delays.clear()
        wait_until(lambda: not old.open, "the connection to the old master is given up")
        assert new.values == {b"k": b"v"} and not sets_of(old)


def test_a_switch_that_has_not_swept_yet(fake_redis: MakeRedis) -> None:
    """The table changes a moment before connections are cut: one that gets its role in between sees it by itself."""
    old, new = fake_redis(), fake_redis()
    old.delays["ROLE"] = LONG
    with OneTunnel(old) as tunnel, tunnel.connect() as client:
        client.sendall(command("SET", "k", "v"))
        wait_until(lambda: old.count("ROLE"), "the old master is asked for its role")
        tunnel.row.adopt(target_at(new.address))
        old.delays.clear()
        assert read_exactly(client, 5) == b"+OK\r\n"
        assert new.values and not sets_of(old)


def test_a_switch_while_the_old_master_takes_no_connection(fake_redis: MakeRedis) -> None:
    """As before, one step earlier: the host of the old master is gone, and connect() hangs."""
    new = fake_redis()
    with silent_listener() as gone, OneTunnel(connect_timeout=LONG, hold=LONG) as tunnel:
        tunnel.row.adopt(target_at(gone))
        with tunnel.connect() as client:
            wait_until(lambda: [each for each in tunnel.registry.connections() if _dials(each)], "it dials")
            tunnel.switch(new)
            assert ask(client, "PING") == b"+PONG\r\n"


def _dials(connection: t.Any) -> bool:
    upstream = connection._upstream
    with contextlib.suppress(OSError, AttributeError):
        state = upstream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bool(struct.unpack("B", state)[0] == 2)  # TCP_SYN_SENT
    return False


class LateRow(MasterRow):
    """A table that switches in the moment between being read and the dial."""

    def __init__(self, switch: t.Callable[[], None]) -> None:
        super().__init__("mymaster", "mymaster")
        self._switch = switch

    def wait_usable(self, deadline: Deadline, given_up: t.Callable[[], bool] = lambda: False) -> Snapshot:
        """Return the row as it was, and switch the first time."""
        snapshot = super().wait_usable(deadline, given_up)
        switch, self._switch = self._switch, lambda: None
        switch()
        return snapshot


def test_a_switch_between_reading_the_table_and_dialling(fake_redis: MakeRedis) -> None:
    """The old master is hung besides: the client must not wait for it, for the switch has been."""
    old, new = fake_redis(), fake_redis()
    old.fault = "silence"
    tunnel: t.Optional[OneTunnel] = None

    def switch() -> None:
        assert tunnel is not None
        tunnel.switch(new)

    with OneTunnel(old, row=LateRow(switch), hold=LONG, connect_timeout=LONG) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert not sets_of(old)


def test_from_a_to_b_and_back_to_a(fake_redis: MakeRedis) -> None:
    """The same address as before is another reign: a dial of the first one is not carried in the third."""
    a, b = fake_redis(), fake_redis()
    a.delays["ROLE"] = b.delays["ROLE"] = LONG
    with OneTunnel(a) as tunnel, tunnel.connect() as client:
        wait_until(lambda: a.count("ROLE") == 1, "A is asked")
        tunnel.switch(b)
        wait_until(lambda: b.count("ROLE") == 1, "B is asked")
        tunnel.switch(a)
        wait_until(lambda: a.count("ROLE") == 2, "A is asked again, on a new connection")
        for node in (a, b):
            node.delays.clear()
        assert ask(client, "PING") == b"+PONG\r\n"
        wait_until(lambda: len(a.open) == 1 and not b.open, "one connection is left")


def test_carried_connections_end_when_the_same_master_reigns_again(fake_redis: MakeRedis) -> None:
    """A to B and back while a connection to A is open: what it had watched or locked there is of another time."""
    a, b = fake_redis(), fake_redis()
    with OneTunnel(a) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert (tunnel.switch(b), tunnel.switch(a)) == (1, 0)
        assert until_ended(client) == b""


def test_a_replica_that_becomes_master_within_hold(fake_redis: MakeRedis) -> None:
    """The named node says slave at first: ask again, on a new connection, and tell the watcher."""
    node = fake_redis(role="slave")
    with OneTunnel(node, hold=60) as tunnel, tunnel.connect() as client:
        client.sendall(command("PING"))
        wait_until(lambda: node.count("ROLE") >= 2, "the role is asked again")
        node.role = "master"
        assert read_exactly(client, 7) == b"+PONG\r\n"
        assert "wrong role" in tunnel.hints and node.accepted == node.count("ROLE")


def test_a_client_waits_for_a_master(fake_redis: MakeRedis) -> None:
    """Held while there is none, carried as soon as there is one."""
    node = fake_redis()
    with OneTunnel(hold=60) as tunnel, tunnel.connect() as client:
        client.sendall(command("PING"))
        wait_until(lambda: tunnel.registry.counts().held == 1, "it is held")
        tunnel.switch(node)
        assert read_exactly(client, 7) == b"+PONG\r\n"
        assert tunnel.registry.counts().held == 0


def test_when_hold_is_over_the_client_is_told_why() -> None:
    """One line in Redis's protocol with the reason of the table, then the end; and it counts as no_master."""
    with OneTunnel(hold=0.3) as tunnel, tunnel.connect() as client:
        tunnel.row.conclude("3 of 3 sentinels answer, failover in progress", False)
        assert read_all(client) == NO_MASTER % b"3 of 3 sentinels answer, failover in progress"
        wait_until(lambda: tunnel.closed("no_master") == 1, "it is counted")


def test_a_master_that_loads_its_data_speaks_for_itself(fake_redis: MakeRedis) -> None:
    """It answers ROLE while it loads: its own -LOADING is passed on, and no reason to look for another (redis#4561)."""
    node = fake_redis()
    node.replies.update({"*": Error("LOADING Redis is loading the dataset in memory"), "ROLE": ["master", 0, []]})
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        assert ask(client, "GET", "k") == b"-LOADING Redis is loading the dataset in memory\r\n"
        node.replies.clear()
        assert ask(client, "PING") == b"+PONG\r\n"
        assert node.accepted == 1 and not tunnel.hints


def test_hold_0_does_not_wait(fake_redis: MakeRedis) -> None:
    """hold = 0 is one try: no master is an error at once, and a usable one is used."""
    node = fake_redis()
    with OneTunnel(hold=0) as tunnel:
        with tunnel.connect() as client:
            assert read_all(client) == NO_MASTER % b""
        tunnel.switch(node)
        with tunnel.connect() as client:
            assert ask(client, "PING") == b"+PONG\r\n"


def test_nothing_listens_at_the_master() -> None:
    """The reason names the address and what the kernel said."""
    with refused_address() as nobody, OneTunnel(hold=0) as tunnel:
        tunnel.row.adopt(target_at(nobody))
        with tunnel.connect() as client:
            assert read_all(client) == NO_MASTER % (b"%s:%d: Connection refused" % (nobody[0].encode(), nobody[1]))
        wait_until(lambda: tunnel.closed("connect_failed") == 1, "it is counted")
        assert tunnel.hints == ["cannot connect"]


def test_a_client_library_takes_the_line_for_worth_a_retry(redis_client: t.Callable[..., redis.Redis]) -> None:
    """redis-py raises BusyLoadingError, a ConnectionError: retrying code goes on retrying."""
    def refused(tunnel: OneTunnel) -> bool:
        # A release before 5 that is slow to speak finds the line there already, and calls it "not ready".
        with pytest.raises(redis.ConnectionError, match="no master for 'mymaster'|not ready") as caught:
            redis_client(tunnel.address).ping()
        return isinstance(caught.value, redis.BusyLoadingError)

    with OneTunnel(hold=0.1) as tunnel:
        wait_until(lambda: refused(tunnel), "a client that has spoken is told why")


def test_a_client_that_has_spoken_still_reads_the_line() -> None:
    """A close with its bytes unread would reset the connection: the line is followed by a clean end."""
    with OneTunnel(hold=0.2) as tunnel, tunnel.connect() as client:
        client.sendall(command("SET", "k", "v" * 100000))
        wait_until(lambda: not len(tunnel.registry), "the tunnel has closed")
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0  # not reset
        assert read_all(client) == NO_MASTER % b""


@pytest.mark.parametrize("line", [b"-DENIED Redis is running in protected mode", b"-ERR max number of clients reached"])
def test_a_master_that_turns_clients_away_speaks_for_itself(fake_redis: MakeRedis, line: bytes) -> None:
    """Redis's own words are handed on at once, not after hold: its clients know them."""
    node = fake_redis()
    node.greeting = line + b"\r\n"
    with OneTunnel(node, hold=LONG) as tunnel, tunnel.connect() as client:
        assert read_all(client) == line + b"\r\n"
        wait_until(lambda: tunnel.closed("connect_failed") == 1, "it is counted")


def test_a_master_with_a_password_is_used(fake_redis: MakeRedis) -> None:
    """NOAUTH: the role cannot be known, the client itself will log in; our password never goes to its connection."""
    node = fake_redis()
    node.password = "secret"
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"-NOAUTH Authentication required.\r\n"
        assert ask(client, "AUTH", "secret") == b"+OK\r\n"
        assert ask(client, "PING") == b"+PONG\r\n"


def test_strict_demands_to_know_the_role(fake_redis: MakeRedis) -> None:
    """role_check = strict: a node that does not tell its role is refused, with its own words."""
    node = fake_redis()
    node.password = "secret"
    with OneTunnel(node, role_check="strict", hold=0) as tunnel, tunnel.connect() as client:
        assert b"does not tell its role: NOAUTH" in read_all(client)


def test_what_the_master_says_unasked_arrives_first(fake_redis: MakeRedis) -> None:
    """Bytes behind the reply to ROLE belong to the client, in their place."""
    node = fake_redis()
    node.replies["ROLE"] = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" + b"-early\r\n"
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        client.sendall(command("PING"))
        assert read_exactly(client, 15) == b"-early\r\n+PONG\r\n"


@pytest.mark.parametrize("when", ["held", "dialling"])
def test_a_client_that_left_while_it_waited(fake_redis: MakeRedis, when: str) -> None:
    """It is given up at the next step, and its seat is free; nothing was sent for it."""
    node = fake_redis()
    node.delays["ROLE"] = LONG
    with OneTunnel(node if when == "dialling" else None, hold=60) as tunnel:
        client = tunnel.connect()
        wait_until(lambda: node.count("ROLE") if when == "dialling" else tunnel.registry.counts().held, "it waits")
        reset(client)
        node.delays.clear()
        if when == "held":
            tunnel.switch(node)
        wait_until(lambda: not len(tunnel.registry), "it has left")
        wait_until(lambda: tunnel.closed("client") == 1, "it is counted")
        assert not sets_of(node)


def test_10000_connections_and_100_switches_leave_nothing(fake_redis: MakeRedis) -> None:
    """Each switch finds its hundred connections, carrying bytes or on their way, and all end (go-redis#1455)."""
    nodes = [fake_redis(), fake_redis()]
    with OneTunnel(nodes[0]) as tunnel:
        threads, descriptors = threading.active_count(), len(open_descriptors())
        for number in range(1, 101):
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(tunnel.connect()) for _ in range(100)]
                assert {ask(client, "PING") for client in clients[::2]} == {b"+PONG\r\n"}
                tunnel.switch(nodes[number % 2])
                assert {until_ended(client) for client in clients[::2]} == {b""}
        wait_until(lambda: not len(tunnel.registry) and not nodes[0].open + nodes[1].open, "all have left")
        wait_until(lambda: threading.active_count() == threads, "all threads have ended")
        wait_until(lambda: len(open_descriptors()) == descriptors, "all descriptors are closed")
        assert tunnel.registry.counts().accepted == 10000 and tunnel.closed("switch") >= 5000


@pytest.mark.parametrize("doing", ["idle", "busy", "subscribed", "blocked"])
def test_a_switch_ends_a_connection_whatever_it_does(fake_redis: MakeRedis, doing: str) -> None:
    """Idle, in the middle of a pipeline, subscribed, in BLPOP 0: the client reads the end, not the old master."""
    old, new = fake_redis(), fake_redis()
    old.replies["BLPOP"] = lambda connection, words: None
    with OneTunnel(old) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        if doing == "busy":
            client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n half of a value")
        if doing == "subscribed":
            assert ask(client, "SUBSCRIBE", "news").startswith(b"*3\r\n$9\r\nsubscribe")
        if doing == "blocked":
            client.sendall(command("BLPOP", "k", "0"))
            wait_until(lambda: old.count("BLPOP"), "it blocks")
        assert tunnel.switch(new) == 1
        assert until_ended(client) == b""
        wait_until(lambda: tunnel.closed("switch") == 1, "it is counted")
        wait_until(lambda: not old.open, "the old master's leg is closed")
        assert not new.commands  # nothing is replayed


def test_what_is_queued_for_a_stale_master_never_arrives(fake_redis: MakeRedis) -> None:
    """The old master reads on after the switch, as when a partition heals: what the kernel still held is dropped."""
    with socket.socket() as listener, OneTunnel() as tunnel, tunnel.connect() as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        tunnel.row.adopt(target_at(listener.getsockname()))
        old, _ = listener.accept()
        with old:
            assert read_exactly(old, len(command("ROLE"))) == command("ROLE")
            old.sendall(b"*1\r\n$6\r\nmaster\r\n")
            client.setblocking(False)
            while tunnel.registry.counts().to_master < 100000:  # more than the old master has room for
                with contextlib.suppress(BlockingIOError):
                    client.send(b"x" * 10000)
            assert tunnel.switch(fake_redis()) == 1
            wait_until(lambda: tunnel.closed("switch") == 1, "the connection is closed")
            with pytest.raises(ConnectionResetError):
                read_all(old)


def test_a_switch_while_the_role_is_asked_apart(fake_redis: MakeRedis) -> None:
    """The old master hangs while we log in to it with a password of ours: the client must not wait for it for hold."""
    old, new = fake_redis(), fake_redis()
    old.password, old.delays["AUTH"] = "secret", LONG
    with OneTunnel(old, redis_password=Secret("secret"), hold=LONG, connect_timeout=0.3) as tunnel:
        with tunnel.connect() as client:
            wait_until(lambda: old.count("AUTH"), "it is asked apart")
            tunnel.switch(new)
            assert ask(client, "PING") == b"+PONG\r\n"


def test_a_hung_master_holds_one_socket_a_client(fake_redis: MakeRedis) -> None:
    """A stopped master completes handshakes and answers nothing: wait on the same socket, and go on when it does."""
    node = fake_redis()
    node.delays["ROLE"] = LONG
    with OneTunnel(node, hold=LONG, connect_timeout=0.2) as tunnel, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(tunnel.connect()) for _ in range(5)]
        wait_until(lambda: node.count("ROLE") == 5, "all of them ask")
        assert all(silent_for(client, 0.2) for client in clients)  # beyond connect_timeout
        assert node.accepted == 5
        del node.delays["ROLE"]
        assert [ask(client, "PING") for client in clients] == [b"+PONG\r\n"] * 5
        assert node.accepted == 5


def test_a_hung_master_ends_with_hold(fake_redis: MakeRedis) -> None:
    """The client is told so, within hold."""
    node = fake_redis()
    node.delays["ROLE"] = LONG
    with OneTunnel(node, hold=0.3, connect_timeout=0.2) as tunnel, tunnel.connect() as client:
        assert b"no reply in time" in read_all(client)


def test_a_master_that_is_gone_ends_the_client_in_good_order(fake_redis: MakeRedis) -> None:
    """Its last reply arrives, then the end, and the watcher is told to look."""
    node = fake_redis()
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        client.sendall(command("QUIT"))
        assert read_all(client) == b"+OK\r\n"
        wait_until(lambda: tunnel.closed("master") == 1, "it is counted")
        assert tunnel.hints == ["the master ended a connection"]


def test_a_readonly_reply_tells_the_watcher(fake_redis: MakeRedis) -> None:
    """A demoted master may still be in the table: its -READONLY is passed on, and a reason to look."""
    node = fake_redis()
    with OneTunnel(node) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        node.role = "slave"
        assert ask(client, "SET", "k", "v").startswith(b"-READONLY")
        wait_until(lambda: tunnel.hints == ["-READONLY"], "the watcher is told")


@pytest.mark.parametrize("when", ["held", "dialling", "carrying"])
def test_a_cut_ends_it_at_any_time(fake_redis: MakeRedis, when: str) -> None:
    """Shutdown, whatever it waits for: no error line, the reason is the one given."""
    node = fake_redis()
    if when == "dialling":
        node.delays["ROLE"] = LONG
    with OneTunnel(None if when == "held" else node, hold=LONG) as tunnel, tunnel.connect() as client:
        states = {"held": lambda: tunnel.registry.counts().held, "dialling": lambda: node.count("ROLE"),
                  "carrying": lambda: len(tunnel.registry) and not tunnel.registry.counts().held}
        wait_until(states[when], "it is %s" % when)
        tunnel.registry.cut_all("shutdown")
        assert until_ended(client) == b""
        wait_until(lambda: tunnel.registry.counts().closed == {"shutdown": 1}, "it is counted")


def test_both_legs_have_the_options_of_a_long_connection(fake_redis: MakeRedis) -> None:
    """Keepalive on both, a limit for unacknowledged bytes on the master's alone, Nagle's delay on none."""
    node = fake_redis()
    with OneTunnel(node, keepalive=7, user_timeout=9) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        connection = tunnel.registry.connections()[0]
        legs = [connection._client, connection._upstream]
        read = [[leg.getsockopt(socket.IPPROTO_TCP, option) for option in
                 (socket.TCP_NODELAY, socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT)] for leg in legs if leg]
        assert read == [[1, 7, 0], [1, 7, 9000]]
        assert all(leg and leg.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for leg in legs)


def test_the_peer_is_known_by_its_address(fake_redis: MakeRedis) -> None:
    """Status and log name the client as it is seen from here."""
    with OneTunnel(fake_redis()) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert tunnel.registry.connections()[0].peer == str(Address(*client.getsockname()))
