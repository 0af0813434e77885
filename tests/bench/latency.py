"""How long one client waits for one reply, to the microsecond: redis-benchmark tells steps of eight."""
import socket
import time
import typing as t

from st.address import Address
from tests.bench.peers import Peer
from tests.bench.spread import percentile
from tests.bench.stage import Figures, Stage
from tests.waiting import FACTOR

_QUESTION, _ANSWER = b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"


def latency(peer: Peer, stage: Stage) -> Figures:
    """Ask over one connection, one question after the other."""
    waited = sorted(_waits(peer.address, stage.seconds))
    return {"wait_p50": percentile(waited, 0.5) * 1e6, "wait_p99": percentile(waited, 0.99) * 1e6}


def _waits(address: Address, seconds: float) -> t.Iterator[float]:
    with socket.create_connection(address, 10 * FACTOR) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(True)  # a time-out would cost a call of poll
        end = time.perf_counter() + seconds
        asked = 0.0
        while asked < end:
            asked = time.perf_counter()
            sock.sendall(_QUESTION)
            if sock.recv(100) != _ANSWER:
                raise ConnectionError("something else than PONG came from %s" % (address,))
            yield time.perf_counter() - asked
