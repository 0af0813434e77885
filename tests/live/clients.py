"""Clients of a tunnel: connections that only wait, and threads that ask again and again."""
import selectors
import socket
import threading
import time
import typing as t

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.live.servers import older_than
from tests.live.talk import Talk
from tests.waiting import FACTOR

PATIENCE = 90  # seconds that a client waits for a reply: longer than the tunnels of these tests hold it back

# For redis.Redis: nothing is tried twice, the next command after a failure connects again.
PLAIN = {"socket_timeout": PATIENCE * FACTOR, "retry": Retry(NoBackoff(), 0)}  # type: t.Dict[str, t.Any]
if older_than(6, 0) and int(redis.__version__.split(".")[0]) >= 5:
    PLAIN["protocol"] = 2  # the newest releases begin with HELLO, which the server does not know

# For Bed: Sentinels whose votes were split try again after 8 seconds, twice this time.
SOON_AGAIN = {"failover-timeout": "4000"}

# What each kind sends, and what comes back at once.
KINDS = {
    "idle": (b"", b""),
    "subscribe": (b"SUBSCRIBE news\r\n", b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"),
    "monitor": (b"MONITOR\r\n", b"+OK\r\n"),
    "blpop": (b"BLPOP queue 0\r\n", b""),
    "half a pipeline": (b"SET whole 1\r\n*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$5\r\nab", b"+OK\r\n"),
}


class Waiting:
    """Connections that reached their Redis and wait for what may never come; a context manager that closes them."""

    def __init__(self) -> None:
        self.ended: t.Dict[str, float] = {}  # by the names of those that have ended: when (monotonic)
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        for key in list(self._selector.get_map().values()):
            t.cast(socket.socket, key.fileobj).close()
        self._selector.close()

    def open(self, address: t.Tuple[str, int], kind: str = "idle", name: str = "") -> None:
        """Open a connection of a kind, known by `name` or else by its kind."""
        sock = socket.create_connection(address, PATIENCE * FACTOR)
        self._selector.register(sock, selectors.EVENT_READ, name or kind)
        words, reply = KINDS[kind]
        for sent, expected in ((b"PING\r\n", b"+PONG\r\n"), (words, reply)):
            sock.sendall(sent)
            received = b""
            while len(received) < len(expected):
                received += sock.recv(len(expected) - len(received)) or b"(the end)"
            assert received == expected, "%s: %r" % (name or kind, received)

    def open_each(self, address: t.Tuple[str, int]) -> None:
        """Open a connection of each kind."""
        for kind in KINDS:
            self.open(address, kind)

    def look(self, seconds: float = 0) -> t.Set[str]:
        """Wait for up to `seconds` until something comes, close what has ended; return the names of what is open."""
        for key, _ in self._selector.select(seconds):
            sock = t.cast(socket.socket, key.fileobj)
            if not _receive(sock):
                self.ended[key.data] = time.monotonic()
                self._selector.unregister(sock)
                sock.close()
        return {key.data for key in self._selector.get_map().values()}


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionError:  # reset: an end like the other
        return b""


Result = t.TypeVar("Result")


class Outcome(t.NamedTuple):
    """What one call returned, or the text of what it raised."""

    began: float  # monotonic, as all times here
    ended: float
    value: t.Any


class Repeated(t.Generic[Result]):
    """Calls a function again and again, in threads of its own, from the beginning to the end of a `with` block."""

    def __init__(self, job: t.Callable[[], Result], threads: int = 1) -> None:
        self.results: t.List[Outcome] = []
        self.failures: t.List[Outcome] = []
        self._job = job
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="repeated", daemon=True) for _ in range(threads)]

    def __enter__(self) -> "Repeated[Result]":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE * FACTOR)

    def since(self, moment: float) -> t.List[Outcome]:
        """Return the results of the calls that began after a moment."""
        return [result for result in self.results if result.began > moment]

    def _run(self) -> None:
        while not self._ending.wait(0.005):  # seconds; a pace that leaves time for others
            began = time.monotonic()
            try:
                value = self._job()
            except (OSError, hiredis.ReplyError, redis.RedisError) as error:
                self.failures.append(Outcome(began, time.monotonic(), "%s: %s" % (type(error).__name__, error)))
            else:
                self.results.append(Outcome(began, time.monotonic(), value))


def reached(address: t.Tuple[str, int]) -> int:
    """Return the port of the Redis that a new connection reaches."""
    with Talk(address, timeout=PATIENCE) as talk:
        return int(talk.call("CONFIG", "GET", "port")[1])
