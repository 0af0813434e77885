"""Who holds a port: from the kernel's tables as text, and from real listeners."""
import os
import pwd
import socket
import subprocess
import sys
import typing as t
from ipaddress import ip_address

import pytest

from st.address import Address
from st.host.holder import Holder, Listener, holder_of, holding, parse_listeners

needs_little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="these tables are little-endian")

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 31337 1 ffff9a5 100 0 0 10 0
   1: 00000000:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1075 1 ffff9a6 100 0 0 10 0
   2: 0100007F:18EB 0100007F:C5D2 01 00000000:00000000 00:00000000 00000000   107        0 31400 1 ffff9a7 20 4 30 10 -1
   3: cut off
"""

TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5 1 f 100 0 0 10 0
   1: B80D0120000000000000000034120000:18EC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 6 1 f 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:18ED 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7 1 f 100 0 0 10 0
"""  # noqa: E501


@needs_little_endian
def test_the_table_of_ipv4_is_read() -> None:
    """Listening sockets are found with address, port, user and inode; connections and cut lines are not."""
    assert parse_listeners(TCP.splitlines()) == [
        Listener(ip_address("127.0.0.1"), 6379, 107, 31337),
        Listener(ip_address("0.0.0.0"), 6380, 0, 1075),
    ]


@needs_little_endian
def test_the_table_of_ipv6_is_read() -> None:
    """IPv6 addresses come out whole, and an IPv4 address within IPv6 as IPv4."""
    ips = [str(listener.ip) for listener in parse_listeners(TCP6.splitlines())]
    assert ips == ["::1", "2001:db8::1234", "127.0.0.1"]


def test_an_empty_table_has_no_listeners() -> None:
    """Where the kernel does not tell, nothing is found."""
    assert parse_listeners([]) == []


def listener(ip: str, port: int = 6379, inode: int = 1) -> Listener:
    """Return a listener of root."""
    return Listener(ip_address(ip), port, 0, inode)


@pytest.mark.parametrize(
    "listening, wanted, found",
    [
        (["127.0.0.1"], ["127.0.0.1"], 0),
        (["127.0.0.2"], ["127.0.0.1"], None),
        (["0.0.0.0"], ["127.0.0.1"], 0),
        (["::"], ["127.0.0.1"], 0),
        (["::"], ["::1"], 0),
        (["0.0.0.0", "127.0.0.1"], ["127.0.0.1"], 1),
        (["::", "0.0.0.0"], ["127.0.0.1"], 1),
        (["0.0.0.0", "::"], ["::1"], 1),
        (["127.0.0.1"], ["0.0.0.0"], 0),
        (["::1"], ["::"], 0),
        (["127.0.0.1"], ["::1", "127.0.0.1"], 0),
        (["0.0.0.0"], [], None),
    ],
)
def test_who_is_in_the_way(listening: t.List[str], wanted: t.List[str], found: t.Optional[int]) -> None:
    """The same address, a wildcard, or any address under a wanted wildcard is in the way; the nearest is named."""
    listeners = [listener(ip) for ip in listening]
    expected = None if found is None else listeners[found]
    assert holding(listeners, [ip_address(ip) for ip in wanted], 6379) is expected


def test_another_port_is_not_in_the_way() -> None:
    """A wildcard holds every address of its own port only."""
    assert holding([listener("0.0.0.0", 6380)], [ip_address("127.0.0.1")], 6379) is None


@pytest.mark.parametrize(
    "holder, text",
    [
        (Holder(812, "redis-server", "redis"), "held by redis-server (pid 812, user redis)"),
        (Holder(812, "redis-server", None), "held by redis-server (pid 812)"),
        (Holder(812, None, "redis"), "held by a process (pid 812, user redis)"),
        (Holder(None, None, "redis"), "held by a process of user redis"),
        (Holder(None, None, None), "held by another process"),
    ],
)
def test_the_text_leaves_out_what_is_not_known(holder: Holder, text: str) -> None:
    """The text for an error says what is known, and no more."""
    assert str(holder) == text


@pytest.fixture
def listen() -> t.Iterator[t.Callable[[str], Address]]:
    """Give a function that listens on any free port of a host."""
    sockets = []

    def make(host: str) -> Address:
        sockets.append(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        sockets[-1].bind((host, 0))
        sockets[-1].listen(1)
        return Address(host, sockets[-1].getsockname()[1])

    yield make
    for one in sockets:
        one.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_our_own_listener_is_found(listen: t.Callable[[str], Address], host: str) -> None:
    """A real listener is found with its process, program and user, also by a host name."""
    holder = holder_of(listen(host))
    assert holder is not None
    with open("/proc/self/comm") as file:
        assert holder == (os.getpid(), file.read().strip(), pwd.getpwuid(os.geteuid()).pw_name)


def test_an_ipv6_listener_is_found(listen: t.Callable[[str], Address]) -> None:
    """A listener on ::1 is found; needs IPv6 on the loopback."""
    try:
        address = listen("::1")
    except OSError as error:
        pytest.skip("no IPv6 here: %s" % error)
    assert holder_of(address).pid == os.getpid()  # type: ignore[union-attr]


def test_a_free_port_has_no_holder(listen: t.Callable[[str], Address]) -> None:
    """Nobody holds the port of another address."""
    assert holder_of(Address("127.0.0.2", listen("127.0.0.1").port)) is None


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".invalid"])
def test_a_name_without_an_address_has_no_holder(listen: t.Callable[[str], Address], host: str) -> None:
    """A name that cannot be looked up is nobody's, not an error."""
    assert holder_of(Address(host, listen("0.0.0.0").port)) is None


LISTEN = "import os, socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(1); %s" + (
    "print(s.getsockname()[1], flush=True); input()"
)


@pytest.fixture
def child() -> t.Iterator[t.Callable[[str], Address]]:
    """Give a function that starts a process which does something, listens and stays."""
    children = []

    def start(code: str) -> Address:
        command = [sys.executable, "-c", LISTEN % code]
        children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        return Address("127.0.0.1", int(children[-1].stdout.readline()))  # type: ignore[union-attr]

    yield start
    for one in children:
        one.communicate(b"\n", timeout=30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_of_another_users_process_only_the_user_is_known(child: t.Callable[[str], Address]) -> None:
    """What the kernel hides from us is left out."""
    address = child("")
    os.seteuid(65534)
    try:
        assert holder_of(address) == (None, None, "root")
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_is_a_number(child: t.Callable[[str], Address]) -> None:
    """A user id that the host has no name for is given as it is."""
    holder = holder_of(child("os.setuid(43210); s.close(); s = socket.socket(); s.bind(('', 0)); s.listen(1); "))
    assert holder is not None and holder.user == "43210"


def test_a_program_name_cannot_forge_a_line(child: t.Callable[[str], Address]) -> None:
    """A process may call itself anything; what is shown is one line of printable ASCII."""
    holder = holder_of(child("open('/proc/self/comm', 'wb').write(b'a\\nb\\x1b\\xff'); "))
    assert holder is not None and holder.program == "a\\nb\\x1b\\udcff"
