"""What the demonstration shows: a failover, seen by a client that knows nothing of Sentinel."""
import os
import signal
import sys
import textwrap
import threading
import time
import typing as t

import hiredis

from st.address import Address
from tests.live.bed import Bed
from tests.live.node import Node
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"
_started = time.monotonic()


def say(who: str, text: str) -> None:
    """Print one line, or more if it must be: the seconds since the start, who does it, what is done."""
    head = "%5.1f s  %-9s " % (time.monotonic() - _started, who)
    print(textwrap.fill(text, 79, initial_indent=head, subsequent_indent=" " * len(head)), flush=True)


class Writer:
    """A client that adds the numbers 1, 2, 3 ... to a set; it knows one address and connects again when it must."""

    def __init__(self, address: t.Tuple[str, int]) -> None:
        self.acknowledged: t.List[t.Tuple[int, float]] = []  # the number, and when (monotonic)
        self._address = address
        self._talk: t.Optional[Talk] = None
        self._failure = ""

    def write_for(self, seconds: float) -> None:
        """Write a number every 100 ms."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.write()

    def write(self) -> bool:
        """Write the next number; return whether it was acknowledged."""
        number = len(self.acknowledged) + 1
        try:
            if self._talk is None:
                self._talk = Talk(self._address, timeout=20)  # longer than the tunnel lets it wait for a master
            self._talk.call("SADD", "numbers", number)
        except (OSError, hiredis.ReplyError) as error:
            self._failed("number %d failed: %s" % (number, error))
            return False
        self.acknowledged.append((number, time.monotonic()))
        time.sleep(0.1)  # seconds; the pace of a calm client
        return True

    def _failed(self, failure: str) -> None:
        if failure != self._failure:  # said once, however often it is tried
            say("client", failure)
            say("client", "connects again, to the same address")
        self._failure = failure
        self.close()
        time.sleep(0.1)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._talk is not None:
            self._talk.close()
        self._talk = None


def show(keep: bool) -> bool:
    """Run the demonstration; return whether the client wrote before and after the kill."""
    print("A Redis master dies, and a client that knows nothing of Sentinel goes on.\n")
    say("start", "1 master, 2 replicas and 3 Sentinels, all on this host")
    with Bed() as bed:
        _describe(bed)
        with Tunnel(bed) as tunnel:
            address = tunnel.addresses[NAME]
            say("tunnel", "%s leads to the master of '%s'" % (address, NAME))
            writer = Writer(address)
            killed, old = _fail_over(bed, tunnel, writer)
            good = _report(writer, killed, bed.master(NAME))
            if keep:
                old.restart()
                _keep(bed, tunnel)
    print("\nAll is stopped and removed.", flush=True)
    return good


def _describe(bed: Bed) -> None:
    master = bed.master(NAME)
    say("redis", "master     %s (pid %d)" % (master.address, master.pid))
    for replica in bed.replicas(NAME):
        say("redis", "replica    %s (pid %d)" % (replica.address, replica.pid))
    for sentinel in bed.sentinels:
        say("sentinel", "watching   %s (pid %d)" % (sentinel.address, sentinel.pid))


def _fail_over(bed: Bed, tunnel: Tunnel, writer: Writer) -> t.Tuple[float, Node]:
    """Write, kill the master, write on; return when it was killed (monotonic) and the node."""
    say("client", "connects to %s and writes a number every 100 ms" % (tunnel.addresses[NAME],))
    writer.write_for(5)
    say("client", "%d writes acknowledged" % len(writer.acknowledged))
    old = bed.master(NAME)
    say("kill", "kill -9 %d: the master is dead" % old.pid)
    killed = time.monotonic()
    old.kill()
    promoted: t.List[Address] = []
    watcher = threading.Thread(target=_watch, args=(bed, old, killed, promoted), name="watch", daemon=True)
    watcher.start()
    wait_until(lambda: writer.write() and writer.acknowledged[-1][1] > killed, "no write succeeds any more", 60)
    say("client", "number %d acknowledged: the writes go on" % len(writer.acknowledged))
    watcher.join(60)
    writer.write_for(5)
    writer.close()
    say("client", "%d more writes acknowledged" % len(_after(writer, killed)))
    if bed.master(NAME).address not in promoted:
        say("sentinel", "a second switch, to %s: that one can lose writes too" % (bed.master(NAME).address,))
    _print_switches(tunnel.log())
    return killed, old


def _watch(bed: Bed, old: Node, killed: float, promoted: t.List[Address]) -> None:
    address, at = bed.wait_master(NAME, old.address)
    promoted.append(address)
    say("sentinel", "the master is now %s (%.1f s after the kill)" % (address, at - killed))


def _print_switches(log: str) -> None:
    switches = [line for line in log.splitlines() if " switch " in line]
    if switches:
        print("\nThe tunnel's log says")
        for line in switches:
            print(textwrap.fill(line, 78, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))


def _after(writer: Writer, killed: float) -> t.List[t.Tuple[int, float]]:
    return [write for write in writer.acknowledged if write[1] > killed]


def _report(writer: Writer, killed: float, master: Node) -> bool:
    before = [write for write in writer.acknowledged if write[1] <= killed]
    after = _after(writer, killed)
    missing = {number for number, _ in writer.acknowledged} - {int(n) for n in master.cli("SMEMBERS", "numbers")}
    print("\nIn numbers")
    print("  writes acknowledged before the kill    %5d" % len(before))
    print("  writes acknowledged after it           %5d" % len(after))
    print("  seconds without an acknowledged write  %5.1f" % (after[0][1] - before[-1][1]))
    print("  acknowledged, but lost with the master %5d" % len(missing))
    print("\nMost of the pause is Sentinel making sure that the master is dead: here for 1 to\n"
          "3 s, elsewhere often for 5 to 30 s. A write is lost when the old master had\n"
          "acknowledged but not yet passed it on: Redis replicates asynchronously, so any\n"
          "failover can lose a few, with the tunnel or without it.", flush=True)
    return bool(before and after)


def _keep(bed: Bed, tunnel: Tunnel) -> None:
    sentinel, master = bed.sentinels[0].port, bed.master(NAME)
    print("\nAll is running, the killed node too (as a replica now). From another terminal:")
    for command, what in (
            ("redis-cli -p %d" % tunnel.addresses[NAME].port, "the master, through the tunnel"),
            ("redis-cli -p %d sentinel masters" % sentinel, "what a Sentinel knows"),
            ("redis-cli -p %d sentinel failover %s" % (sentinel, NAME), "another master, in order"),
            ("kill -9 %d" % master.pid, "another master, the hard way")):
        print("  %-45s %s" % (command, what))
    print("Sentinels listen on %s." % ", ".join(str(address.port) for address in bed.sentinel_addresses))
    print("Ctrl-C here stops and removes everything.", flush=True)
    signal.pause()


def main() -> int:
    """Show it; return the exit code."""
    try:
        return 0 if show("--keep" in sys.argv[1:]) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody reads any more; Python's own flush at exit must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except AssertionError as error:  # of the bed: what was waited for, and why it did not come
        print("\nThe demonstration cannot go on: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
