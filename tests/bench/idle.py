"""What connections cost that only wait."""
import math
import re
import socket
import time
import typing as t

import hiredis

from st.address import Address
from tests.bench.crowd import add, opened
from tests.bench.machine import room
from tests.bench.peers import NAME, Peer
from tests.bench.stage import LIMIT, Figures, Stage
from tests.live.bed import Bed
from tests.proc import Usage, usage
from tests.waiting import FACTOR

STEPS = (100, 1000, 10000)  # connections
_PROCESSES = 1000  # as many and no more, where each connection is a process
_FEW = 90  # connections: those of Sentinels, and of other ways, are always there
_PACE = 0.01  # seconds


def idle(peer: Peer, stage: Stage) -> Figures:
    """Open more and more connections, and look at a new process in between after each step."""
    figures: Figures = {}
    if peer.pid is None:
        return figures
    _time_until(lambda: _clients(stage.bed) < _FEW)  # Redis has no room for the crowds of two ways
    with stage.makers[peer.name](stage.bed) as fresh:  # what was busy before keeps what it needed then
        assert fresh.pid is not None
        _note(figures, 0, usage(fresh.pid))
        most = 0
        with opened(fresh.address, 1) as socks:
            for step in steps(stage.quick, room()):
                if usage(fresh.pid).processes > 50 and step > _PROCESSES:
                    break
                if not _grown(socks, fresh.address, step):
                    return figures
                _note(figures, step, usage(fresh.pid))
                most = step
        figures["gone_%d" % most] = _time_until(lambda: _clients(stage.bed) < _FEW)
    return figures


def _grown(socks: t.List[socket.socket], address: Address, step: int) -> bool:
    try:
        add(socks, address, step)
    except OSError as error:
        print(" (ended at %d connections: %s)" % (len(socks), error), end="", flush=True)
        return False
    return True


def _time_until(condition: t.Callable[[], bool]) -> t.Optional[float]:
    """Return how many seconds pass until it is so; None: too many."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + LIMIT * FACTOR:
            return None
        time.sleep(_PACE)
    return time.monotonic() - began


def steps(quick: bool, most: int) -> t.List[int]:
    """Return the numbers of connections, as far as the limit of open files lets them go."""
    return [min(step, most // 100 * 100) for step in (STEPS[:2] if quick else STEPS)]


def _clients(bed: Bed) -> float:
    try:
        found = re.search(r"connected_clients:(\d+)", bed.master(NAME).cli("INFO", "clients"))
    except (OSError, hiredis.ReplyError):  # no time for one more, or no room
        return math.inf
    assert found, "INFO clients does not tell how many clients there are"
    return int(found.group(1))


def _note(figures: Figures, step: int, now: Usage) -> None:
    figures["memory_%d" % step] = now.memory / 1e6
    figures["threads_%d" % step] = now.threads
    figures["processes_%d" % step] = now.processes
