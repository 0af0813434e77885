"""Ways to carry bytes between two sockets, to be measured against each other: see tests/bench/relay_candidates.py.

Bare loops: a connection is over with its first end of file, and a blocked receiver blocks. What a tunnel promises
besides (half-close, back-pressure, cuts) is in st/tunnel/relay.py, which is one of the candidates.
"""
import os
import select
import socket
import struct
import threading
import typing as t

from tests.bench.at_once import Buffer

CHUNK = 65536  # bytes
ANSWER = struct.pack("ll", 0, 5000)  # SO_RCVTIMEO: 5 ms, the least that every kernel can keep
DONTWAIT = socket.MSG_DONTWAIT

Loop = t.Callable[[socket.socket, socket.socket], None]
Others = t.Dict[int, t.Tuple[socket.socket, socket.socket]]


def _others(client: socket.socket, master: socket.socket) -> Others:
    return {client.fileno(): (client, master), master.fileno(): (master, client)}


def by_poll(client: socket.socket, master: socket.socket) -> None:
    """Both directions in one thread: poll, recv, send."""
    others, poller = _others(client, master), select.poll()
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            source, sink = others[descriptor]
            data = source.recv(CHUNK)
            if not data:
                return
            sink.sendall(data)


def by_epoll(client: socket.socket, master: socket.socket) -> None:
    """As `by_poll`, with an epoll object."""
    others = _others(client, master)
    with select.epoll() as poller:
        for descriptor in others:
            poller.register(descriptor, select.EPOLLIN)
        while True:
            for descriptor, _ in poller.poll():
                source, sink = others[descriptor]
                data = source.recv(CHUNK)
                if not data:
                    return
                sink.sendall(data)


def into_buffer(client: socket.socket, master: socket.socket) -> None:
    """As `by_poll`, receiving into one buffer that is used again and again."""
    others, poller, view = _others(client, master), select.poll(), memoryview(bytearray(CHUNK))
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            source, sink = others[descriptor]
            size = source.recv_into(view)
            if not size:
                return
            sink.sendall(view[:size])


def growing(client: socket.socket, master: socket.socket) -> None:
    """As `by_poll`, with a size of what is received that doubles while it is filled, 4 to 256 kB."""
    others, poller, sizes = _others(client, master), select.poll(), dict.fromkeys(_others(client, master), 4096)
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            source, sink = others[descriptor]
            size = sizes[descriptor]
            data = source.recv(size)
            if not data:
                return
            sink.sendall(data)
            if len(data) == size:
                sizes[descriptor] = min(size * 2, 4 * CHUNK)
            elif len(data) < size // 4:
                sizes[descriptor] = max(size // 2, 4096)


def two_threads(client: socket.socket, master: socket.socket) -> None:
    """One blocking thread a direction."""
    def carry(source: socket.socket, sink: socket.socket) -> None:
        while True:
            data = source.recv(CHUNK)
            if not data:
                break
            sink.sendall(data)
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other thread was faster

    back = threading.Thread(target=carry, args=(master, client), daemon=True)
    back.start()
    carry(client, master)
    back.join()


def first_try(client: socket.socket, master: socket.socket) -> None:
    """As `by_poll`, but what was passed on is followed by a look at the other side, before poll is asked."""
    others, poller = _others(client, master), select.poll()
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            source, sink = others[descriptor]
            data = source.recv(CHUNK)
            if not data:
                return
            sink.sendall(data)
            try:
                data = sink.recv(CHUNK, DONTWAIT)
            except BlockingIOError:
                continue
            if not data:
                return
            source.sendall(data)


def _await_answer(master: socket.socket) -> t.Optional[bytes]:
    """Return the answer if it comes at once."""
    try:
        return master.recv(CHUNK)
    except BlockingIOError:
        return None


def answer_awaited(client: socket.socket, master: socket.socket) -> None:
    """As `by_poll`, but after a request a blocking receive of at most 5 ms on the master."""
    master.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, ANSWER)
    others, poller = _others(client, master), select.poll()
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            source, sink = others[descriptor]
            data: t.Optional[bytes] = source.recv(CHUNK)
            if not data:
                return
            sink.sendall(data)
            if source is client:
                data = _await_answer(master)
                if data:
                    client.sendall(data)
                elif data is not None:
                    return


def turns_awaited(client: socket.socket, master: socket.socket) -> None:
    """As `answer_awaited`, and the same for the next request: poll only when it was not their turn."""
    for sock in (client, master):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, ANSWER)
    others, poller = _others(client, master), select.poll()
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            source, sink = others[descriptor]
            data: t.Optional[bytes] = source.recv(CHUNK)
            while data:
                sink.sendall(data)
                source, sink = sink, source
                data = _await_answer(source)
            if data is not None:
                return


def spliced(client: socket.socket, master: socket.socket) -> None:
    """As `by_poll`, but through a pipe, without a copy (CPython 3.10 and later)."""
    poller, most = select.poll(), 1 << 20
    pipes = {each.fileno(): os.pipe() for each in (client, master)}
    others = {client.fileno(): master.fileno(), master.fileno(): client.fileno()}
    for descriptor in others:
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            size = os.splice(descriptor, pipes[descriptor][1], most, flags=1 | 2)
            if not size:
                for pair in pipes.values():
                    for end in pair:
                        os.close(end)
                return
            while size:
                size -= os.splice(pipes[descriptor][0], others[descriptor], size)


class OneForAll:
    """One thread, whichever comes first, carries for all that are in here: the GIL need not change hands."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._aboard: Others = {}
        self._gates: t.Dict[socket.socket, threading.Lock] = {}
        self._led = False

    def __call__(self, client: socket.socket, master: socket.socket) -> None:
        """Return when one of the two has ended."""
        gate = threading.Lock()
        gate.acquire()
        with self._lock:
            self._gates[client] = self._gates[master] = gate
            self._aboard.update(_others(client, master))
            for sock in (client, master):
                self._epoll.register(sock, select.EPOLLIN)
            lead, self._led = not self._led, True
        if not lead:
            gate.acquire()
        if client in self._gates:
            self._lead(client)

    def _lead(self, mine: socket.socket) -> None:
        aboard = self._aboard
        while mine in self._gates:
            for descriptor, _ in self._epoll.poll():
                pair = aboard.get(descriptor)
                if pair is not None and not self.move(*pair):
                    self._drop(*pair)
        with self._lock:
            self._led = bool(self._gates)
            if self._led:
                next(iter(self._gates.values())).release()

    def move(self, source: socket.socket, sink: socket.socket) -> bool:
        """Carry one message; False at the end."""
        try:
            data = source.recv(16384)
            sink.sendall(data)
        except OSError:
            return False
        return bool(data)

    def _drop(self, source: socket.socket, sink: socket.socket) -> None:
        with self._lock:
            gate = self._gates[source]
            for sock in (source, sink):
                self._epoll.unregister(sock)
                del self._gates[sock], self._aboard[sock.fileno()]
        gate.release()


class OneForAllGilKept(OneForAll):
    """As its base, with one buffer, and calls that do not release the GIL."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = Buffer()

    def move(self, source: socket.socket, sink: socket.socket) -> bool:
        """Carry one message; False at the end."""
        size = self._buffer.receive(source.fileno())
        return size > 0 and self._buffer.send(sink.fileno(), size) == size


LOOPS: t.Dict[str, t.Callable[[], Loop]] = {
    "poll": lambda: by_poll, "epoll": lambda: by_epoll, "into": lambda: into_buffer, "growing": lambda: growing,
    "threads": lambda: two_threads, "try": lambda: first_try, "answer": lambda: answer_awaited,
    "turns": lambda: turns_awaited, "splice": lambda: spliced,
    "one": OneForAll, "one-gil": OneForAllGilKept,
}
