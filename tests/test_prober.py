"""Asking one node for its role: on one connection, with a password of our own, and never an exception."""
import threading
import typing as t

import pytest

from st.address import Address
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.election import UNREACHABLE
from st.sentinel.prober import Prober
from st.wire.role import MASTER, REPLICA, SENTINEL, UNKNOWN
from tests.fakes import Error, FakeRedis, refused_address, silent_listener
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
SHORT = 0.1  # seconds; for what never comes
MakeProber = t.Callable[..., Prober]


@pytest.fixture
def node(fake_redis: t.Callable[..., FakeRedis]) -> FakeRedis:
    """Give a master."""
    return fake_redis()


@pytest.fixture
def prober(node: FakeRedis) -> t.Iterator[MakeProber]:
    """Give a maker of probers of the node, or of another address; each is closed when the test ends."""
    made: t.List[Prober] = []

    def make(timeout: float = LONG, user: t.Optional[str] = None, password: t.Optional[str] = None,
             address: t.Optional[Address] = None, ask: bool = True) -> Prober:
        credentials = Credentials(user, None if password is None else Secret(password))
        made.append(Prober("tunnel", address or Address(*node.address), credentials, timeout, ask))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_role_and_where_it_was_asked(node: FakeRedis, prober: MakeProber) -> None:
    """The answer names the tunnel, the address as asked, and the numeric endpoint that it means."""
    address = Address("localhost", node.address[1])
    probed = prober(address=address).probe()
    assert (probed.tunnel, probed.address, probed.role.name) == ("tunnel", address, MASTER)
    assert probed.endpoint is not None and probed.endpoint.sockaddr[:2] == node.address
    assert probed.endpoint in probed.endpoints


def test_the_connection_is_kept(node: FakeRedis, prober: MakeProber) -> None:
    """Probes again and again are one connection, and each tells the role of its moment."""
    asker = prober(password="p")
    node.password = "p"
    roles = []
    for role in (MASTER, REPLICA, SENTINEL, MASTER):
        node.role = role
        roles.append(asker.probe().role.name)
    assert roles == [MASTER, REPLICA, SENTINEL, MASTER]
    assert (node.accepted, node.count("AUTH")) == (1, 1)


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_was_closed_between_probes(node: FakeRedis, prober: MakeProber, reset: bool) -> None:
    """A node with `timeout` set, or restarted, is asked again on a new connection, with the password."""
    asker = prober(password="p")
    node.password = "p"
    asker.probe()
    node.drop_all(reset)
    assert asker.probe().role.name == MASTER
    assert (node.accepted, node.count("AUTH")) == (2, 2)


@pytest.mark.parametrize("fault, said", [("close", "onnection"), ("half", "closed"), ("reset", "onnection"),
                                         ("silence", "no reply in time"), ("echo", "is not Redis")])
def test_faults(node: FakeRedis, prober: MakeProber, fault: str, said: str) -> None:
    """Whatever the node does it is unreachable, with the reason, and found again by the same prober."""
    asker = prober(LONG if fault != "silence" else SHORT)
    node.fault = fault
    probed = asker.probe()
    assert probed.role.name == UNREACHABLE and said in probed.role.detail
    node.fault = ""
    wait_until(lambda: asker.probe().role.name == MASTER, "it is found again")


def test_a_kept_connection_that_falls_silent(node: FakeRedis, prober: MakeProber) -> None:
    """A node that hangs is not dialled again in the same probe: a stuck master does not collect our sockets."""
    asker = prober(SHORT)
    asker.probe()
    node.fault = "silence"
    assert "no reply in time" in asker.probe().role.detail
    assert node.accepted == 1


def test_dead_ends(prober: MakeProber) -> None:
    """A closed port, a host that is gone and a name that nobody knows are unreachable."""
    with refused_address() as refused, silent_listener() as silent:
        for address in (Address(*refused), Address(*silent), Address("no-such-host.invalid", 1)):
            probed = prober(SHORT, address=address).probe()
            assert probed.role.name == UNREACHABLE and probed.role.detail and probed.endpoint is None


def test_turned_away(node: FakeRedis, prober: MakeProber) -> None:
    """A node that is full says so, and is not to be used."""
    node.greeting = b"-ERR max number of clients reached\r\n"
    probed = prober().probe()
    assert probed.role.name == UNREACHABLE and "max number of clients" in probed.role.detail


@pytest.mark.parametrize("user, password, role", [
    (None, None, UNKNOWN), (None, "wrong", UNKNOWN), (None, "right", MASTER), ("default", "right", MASTER),
    ("other", "right", UNKNOWN),
])
def test_passwords(node: FakeRedis, prober: MakeProber, user: t.Optional[str], password: t.Optional[str],
                   role: str) -> None:
    """The right password tells the role; without it the node is alive and its role not known."""
    node.password = "right"
    probed = prober(user=user, password=password).probe()
    assert probed.role.name == role and probed.endpoint is not None
    assert role == MASTER or probed.role.detail.startswith("NOAUTH")


def test_a_password_that_nobody_wants(node: FakeRedis, prober: MakeProber) -> None:
    """A node without a password tells its role all the same."""
    assert prober(password="p").probe().role.name == MASTER


def test_role_is_not_asked(node: FakeRedis, prober: MakeProber) -> None:
    """With role_check = no nothing is sent: a node that takes connections has an unknown role."""
    asker = prober(user="u", password="p", ask=False)
    node.role = REPLICA
    assert [asker.probe().role.name for _ in range(2)] == [UNKNOWN, UNKNOWN]
    wait_until(lambda: node.accepted == 2 and not node.open, "it was connected to each time, and closed")
    assert node.commands == []


def test_a_role_that_may_not_be_asked(node: FakeRedis, prober: MakeProber) -> None:
    """Everything refused is an unknown role, on a connection that stays in step for the next probe."""
    asker = prober()
    node.replies["*"] = Error("NOPERM no")
    assert asker.probe().role.name == UNKNOWN
    node.replies.clear()
    assert asker.probe().role.name == MASTER and node.accepted == 1


def test_a_late_role_is_nobodys(node: FakeRedis, prober: MakeProber) -> None:
    """What a node said too late does not answer the next probe."""
    asker = prober(0.3)
    asker.probe()
    node.delays["ROLE"] = 3600
    assert asker.probe().role.name == UNREACHABLE
    node.role = REPLICA
    del node.delays["ROLE"]
    assert asker.probe().role.name == REPLICA and node.accepted == 2


def test_interrupt(node: FakeRedis, prober: MakeProber) -> None:
    """Another thread ends a probe that waits; before the first and after the close it does nothing."""
    asker, found = prober(), []
    asker.interrupt()
    node.delays["ROLE"] = 3600
    thread = threading.Thread(target=lambda: found.append(asker.probe()), daemon=True)
    thread.start()
    wait_until(lambda: node.count("ROLE"), "the question arrives")
    asker.interrupt()
    thread.join(LONG)
    assert [probed.role.name for probed in found] == [UNREACHABLE]
    asker.close()
    asker.interrupt()
