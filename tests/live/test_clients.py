"""Real clients through a tunnel to a real Redis: what they do without it, they do with it."""
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import typing as t

import hiredis
import pytest
import redis

from tests.live.bed import Bed
from tests.live.clients import PLAIN
from tests.live.servers import needs
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
needs_tools = pytest.mark.skipif(not (shutil.which("redis-benchmark") and shutil.which("redis-cli")),
                                 reason="no redis-benchmark or redis-cli")
Redis = t.Any  # redis.Redis; its own types differ from release to release
Address = t.Tuple[str, int]


@pytest.fixture(scope="module")
def address() -> t.Iterator[Address]:
    """The address of a tunnel to a Redis without a password."""
    with Bed(replicas=0, sentinels=1) as bed, Tunnel(bed) as tunnel:
        yield tunnel.addresses[NAME]
        assert " ERROR " not in tunnel.log()


@pytest.fixture
def client(address: Address, redis_client: t.Callable[..., Redis]) -> Redis:
    """A redis-py client of that tunnel."""
    return redis_client(address, **PLAIN)


def _tool(address: Address, *words: str, given: bytes = b"") -> str:
    """Run redis-benchmark or redis-cli through the tunnel and return what it printed; it must succeed."""
    command = [words[0], "-h", address[0], "-p", str(address[1])] + list(words[1:])
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120 * FACTOR)
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    return output


@needs_tools
@pytest.mark.parametrize("options", ["-c 50 -n 20000", "-c 500 -n 20000", "-P 16 -n 200000", "-d 100000 -n 5000"])
def test_benchmark(address: Address, options: str) -> None:
    """redis-benchmark finds nothing wrong: many clients, pipelines, large values."""
    output = _tool(address, "redis-benchmark", "-t", "set,get", "--csv", *options.split())
    assert '"SET"' in output and '"GET"' in output
    assert "rror" not in output, output


@needs_tools
def test_mass_insertion(address: Address, client: Redis) -> None:
    """redis-cli --pipe gets a reply for each of 100,000 commands that it sends in one go."""
    commands = b"".join(b"SET mass:%d %d\r\n" % (number, number) for number in range(100000))
    assert "errors: 0, replies: 100000" in _tool(address, "redis-cli", "--pipe", given=commands)
    assert client.get("mass:99999") == b"99999"


def test_pipelines_and_transactions(client: Redis) -> None:
    """Replies come in the order of the commands; a watched key that changes makes a transaction fail."""
    with client.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set("pipe:%d" % number, number).get("pipe:%d" % number)
        assert pipe.execute()[1::2] == [b"%d" % number for number in range(5000)]
    with client.pipeline() as pipe:
        assert pipe.delete("sum").incr("sum").incr("sum").execute()[1:] == [1, 2]
        pipe.watch("sum")
        client.incr("sum")
        with pytest.raises(redis.WatchError):
            pipe.multi()
            pipe.incr("sum").execute()
    assert client.get("sum") == b"3"


def test_messages(client: Redis) -> None:
    """What is published reaches the subscriber, in order."""
    with client.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("news")
        wait_until(lambda: dict(client.pubsub_numsub("news")) == {b"news": 1}, "nobody has subscribed")
        for number in range(1000):
            client.publish("news", number)
        heard: t.List[bytes] = []
        while len(heard) < 1000:
            message = subscriber.get_message(timeout=30 * FACTOR)
            if message is not None:
                heard.append(message["data"])
    assert heard == [b"%d" % number for number in range(1000)]


def test_blocking_commands(client: Redis) -> None:
    """A client waits in BLPOP until another pushes, and one with a limit is told when nobody does."""
    popped: t.List[t.Any] = []
    waiter = threading.Thread(target=lambda: popped.append(client.blpop(["queue"], 0)))
    waiter.start()
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "nobody waits")
    client.rpush("queue", "work")
    waiter.join(30 * FACTOR)
    assert [tuple(each) for each in popped] == [(b"queue", b"work")]
    assert client.blpop(["queue"], 1) is None


def test_large_value(client: Redis) -> None:
    """64 MB arrive unchanged, each way."""
    value = os.urandom(64 << 20)
    assert client.set("large", value)
    assert hashlib.sha256(client.get("large")).digest() == hashlib.sha256(value).digest()
    client.delete("large")


@needs(6, 0)
def test_newer_protocol(address: Address) -> None:
    """After HELLO 3 maps come back, and what Redis pushes unasked arrives."""
    with socket.create_connection(address, 30 * FACTOR) as reader, Talk(address) as writer:
        received = reader.makefile("rb")
        for command, ends in ((b"HELLO 3", b"modules"), (b"CLIENT TRACKING ON", b"+OK"), (b"GET tracked", b"_")):
            reader.sendall(command + b"\r\n")
            first = line = received.readline()
            while not line.rstrip().endswith(ends):
                line = received.readline()
                assert line, command
            if command == b"HELLO 3":
                assert first.startswith(b"%")
                assert received.readline().startswith(b"*")  # the modules; Valkey 9.1 has one
        writer.call("SET", "tracked", 1)
        assert received.readline() == b">2\r\n"
        assert received.readline() + received.readline() == b"$10\r\ninvalidate\r\n"


@pytest.fixture(scope="module")
def locked() -> t.Iterator[Bed]:
    """A deployment with a password, and with a user who may do everything but tell the role."""
    with Bed(replicas=1, requirepass="secret") as bed:
        _add_user(bed)
        yield bed


@needs(6, 0)  # ACL
@pytest.mark.parametrize("user, password, warnings", [
    pytest.param("", "", 1, id="none"),
    pytest.param("", "secret", 0, id="password"),
    pytest.param("app", "pass", 0, id="user"),  # who may not ask ROLE nor INFO, but HELLO, as everybody
])
def test_role_check_behind_a_password(locked: Bed, tmp_path: pathlib.Path, user: str, password: str,
                                      warnings: int) -> None:
    """With or without credentials for the role check clients log in themselves; one warning when no role is told."""
    _assert_served(locked, _role_check_options(tmp_path, user, password), warnings)


@needs(6, 0)
def test_role_that_nobody_tells(make_bed: t.Callable[..., Bed], tmp_path: pathlib.Path) -> None:
    """Where the user may not ask for the role, and HELLO is not there, the tunnel serves, with one warning."""
    bed = make_bed(replicas=1, requirepass="secret", redis_options={"rename-command": 'HELLO ""'})
    _add_user(bed)
    _assert_served(bed, _role_check_options(tmp_path, "app", "pass"), 1)


def _add_user(bed: Bed) -> None:
    for node in bed.nodes(NAME):
        node.cli("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", "-role", "-info")


def _role_check_options(directory: pathlib.Path, user: str, password: str) -> t.List[str]:
    options = ["--redis-user", user] if user else []
    if password:
        (directory / "password").write_text(password)
        (directory / "password").chmod(0o600)
        options += ["--redis-password-file", str(directory / "password")]
    return options


def _assert_served(bed: Bed, options: t.List[str], warnings: int) -> None:
    with Tunnel(bed, *options) as tunnel:
        for _ in range(3):
            with Talk(tunnel.addresses[NAME]) as talk:
                with pytest.raises(hiredis.ReplyError, match="NOAUTH"):  # they are not logged in as anybody
                    talk.call("GET", "key")
                assert talk.call("AUTH", "app", "pass") == "OK"
                assert talk.call("SET", "key", "value") == "OK"
        assert len(tunnel.events("role_unknown")) == warnings
        old = bed.master(NAME)
        new = bed.failover(NAME)
        with Talk(tunnel.addresses[NAME], "secret", timeout=30) as talk:
            assert talk.call("CONFIG", "GET", "port") == ["port", str(new.port)]
        [switch] = tunnel.switches()
        assert (switch["old"], switch["new"]) == (str(old.address), str(new.address))
        assert len(tunnel.events("role_unknown")) == 2 * warnings  # one for each master
