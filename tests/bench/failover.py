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
from tests.bench.stage import LIMIT, Figures, Stage
from tests.live.bed import Bed
from tests.live.talk import Talk
from tests.waiting import FACTOR

_NAMING = 60  # seconds, at most, until it does
_PACE = 0.002  # seconds between two writes, and two questions
_WHO = b"SENTINEL GET-MASTER-ADDR-BY-NAME %s\r\n" % NAME.encode()
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
    """Hears Sentinels name a new master, and connections end: in one thread, so that the times can be compared.

    The Sentinels are asked without a pause to speak of: what they publish (+switch-master) comes later than that.
    """

    def __init__(self, bed: Bed) -> None:
        self._addresses = bed.sentinel_addresses
        self._old = b""  # what each says of the old master
        self._asked: t.Dict[int, socket.socket] = {}  # the Sentinels, by their descriptors
        self._answered: t.Set[int] = set()  # of them
        self._due = 0.0  # when they are to be asked again (monotonic)
        self._poll = select.epoll()
        self._everything = contextlib.ExitStack()

    def __enter__(self) -> "Ends":
        for address in self._addresses:
            sock, = self._everything.enter_context(opened(address, 1))
            sock.sendall(_WHO)
            self._old = sock.recv(1000)
            self._poll.register(sock.fileno(), select.EPOLLIN)
            self._asked[sock.fileno()] = sock
            self._answered.add(sock.fileno())
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._poll.close()
        self._everything.close()

    def wait(self, socks: t.Sequence[socket.socket], seconds: float) -> t.Tuple[float, t.List[float]]:
        """Return when the first Sentinel named another master, and when each connection ended up to then + seconds."""
        for sock in socks:
            self._poll.register(sock.fileno(), select.EPOLLIN)
        named, ended = 0.0, []  # type: float, t.List[float]
        now = time.monotonic()
        limit = now + _NAMING * FACTOR
        while (len(ended) < len(socks) or not named) and now < limit:
            if not named:
                self._ask(now)
            ready = {number for number, _ in self._poll.poll(_PACE, 4096)}
            now = time.monotonic()
            for number in ready - set(self._asked):
                self._poll.unregister(number)
                ended.append(now)
            if not named and self._another(ready & set(self._asked)):
                named, limit = now, now + seconds
                for number in self._asked:
                    self._poll.unregister(number)
        assert named, "no Sentinel named another master within %g s" % (_NAMING * FACTOR)
        return named, ended

    def _ask(self, now: float) -> None:
        """Ask those that have answered, but not all the time."""
        if now >= self._due:
            for number in self._answered:
                self._asked[number].sendall(_WHO)
            self._answered.clear()
            self._due = now + _PACE

    def _another(self, answering: t.Set[int]) -> bool:
        """Read what has come, and tell whether it names another master."""
        self._answered |= answering
        return any([self._asked[number].recv(1000) != self._old for number in answering])


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
