"""The network that the tests of partitions stand on does what it says."""
import os
import select
import signal
import socket
import subprocess
import sys
import time
import typing as t

import pytest

from tests.live.hosts import Hosts, NoHosts
from tests.waiting import FACTOR, wait_until

PORT = 6379
SILENCE = 0.4 * FACTOR  # seconds without a packet that pass for "nothing arrives"


@pytest.fixture
def hosts() -> t.Iterator[Hosts]:
    """Three hosts."""
    try:
        with Hosts("one", "two", "three") as hosts:
            yield hosts
    except NoHosts as error:
        pytest.skip(str(error))


def test_hosts_reach_each_other(hosts: Hosts) -> None:
    """A host reaches another at its address, is refused where nobody listens, and does not see this machine's ports."""
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        here.listen(1)
        with pytest.raises(ConnectionRefusedError), hosts["one"].inside():
            socket.create_connection(("127.0.0.1", here.getsockname()[1]), 5 * FACTOR)
    with pytest.raises(ConnectionRefusedError):
        _connect(hosts, "one", "two")
    _exchange(*_pair(hosts, "one", "two"))


def test_cut(hosts: Hosts) -> None:
    """A cut ends nothing and refuses nothing, it is silent; when it is healed everything arrives."""
    near, far = _pair(hosts, "one", "two")
    with near, far:
        hosts.cut(["one"], ["two"])
        near.sendall(b"later")
        with pytest.raises(socket.timeout):
            _connect(hosts, "one", "two", SILENCE)
        with pytest.raises(socket.timeout):
            _connect(hosts, "two", "one", SILENCE)
        with pytest.raises(ConnectionRefusedError):
            _connect(hosts, "three", "one")
        assert not _readable(far) and not _readable(near)
        hosts.heal()
        assert far.recv(5) == b"later"


def test_cut_one_way(hosts: Hosts) -> None:
    """Packets the other way go on."""
    with _datagrams(hosts, "one") as one, _datagrams(hosts, "two") as two:
        hosts.cut_one_way(["one"], ["two"])
        two.sendto(b"back", (hosts["one"].address, PORT))
        one.sendto(b"there", (hosts["two"].address, PORT))
        assert one.recv(9) == b"back"
        assert not _readable(two)
        hosts.heal("two")
        one.sendto(b"again", (hosts["two"].address, PORT))
        assert two.recv(9) == b"again"


def test_cut_of_a_port(hosts: Hosts) -> None:
    """A cut of one port leaves the others, whichever side has that port."""
    hosts.cut(["one"], ["two"], PORT)
    for sides in (("one", "two"), ("two", "one")):
        with pytest.raises(socket.timeout):
            _connect(hosts, sides[0], sides[1], SILENCE)
        with pytest.raises(ConnectionRefusedError):
            _connect(hosts, sides[0], sides[1], port=PORT + 1)


def test_isolated(hosts: Hosts) -> None:
    """An isolated host reaches nobody, and the others reach each other."""
    hosts.isolate("one")
    for name in ("two", "three"):
        with pytest.raises(socket.timeout):
            _connect(hosts, name, "one", SILENCE)
    with pytest.raises(ConnectionRefusedError):
        _connect(hosts, "three", "two")


def test_slow(hosts: Hosts) -> None:
    """Packets from and to a slow host come late, all of them and in order; with a loss only some come."""
    with _datagrams(hosts, "one") as one, _datagrams(hosts, "two") as two:
        hosts.slow("one", delay=0.2, jitter=0.1)
        began = time.monotonic()
        for number in range(50):
            one.sendto(b"%d" % number, (hosts["two"].address, PORT))
        assert [int(two.recv(9)) for _ in range(50)] == list(range(50))
        assert time.monotonic() - began >= 0.2
        hosts.heal()
        hosts.slow("one", delay=0, loss=0.5)
        for number in range(100):
            one.sendto(b"%d" % number, (hosts["two"].address, PORT))
        hosts.heal()
        one.sendto(b"-1", (hosts["two"].address, PORT))
        arrived = 0
        while int(two.recv(9)) != -1:
            arrived += 1
        assert 10 < arrived < 90


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left(hosts: Hosts, number: int) -> None:
    """The process of the wires ends with the one that made the hosts, however that ends; no namespace has a name."""
    names = _namespaces()
    # SIGINT is ignored by default where a shell started all this in the background.
    program = ("from tests.live.hosts import Hosts\nimport signal, time\n"
               "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
               "with Hosts('one') as hosts:\n    print(hosts._wires.pid, flush=True)\n    time.sleep(600)\n")
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert owner.stdout is not None
    wires = int(owner.stdout.readline())
    assert _namespaces() == names
    owner.send_signal(number)
    owner.communicate()
    wait_until(lambda: not _runs(wires), "the wires did not end")


def _listen(hosts: Hosts, name: str) -> socket.socket:
    with hosts[name].inside():
        listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((hosts[name].address, PORT))
    listener.listen(5)
    return listener


def _connect(hosts: Hosts, source: str, target: str, seconds: float = 10 * FACTOR, port: int = PORT) -> socket.socket:
    with hosts[source].inside():
        return socket.create_connection((hosts[target].address, port), seconds)


def _pair(hosts: Hosts, source: str, target: str) -> t.Tuple[socket.socket, socket.socket]:
    with _listen(hosts, target) as listener:
        near = _connect(hosts, source, target)
        far = listener.accept()[0]
        far.settimeout(10 * FACTOR)
        return near, far


def _exchange(near: socket.socket, far: socket.socket) -> None:
    with near, far:
        near.sendall(b"there")
        assert far.recv(5) == b"there"
        far.sendall(b"back")
        assert near.recv(4) == b"back"


def _datagrams(hosts: Hosts, name: str) -> socket.socket:
    with hosts[name].inside():
        sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind((hosts[name].address, PORT))
    sock.settimeout(10 * FACTOR)
    return sock


def _readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], SILENCE)[0])


def _namespaces() -> t.List[str]:
    return sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []


def _runs(pid: int) -> bool:
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
