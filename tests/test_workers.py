"""Connections that other processes carry: as good as one's own, and lost one worker at a time."""
import os
import pathlib
import resource
import signal
import socket
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import LocalError
from st.workers.pool import Workers
from tests.fakes import FakeRedis, read_all
from tests.proc import stat_fields
from tests.programs import is_alive
from tests.tunnels import OneTunnel, ask, command, silent_for, until_ended
from tests.waiting import FACTOR, wait_until

MakeRedis = t.Callable[..., FakeRedis]
Expect = t.Callable[[str], None]
LONG = 3600.0  # seconds: a gate, not a wait


@pytest.fixture
def workers() -> t.Iterator[Workers]:
    """Give two workers with room for a hundred connections."""
    made = Workers(2, 100)
    made.start()
    yield made
    made.stop(Deadline(20 * FACTOR))


def pids(workers: Workers) -> t.List[int]:
    """Return the process ids of the workers."""
    return [worker.pid for worker in workers.workers]


def test_each_gets_its_share(fake_redis: MakeRedis, workers: Workers) -> None:
    """The next connection goes to the worker that carries the fewest."""
    with OneTunnel(fake_redis(), relay=workers.relay) as tunnel:
        clients = [tunnel.connect() for _ in range(6)]
        for client in clients:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert [each.connections for each in workers.measures()] == [3, 3]
        for client in clients:
            client.close()
        wait_until(lambda: [each.connections for each in workers.measures()] == [0, 0], "all have ended")
        wait_until(lambda: tunnel.closed("client") == 6, "and are counted")


def test_many_bytes_with_an_end_in_the_middle(fake_redis: MakeRedis, workers: Workers) -> None:
    """A reply of many megabytes arrives whole although its client has ended its own direction."""
    payload = os.urandom(1 << 20) * 16
    with OneTunnel(fake_redis(), relay=workers.relay) as tunnel, tunnel.connect() as client:
        client.sendall(command("SET", "k", payload))
        assert client.recv(100) == b"+OK\r\n"
        client.sendall(command("GET", "k"))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"$%d\r\n%s\r\n" % (len(payload), payload)
        wait_until(lambda: tunnel.closed("client") == 1, "it has ended")
        counts = tunnel.registry.counts()
        assert (counts.to_master, counts.to_client) == (
            len(command("SET", "k", payload) + command("GET", "k")), len(payload) + len(b"+OK\r\n$16777216\r\n\r\n"))


def test_bytes_are_counted_as_they_go(fake_redis: MakeRedis, workers: Workers) -> None:
    """While the connection is open, not only when it has ended."""
    with OneTunnel(fake_redis(), relay=workers.relay) as tunnel, tunnel.connect() as client:
        for number in range(1, 4):
            assert ask(client, "PING") == b"+PONG\r\n"
            wait_until(lambda: tunnel.registry.connections()[0].carried() == (14 * number, 7 * number), "it is counted")


def test_a_switch_ends_what_they_carry(fake_redis: MakeRedis, workers: Workers) -> None:
    """At once, and the client's next connection reaches the new master."""
    old, new = fake_redis(), fake_redis()
    with OneTunnel(old, relay=workers.relay) as tunnel, tunnel.connect() as first, tunnel.connect() as second:
        assert ask(first, "PING") == ask(second, "PING") == b"+PONG\r\n"
        assert tunnel.switch(new) == 2
        assert until_ended(first) == until_ended(second) == b""
        wait_until(lambda: tunnel.closed("switch") == 2, "both have ended")
        with tunnel.connect() as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        assert new.values == {b"k": b"v"} and old.values == {}


def test_a_hung_worker_keeps_no_client_on_a_stale_master(fake_redis: MakeRedis, workers: Workers) -> None:
    """It is stopped, and the sockets are shut down all the same; when it wakes it closes its own."""
    old, new = fake_redis(), fake_redis()
    with OneTunnel(old, relay=workers.relay) as tunnel, tunnel.connect() as first, tunnel.connect() as second:
        assert ask(first, "PING") == ask(second, "PING") == b"+PONG\r\n"
        for pid in pids(workers):
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(stat_fields(pid)[0] == "T" for pid in pids(workers)), "they have stopped")
        try:
            first.sendall(command("SET", "k", "stale"))
            assert tunnel.switch(new) == 2
            assert until_ended(first) == until_ended(second) == b""
            wait_until(lambda: tunnel.closed("switch") == 2, "nobody waits for a hung worker for ever")
        finally:
            for pid in pids(workers):
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: [each.connections for each in workers.measures()] == [0, 0], "they have closed their own")
        assert old.values == {}


def test_a_worker_that_is_killed_takes_only_its_own_along(fake_redis: MakeRedis, workers: Workers,
                                                          expect_error: Expect) -> None:
    """Its clients see an end, the others nothing; one is started in its place."""
    expect_error("worker_lost worker=\"worker 1\" exit=-9 connections=1")
    with OneTunnel(fake_redis(), relay=workers.relay) as tunnel, tunnel.connect() as first:
        assert ask(first, "PING") == b"+PONG\r\n"
        with tunnel.connect() as second:
            assert ask(second, "PING") == b"+PONG\r\n"
            killed = pids(workers)[0]
            os.kill(killed, signal.SIGKILL)
            assert until_ended(first) == b"" and ask(second, "PING") == b"+PONG\r\n"
            with tunnel.connect() as client:
                assert ask(client, "PING") == b"+PONG\r\n"
            wait_until(lambda: all(each.up for each in workers.measures()), "it is there again")
            assert pids(workers)[0] != killed
            wait_until(lambda: tunnel.closed("error") == 1, "its connection has ended")
            with tunnel.connect() as client:
                assert ask(client, "PING") == b"+PONG\r\n"


def test_signals_for_the_process_are_not_theirs(fake_redis: MakeRedis, workers: Workers) -> None:
    """Ctrl-C and systemd's SIGTERM go to all processes of a group: a drain would end before it began."""
    with OneTunnel(fake_redis(), relay=workers.relay) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        for pid in pids(workers):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                os.kill(pid, number)
        assert ask(client, "PING") == b"+PONG\r\n"


def test_a_reply_on_its_way_is_waited_for(fake_redis: MakeRedis, workers: Workers) -> None:
    """Who drains asks whether a connection is quiet, and learns it from the worker."""
    node = fake_redis()
    with OneTunnel(node, relay=workers.relay) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        node.delays["GET"] = LONG
        client.sendall(command("GET", "k"))
        wait_until(lambda: node.count("GET"), "the question has arrived")
        connection, = tunnel.registry.connections()
        for _ in range(3):
            connection.cut_if_quiet("shutdown")
        assert silent_for(client, 0.1)
        del node.delays["GET"]
        assert client.recv(100) == b"$-1\r\n"

        def ended() -> bool:
            connection.cut_if_quiet("shutdown")
            return tunnel.closed("shutdown") == 1

        wait_until(ended, "then it is cut")
        assert until_ended(client) == b""


def test_a_readonly_error_is_a_hint(fake_redis: MakeRedis, workers: Workers) -> None:
    """The watcher hears of it as it does from a connection of its own process."""
    node = fake_redis()
    node.replies["SET"] = b"-READONLY You can't write against a read only replica.\r\n"
    with OneTunnel(node, relay=workers.relay) as tunnel, tunnel.connect() as client:
        assert ask(client, "SET", "k", "v").startswith(b"-READONLY")
        wait_until(lambda: "-READONLY" in tunnel.hints, "the hint has come")


def test_a_worker_without_descriptors(fake_redis: MakeRedis, workers: Workers, expect_error: Expect) -> None:
    """That client is lost, and the log says what to raise; the others go on."""
    expect_error("why=\"no descriptors left in the worker: raise the limit of open files\"")
    with OneTunnel(fake_redis(), relay=workers.relay) as tunnel, tunnel.connect() as before, tunnel.connect() as other:
        assert ask(before, "PING") == ask(other, "PING") == b"+PONG\r\n"  # one of each: both have started
        for pid in pids(workers):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (4, 4))
        with tunnel.connect() as client:
            assert until_ended(client) == b""
        assert ask(before, "PING") == b"+PONG\r\n"
        wait_until(lambda: tunnel.closed("error") == 1, "it has ended")


def test_when_none_is_left_the_process_carries_itself(fake_redis: MakeRedis, expect_error: Expect) -> None:
    """Before they are started, and after they have ended."""
    made = Workers(1, 1)
    with OneTunnel(fake_redis(), relay=made.relay) as tunnel:
        for change in (lambda: None, made.start, lambda: made.stop(Deadline(20 * FACTOR))):
            change()
            with tunnel.connect() as first, tunnel.connect() as second:
                assert ask(first, "PING") == ask(second, "PING") == b"+PONG\r\n"
                assert sum(each.connections for each in made.measures()) == len(made.workers)


def test_they_end_with_their_process(workers: Workers) -> None:
    """The channel's end tells them: no signal is needed, nor a kill."""
    before = pids(workers)
    assert all(is_alive(pid) for pid in before)
    workers.stop(Deadline(20 * FACTOR))
    workers.stop(Deadline(0))
    wait_until(lambda: not any(is_alive(pid) for pid in before), "they are gone")
    workers.start()
    assert set(pids(workers)).isdisjoint(before)


def test_where_a_worker_starts_is_no_place_for_code(tmp_path: pathlib.Path, fake_redis: MakeRedis) -> None:
    """A directory that others may write could have a package of our name in it."""
    (tmp_path / "st").mkdir()
    (tmp_path / "st" / "__init__.py").write_text("raise SystemExit")
    (tmp_path / "os.py").write_text("raise SystemExit")
    made, before = Workers(1, 10), os.getcwd()
    os.chdir(str(tmp_path))
    try:
        made.start()
    finally:
        os.chdir(before)
    with OneTunnel(fake_redis(), relay=made.relay) as tunnel, tunnel.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        assert [each.connections for each in made.measures()] == [1]
    made.stop(Deadline(20 * FACTOR))


def test_no_memory_to_share() -> None:
    """An error that says what to do."""
    with pytest.raises(LocalError, match="workers: cannot start 2 processes: .*: set workers = 1"):
        Workers(2, 1 << 50).start()
