"""Socket calls that keep the interpreter's lock: what they answer, and that they keep it."""
import socket
import sys
import threading
import time

from st.wire.at_once import SIZE, Buffer
from tests.fakes import read_exactly
from tests.tunnels import reset, tcp_pair
from tests.waiting import FACTOR, wait_until


def test_bytes_go_from_one_socket_to_another() -> None:
    """As many as have come, and no more than fit."""
    buffer = Buffer()
    with tcp_pair() as (far, near), tcp_pair() as (other, sink):
        for sent in (b"one", b"x" * SIZE, b"3"):
            far.sendall(sent)
            got = b""
            while len(got) < len(sent):
                wait_until(lambda: near.recv(1, socket.MSG_PEEK), "it has come")
                size = buffer.receive(near.fileno())
                assert buffer.send(sink.fileno(), size) == size
                got += read_exactly(other, size)
            assert got == sent


def test_nothing_the_end_and_errors() -> None:
    """None of them raises or waits: the caller finds out by the usual calls."""
    buffer = Buffer()
    with tcp_pair() as (far, near):
        assert buffer.receive(near.fileno()) == -1  # nothing has come, and the socket is blocking
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: buffer.receive(near.fileno()) == 0, "the end has come")
        reset(far)
        wait_until(lambda: buffer.send(near.fileno(), 1) == -1, "nobody takes it")
        assert buffer.receive(-1) == buffer.send(-1, 1) == -1


def test_a_full_socket_takes_what_it_can() -> None:
    """Part of it, then nothing."""
    buffer = Buffer()
    with tcp_pair(8192) as (_, near):
        taken = [buffer.send(near.fileno(), SIZE) for _ in range(1000)]
        assert taken[-1] == -1 and taken[0] > 0


def test_no_other_thread_runs_meanwhile() -> None:
    """Not even one that waits for its turn, as long as the switch interval has not passed."""
    counter, done, buffer, interval = [0], threading.Event(), Buffer(), sys.getswitchinterval()

    def count() -> None:
        while not done.is_set():
            counter[0] += 1
            time.sleep(0)  # lets others run

    thread = threading.Thread(target=count)
    with tcp_pair() as (_, near):
        sys.setswitchinterval(20 * FACTOR)
        try:
            thread.start()
            wait_until(lambda: counter[0] > 10, "it runs")
            before = counter[0]
            for _ in range(1000):
                buffer.receive(near.fileno())
            assert counter[0] == before
        finally:
            sys.setswitchinterval(interval)
            done.set()
            thread.join()
