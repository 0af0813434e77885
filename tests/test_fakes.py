"""The fakes on their sockets: faults, counters, stopping."""
import socket
import struct
import typing as t

import pytest

from tests.fakes import Error, FakeRedis, FakeSentinel, dial, read_all, read_exactly, talk
from tests.waiting import wait_until

MakeRedis = t.Callable[..., FakeRedis]
MakeSentinel = t.Callable[..., FakeSentinel]
PONG = b"+PONG\r\n"


def test_replies_and_counts(fake_redis: MakeRedis) -> None:
    """Commands are answered in order, and counted by name with their connections and bytes."""
    node = fake_redis()
    assert talk(node.address, b"PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n") == PONG + b"$2\r\nhi\r\n"
    assert talk(node.address, b"role\r\n").startswith(b"*3\r\n$6\r\nmaster\r\n:0\r\n")
    wait_until(lambda: not node.open, "both connections are over")
    assert (node.accepted, node.count("ROLE"), node.count("GET")) == (2, 1, 0)
    assert node.commands == [[b"PING"], [b"ECHO", b"hi"], [b"role"]]
    assert [connection.received for connection in node.connections] == [28, 6]


@pytest.mark.parametrize("fault, answer", [("close", b""), ("silence", b""), ("half", b"+PO"), ("one_byte", PONG),
                                           ("echo", b"PING\r\n"), ("", PONG)])
def test_fault(fake_redis: MakeRedis, fault: str, answer: bytes) -> None:
    """Each fault shapes what the client of a new connection reads."""
    node = fake_redis()
    node.fault = fault
    with dial(node.address) as sock:
        if fault != "close":
            sock.sendall(b"PING\r\n")
            wait_until(lambda: node.connections and node.connections[0].received == 6, "the request arrives")
        if fault != "half":
            sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == answer


def test_one_byte_comes_in_pieces(fake_redis: MakeRedis) -> None:
    """A reply one byte a time is read in more than one piece."""
    node = fake_redis()
    node.fault = "one_byte"
    with dial(node.address) as sock:
        sock.sendall(b"ECHO %s\r\n" % (b"x" * 200))
        assert len(sock.recv(1000)) < 200


def test_reset(fake_redis: MakeRedis) -> None:
    """RST ends a connection at once, a new one or an open one."""
    node = fake_redis()
    with dial(node.address) as sock:
        wait_until(lambda: node.open, "the connection is accepted")
        node.drop_all(reset=True)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    node.fault = "reset"
    with pytest.raises(ConnectionResetError), dial(node.address) as sock:  # connect() itself may see it
        sock.recv(1)


def test_greeting(fake_redis: MakeRedis) -> None:
    """A greeting comes unasked, and is the end."""
    node = fake_redis()
    node.greeting = b"-ERR max number of clients reached\r\n"
    with dial(node.address) as sock:
        assert read_all(sock) == node.greeting


def test_stop_reading(fake_redis: MakeRedis) -> None:
    """A node that does not read lets the writes of its client back up, until it reads again."""
    node = fake_redis()
    node.fault = "stop_reading"
    with dial(node.address) as sock:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(b"PING\r\n" * 10000)
        assert node.commands == []
        node.fault = "silence"
        wait_until(lambda: node.count("PING") > 10000, "the backlog is read")


def test_delays_end_when_they_are_removed(fake_redis: MakeRedis) -> None:
    """A delay holds the accept or one command, and removing it frees the connection at once."""
    node = fake_redis()
    node.accept_delay, node.delays["ROLE"] = 3600, 3600
    with dial(node.address) as sock:
        sock.sendall(b"PING\r\nROLE\r\nPING\r\n")
        wait_until(lambda: node.open, "the connection is accepted")
        assert node.commands == []
        node.accept_delay = 0
        assert read_exactly(sock, 7) == PONG
        wait_until(lambda: node.count("ROLE"), "ROLE arrives")
        node.role = "slave"
        del node.delays["ROLE"]
        assert read_exactly(sock, 14) == b"*5\r\n$5\r\nslave\r"


def test_delay_does_not_outlast_close() -> None:
    """A connection that waits is ended by close()."""
    node = FakeRedis()
    node.delays["*"] = 3600
    with dial(node.address) as sock:
        sock.sendall(b"PING\r\n")
        wait_until(lambda: node.count("PING"), "the command arrives")
        node.close()
        assert read_all(sock) == b""


def test_replies_set_by_the_test(fake_sentinel: MakeSentinel) -> None:
    """A reply for the full name comes before one for the first word, and that before one for all."""
    sentinel = fake_sentinel()
    sentinel.replies.update({"SENTINEL MASTER": b"*-2\r\n", "SENTINEL": Error("NOPERM no"), "*": None})
    sentinel.replies["INFO"] = lambda connection, command: command[1:]
    request = b"SENTINEL MASTER a\r\nSENTINEL MYID\r\nROLE\r\nINFO x\r\n"
    assert talk(sentinel.address, request) == b"*-2\r\n-NOPERM no\r\n$-1\r\n*1\r\n$1\r\nx\r\n"
    sentinel.replies["*"] = lambda connection, command: connection.reset()
    with dial(sentinel.address) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(b"PING\r\n")
        sock.recv(1)


def test_stop_and_start(fake_redis: MakeRedis) -> None:
    """A stopped fake refuses, with its open connections closed; a started one listens on the same port."""
    node = fake_redis()
    with dial(node.address) as sock:
        wait_until(lambda: node.open, "the connection is accepted")
        node.stop()
        assert read_all(sock) == b"" and node.open == []
    with pytest.raises(ConnectionRefusedError):
        dial(node.address)
    node.start()
    node.start()  # changes nothing
    assert talk(node.address, b"PING\r\n") == PONG
    assert node.accepted == 2


def test_clients_that_reset_at_once(fake_redis: MakeRedis) -> None:
    """Connections that are gone before they are served leave the fake in order."""
    node = fake_redis()
    for _ in range(200):
        with dial(node.address) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert talk(node.address, b"PING\r\n") == PONG
    wait_until(lambda: not node.open, "every connection is over")


def test_wrong_settings_are_refused(fake_redis: MakeRedis) -> None:
    """A fault or role that does not exist is an error, not a healthy node."""
    node = fake_redis()
    with pytest.raises(ValueError, match="'slient' is not a fault"):
        node.fault = "slient"
    with pytest.raises(ValueError, match="'primary' is not a role"):
        node.role = "primary"


def test_sentinel_listed_as_a_node(fake_redis: MakeRedis) -> None:
    """A node may say that it is a Sentinel, and HELLO shows no role then."""
    reply = talk(fake_redis("sentinel").address, b"ROLE\r\nHELLO\r\n")
    assert reply.startswith(b"*2\r\n$8\r\nsentinel\r\n*0\r\n*12\r\n")


def test_failure_of_a_fake_is_not_lost() -> None:
    """An exception in a thread of the fake comes out of close()."""
    node = FakeRedis()
    node.replies["PING"] = lambda connection, command: 1 // 0
    assert talk(node.address, b"PING\r\n") == b""
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        node.close()


def test_ipv6(fake_sentinel: MakeSentinel) -> None:
    """A fake on ::1 tells any address, be it none."""
    sentinel = fake_sentinel("::1")
    sentinel.masters["m"] = (("?", 0), 7, "master")
    reply = b"*2\r\n$1\r\n?\r\n$1\r\n0\r\n*-1\r\n"
    assert talk(sentinel.address, b"SENTINEL get-master-addr-by-name m\r\n"
                                  b"SENTINEL get-master-addr-by-name n\r\n") == reply


def test_publish_survives_subscribers_that_leave(fake_sentinel: MakeSentinel) -> None:
    """A subscriber that closes while messages are published takes nobody down."""
    sentinel = fake_sentinel()
    for _ in range(50):
        with dial(sentinel.address) as sock:
            sock.sendall(b"SUBSCRIBE c\r\n")
            wait_until(lambda: sentinel.publish("c", "x"), "the subscription is there")
        wait_until(lambda: not sentinel.publish("c", "x"), "the subscription is over")
