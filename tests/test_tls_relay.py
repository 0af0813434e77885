"""The relay with TLS on either leg or both: the same bytes, and what waits inside is not forgotten."""
import hashlib
import os
import tracemalloc
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st.tunnel.relay import CHUNK
from tests.test_relay import SMALL, in_thread
from tests.tls_ends import VERSIONS, Far
from tests.tls_relays import WAYS, carried, every_way, idle_for, push
from tests.waiting import wait_until

MIB = 1 << 20


@every_way
def test_bytes_pass_unchanged_both_ways(way: str) -> None:
    """Any bytes, in either direction, whoever speaks first, and what the master sent early goes first."""
    with carried(way, first_reply=b"early ") as each:
        each.master.sendall(b"hello \x00\xff\r\n")
        assert each.client.read(16) == b"early hello \x00\xff\r\n"
        each.client.sendall(b"\xff\x00?")
        assert each.master.read(3) == b"\xff\x00?"
        wait_until(lambda: each.relay.to_master.carried == 3, "all is counted")


@every_way
def test_one_byte_at_a_time(way: str) -> None:
    """Each byte goes through alone: nothing waits for more of it to come."""
    with carried(way) as each:
        for number in range(100):
            each.client.sendall(bytes([number]))
            assert each.master.read(1) == bytes([number])
            each.master.sendall(bytes([255 - number]))
            assert each.client.read(1) == bytes([255 - number])


@settings(max_examples=20)
@given(way=st.sampled_from(WAYS), version=st.sampled_from(VERSIONS),
       requests=st.lists(st.binary(min_size=1, max_size=3 * CHUNK), max_size=8),
       replies=st.lists(st.binary(min_size=1, max_size=3 * CHUNK), max_size=8))
def test_any_pieces_arrive_as_one_stream(way: str, version: str, requests: t.List[bytes],
                                         replies: t.List[bytes]) -> None:
    """However the bytes are cut, both ways at once, they come out in order, and both ends are told."""
    with carried(way, SMALL, version=version) as each:
        got: t.Dict[str, bytes] = {"client": b"", "master": b""}

        def take(who: str, data: bytes) -> None:
            got[who] += data

        other = in_thread(each.master.exchange, replies, lambda data: take("master", data))
        each.client.exchange(requests, lambda data: take("client", data))
        other.join()
        assert got == {"client": b"".join(replies), "master": b"".join(requests)}
        assert each.running.end() in ("client", "master")


@every_way
def test_much_both_ways_at_the_same_time(way: str) -> None:
    """Neither direction stops the other, and nothing is lost in large amounts."""
    block, times = os.urandom(MIB), 200
    digests = {"client": hashlib.sha256(), "master": hashlib.sha256()}
    with carried(way) as each:
        other = in_thread(each.master.exchange, (block for _ in range(times)), digests["master"].update)
        each.client.exchange((block for _ in range(times)), digests["client"].update)
        other.join()
        each.running.end()
    assert {made.hexdigest() for made in digests.values()} == {_digest(block, times)}


@every_way
def test_a_client_may_write_64_mib_before_it_reads(way: str) -> None:
    """A pipeline whose replies nobody reads yet must not stop its requests; the relay holds little of them."""
    block, times = os.urandom(MIB), 64
    with carried(way, SMALL) as each:
        reply = os.urandom(4 * MIB)  # more than all of the way takes
        replied = in_thread(each.master.sock.sendall, each.master.coding.seal(reply))
        wait_until(lambda: each.relay.to_client.held, "the client is behind")
        received = hashlib.sha256()
        reader = in_thread(_hash, received, each.master, times)
        tracemalloc.start()
        try:
            for _ in range(times):
                each.client.sendall(block)
            reader.join()
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert received.hexdigest() == _digest(block, times)
        assert most < 12 * MIB, "%d bytes were held" % most  # the far ends hold a few blocks too
        assert each.client.read(len(reply)) == reply
        replied.join()


def _hash(made: t.Any, source: Far, times: int) -> None:
    for _ in range(times):
        made.update(source.read(MIB))


def _digest(block: bytes, times: int) -> str:
    wanted = hashlib.sha256()
    for _ in range(times):
        wanted.update(block)
    return wanted.hexdigest()


@every_way
@pytest.mark.parametrize("towards", ["master", "client"])
def test_a_side_that_does_not_read_stops_the_other(way: str, towards: str) -> None:
    """Back-pressure: bytes stop flowing, memory stays as it is, no CPU is used; then all of them arrive."""
    with carried(way, SMALL) as each:
        source, sink = (each.client, each.master) if towards == "master" else (each.master, each.client)
        sealed = source.coding.seal(os.urandom(8 * MIB))
        tracemalloc.start()
        try:
            sent = push(source.sock, sealed)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert sent < 2 * MIB and held < 8 * CHUNK, "%d bytes went in, %d are held" % (sent, held)
        assert idle_for(1.0)
        got: t.List[bytes] = []
        reader = in_thread(lambda: got.append(sink.read(8 * MIB)))
        source.sock.sendall(sealed[sent:])
        reader.join()
        assert len(got[0]) == 8 * MIB


@every_way
def test_it_is_quiet_only_when_the_kernel_has_all(way: str) -> None:
    """A drain must not cut a reply that a leg still holds back."""
    with carried(way, SMALL) as each:
        reply = os.urandom(MIB)
        replied = in_thread(each.master.sendall, reply)
        wait_until(lambda: each.relay.to_client.held, "the client is behind")
        assert not each.relay.quiet()
        assert each.client.read(MIB) == reply
        replied.join()
        wait_until(each.relay.quiet, "nothing is on its way")
