"""The wires between the hosts of tests.live.hosts, as a process: python -m tests.live.wires DESCRIPTOR ...

The descriptors are the tun devices of the hosts 1, 2, ... in their order. A line of JSON on standard input, a list of
Faults, replaces all faults; the number of them on standard output says that they are in effect. It ends with its input.
What does not arrive is gone without a word: no reset, no ICMP, and no error for the sender.
"""
import heapq
import itertools
import json
import os
import random
import select
import sys
import time
import typing as t

TCP = 6
LONGEST = 65536  # bytes of a packet


class Fault(t.NamedTuple):
    """What happens to the packets from one host to another, by their numbers."""

    source: int
    target: int
    port: int = 0  # at either end; 0: all packets
    loss: float = 1.0  # the part of them that is lost; 1: a cut
    delay: float = 0.0  # seconds
    jitter: float = 0.0  # seconds that may be added to the delay, at random; the order stays


Pair = t.Tuple[int, int]


class Wires:
    """Carries packets between tun devices until standard input ends."""

    def __init__(self, devices: t.Sequence[int]) -> None:
        self._devices = dict(enumerate(devices, 1))
        self._faults: t.Dict[Pair, t.List[Fault]] = {}
        self._due: t.List[t.Tuple[float, int, bytes]] = []  # a heap of the delayed: when, in their order
        self._last_due: t.Dict[Pair, float] = {}
        self._order = itertools.count()
        self._input = b""
        self._poll = select.poll()
        for descriptor in list(devices) + [0]:  # what was sent before a new fault is carried before it
            self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        """Carry until the end."""
        while True:
            for descriptor, _ in self._poll.poll(self._patience()):
                if descriptor:
                    self._drain(descriptor)
                elif not self._obey():
                    return
            while self._due and self._due[0][0] <= time.monotonic():
                packet = heapq.heappop(self._due)[2]
                if not any(fault.loss >= 1 for fault in self._faults_of(packet)):  # cut since it was sent
                    self._deliver(packet)

    def _patience(self) -> t.Optional[float]:
        """Return in how many milliseconds a delayed packet is due."""
        return max(0.0, self._due[0][0] - time.monotonic()) * 1000 if self._due else None

    def _obey(self) -> bool:
        """Take new faults; False at the end."""
        received = os.read(0, LONGEST)
        *lines, self._input = (self._input + received).split(b"\n")
        for line in lines:
            self._faults = {}
            for fault in [Fault(*fields) for fields in json.loads(line.decode())]:
                self._faults.setdefault((fault.source, fault.target), []).append(fault)
            print(sum(map(len, self._faults.values())), flush=True)
        return bool(received)

    def _drain(self, device: int) -> None:
        try:
            while True:
                packet = os.read(device, LONGEST)
                if packet[0] >> 4 == 4 and packet[19] in self._devices:  # IPv4, to one of us
                    self._carry(packet)
        except BlockingIOError:
            pass

    def _carry(self, packet: bytes) -> None:
        faults = self._faults_of(packet)
        if not faults:
            return self._deliver(packet)
        if any(fault.loss and random.random() < fault.loss for fault in faults):
            return None
        pair = (packet[15], packet[19])
        delay = sum(fault.delay + random.random() * fault.jitter for fault in faults)
        self._last_due[pair] = max(time.monotonic() + delay, self._last_due.get(pair, 0))
        heapq.heappush(self._due, (self._last_due[pair], next(self._order), packet))
        return None

    def _faults_of(self, packet: bytes) -> t.List[Fault]:
        """Return the faults of the wire that the packet is on, as far as they are about its ports."""
        faults = self._faults.get((packet[15], packet[19]))
        return [fault for fault in faults if not fault.port or fault.port in _ports(packet)] if faults else []

    def _deliver(self, packet: bytes) -> None:
        try:
            os.write(self._devices[packet[19]], packet)
        except OSError:
            pass  # a full or dead host: the packet is lost


def _ports(packet: bytes) -> t.Tuple[int, ...]:
    start = (packet[0] & 15) * 4
    if packet[9] != TCP or len(packet) < start + 4:
        return ()
    return packet[start] << 8 | packet[start + 1], packet[start + 2] << 8 | packet[start + 3]


if __name__ == "__main__":
    Wires([int(word) for word in sys.argv[1:]]).run()
