"""The relay: bytes between two sockets, unchanged, both ways at once, and every way for it to end."""
import contextlib
import fcntl
import hashlib
import os
import queue
import resource
import select
import socket
import struct
import termios
import threading
import tracemalloc
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st.tunnel.convoy import Convoy
from st.tunnel.relay import CHUNK, STEADY, Relay
from tests.fakes import read_all, read_exactly
from tests.tunnels import be_busy, reset, silent_for, tcp_pair
from tests.waiting import FACTOR, wait_until

MIB = 1 << 20
WAYS = ["alone", "leading", "following"]
SMALL = 8192  # bytes; the least that the kernel's buffers make of it is still less than they are by default


class Carried:
    """A relay in a thread, and the far ends of its two sockets."""

    def __init__(self, client: socket.socket, master: socket.socket, relay: Relay, first_reply: bytes) -> None:
        self.client, self.master, self.relay = client, master, relay
        self.ended = ""  # who ended it first
        self.cpu = 0.0  # seconds that the thread has used, written when it ends
        self._first_reply = first_reply
        self.thread = threading.Thread(target=self._run, name="relay")

    def _run(self) -> None:
        before = resource.getrusage(resource.RUSAGE_THREAD)
        self.ended = self.relay.run(self._first_reply) or "nobody"
        self.relay.closed()
        after = resource.getrusage(resource.RUSAGE_THREAD)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def end(self) -> str:
        """Wait until the relay has ended, and return who ended it first."""
        self.thread.join(20 * FACTOR)
        assert not self.thread.is_alive(), "the relay does not end"
        return self.ended


@contextlib.contextmanager
def carried(buffers: int = 0, first_reply: bytes = b"", hints: t.Optional[t.List[int]] = None,
            client_buffers: t.Optional[int] = None, convoy: t.Optional[Convoy] = None, **patience: t.Any
            ) -> t.Iterator[Carried]:
    """Give a running relay, as a member of a convoy if there is one; its near sockets are closed behind it."""
    seen = [] if hints is None else hints
    of_client = buffers if client_buffers is None else client_buffers
    with tcp_pair(of_client) as (client, near_client), tcp_pair(buffers) as (master, near_master):
        near_client.setblocking(False)
        near_master.setblocking(False)
        relay = Relay(near_client, near_master, lambda: seen.append(1), convoy, **patience)
        made = Carried(client, master, relay, first_reply)
        made.thread.start()
        try:
            if convoy is not None:
                join(made, convoy)
            yield made
        finally:
            relay.cut()
            with contextlib.suppress(OSError):  # it may have ended by itself
                near_client.shutdown(socket.SHUT_RDWR)
            made.thread.join()


def join(each: Carried, convoy: Convoy) -> None:
    """Let a relay carry as much as makes it a member, which is forgotten then."""
    others = len(convoy)
    for _ in range(STEADY):
        each.master.sendall(b".")
        assert read_exactly(each.client, 1) == b"."
    wait_until(lambda: len(convoy) == others + 1, "it travels with the convoy")
    each.relay.to_client.carried -= STEADY


@contextlib.contextmanager
def convoyed(how: str) -> t.Iterator[t.Optional[Convoy]]:
    """Give what a relay is to travel with: nothing when `alone`, a convoy to be `leading`, or `following` another."""
    made = Convoy()
    with contextlib.ExitStack() as others:
        if how == "following":
            others.enter_context(carried(convoy=made))
        yield None if how == "alone" else made


@pytest.fixture(params=WAYS)
def convoy(request: t.Any) -> t.Iterator[t.Optional[Convoy]]:
    """Give each of what a relay can travel with."""
    with convoyed(request.param) as made:
        yield made


def in_thread(target: t.Callable[..., t.Any], *args: t.Any) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=target, args=args)
    thread.start()
    return thread


def fill(sock: socket.socket, limit: int) -> int:
    """Write until nobody has taken a byte for a while; return how much was taken, fail beyond `limit`."""
    sock.setblocking(False)
    writable, total = select.poll(), 0
    writable.register(sock, select.POLLOUT)
    while writable.poll(300):  # milliseconds
        total += sock.send(b"x" * 65536)
        assert total <= limit, "a side that does not read still takes bytes"
    sock.settimeout(20 * FACTOR)
    return total


def digest(chunks: t.Iterable[bytes]) -> str:
    """Return a hash of bytes."""
    made = hashlib.sha256()
    for chunk in chunks:
        made.update(chunk)
    return made.hexdigest()


def test_bytes_pass_unchanged_both_ways(convoy: t.Optional[Convoy]) -> None:
    """Any bytes, in either direction, whoever speaks first."""
    with carried(convoy=convoy) as each:
        each.master.sendall(b"hello \x00\xff\r\n")
        assert read_exactly(each.client, 10) == b"hello \x00\xff\r\n"
        each.client.sendall(b"\xff\x00?")
        assert read_exactly(each.master, 3) == b"\xff\x00?"
        wait_until(lambda: (each.relay.to_master.carried, each.relay.to_client.carried) == (3, 10), "all is counted")


def test_what_the_master_sent_first_goes_first() -> None:
    """Bytes that came behind the reply to our own question are the client's, also when they fill its socket."""
    early = os.urandom(3 * MIB)
    with carried(SMALL, early) as each:
        each.master.sendall(b"later")
        assert read_exactly(each.client, len(early) + 5) == early + b"later"


def test_one_byte_at_a_time(convoy: t.Optional[Convoy]) -> None:
    """Each byte goes through alone: nothing waits for more of it to come."""
    with carried(convoy=convoy) as each:
        for number in range(256):
            each.client.sendall(bytes([number]))
            assert each.master.recv(10) == bytes([number])
            each.master.sendall(bytes([255 - number]))
            assert each.client.recv(10) == bytes([255 - number])


@settings(max_examples=50)
@given(how=st.sampled_from(WAYS), requests=st.lists(st.binary(min_size=1, max_size=3 * CHUNK), max_size=8),
       replies=st.lists(st.binary(min_size=1, max_size=3 * CHUNK), max_size=8))
def test_any_pieces_arrive_as_one_stream(how: str, requests: t.List[bytes], replies: t.List[bytes]) -> None:
    """However the bytes are cut, both ways at once, they come out in order and the relay ends with them."""
    with convoyed(how) as convoy, carried(SMALL, convoy=convoy) as each:
        threads = [in_thread(_send_pieces, each.client, requests), in_thread(_send_pieces, each.master, replies)]
        got: t.List[bytes] = []
        threads.append(in_thread(lambda: got.append(read_all(each.master))))
        assert read_all(each.client) == b"".join(replies)
        for thread in threads:
            thread.join()
        assert got == [b"".join(requests)]
        assert each.end() in ("client", "master")


def _send_pieces(sock: socket.socket, pieces: t.List[bytes]) -> None:
    for piece in pieces:
        sock.sendall(piece)
    sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("convoy", ["alone", "leading"], indirect=True)
def test_a_client_may_write_64_mib_before_it_reads(convoy: t.Optional[Convoy]) -> None:
    """A pipeline whose replies nobody reads yet must not stop its requests: no deadlock, byte-identical."""
    block, times = os.urandom(MIB), 64
    with carried(convoy=convoy) as each:
        waiting: queue.Queue[bytes] = queue.Queue()  # as Redis does, read on while replies back up
        received = hashlib.sha256()

        def read_requests() -> None:
            for data in iter(lambda: each.master.recv(MIB), b""):
                received.update(data)
                waiting.put(data)
            waiting.put(b"")

        def write_replies() -> None:
            for data in iter(waiting.get, b""):
                each.master.sendall(data)
            each.master.shutdown(socket.SHUT_WR)

        threads = [in_thread(read_requests), in_thread(write_replies)]
        for _ in range(times):
            each.client.sendall(block)
        each.client.shutdown(socket.SHUT_WR)
        replied = digest(iter(lambda: each.client.recv(MIB), b""))
        for thread in threads:
            thread.join()
        assert received.hexdigest() == replied == digest([block] * times)


@pytest.mark.parametrize("towards", ["master", "client"])
@pytest.mark.parametrize("convoy", ["alone", "leading"], indirect=True)
def test_a_side_that_does_not_read_stops_the_other(towards: str, convoy: t.Optional[Convoy]) -> None:
    """Back-pressure: bytes stop flowing, memory stays as it is, no CPU is used; then all of them arrive."""
    with carried(SMALL, convoy=convoy) as each:
        source, sink = (each.client, each.master) if towards == "master" else (each.master, each.client)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            sent = fill(source, 16 * MIB)
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert held < 4 * CHUNK, "the relay holds %d bytes" % held
        assert silent_for(source, 1.0)  # a relay that spins would use this second
        read: t.List[bytes] = []
        reader = in_thread(lambda: read.append(read_all(sink)))
        source.shutdown(socket.SHUT_WR)
        reader.join()
        assert read == [b"x" * sent]
        sink.shutdown(socket.SHUT_WR)
        each.end()
        assert each.cpu < 0.3, "the relay used %.2f s of CPU to wait" % each.cpu


def test_the_other_direction_goes_on_while_one_is_stopped(convoy: t.Optional[Convoy]) -> None:
    """A client that reads nothing can still write, and the other way round."""
    with carried(SMALL, convoy=convoy) as each:
        fill(each.master, 16 * MIB)
        each.client.sendall(b"still here")
        assert read_exactly(each.master, 10) == b"still here"


def test_a_client_that_has_said_all_gets_its_replies(convoy: t.Optional[Convoy]) -> None:
    """`printf 'PING\\r\\n' | nc -N`: half-closed towards the master, open for the reply."""
    with carried(convoy=convoy) as each:
        each.client.sendall(b"PING\r\n")
        each.client.shutdown(socket.SHUT_WR)
        assert read_all(each.master) == b"PING\r\n"
        each.master.sendall(b"+PO")
        assert read_exactly(each.client, 3) == b"+PO"
        each.master.sendall(b"NG\r\n")
        each.master.shutdown(socket.SHUT_WR)
        assert read_all(each.client) == b"NG\r\n"
        assert each.end() == "client"


def test_a_master_that_has_said_all_still_gets_requests(convoy: t.Optional[Convoy]) -> None:
    """The other half-close: the client sees the end, and what it had still to say arrives."""
    with carried(convoy=convoy) as each:
        each.master.shutdown(socket.SHUT_WR)
        assert read_all(each.client) == b""
        each.client.sendall(b"QUIT\r\n")
        each.client.shutdown(socket.SHUT_WR)
        assert read_all(each.master) == b"QUIT\r\n"
        assert each.end() == "master"


@pytest.mark.parametrize("who", ["client", "master"])
def test_a_reset_ends_it(who: str, convoy: t.Optional[Convoy]) -> None:
    """The other side reads the end, and the relay says who it was."""
    with carried(convoy=convoy, after_client=0.2, after_master=0.2) as each:
        gone, other = (each.client, each.master) if who == "client" else (each.master, each.client)
        reset(gone)
        assert read_all(other) == b""
        assert each.end() == who


@pytest.mark.parametrize("convoy", ["alone", "leading"], indirect=True)
def test_a_client_that_does_not_wait_for_replies_is_heard(convoy: t.Optional[Convoy]) -> None:
    """It writes, then closes with replies unread, which resets the connection: all it wrote arrives all the same.

    The master takes the rest only after longer than a silent client's connection is kept for a master that has ended.
    """
    with carried(SMALL, client_buffers=0, convoy=convoy, after_master=0.1) as each:
        each.client.sendall(b"y" * 110000)  # more than the relay holds and less than that and the kernel
        wait_until(lambda: not _unsent(each.client) and each.relay.to_master.pending, "the client's bytes have left it")
        each.master.sendall(b"+OK\r\n")
        assert not silent_for(each.client, 20 * FACTOR)
        each.client.close()
        each.master.sendall(b"+OK\r\n")
        wait_until(lambda: each.relay.to_client.ended, "nobody takes replies any more")
        be_busy(0.5)  # longer than after_master
        assert read_all(each.master) == b"y" * 110000
        each.master.close()
        assert each.end() == "client"


def _unsent(sock: socket.socket) -> int:
    answer = fcntl.ioctl(sock, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


@pytest.mark.parametrize("convoy", ["alone", "leading"], indirect=True)
def test_a_slow_reader_gets_the_last_reply_of_a_master_that_ended(convoy: t.Optional[Convoy]) -> None:
    """The master closes behind a long reply: the client may take longer to read it than we wait for a master."""
    with carried(convoy=convoy, after_master=0.1, client_buffers=SMALL) as each:
        reply = os.urandom(CHUNK)
        each.master.sendall(reply)
        each.master.close()
        wait_until(lambda: each.relay.to_client.pending, "the client is behind")
        be_busy(0.5)  # longer than after_master
        assert read_all(each.client) == reply


@pytest.mark.parametrize("who, other", [("client", "master"), ("master", "client")])
def test_silence_after_one_side_has_gone_ends_it(who: str, other: str, convoy: t.Optional[Convoy]) -> None:
    """A hung master must not keep a thread for ever for a client that has left, nor the other way round."""
    patience: t.Dict[str, t.Any] = {"after_" + who: 0.3, "after_" + other: 3600.0}
    with carried(convoy=convoy, **patience) as each:
        getattr(each, who).shutdown(socket.SHUT_WR)
        assert each.end() == who


def test_nothing_times_out_while_both_are_there(convoy: t.Optional[Convoy]) -> None:
    """BLPOP 0 and quiet subscribers last for ever."""
    with carried(convoy=convoy, after_client=0.05, after_master=0.05) as each:
        assert silent_for(each.client, 0.5) and each.thread.is_alive()
        each.master.sendall(b"message")
        assert read_exactly(each.client, 7) == b"message"


@pytest.mark.parametrize("convoy", ["alone", "leading"], indirect=True)
def test_a_side_that_has_gone_costs_no_cpu(convoy: t.Optional[Convoy]) -> None:
    """poll reports a hang-up again and again, wanted or not: the relay must not listen to it for ever."""
    with carried(SMALL, convoy=convoy, after_client=3600, after_master=3600) as each:
        fill(each.client, 16 * MIB)  # the master does not read, so the client's end cannot be passed on
        reset(each.client)
        be_busy(1.0)  # a relay that spins would use this second
        read_all(each.master)
        each.master.close()
        each.end()
        assert each.cpu < 0.3, "the relay used %.2f s of CPU to wait" % each.cpu


def test_readonly_is_a_hint(convoy: t.Optional[Convoy]) -> None:
    """-READONLY from the master says that it is none any more; the same from the client says nothing."""
    hints: t.List[int] = []
    with carried(convoy=convoy, hints=hints) as each:
        each.client.sendall(b"-READONLY in a value")
        assert each.master.recv(100) and not hints
        each.master.sendall(b"-READONLY You can't write against a read only replica.\r\n")
        assert each.client.recv(100).startswith(b"-READONLY") and hints == [1]


def test_it_knows_whether_a_reply_may_be_on_its_way(convoy: t.Optional[Convoy]) -> None:
    """The last bytes decide: the client's ask, the master's answer."""
    with carried(convoy=convoy) as each:
        assert not each.relay.asked
        each.client.sendall(b"PING\r\n")
        wait_until(lambda: each.relay.asked, "it was asked")
        each.master.sendall(b"+PONG\r\n")
        wait_until(lambda: not each.relay.asked, "it was answered")


def test_nothing_is_carried_once_it_was_cut(convoy: t.Optional[Convoy]) -> None:
    """Bytes that come between the cut and the wake-up must not reach a master that is stale."""
    with carried(convoy=convoy) as each:
        each.relay.cut()
        each.client.sendall(b"SET k v\r\n")  # wakes it as well
        each.end()
        assert each.relay.to_master.carried == 0 and silent_for(each.master, 0)
