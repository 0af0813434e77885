"""Refusing a client in words: the line, and a close that does not destroy it."""
import select
import threading

import pytest

from st.tunnel.refusal import FULL, Refused, linger, no_target, say, swallow, told_once
from tests.fakes import read_all
from tests.tunnels import reset, tcp_pair
from tests.waiting import wait_until


def test_the_line_names_the_master_and_the_reason() -> None:
    """LOADING is what client libraries take for worth a retry; the rest is for people."""
    assert no_target("master", "sessions", "3 of 3 sentinels answer, failover in progress") == (
        b"LOADING sentinel-tunnel: no master for 'sessions' (3 of 3 sentinels answer, failover in progress). Retry.")


def test_no_reason_can_break_the_line() -> None:
    """What a node said may hold anything: one line of ASCII comes out, or the client would read a second reply."""
    line = no_target("master", "caf\u00e9", "it said\r\n+OK\n\u2028")
    assert line == b"LOADING sentinel-tunnel: no master for 'caf\\xe9' (it said  +OK \\u2028). Retry."


A, B = "10.0.0.1:6379: Connection refused", "[fd00::1]:6379: Connection refused"


@pytest.mark.parametrize("failure, reason, told", [
    (A, "", A),
    ("", "3 of 3 sentinels answer, " + A, "3 of 3 sentinels answer, " + A),
    (A, "3 of 3 sentinels answer, " + A, "3 of 3 sentinels answer, " + A),
    (A, "3 of 3 sentinels answer, failover in progress, %s; %s" % (A, B),
     "3 of 3 sentinels answer, failover in progress, %s; %s" % (A, B)),
    ("%s; %s" % (A, B), "3 of 3 sentinels answer, " + B, "%s; 3 of 3 sentinels answer, %s" % (A, B)),
    ("%s; %s" % (A, A), A, A),
    ("%s; %s; %s" % (B, A, B), "", "%s; %s" % (B, A)),
    ("0.0.0.1:6379: Connection refused", "3 of 3 sentinels answer, 1" + A,
     "0.0.0.1:6379: Connection refused; 3 of 3 sentinels answer, 1" + A),
    ("10.0.0.1:6379: no connection in time", A, "10.0.0.1:6379: no connection in time; " + A),
])
def test_no_reason_is_told_twice(failure: str, reason: str, told: str) -> None:
    """What a client met is left out where the watcher met the same; another node or another error is not."""
    assert told_once(failure, reason) == told


def test_say_sends_the_line_and_the_end() -> None:
    """One RESP error, then the end of the stream; what the client sends meanwhile can still be read."""
    with tcp_pair() as (client, near):
        say(near, FULL)
        assert read_all(client) == b"-ERR max number of clients reached\r\n"
        client.sendall(b"PING\r\n")
        wait_until(lambda: swallow(near) == b"PING\r\n", "it is read")


def test_a_client_that_is_gone_cannot_be_told() -> None:
    """Neither saying nor listening on raises."""
    with tcp_pair() as (client, near):
        reset(client)
        say(near, FULL)
        say(near, FULL)
        linger(near)
        assert not swallow(near)


def test_a_client_that_takes_nothing_does_not_block() -> None:
    """The line is dropped when there is no room for it."""
    with tcp_pair(4096) as (client, near):
        near.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                near.send(b"x" * 4096)
        near.setblocking(True)
        say(near, FULL)
        assert client.fileno() >= 0


def test_linger_reads_on_until_the_client_ends() -> None:
    """So that closing leaves nothing unread, which would reset the connection and destroy the line."""
    with tcp_pair() as (client, near):
        near.setblocking(False)
        thread = threading.Thread(target=linger, args=(near,))
        client.sendall(b"x" * 100000)
        client.close()
        thread.start()
        thread.join()
        readable = select.poll()
        readable.register(near, select.POLLIN)
        assert readable.poll(0) and swallow(near) == b""  # nothing but the end is left


def test_linger_ends_while_the_client_still_writes() -> None:
    """Its time is over however much there is to read."""
    with tcp_pair() as (client, near):
        near.setblocking(False)
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                try:
                    client.sendall(b"x" * 1000)
                except OSError:
                    return

        writer = threading.Thread(target=write)
        writer.start()
        linger(near)
        done.set()
        near.close()  # wakes the writer if it is stuck
        writer.join()


def test_swallow_tells_an_end_from_a_pause() -> None:
    """Nothing yet is no end."""
    with tcp_pair() as (client, near):
        near.setblocking(False)
        assert swallow(near)
        client.close()
        wait_until(lambda: not swallow(near), "the end is seen")


def test_a_refusal_has_a_reason_for_the_log() -> None:
    """And a line for the client, or none."""
    assert (str(Refused("client")), Refused("client").line, Refused("limit", FULL).line) == ("client", b"", FULL)
