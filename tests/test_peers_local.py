"""Who is behind a local connection: from the kernel's tables as text, and behind real connections."""
import contextlib
import os
import pwd
import socket
import subprocess
import sys
import typing as t

import pytest

from st.host.sockets import Owner
from st.ops import clients
from st.ops.clients import KnownClient
from st.ops.measures import ClientStatus
from st.ops.peers import peers_of, shares_network
from st.unix import Credentials
from tests.fakes import World
from tests.tunnels import ask, running
from tests.waiting import FACTOR

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
needs_little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="these tables are little-endian")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "%4d: %s %s 01 00000000:00000000 00:00000000 00000000 %5d        0 %d 1 ffff9a5 100 0 0 10 0\n"
LOCAL, LOCAL_6, MAPPED = "0100007F", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F"


def rows(*ends: t.Tuple[str, str, int, int]) -> str:
    """Return a table with these sockets: its end, the other end, uid, inode."""
    return HEAD + "".join(ROW % ((number,) + end) for number, end in enumerate(ends))


def client(number: int, address: str, tunnel: str = "a", master: t.Optional[str] = "10.0.0.1:6379") -> ClientStatus:
    """Return a connection."""
    return ClientStatus(number, tunnel, address, master, 1000.0, 1234, 310000)


def users_of(connections: t.Sequence[ClientStatus], listening: t.Mapping[str, str], *tables: str) -> t.Dict[int, str]:
    """Return the user behind each connection; whose inodes these may be by chance does not matter."""
    found = peers_of(connections, listening, [table.splitlines() for table in tables])
    return {number: str(owner.user) for number, owner in found.items()}


UID = 43210  # nobody's, so that its name is its number


@needs_little_endian
def test_the_row_of_the_client_is_the_one() -> None:
    """Not that of our own end of the same connection, nor those of others."""
    table = rows((LOCAL + ":18EB", LOCAL + ":C5D2", UID + 1, 901), (LOCAL + ":C5D2", LOCAL + ":18EB", UID, 902),
                 (LOCAL + ":C5D3", LOCAL + ":18EB", UID + 2, 903))
    assert users_of([client(1, "127.0.0.1:50642")], {"a": "127.0.0.1:6379"}, table) == {1: str(UID)}


@needs_little_endian
def test_one_client_port_to_two_listeners() -> None:
    """The same client address may have connections to the same port of two addresses."""
    table = rows((LOCAL + ":C5D2", "0200007F:18EB", UID + 1, 901), (LOCAL + ":C5D2", LOCAL + ":18EB", UID, 902))
    connections = [client(1, "127.0.0.1:50642"), client(2, "127.0.0.1:50642", "b")]
    listening = {"a": "127.0.0.1:6379", "b": "127.0.0.2:6379"}
    assert users_of(connections, listening, table) == {1: str(UID), 2: str(UID + 1)}


@needs_little_endian
@pytest.mark.parametrize("address, listen, local, far", [
    ("[::1]:50642", "[::1]:6379", LOCAL_6, LOCAL_6),
    ("[::ffff:127.0.0.1]:50642", "[::]:6379", LOCAL, LOCAL),
    ("127.0.0.1:50642", "0.0.0.0:6379", MAPPED, MAPPED),
    ("[fe80::1%lo]:50642", "[::]:6379", "000080FE000000000000000001000000", LOCAL_6)])
def test_addresses_of_every_kind(address: str, listen: str, local: str, far: str) -> None:
    """IPv6, IPv4 within it, listeners on every address, addresses with an interface."""
    table = rows((local + ":C5D2", far + ":18EB", UID, 901))
    assert users_of([client(1, address)], {"a": listen}, "", table) == {1: str(UID)}


@needs_little_endian
def test_a_tunnel_in_several_places() -> None:
    """A client of any of its addresses; of its paths the kernel has told already who connected."""
    table = rows((LOCAL + ":C5D2", "0200007F:18EB", UID, 901))
    by_path = client(2, "unix")._replace(credentials=Credentials(os.getpid(), UID + 1))
    listening = {"a": "[::1]:6379, /run/a b.sock, 127.0.0.2:6379"}
    assert users_of([client(1, "127.0.0.1:50642"), by_path], listening, table) == {1: str(UID), 2: str(UID + 1)}
    assert peers_of([by_path], listening, [])[2].pid == os.getpid()
    hidden = by_path._replace(credentials=Credentials(0, UID))  # in a container that we do not see into
    assert peers_of([hidden], listening, []) == {2: Owner(None, None, str(UID))}


@needs_little_endian
def test_who_is_not_known_is_left_out() -> None:
    """Clients of other hosts, of tunnels that are gone, and sockets that no process has any more."""
    table = rows((LOCAL + ":C5D2", LOCAL + ":18EB", 0, 0))
    connections = [client(1, "10.0.0.9:50642"), client(2, "127.0.0.1:50642", "gone"), client(3, "127.0.0.1:50642")]
    assert users_of(connections, {"a": "127.0.0.1:6379"}, table) == {}
    assert users_of(connections, {"a": "127.0.0.1:6379"}) == {}


CHILD = """
import os, socket, sys
open("/proc/self/comm", "wb").write(b"a\\nb")
"x".encode("idna")  # imported first: that user may not be allowed to read this Python
if os.geteuid() == 0 and sys.argv[2] != "0":
    os.setuid(int(sys.argv[2]))
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"PING\\r\\n")
sock.recv(100)
print(os.getpid(), flush=True)
input()
"""


@contextlib.contextmanager
def child(port: int, uid: int = 0) -> t.Iterator[int]:
    """Give the pid of a process of that user which is a client of a tunnel."""
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(port), str(uid)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    try:
        yield int(process.stdout.readline())  # type: ignore[union-attr]
    finally:
        process.communicate(b"\n", timeout=30 * FACTOR)


def test_real_clients_have_their_names(world: World) -> None:
    """This process and another one: pid, user, and a program's name that cannot forge a line."""
    with running(world) as app, app.connect() as sock, child(app.address()[1]) as pid:
        assert ask(sock, "PING") == b"+PONG\r\n"
        user = pwd.getpwuid(os.geteuid()).pw_name
        found = list(peers_of(app.app.clients(), {"mymaster": app.tunnel().listen}).values())
        assert [(owner.pid, owner.user) for owner in sorted(found)] == sorted([(os.getpid(), user), (pid, user)])
        assert "a\\nb" in [owner.program for owner in found]


@needs_root
def test_of_another_users_client_the_user_is_known(world: World) -> None:
    """Not its program and pid, which the kernel hides from all but root."""
    with running(world) as app, child(app.address()[1], UID) as pid:
        connections, listening = app.app.clients(), {"mymaster": app.tunnel().listen}
        assert [owner.pid for owner in peers_of(connections, listening).values()] == [pid]
        os.seteuid(65534)
        try:
            assert list(peers_of(connections, listening).values()) == [Owner(None, None, str(UID))]
        finally:
            os.seteuid(0)


def test_many_connections_in_one_look() -> None:
    """A thousand connections of one process, all found."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        ends = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(1000)]
        connections = [client(number, "%s:%d" % end.getsockname()) for number, end in enumerate(ends)]
        found = peers_of(connections, {"a": "%s:%d" % listener.getsockname()})
        assert len(found) == 1000 and {owner.pid for owner in found.values()} == {os.getpid()}


def test_our_own_network_is_shared() -> None:
    """With ourselves; with a process that is not there it cannot be told."""
    assert shares_network(os.getpid()) and not shares_network(2 ** 30)


KNOWN = [KnownClient(client(12, "127.0.0.1:51234"), Owner(12345, "python3", "app")),
         KnownClient(client(13, "127.0.0.1:51235"), Owner(None, None, "www-data")),
         KnownClient(client(9, "10.0.0.9:40000", master=None), None)]


def test_the_table_is_grouped_by_tunnel_and_master() -> None:
    """Those that wait for a master stand apart; ? is what we may not know, - what is on another host."""
    assert clients.as_text(KNOWN, 8999.0) == """\
a held: no master yet, 1 client
ID  CLIENT          PROGRAM  USER  PID  AGE     SENT  RECEIVED
9   10.0.0.9:40000  -        -     -    2h 13m  1.2k  310k

a -> 10.0.0.1:6379, 2 clients
ID  CLIENT           PROGRAM  USER      PID    AGE     SENT  RECEIVED
12  127.0.0.1:51234  python3  app       12345  2h 13m  1.2k  310k
13  127.0.0.1:51235  ?        www-data  ?      2h 13m  1.2k  310k
"""
    assert clients.as_text([], 0) == "no client is connected\n"


def test_json_goes_there_and_back() -> None:
    """What the process knows reaches the command line unchanged, on one line of ASCII."""
    text = clients.as_json(KNOWN)
    assert clients.from_json(text) == KNOWN and "\n" not in text


def test_names_from_outside_are_plain() -> None:
    """The name of a tunnel cannot move the cursor."""
    bad = client(1, "127.0.0.1:1", "e\x1b[2J\n\u00e9", "m\x1b:1")
    text = clients.as_text([KnownClient(bad, None)], 0)
    assert all(" " <= char <= "~" for char in text.replace("\n", "")) and len(text.splitlines()) == 3
