"""Random troubles while clients write through a tunnel: python -m tests.live.chaos --seconds N --seed S.

One data host at a time is in trouble (see tests.live.troubles); then all is mended, and must be well, before the next
time. In the end no acknowledged write may be missing that no switch explains, the tunnel must have the threads and
descriptors that it had in the beginning, and its log must hold no ERROR.
"""
import argparse
import collections
import os
import random
import signal
import sys
import time
import typing as t

import hiredis

from tests.live.counter import Counter, report, switches, unexcused
from tests.live.hosts import NoHosts
from tests.live.netbed import NAME, NetBed
from tests.live.talk import Talk
from tests.live.troubles import Plan, Victim, plans
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

APP = "app"
PATIENCE = 120  # seconds for everything to be well again: a split vote of the Sentinels takes 40
SETTINGS = {"hold": "60s"}
DURABLE = {"appendonly": "yes"}  # a master that is back before its Sentinels act must still have what it acknowledged


class Chaos:
    """One run: the deployment, its tunnel, and those who write through it."""

    def __init__(self, net: NetBed, tunnel: Tunnel, steady: Counter, anew: Counter) -> None:
        self._net = net
        self._tunnel = tunnel
        self._counters = (steady, anew)
        self._began = time.monotonic()
        self._troubles: t.List[float] = []  # when each began

    def run(self, seconds: float, seed: int) -> None:
        """Make trouble for so many seconds; AssertionError when all is not well some time after one."""
        for plan in plans(seed):
            if time.monotonic() - self._began > seconds:
                return
            self._suffer(plan)
            time.sleep(plan.pause)

    def faults(self) -> t.List[str]:
        """Return what is wrong when all writers have ended, a line each."""
        adopted = switches(self._tunnel)
        found = []
        for counter in self._counters:
            missing = counter.missing(self._net.master(NAME))
            wrong = unexcused(missing, adopted, self._troubles)
            self._say("%d of %d acknowledged writes are missing, %d of these without a switch that explains it"
                      % (len(missing), counter.acknowledged(), len(wrong)))
            for failure, times in collections.Counter(counter.failures()).most_common():
                self._say("%d writes failed: %s" % (times, failure))
            if wrong:
                last = max((moment for moment in adopted if moment <= wrong[0].sent), default=self._began)
                found.append(report(wrong, last))
        return found + [line for line in self._tunnel.log().splitlines() if " ERROR " in line or "Traceback" in line]

    def _suffer(self, plan: Plan) -> None:
        victim = Victim(self._net, plan)
        self._troubles.append(time.monotonic())
        for kind in plan.kinds:
            self._say("%s, the %s: %s (%.1f s)" % (victim.name, "replica" if plan.victim else "master", kind,
                                                   plan.seconds))
            victim.suffer(kind)
            time.sleep(plan.seconds)
        mended = time.monotonic()
        self._net.heal()
        wait_until(self._replicated, "the replicas do not get what is written", PATIENCE)
        healthy = time.monotonic()
        for counter in self._counters:
            wait_until(lambda: counter.all_since(healthy), "not every writer writes", PATIENCE)
        self._say("well %.1f s after the end of it; master %s, %d switches so far"
                  % (time.monotonic() - mended, self._net.place(self._net.master(NAME)), len(switches(self._tunnel))))

    def _replicated(self) -> bool:
        """Tell whether both replicas have everything, whatever their links say: else the next trouble may lose it."""
        try:
            master = self._net.master(NAME)
            with self._net.hosts[self._net.place(master)].inside(), Talk(master.address, timeout=PATIENCE) as talk:
                return bool(talk.call("INCR", "times") and talk.call("WAIT", 2, 1000) == 2)  # milliseconds
        except (OSError, hiredis.ReplyError):  # another failover
            return False

    def _say(self, line: str) -> None:
        print("%7.1f  %s" % (time.monotonic() - self._began, line), flush=True)


def size(tunnel: Tunnel) -> str:
    """Return how many threads and descriptors the tunnel's process has."""
    process = "/proc/%d/" % tunnel.process.pid
    return "%d threads, %d descriptors" % (len(os.listdir(process + "task")), len(os.listdir(process + "fd")))


def run(seconds: float, seed: int) -> t.List[str]:
    """Return what was found wrong."""
    with NetBed([APP], redis_options=DURABLE) as net, net.tunnel(APP, **SETTINGS) as tunnel:
        steady = Counter("steady", net.hosts[APP], tunnel, writers=4)
        anew = Counter("anew", net.hosts[APP], tunnel, writers=2, anew=True)
        chaos, faults = Chaos(net, tunnel, steady, anew), []
        try:
            with steady:
                wait_until(lambda: steady.all_since(0), "nothing is written", PATIENCE)
                before = size(tunnel)
                with anew:
                    chaos.run(seconds, seed)
                wait_until(lambda: size(tunnel) == before, "not as in the beginning (%s)" % before)
        except AssertionError as error:
            faults.append("%s; the tunnel has %s" % (error, size(tunnel)))
        faults += chaos.faults()
        if faults:
            print("the log of the tunnel:\n" + tunnel.log())
        return faults


def main() -> int:
    """Run once and print the outcome; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to make trouble (120)")
    parser.add_argument("--seed", type=int, default=random.randrange(10 ** 6), help="for the same troubles again")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left
    print("seed %d" % words.seed, flush=True)
    try:
        faults = run(words.seconds, words.seed)
    except NoHosts as error:
        faults = [str(error)]
    for fault in faults:
        print("FAULT: " + fault)
    print("seed %d: %s" % (words.seed, "%d faults" % len(faults) if faults else "all is well"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
