"""st.testing, as the tests of other programs use it: with redis-py, alone and through a tunnel."""
import configparser
import importlib
import os
import pathlib
import socket
import subprocess
import sys
import typing as t

import pytest
import redis
import redis.sentinel

import st
from st.testing import FakeDeployment
from tests.programs import ROOT
from tests.tunnels import ask, connect_to
from tests.waiting import FACTOR, wait_until

MakeClient = t.Callable[..., redis.Redis]
LIMIT = 20 * FACTOR  # seconds


@pytest.fixture
def deployment() -> t.Iterator[FakeDeployment]:
    """Give a deployment with passwords."""
    with FakeDeployment(password="p", sentinel_password="s") as made:
        yield made


def test_redis_py_works(deployment: FakeDeployment, redis_client: MakeClient) -> None:
    """Strings, numbers, transactions, Pub/Sub, the role, and a refusal without the password."""
    client: t.Any = redis_client(deployment.master.address, password="p", socket_timeout=LIMIT, client_name="me", db=3)
    assert client.ping() and client.set("k", "v") and client.get("k") == b"v"
    assert client.set("k", "other", nx=True) is None and client.set("k", "w", xx=True, ex=10)
    assert (client.incr("n"), client.decr("n"), client.exists("k", "n", "x"), client.delete("k", "x")) == (1, 0, 2, 1)
    with client.pipeline() as pipe:
        assert pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, b"2"]
    assert client.dbsize() == 2 and client.flushall() and client.dbsize() == 0
    assert client.info("replication")["connected_slaves"] == 2 and client.role()[0] == b"master"
    with client.pubsub() as channel:
        channel.subscribe("news")
        assert channel.get_message(timeout=LIMIT)
        assert client.publish("news", "x") == 1 and channel.get_message(timeout=LIMIT)["data"] == b"x"
    with connect_to(st.Address(*deployment.master.address)) as stranger:
        assert ask(stranger, "GET", "k") == b"-NOAUTH Authentication required.\r\n"


def test_transactions_are_those_of_redis(deployment: FakeDeployment) -> None:
    """Nothing is executed before EXEC, nor after DISCARD; a command out of its place is an error."""
    deployment.master.password = None
    with connect_to(st.Address(*deployment.master.address)) as client:
        assert ask(client, "MULTI") == b"+OK\r\n" and ask(client, "SET", "k", "v") == b"+QUEUED\r\n"
        assert not deployment.master.values
        assert ask(client, "MULTI") == b"-ERR MULTI calls can not be nested\r\n"
        assert ask(client, "EXEC") == b"*1\r\n+OK\r\n" and deployment.master.values == {b"k": b"v"}
        assert ask(client, "MULTI") + ask(client, "DEL", "k") + ask(client, "DISCARD") == b"+OK\r\n+QUEUED\r\n+OK\r\n"
        assert deployment.master.values == {b"k": b"v"}
        assert ask(client, "EXEC") == b"-ERR EXEC without MULTI\r\n"
        assert ask(client, "DISCARD") == b"-ERR DISCARD without MULTI\r\n"


def test_clients_that_know_sentinel_find_the_master(deployment: FakeDeployment) -> None:
    """They are sent to the new one after a failover, and to the replicas that remain."""
    sentinel = redis.sentinel.Sentinel(deployment.seeds, sentinel_kwargs={"password": "s"}, socket_timeout=LIMIT)
    assert sentinel.discover_master("mymaster") == deployment.master.address
    deployment.failover()
    assert sentinel.discover_master("mymaster") == deployment.nodes[1].address
    assert sorted(sentinel.discover_slaves("mymaster")) == sorted(node.address for node in deployment.replicas)
    for each in sentinel.sentinels:
        each.connection_pool.disconnect()


def test_what_was_written_is_there_after_a_failover(deployment: FakeDeployment, redis_client: MakeClient) -> None:
    """Replicas have every write, and refuse those of clients; who was away has them after `heal`."""
    old = deployment.master
    client = redis_client(old.address, password="p")
    client.set("a", 1)
    deployment.nodes[1].stop()
    client.set("b", 2)
    client.delete("a")
    assert deployment.nodes[1].values == {b"a": b"1"} and deployment.nodes[2].values == {b"b": b"2"}
    assert deployment.failover() is deployment.nodes[2] is deployment.master
    with pytest.raises(redis.ReadOnlyError):
        client.set("c", 3)
    redis_client(deployment.master.address, password="p").flushall()
    deployment.heal()
    assert [node.values for node in deployment.nodes] == [{}, {}, {}]
    assert deployment.failover(old) is old


def test_a_master_that_was_cut_off_is_silent(deployment: FakeDeployment) -> None:
    """Its clients wait and so do new ones; when it comes back it is a replica, and refuses the writes they had sent."""
    deployment.master.password = None
    place = st.Address(*deployment.master.address)
    with connect_to(place) as before:
        assert ask(before, "PING") == b"+PONG\r\n"
        deployment.partition()
        before.sendall(b"SET k v\r\n")
        with connect_to(place) as after:
            after.settimeout(0.2)
            with pytest.raises(socket.timeout):
                ask(after, "ECHO", "hi")
            after.settimeout(LIMIT)
            assert deployment.failover() is deployment.nodes[1]
            deployment.heal()
            assert before.recv(100).startswith(b"-READONLY") and after.recv(100) == b"$2\r\nhi\r\n"


def test_killed_ones_refuse_until_they_heal(deployment: FakeDeployment) -> None:
    """The master, and one Sentinel after the other; without anybody left to be promoted a failover is an error."""
    for number in range(3):
        assert deployment.kill_sentinel() is deployment.sentinels[number]
    with pytest.raises(RuntimeError, match=r"no Sentinel lives any more: heal\(\)"):
        deployment.kill_sentinel()
    for _ in range(2):
        deployment.kill_master()
        deployment.failover()
    with pytest.raises(ConnectionRefusedError):
        connect_to(st.Address(*deployment.nodes[0].address))
    with pytest.raises(RuntimeError, match="no replica is there to be promoted"):
        deployment.failover()
    deployment.heal()
    for server in (*deployment.nodes, *deployment.sentinels):
        connect_to(st.Address(*server.address)).close()


@pytest.mark.parametrize("trouble", ["partition", "kill_master"])
def test_a_tunnel_goes_through_it(deployment: FakeDeployment, trouble: str) -> None:
    """The troubles are those that a tunnel is for: each ends in a switch, and the data is there."""
    with st.SentinelTunnel(deployment.seeds, deployment.name, redis_password="p", sentinel_password="s", login=True,
                           connect_timeout=0.3) as tunnel:
        place = st.Address(tunnel.host, tunnel.port)
        with connect_to(place) as client:
            assert ask(client, "SET", "k", "v") == b"+OK\r\n"
            deployment.kill_sentinel()
            getattr(deployment, trouble)()
            deployment.failover()
            wait_until(lambda: tunnel.status()["tunnels"][0]["switches"], "there was a switch")
        with connect_to(place) as client:
            assert ask(client, "GET", "k") == b"$1\r\nv\r\n"


OTHER_PROJECT = '''
import st

def test_mine(sentinel_deployment):
    with st.SentinelTunnel(sentinel_deployment.seeds, sentinel_deployment.name) as tunnel:
        tunnel.wait_ready(20)
        sentinel_deployment.failover()
'''


def test_pytest_finds_the_fixture(tmp_path: pathlib.Path) -> None:
    """A test of another project gets a deployment by its name, with nothing imported."""
    (tmp_path / "test_other.py").write_text(OTHER_PROJECT)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "st.testing.plugin"],
                          cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100 * FACTOR,
                          env=dict(os.environ, PYTHONPATH=ROOT, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"))
    assert b"1 passed" in done.stdout, done.stdout.decode()


def test_the_entry_point_of_pytest_has_the_fixture() -> None:
    """What setup.cfg names for pytest is the module that has it."""
    config = configparser.ConfigParser()
    config.read(os.path.join(ROOT, "setup.cfg"))
    module = config["options.entry_points"]["pytest11"].partition("=")[2].strip()
    assert hasattr(importlib.import_module(module), "sentinel_deployment")
