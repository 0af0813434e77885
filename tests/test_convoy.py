"""The convoy: one thread carries for many connections, and nobody notices."""
import contextlib
import os
import resource
import socket
import threading
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st.tunnel.convoy import AT_A_TIME, Convoy
from st.tunnel.relay import CHUNK, SMALL, STEADY
from tests.conftest import open_descriptors
from tests.fakes import read_all, read_exactly
from tests.test_relay import SMALL as LITTLE_ROOM
from tests.test_relay import WAYS, Carried, carried, convoyed, fill, in_thread, join
from tests.tunnels import reset, silent_for, tcp_pair
from tests.waiting import FACTOR, wait_until

MIB = 1 << 20


@contextlib.contextmanager
def several(convoy: Convoy, number: int) -> t.Iterator[t.List[Carried]]:
    """Give relays that travel together; the first one's thread leads."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(carried(convoy=convoy)) for _ in range(number)]


def talk(each: Carried) -> None:
    """Exchange a request and a reply."""
    each.client.sendall(b"PING\r\n")
    assert read_exactly(each.master, 6) == b"PING\r\n"
    each.master.sendall(b"+PONG\r\n")
    assert read_exactly(each.client, 7) == b"+PONG\r\n"


def threads_at_work(convoy: Convoy, relays: t.Sequence[Carried]) -> None:
    """Talk through every relay."""
    for each in relays:
        talk(each)
    assert len(convoy) == len(relays)


def test_others_are_carried_while_one_thread_leads() -> None:
    """Each gets its own bytes, whoever leads; and the end of the leader's connection is the next one's turn."""
    convoy = Convoy()
    with several(convoy, 4) as relays:
        while relays:
            threads_at_work(convoy, relays)
            leader = relays.pop(0)
            leader.client.shutdown(socket.SHUT_WR)
            assert read_all(leader.master) == b""
            leader.master.shutdown(socket.SHUT_WR)
            assert leader.end() == "client"
            wait_until(lambda: len(convoy) == len(relays), "it has left")


def test_one_that_leaves_is_let_go_by_the_leader() -> None:
    """The others go on; in the end neither a thread nor a descriptor is left, and another may begin anew."""
    convoy, before = Convoy(), open_descriptors()
    for _ in range(2):
        with several(convoy, 3) as relays:
            reset(relays[1].client)
            assert read_all(relays[1].master) == b""
            relays[1].master.close()
            assert relays[1].end() == "client"
            threads_at_work(convoy, [relays[0], relays[2]])
        assert len(convoy) == 0 and open_descriptors() == before


def test_a_cut_wakes_one_that_sleeps() -> None:
    """A cut reaches the leader by the socket, and its owner by the leader; nothing that waited is carried."""
    convoy = Convoy()
    with several(convoy, 3) as relays:
        for each in (relays[2], relays[0]):
            each.client.sendall(b"unseen")
            wait_until(lambda: each.relay.to_master.carried == 6, "it is carried")
            each.relay.cut()
            each.client.sendall(b"stale")  # wakes as well
            each.end()
            assert read_exactly(each.master, 6) == b"unseen" and silent_for(each.master, 0)
        threads_at_work(convoy, [relays[1]])


@pytest.mark.parametrize("number", [0, 1])
def test_much_at_once_is_for_its_own_thread(number: int) -> None:
    """A large piece leaves the convoy, so that others need not wait for it; small ones come back."""
    convoy = Convoy()
    with several(convoy, 2) as relays:
        each, piece = relays[number], os.urandom(4 * SMALL)
        each.client.sendall(piece)
        assert read_exactly(each.master, len(piece)) == piece
        wait_until(lambda: len(convoy) == 1, "it left")
        talk(relays[1 - number])
        for _ in range(STEADY):
            talk(each)
        wait_until(lambda: len(convoy) == 2, "it is back")
        threads_at_work(convoy, relays)


@pytest.mark.parametrize("number", [0, 1])
def test_a_slow_reader_holds_up_nobody(number: int) -> None:
    """Back-pressure is between a client and its master: others are carried meanwhile, and all of it arrives."""
    convoy = Convoy()
    with contextlib.ExitStack() as stack:
        relays = [stack.enter_context(carried(LITTLE_ROOM, convoy=convoy)) for _ in range(2)]
        each, sent = relays[number], fill(relays[number].master, 16 * MIB)
        for _ in range(2 * STEADY):
            talk(relays[1 - number])
            each.client.sendall(b"small")  # steady, but not in both directions
            assert read_exactly(each.master, 5) == b"small"
        assert read_exactly(each.client, sent) == b"x" * sent


def test_one_half_of_it_does_not_travel() -> None:
    """After one end silence has a limit, and only its own thread watches that."""
    convoy = Convoy()
    with carried(convoy=convoy, after_client=0.3) as each:
        each.client.shutdown(socket.SHUT_WR)
        assert read_all(each.master) == b""
        for _ in range(2 * STEADY):
            each.master.sendall(b"small")
            assert read_exactly(each.client, 5) == b"small"
        assert each.end() == "client"


def test_messages_of_the_master_do_not_wait_for_the_client() -> None:
    """Pub/sub: what nobody asked for comes as it is sent, and a client that writes all the time does not stop it."""
    convoy = Convoy()
    with several(convoy, 2) as relays:
        for each in relays:
            for number in range(50):
                each.client.sendall(b"%02d" % number)
                each.master.sendall(b"message %02d" % number)
                assert read_exactly(each.client, 10) == b"message %02d" % number
                assert read_exactly(each.master, 2) == b"%02d" % number
        assert len(convoy) == 2


def test_requests_before_the_replies_pass() -> None:
    """A pipeline, one write for each request: the reply to the first is not what the second waits for."""
    convoy = Convoy()
    with several(convoy, 2) as relays:
        for each in relays:
            for number in range(100):
                each.client.sendall(b"%02d" % number)
            assert read_exactly(each.master, 200) == b"".join(b"%02d" % number for number in range(100))


def test_a_fault_of_one_is_raised_in_its_own_thread() -> None:
    """What a move raises ends that journey, and no other."""
    convoy, raised = Convoy(), []  # type: t.Tuple[Convoy, t.List[str]]
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(tcp_pair()) for _ in range(2)]

        def travel(near: socket.socket) -> None:
            def fail() -> bool:
                raise ValueError(threading.current_thread().name)

            try:
                convoy.travel({near.fileno(): fail})
            except ValueError as error:
                raised.append("%s in %s" % (error, threading.current_thread().name))

        threads = [threading.Thread(target=travel, args=(near,), name=name) for name, (_, near) in zip("ab", pairs)]
        with carried(convoy=convoy) as each:
            for thread in threads:
                thread.start()
            for far, _ in pairs:
                far.sendall(b"x")
            for thread in threads:
                thread.join(20 * FACTOR)
            assert sorted(raised) == ["relay in a", "relay in b"]
            talk(each)


def test_without_a_descriptor_for_it_each_goes_alone() -> None:
    """The convoy needs one descriptor; where there is none its members carry for themselves."""
    before, convoy = resource.getrlimit(resource.RLIMIT_NOFILE), Convoy()
    with carried() as each:
        each.relay._convoy = convoy
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            for _ in range(STEADY):
                talk(each)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert len(convoy) == 0
        join(each, convoy)
        talk(each)


def test_many_come_and_go() -> None:
    """More than one look reports, each in its own time, and no byte goes to another."""
    convoy, errors = Convoy(), []  # type: t.Tuple[Convoy, t.List[BaseException]]

    def live(number: int) -> None:
        try:
            with carried(convoy=None) as each:
                each.relay._convoy = convoy
                for turn in range(5 + number % 40):
                    request, reply = b"%d asks %d" % (number, turn), b"%d is told %d" % (number, turn)
                    each.client.sendall(request)
                    assert read_exactly(each.master, len(request)) == request
                    each.master.sendall(reply)
                    assert read_exactly(each.client, len(reply)) == reply
        except BaseException as error:
            errors.append(error)
            raise

    threads = [in_thread(live, number) for number in range(AT_A_TIME + 36)]
    for thread in threads:
        thread.join(60 * FACTOR)
    assert not errors and len(convoy) == 0


STEPS = st.lists(st.tuples(st.sampled_from(["client", "master"]), st.sampled_from([1, 100, SMALL, CHUNK + 1])),
                 max_size=30)


@settings(max_examples=40)
@given(steps=STEPS, first=st.sampled_from(["client", "master"]), how=st.sampled_from(WAYS))
def test_whoever_speaks_when_both_see_the_same(steps: t.List[t.Tuple[str, int]], first: str, how: str) -> None:
    """Any order of pieces and of the two ends: alone or in a convoy, each side gets all of it and then the end."""
    with convoyed(how) as convoy, carried(convoy=convoy) as each:
        ends = {"client": each.client, "master": each.master}
        got: t.Dict[str, bytes] = {}
        readers = [in_thread(lambda name=name: got.update({name: read_all(ends[name])})) for name in ends]
        for number, (who, size) in enumerate(steps):
            ends[who].sendall(bytes([number]) * size)
        for who in sorted(ends, key=lambda name: name != first):
            ends[who].shutdown(socket.SHUT_WR)
        for reader in readers:
            reader.join(20 * FACTOR)
        spoken = {name: b"".join(bytes([number]) * size for number, (who, size) in enumerate(steps) if who == name)
                  for name in ends}
        assert got == {"client": spoken["master"], "master": spoken["client"]}
        assert each.end() in ("client", "master")


def test_200_mib_each_way_at_once() -> None:
    """Neither direction stops the other, and nothing is lost."""
    block, times = bytes(MIB), 200
    convoy = Convoy()
    with carried(convoy=convoy) as each:
        ends, counted = (each.client, each.master), []  # type: t.Tuple[t.Any, t.List[int]]

        def write(end: socket.socket) -> None:
            for _ in range(times):
                end.sendall(block)
            end.shutdown(socket.SHUT_WR)

        def count(end: socket.socket) -> None:
            counted.append(sum(len(data) for data in iter(lambda: end.recv(MIB), b"")))

        threads = [in_thread(work, end) for end in ends for work in (write, count)]
        for thread in threads:
            thread.join(60 * FACTOR)
        assert counted == [times * MIB] * 2
