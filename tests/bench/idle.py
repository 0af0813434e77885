"""What connections cost that only wait."""
import typing as t

from tests.bench.crowd import add, opened
from tests.bench.machine import room
from tests.bench.peers import Peer
from tests.bench.stage import Figures, Stage
from tests.proc import Usage, usage

STEPS = (100, 1000, 10000)  # connections
_PROCESSES = 1000  # as many and no more, where each connection is a process


def idle(peer: Peer, stage: Stage) -> Figures:
    """Open more and more connections, and look at the process in between after each step."""
    figures: Figures = {}
    if peer.pid is None:
        return figures
    _note(figures, 0, usage(peer.pid))
    with opened(peer.address, 1) as socks:
        for step in steps(stage.quick, room()):
            if usage(peer.pid).processes > 50 and step > _PROCESSES:
                break
            add(socks, peer.address, step)
            _note(figures, step, usage(peer.pid))
    return figures


def steps(quick: bool, most: int) -> t.List[int]:
    """Return the numbers of connections, as far as the limit of open files lets them go."""
    return [min(step, most // 100 * 100) for step in (STEPS[:2] if quick else STEPS)]


def _note(figures: Figures, step: int, now: Usage) -> None:
    figures["memory_%d" % step] = now.memory / 1e6
    figures["threads_%d" % step] = now.threads
    figures["processes_%d" % step] = now.processes
