"""Hosts on one network, as network namespaces of this machine, and faults of the wires between them.

The namespaces have no names: they live as long as the processes and descriptors in them, so nothing of them can be
left. Needs root, Linux's tun device and nothing installed: what a packet meets on its way decides tests.live.wires.
"""
import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import typing as t

from tests.live.wires import Fault
from tests.waiting import FACTOR

NETWORK = "10.99.0."  # seen in these namespaces only: it cannot collide with one of this machine
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, IFF_UP = 0x8914, 0x8916, 0x891C, 0x0001
DEVICE, LOOPBACK = b"net0", b"lo"


class NoHosts(Exception):
    """This machine does not let us make network namespaces; says why."""


class Host:
    """One namespace with one address, besides its own 127.0.0.1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.address = NETWORK + str(number)
        home = _open_namespace()
        try:
            _system("unshare", CLONE_NEWNET)
            try:
                self.device = _make_device(self.address)
                self._namespace = _open_namespace()
            finally:
                _system("setns", home, CLONE_NEWNET)
        finally:
            os.close(home)

    @contextlib.contextmanager
    def inside(self) -> t.Iterator[None]:
        """Be on this host: sockets, threads and processes made by this thread in the `with` block belong to it."""
        home = _open_namespace()
        try:
            _system("setns", self._namespace, CLONE_NEWNET)
            yield
        finally:
            _system("setns", home, CLONE_NEWNET)
            os.close(home)

    def add_address(self, address: str) -> None:
        """Give this host one more address, which no other host has a way to."""
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            _give(sock, LOOPBACK + b":1", address, "255.255.255.255")

    def close_device(self) -> None:
        """Leave the device to the process that carries the packets."""
        os.close(self.device)

    def close(self) -> None:
        """Let the namespace go; it ends with the last process in it."""
        os.close(self._namespace)


class Hosts:
    """Hosts by their names, and what goes wrong between them; a context manager. Raises NoHosts."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._hosts: t.Dict[str, Host] = {}
        self._faults: t.List[Fault] = []
        self._wires: t.Optional["subprocess.Popen[str]"] = None

    def __enter__(self) -> "Hosts":
        try:
            for number, name in enumerate(self._names, 1):
                self._hosts[name] = Host(number)
            self._start_wires()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise NoHosts("no network namespaces: %s" % error) from error
            raise
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def close(self) -> None:
        """End the wires and let the namespaces go; twice is fine."""
        if self._wires is not None:
            self._wires.communicate(timeout=10 * FACTOR)  # seconds; it ends with its input
            self._wires = None
        while self._hosts:
            self._hosts.popitem()[1].close()

    def cut_one_way(self, sources: t.Iterable[str], targets: t.Iterable[str], port: int = 0) -> None:
        """Lose every packet from one of `sources` to one of `targets`, or those from and to a TCP port only."""
        self._add(sources, targets, Fault(0, 0, port))

    def cut(self, ones: t.Iterable[str], others: t.Iterable[str], port: int = 0) -> None:
        """Lose every packet between one of `ones` and one of `others`."""
        ones, others = list(ones), list(others)
        self._add(ones, others, Fault(0, 0, port), both_ways=True)

    def isolate(self, name: str) -> None:
        """Lose every packet from and to a host, as if its power was lost."""
        self.cut([name], self.others(name))

    def slow(self, name: str, delay: float, jitter: float = 0, loss: float = 0) -> None:
        """Delay every packet from and to a host, by seconds, and lose a part (0 to 1) of them."""
        self._add([name], self.others(name), Fault(0, 0, 0, loss, delay, jitter), both_ways=True)

    def heal(self, *names: str) -> None:
        """Undo what was done to the wires of these hosts, or of all."""
        mended = [self[name].number for name in names or self._names]
        self._apply([fault for fault in self._faults if fault.source not in mended and fault.target not in mended])

    def others(self, name: str) -> t.List[str]:
        """Return the names of the other hosts."""
        return [other for other in self._names if other != name]

    def _add(self, sources: t.Iterable[str], targets: t.Iterable[str], what: Fault, both_ways: bool = False) -> None:
        pairs = [(self[source].number, self[target].number) for source in sources for target in targets]
        pairs += [(target, source) for source, target in pairs] if both_ways else []
        self._apply(self._faults + [what._replace(source=source, target=target) for source, target in pairs])

    def _apply(self, faults: t.List[Fault]) -> None:
        """Have the wires take these faults, and return when they have."""
        assert self._wires is not None and self._wires.stdin is not None and self._wires.stdout is not None
        self._faults = faults
        self._wires.stdin.write(json.dumps(faults) + "\n")
        self._wires.stdin.flush()
        assert self._wires.stdout.readline() == "%d\n" % len(faults), "the process of the wires has ended"

    def _start_wires(self) -> None:
        devices = [host.device for host in self._hosts.values()]
        try:
            self._wires = subprocess.Popen([sys.executable, "-m", "tests.live.wires"] + list(map(str, devices)),
                                           pass_fds=devices, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           universal_newlines=True, start_new_session=True)  # no Ctrl-C: see close()
        finally:
            for host in self._hosts.values():
                host.close_device()


def _open_namespace() -> int:
    """Return a descriptor of the network namespace of this thread."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _system(name: str, *arguments: int) -> None:
    """Call a function of libc that CPython has from 3.12 on."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))


def _make_device(address: str) -> int:
    """Make this namespace's tun device, give it the address, and return the descriptor that its packets come from."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", DEVICE, IFF_TUN | IFF_NO_PI))
        _set_up(address)
    except BaseException:
        os.close(device)
        raise
    return device


def _set_up(address: str) -> None:
    """Give this namespace's devices their addresses and let packets through."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _give(sock, DEVICE, address, "255.255.255.0")
        for name in (DEVICE, LOOPBACK):
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH22x", name, IFF_UP))


def _give(sock: socket.socket, device: bytes, address: str, mask: str) -> None:
    for request, number in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, mask)):
        family_and_address = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(number))
        fcntl.ioctl(sock, request, struct.pack("16s16s8x", device, family_and_address))
