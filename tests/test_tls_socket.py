"""The socket with TLS on it: as a plain one does, whatever the kernel and the records do."""
import contextlib
import os
import select
import socket
import sys
import threading
import typing as t

import pytest

from st.deadline import Deadline
from st.errors import PeerTlsError
from st.wire.dial import interrupt
from st.wire.tls import RECORD, TlsSocket, secure
from tests.tls_ends import VERSIONS, Far, presenting, trusting
from tests.tunnels import reset, tcp_pair
from tests.waiting import FACTOR, wait_until

MIB = 1 << 20
SMALL = 8192  # bytes of a kernel's buffer


@contextlib.contextmanager
def tls_pair(version: str = "", buffers: int = 0) -> t.Iterator[t.Tuple[Far, TlsSocket]]:
    """Give the far end, which serves, and our end of one TLS connection; ours waits for 20 seconds."""
    with tcp_pair(buffers) as (sock, near):
        far = Far(sock, presenting(version=version))
        thread = threading.Thread(target=far.handshake, name="far")
        thread.start()
        try:
            made = secure(near, trusting(), "localhost", Deadline(20 * FACTOR), "far")
        finally:
            thread.join()
        made.settimeout(20 * FACTOR)
        yield far, made


def _idle(sock: TlsSocket) -> bool:
    """Tell whether the kernel has nothing for it."""
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN)
    return not poller.poll(0)


def _read_all(sock: TlsSocket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("version", VERSIONS)
def test_it_ends_one_direction_alone(version: str) -> None:
    """Either side says that it has said all, and still hears the other."""
    for first in ("far", "near"):
        with tls_pair(version) as (far, near):
            if first == "near":
                near.shutdown(socket.SHUT_WR)
                assert far.read_all() == b""
                far.sendall(b"still speaking")
                far.end()
                assert _read_all(near) == b"still speaking"
            else:
                far.end()
                assert _read_all(near) == b""
                near.sendall(b"still speaking")
                near.shutdown(socket.SHUT_WR)
                near.shutdown(socket.SHUT_WR)  # twice is fine
                assert far.read_all() == b"still speaking"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [100, 3 * RECORD])
def test_what_is_inside_survives_the_end_of_the_other_direction(version: str, size: int) -> None:
    """A client that has said all: the reply that already waits within TLS still comes, whole, and so does more."""
    with tls_pair(version) as (far, near):
        reply = os.urandom(size)
        far.sendall(b"first" + reply)
        got = near.recv(5)  # the rest is inside
        near.shutdown(socket.SHUT_WR)
        far.sendall(b"later")
        far.end()
        assert got + _read_all(near) == b"first" + reply + b"later"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_end_without_a_close_notify_is_no_end(version: str) -> None:
    """Somebody may have cut the stream short: what came is given, then an error."""
    with tls_pair(version) as (far, near):
        far.sendall(b"half of it")
        far.sock.shutdown(socket.SHUT_WR)
        assert near.recv(100) == b"half of it"
        with pytest.raises(ConnectionResetError, match="without a close_notify"):
            near.recv(100)


def test_records_in_pieces_of_one_byte() -> None:
    """However the network cuts records, the bytes in them come out."""
    with tls_pair() as (far, near):
        near.settimeout(0)
        got = b""
        for byte in far.coding.seal(b"one") + far.coding.seal(b"two") + far.coding.farewell():
            far.sock.sendall(bytes([byte]))
            wait_until(lambda: not _idle(near), "the byte has come")
            with contextlib.suppress(BlockingIOError):
                got += near.recv(100)
        assert got == b"onetwo" and near.recv(100) == b""


def test_many_records_in_one_segment() -> None:
    """The kernel has nothing left while records wait inside: `ready` says so, until a read finds nothing."""
    with tls_pair() as (far, near):
        far.sock.sendall(b"".join(far.coding.seal(b"%d" % number) for number in range(10)))
        assert near.recv(100) == b"0" and _idle(near) and near.ready
        assert near.recv(100) == b"1" and near.inside and near.recv(3) == b"234" and near.inside
        near.settimeout(0)
        assert near.recv(100) == b"56789" and near.ready
        with pytest.raises(BlockingIOError):
            near.recv(100)
        assert not near.ready and not near.inside


def test_a_byte_at_a_time_both_ways() -> None:
    """Nothing waits for more of it to come."""
    with tls_pair() as (far, near):
        for number in range(100):
            near.sendall(bytes([number]))
            assert far.recv() == bytes([number])
            far.sendall(bytes([number]))
            assert near.recv(1) == bytes([number])


def test_a_large_write_waits_for_the_kernel() -> None:
    """Non-blocking it takes one record more than the kernel, says so, and takes no more before that is flushed."""
    with tls_pair(buffers=SMALL) as (far, near):
        near.settimeout(0)
        data = os.urandom(MIB)
        taken = near.send(data)
        assert 0 < taken < MIB and near.unsent
        with pytest.raises(BlockingIOError):
            while near.unsent:
                near.send(data)
        got = far.read(1)
        while len(got) < taken:
            near.flush()
            got += far.read(min(1000, taken - len(got)))
        near.flush()
        assert got == data[:taken] and not near.unsent


def test_a_blocking_write_of_much() -> None:
    """sendall returns when the kernel has all of it, while the other side reads."""
    with tls_pair(buffers=SMALL) as (far, near):
        data, got = os.urandom(MIB), []  # type: t.Tuple[bytes, t.List[bytes]]
        reader = threading.Thread(target=lambda: got.append(far.read(MIB)))
        reader.start()
        near.sendall(data)
        reader.join()
        assert got == [data] and not near.unsent


def test_time_outs_of_blocking_calls() -> None:
    """As a plain socket's: nothing comes, or nobody reads."""
    with tls_pair(buffers=SMALL) as (_, near):
        near.settimeout(0.05)
        with pytest.raises(socket.timeout):
            near.recv(1)
        with pytest.raises(socket.timeout):
            near.sendall(bytes(16 * MIB))


@pytest.mark.parametrize("doing", ["handshake", "recv", "sendall"])
def test_another_thread_may_interrupt_it(doing: str) -> None:
    """A blocked call returns at once with an error; the owner closes."""
    with tcp_pair(SMALL) as (sock, plain), tls_pair(buffers=SMALL) as (_, near):
        raised: t.List[Exception] = []

        def work() -> None:
            try:
                if doing == "handshake":
                    secure(plain, trusting(), "localhost", Deadline(600), "far")
                near.settimeout(None)
                near.sendall(bytes(64 * MIB)) if doing == "sendall" else near.recv(1)
            except (OSError, PeerTlsError) as error:
                raised.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        wait_until(lambda: _sleeping(worker), "it waits")
        interrupt(plain if doing == "handshake" else near)
        worker.join(20 * FACTOR)
        assert not worker.is_alive() and raised


def _sleeping(thread: threading.Thread) -> bool:
    """Tell whether a thread waits in poll."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_name == "_wait"


def test_a_reset_is_an_error() -> None:
    """And what came before it is not lost."""
    with tls_pair() as (far, near):
        far.sendall(b"last words")
        assert near.recv(1) == b"l"  # Nagle's algorithm has let it go
        reset(far.sock)
        assert near.recv(100) == b"ast words"
        with pytest.raises(OSError):
            near.recv(100)
        with pytest.raises(OSError):
            near.sendall(b"too late")
