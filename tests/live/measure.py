"""How long clients wait at a failover, in figures: python -m tests.live.measure [--failovers 10] [--frozen]."""
import argparse
import contextlib
import statistics
import sys
import threading
import time
import typing as t

import redis

from tests.live.bed import Bed
from tests.live.clients import PATIENCE, PLAIN, SOON_AGAIN, Repeated, Waiting
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"
IDLE = 50  # connections that only wait
LIMIT = 1.5  # seconds from the first Sentinel that names the new master to the first write


class Figures(t.NamedTuple):
    """One failover, in seconds; `ended` is negative when the connections had ended with the master itself."""

    named: float  # from the end of the old master until the first Sentinel names the new one
    ended: float  # from then until the last of the old connections has ended
    written: float  # from then until the first write succeeds


def fail_over(bed: Bed, tunnel: Tunnel, frozen: bool) -> Figures:
    """Kill (or freeze) the master under load, and return what came when."""
    address, old = tunnel.addresses[NAME], bed.master(NAME)
    with contextlib.closing(redis.Redis(address[0], address[1], **PLAIN)) as client, Waiting() as waiting:
        for number in range(IDLE):
            waiting.open(address, "idle", "idle %d" % number)
        with Repeated(lambda: client.incr("writes")) as writer, _watched(waiting):
            wait_until(lambda: writer.results, "nothing was written")
            (old.stop if frozen else old.kill)()
            gone = time.monotonic()
            _, named = bed.wait_master(NAME, old.address)
            wait_until(lambda: len(waiting.ended) == IDLE, "not every connection has ended", PATIENCE)
            wait_until(lambda: writer.since(gone), "nothing is written any more", PATIENCE)
    return Figures(named - gone, max(waiting.ended.values()) - named, writer.since(gone)[0].ended - named)


@contextlib.contextmanager
def _watched(waiting: Waiting) -> t.Iterator[None]:
    """Note in a thread when each connection ends."""
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            waiting.look(0.1)

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def measure(failovers: int, frozen: bool) -> t.List[Figures]:
    """Measure one failover after the other, and print each."""
    found = []
    with Bed(sentinel_options=SOON_AGAIN) as bed, Tunnel(bed, "--poll", "1s", "--hold", "60s") as tunnel:
        print("%d failovers by %s; down-after 1 s, poll 1 s, events on; %d idle connections, one that writes.\n"
              % (failovers, "SIGSTOP" if frozen else "kill -9", IDLE))
        print("Seconds        until a Sentinel  from then until the last   from then until the")
        print("               names a master    old connection has ended  first write succeeds")
        for number in range(failovers):
            found.append(fail_over(bed, tunnel, frozen))
            _print_row("failover %2d" % (number + 1), found[-1])
            bed.mend()
    return found


def _print_row(title: str, figures: t.Sequence[float]) -> None:
    print(title.ljust(12) + " %14.2f %22.3f %24.3f" % tuple(figures), flush=True)


def main() -> int:
    """Measure, print the summary, and return 1 when a write came too late."""
    parser = argparse.ArgumentParser(prog="python -m tests.live.measure",
                                     description="Measures failovers of real servers, as clients of a tunnel see them.")
    parser.add_argument("--failovers", type=int, default=10, metavar="N")
    parser.add_argument("--frozen", action="store_true", help="freeze the master (SIGSTOP) where kill -9 is usual")
    options = parser.parse_args()
    found = measure(options.failovers, options.frozen)
    print()
    for title, summary in (("minimum", min), ("median", statistics.median), ("maximum", max)):
        _print_row(title, [summary(column) for column in zip(*found)])
    late = sum(figures.written > LIMIT for figures in found)
    print("\n%d of %d first writes came more than %g s after a Sentinel named the new master."
          % (late, len(found), LIMIT))
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
