"""A failover, as the clients of one way see it: when stale connections end, and when the new master is written to."""
import contextlib
import select
import socket
import threading
import time
import typing as t

import hiredis

from st.address import Address
from tests.bench.crowd import opened
from tests.bench.peers import NAME, Peer
from tests.bench.stage import Figures, Stage
from tests.live.bed import Bed
from tests.live.talk import Talk
from tests.waiting import FACTOR

LIMIT = 15  # seconds after the first Sentinel named the new master; what comes later did not happen
_NAMING = 60  # seconds, at most, until it does
_PACE = 0.002  # seconds between two writes
_SWITCH = b"+switch-master"
_SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$14\r\n" + _SWITCH + b"\r\n:1\r\n"
_FAILURES = (OSError, hiredis.HiredisError)  # also what a node says that is no master (yet)


class Failover:
    """One failover in a deployment of its own, with so many connections that only wait, and one that writes.

    The Sentinels are told to fail over: the old master lives on, and takes what it gets, until a Sentinel demotes it.
    With `frozen` it hangs (SIGSTOP) and the Sentinels find out.
    """

    def __init__(self, connections: int, frozen: bool = False) -> None:
        self._connections = connections
        self._frozen = frozen

    def __call__(self, peer: Peer, stage: Stage) -> Figures:
        """Measure once."""
        if not peer.knows_masters:
            return {}
        with Bed(replicas=1, redis_options={"maxclients": "19000"}) as bed, stage.makers[peer.name](bed) as own, \
                opened(own.address, self._connections) as socks, Writer(own.address) as writer, Ends(bed) as ends:
            old = bed.master(NAME)
            new = next(node for node in bed.nodes(NAME) if node is not old)
            if self._frozen:
                old.stop()
            else:
                bed.sentinels[0].cli("SENTINEL", "FAILOVER", NAME)
            named, ended = ends.wait(socks, LIMIT * FACTOR)
            written = writer.wait(new.port, named + LIMIT * FACTOR)
        everything = len(ended) == self._connections
        return {"ended": max(ended) - named if everything else None,
                "written": written - named if written is not None else None,
                "stale": float(self._connections - len(ended))}


class Ends:
    """Hears Sentinels name a new master, and connections end: in one thread, so that the times can be compared."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._sentinels: t.List[socket.socket] = []
        self._everything = contextlib.ExitStack()

    def __enter__(self) -> "Ends":
        for address in self._bed.sentinel_addresses:
            self._sentinels += self._everything.enter_context(
                opened(address, 1, b"SUBSCRIBE " + _SWITCH + b"\r\n", _SUBSCRIBED))
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._everything.close()

    def wait(self, socks: t.Sequence[socket.socket], seconds: float) -> t.Tuple[float, t.List[float]]:
        """Return when the first Sentinel named another master, and when each connection ended up to then + seconds."""
        with contextlib.closing(select.epoll()) as poll:
            for sock in list(socks) + self._sentinels:
                poll.register(sock.fileno(), select.EPOLLIN)
            sentinels = {sock.fileno() for sock in self._sentinels}
            named, ended = 0.0, []  # type: float, t.List[float]
            limit = time.monotonic() + _NAMING * FACTOR
            while len(ended) < len(socks) or not named:
                ready = poll.poll(max(0.0, limit - time.monotonic()), 4096)
                now = time.monotonic()
                if not ready:
                    break
                for number, _ in ready:
                    poll.unregister(number)
                ended += [now] * sum(number not in sentinels for number, _ in ready)
                if not named and any(number in sentinels for number, _ in ready):
                    named, limit = now, now + seconds
        assert named, "no Sentinel named another master within %g s" % (_NAMING * FACTOR)
        return named, ended


class Writer:
    """A client that writes all the time, connects again when it must, and asks each time whom it has reached."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._reached: t.Dict[int, float] = {}  # by the ports of the nodes: when (monotonic) one first took a write
        self._changed = threading.Condition()  # guards it
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._done.set()
        self._thread.join(30 * FACTOR)

    def wait(self, port: int, end: float) -> t.Optional[float]:
        """Return when the node with this port first took a write; None: not up to `end`."""
        with self._changed:
            self._changed.wait_for(lambda: port in self._reached, max(0.0, end - time.monotonic()))
            return self._reached.get(port)

    def _run(self) -> None:
        while not self._done.is_set():
            try:
                with Talk(self._address, timeout=1) as talk:
                    self._write(talk)
            except _FAILURES:
                self._done.wait(_PACE)

    def _write(self, talk: Talk) -> None:
        port = int(talk.call("CONFIG", "GET", "port")[1])  # of the node: a connection leads to one
        while not self._done.wait(_PACE):
            talk.call("SET", "written", "yes")
            with self._changed:
                self._reached.setdefault(port, time.monotonic())
                self._changed.notify_all()
