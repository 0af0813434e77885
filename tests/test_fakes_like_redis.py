"""The fakes beside real servers: the same requests, replies of the same shape."""
import contextlib
import pathlib
import re
import shutil
import subprocess
import typing as t

import hiredis
import pytest

from tests.fakes import FakeRedis, FakeSentinel, Monitored, Replica, refused_address, talk
from tests.waiting import wait_until

Address = t.Tuple[str, int]
VERSION = b"v=7.0."

SENTINEL_EXACT = [
    b"PING", b"PING x", b"GET a", b"FOO a b", b"ROLE", b"AUTH a", b"AUTH u a", b"AUTH default a", b"AUTH",
    b"SENTINEL", b"SENTINEL FOO", b"SENTINEL MASTER", b"SENTINEL MASTER no", b"SENTINEL SENTINELS no",
    b"SENTINEL SENTINELS mymaster", b"SENTINEL REPLICAS no", b"SENTINEL GET-MASTER-ADDR-BY-NAME no",
    b"SENTINEL CKQUORUM mymaster", b"SUBSCRIBE a b\r\nPING\r\nROLE", b"PSUBSCRIBE *\r\nPUNSUBSCRIBE\r\nUNSUBSCRIBE",
    b"HELLO", b"HELLO 4", b"HELLO 2 AUTH u a", b"*1\r\n$x", b"*x", b"*1\r\n#1",
    b"QUIT\r\nPING",
    b"HELLO 3\r\nSENTINEL GET-MASTER-ADDR-BY-NAME no", b"HELLO 3\r\nSUBSCRIBE a\r\nPING\r\nUNSUBSCRIBE",
]
SENTINEL_SHAPE = [
    b"SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", b"SENTINEL MASTER mymaster", b"SENTINEL MASTERS", b"SENTINEL MYID",
    b"SENTINEL REPLICAS mymaster", b"HELLO 3\r\nSENTINEL MASTER mymaster",
]
NODE_EXACT = [
    b"AUTH a", b"GET zz", b"ECHO", b"GET", b"FOO a b", b"ECHO hi", b"PUBLISH c x", b"SELECT 0", b"SELECT x",
    b"CLIENT SETNAME a", b"CLIENT SETINFO LIB-NAME a", b"SUBSCRIBE c\r\nGET a\r\nUNSUBSCRIBE",
    b"SET a 1\r\nINCR a\r\nINCRBY a 2", b"SET b x\r\nINCR b", b"QUIT\r\nPING", b"HELLO", b"HELLO 3\r\nGET zz",
]
NODE_SHAPE = [b"ROLE", b"CLIENT ID", b"HELLO 3\r\nROLE"]


class Pair(t.NamedTuple):
    """A real server and a fake in the same state."""

    real: Address
    fake: Address


@pytest.fixture(scope="module")
def real(tmp_path_factory: t.Any) -> t.Iterator[t.List[Address]]:
    """Give a real master, replica and Sentinel; skip when Redis 7.0 is not installed."""
    binary = shutil.which("redis-server")
    if not binary or VERSION not in subprocess.check_output([binary, "--version"]):
        pytest.skip("redis-server 7.0, whose replies the fakes imitate, is not installed")
    with contextlib.ExitStack() as stack:
        directory = tmp_path_factory.mktemp("real")
        master = stack.enter_context(_server(directory))
        replica = stack.enter_context(_server(directory, "--replicaof", master[0], str(master[1])))
        wait_until(lambda: b"state=online" in talk(master, b"INFO replication\r\n"), "the replica follows")
        config = directory / "sentinel.conf"
        config.write_text("sentinel monitor mymaster %s %d 1\n" % master)
        sentinel = stack.enter_context(_server(directory, "--sentinel", config=config))
        wait_until(lambda: b"slave-priority" in talk(sentinel, b"SENTINEL REPLICAS mymaster\r\n"), "it is found")
        yield [master, replica, sentinel]


@contextlib.contextmanager
def _server(directory: pathlib.Path, *options: str, config: t.Optional[pathlib.Path] = None) -> t.Iterator[Address]:
    with refused_address() as address:
        pass
    command = ["redis-server"] + ([str(config)] if config else ["--save", "", "--repl-diskless-sync-delay", "0"])
    command += ["--port", str(address[1]), "--dir", str(directory)] + list(options)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(address), "redis-server answers on port %d" % address[1])
        yield address
    finally:
        process.kill()
        process.wait()


def _answers(address: Address) -> bool:
    try:
        return talk(address, b"PING\r\n") == b"+PONG\r\n"
    except ConnectionError:
        return False


@pytest.fixture
def sentinels(real: t.List[Address], fake_sentinel: t.Callable[..., FakeSentinel]) -> Pair:
    """Give a real and a fake Sentinel that know the same master and replica."""
    fake = fake_sentinel()
    fake.masters["mymaster"] = Monitored(real[0])
    fake.replicas["mymaster"] = [Replica(real[1])]
    return Pair(real[2], fake.address)


@pytest.fixture(params=["master", "slave"])
def nodes(request: t.Any, real: t.List[Address], fake_redis: t.Callable[..., FakeRedis]) -> Pair:
    """Give a real and a fake node, both masters or both replicas."""
    fake = fake_redis(request.param)
    if request.param == "slave":
        fake.master = real[0]
        return Pair(real[1], fake.address)
    fake.replicas = [real[1]]
    return Pair(real[0], fake.address)


@pytest.mark.parametrize("request_line", SENTINEL_EXACT)
def test_sentinel_replies_are_equal(sentinels: Pair, request_line: bytes) -> None:
    """The fake Sentinel sends the very bytes of a real one where no number varies."""
    _same_bytes(sentinels, request_line)


@pytest.mark.parametrize("request_line", NODE_EXACT)
def test_node_replies_are_equal(nodes: Pair, request_line: bytes) -> None:
    """The fake node sends the very bytes of a real one where no number varies."""
    _same_bytes(nodes, request_line)


@pytest.mark.parametrize("request_line", SENTINEL_SHAPE)
def test_sentinel_replies_have_the_shape(sentinels: Pair, request_line: bytes) -> None:
    """Types, lengths and names of fields are those of a real Sentinel; it may have more fields."""
    _same_shape(sentinels, request_line)


@pytest.mark.parametrize("request_line", NODE_SHAPE)
def test_node_replies_have_the_shape(nodes: Pair, request_line: bytes) -> None:
    """Types, lengths and names of fields are those of a real node."""
    _same_shape(nodes, request_line)


def test_info_has_no_other_fields(nodes: Pair) -> None:
    """Each field of the fake's INFO is in the real one, and the role is the same."""
    real, fake = [talk(address, b"INFO replication\r\n").split(b"\r\n") for address in nodes]
    assert {line.split(b":")[0] for line in fake[1:]} <= {line.split(b":")[0] for line in real}
    assert fake[1:3] == real[1:3]


def test_sentinel_info(sentinels: Pair) -> None:
    """INFO tells the masters in the line of a real Sentinel."""
    real, fake = [talk(address, b"INFO sentinel\r\n").split(b"\r\n") for address in sentinels]
    assert set(fake[1:]) <= set(real)


def test_password(fake_redis: t.Callable[..., FakeRedis], real: t.List[Address]) -> None:
    """With a password, everything before AUTH is refused in the words of Redis."""
    node = fake_redis()
    node.password = "s3"
    request = b"PING\r\nHELLO\r\nFOO\r\nAUTH bad\r\nAUTH default s3\r\nPING\r\nCONFIG SET requirepass ''\r\n"
    talk(real[0], b"CONFIG SET requirepass s3\r\n")
    node.replies["CONFIG"] = b"+OK\r\n"
    assert talk(node.address, request) == talk(real[0], request)


def _same_bytes(pair: Pair, request_line: bytes) -> None:
    real, fake = [_without_numbers(talk(address, request_line + b"\r\n")) for address in pair]
    assert fake == real


def _same_shape(pair: Pair, request_line: bytes) -> None:
    real, fake = [_values(talk(address, request_line + b"\r\n")) for address in pair]
    _assert_like(fake, real)


def _values(data: bytes) -> t.List[t.Any]:
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(data)
    # No reply asked for here is the number 0, which equals the False that stands for the end.
    return list(iter(reader.gets, False))


def _assert_like(fake: t.Any, real: t.Any) -> None:
    fake, real = _fields(fake), _fields(real)
    assert type(fake) is type(real)
    if isinstance(fake, dict):
        assert set(fake) <= set(real)
        for key in fake:
            _assert_like(fake[key], real[key])
    elif isinstance(fake, list):
        assert len(fake) == len(real)
        for one, other in zip(fake, real):
            _assert_like(one, other)


def _fields(value: t.Any) -> t.Any:
    """Return the dict that a flat array of names and values stands for, anything else as it is."""
    is_flat = isinstance(value, list) and value[:1] in (["name"], ["server"])
    return dict(zip(value[::2], value[1::2])) if is_flat else value


def _without_numbers(data: bytes) -> bytes:
    """Return `data` without what HELLO says of the connection and of the patch level."""
    return re.sub(br"(?<=\$2\r\nid\r\n):\d+|\$\d\r\n7\.0\.\d+", b"?", data)
