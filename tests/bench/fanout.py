"""Pub/sub: one message to many subscribers, the next when all have it."""
import contextlib
import select
import socket
import time
import typing as t

from tests.bench.crowd import opened
from tests.bench.peers import NAME, Peer
from tests.bench.stage import Figures, Stage
from tests.live.talk import Talk
from tests.proc import settled

SUBSCRIBERS = 50
_MESSAGE = "x" * 100
_SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
_PUBLISHED = len(b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$100\r\n\r\n") + len(_MESSAGE)
_LONGEST = 20000  # milliseconds for one message


def fanout(peer: Peer, stage: Stage) -> Figures:
    """Publish straight to the master, and count what the subscribers get."""
    with opened(peer.address, SUBSCRIBERS, b"SUBSCRIBE news\r\n", _SUBSCRIBED) as subscribers, \
            Talk(stage.bed.master(NAME).address) as publisher:
        before = settled(peer.pid) if peer.pid else None
        rounds, lasted = _publish(subscribers, publisher, stage.seconds)
        figures: Figures = {"rate": rounds * SUBSCRIBERS / lasted}
        if peer.pid and before:
            figures["cpu"] = (settled(peer.pid).cpu - before.cpu) * 1e6 / (rounds * SUBSCRIBERS)
    return figures


def _publish(subscribers: t.Sequence[socket.socket], publisher: Talk, seconds: float) -> t.Tuple[int, float]:
    """Return how many messages reached all, and in how many seconds."""
    with contextlib.closing(select.epoll()) as poll:
        by_number = {sock.fileno(): sock for sock in subscribers}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            publisher.call("PUBLISH", "news", _MESSAGE)
            _collect(poll, by_number)
            rounds += 1
        return rounds, time.perf_counter() - began


def _collect(poll: select.epoll, by_number: t.Mapping[int, socket.socket]) -> None:
    missing = _PUBLISHED * len(by_number)
    while missing:
        ready = poll.poll(_LONGEST / 1000.0, len(by_number))
        received = sum(len(by_number[number].recv(65536)) for number, _ in ready)
        if not received:
            raise ConnectionError("a message did not reach every subscriber: %d bytes are missing" % missing)
        missing -= received
