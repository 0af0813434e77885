"""Redis Enterprise: its discovery service answers two of Sentinel's questions, and polling alone must do."""
import logging
import pathlib
import typing as t

import pytest
from click.testing import CliRunner

from st.cli.main import program
from st.testing.connection import Connection
from st.testing.redis_like import name_of
from st.testing.wire import Command, Value, encode
from tests.configs import settings
from tests.fakes import Error, FakeRedis, FakeSentinel, Monitored, dial, read_all, refused_address, unknown_command
from tests.live.node import free_port
from tests.programs import Program
from tests.tunnels import Running, ask, be_busy, until_ended
from tests.waiting import wait_until

ANSWERED = ("SENTINEL GET-MASTER-ADDR-BY-NAME", "SENTINEL MASTERS")
ASK = ANSWERED[0]
INTERNAL = "db1@internal"  # the address within the cluster's own network has this name
MakeRedis = t.Callable[..., FakeRedis]


class Discovery(FakeSentinel):
    """The discovery service of one node of a cluster: no SENTINEL MASTER, no MYID, no others, no events."""

    kind = "discovery"

    def respond(self, connection: Connection, command: Command) -> bytes:
        """Answer what it knows; the rest is an unknown command or any other error."""
        if name_of(command) in ANSWERED:
            return super().respond(connection, command)
        self_made = name_of(command) == "SENTINEL MASTER"
        return encode(Error("ERR not supported") if self_made else unknown_command(name_of(command)))

    def sentinel_masters(self, connection: Connection) -> Value:
        """Reply with five fields of each database; `disconnected` is said of all of them."""
        return [{"name": name, "ip": host, "port": str(port), "flags": "master,disconnected",
                 "num-other-sentinels": "0"} for name, ((host, port), _, _) in self.masters.items()]


class Cluster:
    """A cluster whose every node runs the discovery service; `endpoint` is where its database is."""

    def __init__(self, endpoint: FakeRedis, services: int = 3) -> None:
        self.services = [Discovery() for _ in range(services)]
        self.move(endpoint)

    def move(self, endpoint: FakeRedis) -> None:
        """Let the database be at another node; an endpoint is a proxy, so the old one may say master for ever."""
        self.endpoint = endpoint
        for service in self.services:
            service.masters.update({name: Monitored(endpoint.address) for name in ("db1", INTERNAL)})

    @property
    def words(self) -> t.List[str]:
        """The options that name its nodes."""
        return [word for service in self.services for word in ("-s", "%s:%d" % service.address)]

    def tunnel(self, name: str = "db1", **options: str) -> Running:
        """Return an App with one tunnel, on any free port."""
        text = "[sentinel-tunnel]\nsentinels = %s\n" % ", ".join("%s:%d" % each.address for each in self.services)
        text += "".join("%s = %s\n" % option for option in options.items()) + "[tunnel:%s]\nport = 1\n" % name
        made = settings(text)
        return Running(made._replace(tunnels=(made.tunnels[0]._replace(port=0),)))

    def asked(self) -> t.List[int]:
        """Return how often each service was asked for an address."""
        return [service.count(ASK) for service in self.services]

    def close(self) -> None:
        """Close every service."""
        for service in self.services:
            service.close()


@pytest.fixture
def cluster(fake_redis: MakeRedis) -> t.Iterator[Cluster]:
    """Give a cluster of three nodes."""
    made = Cluster(fake_redis())
    yield made
    made.close()


def run(*words: str) -> t.Tuple[int, str]:
    """Run a command, and return its exit code and output."""
    result = CliRunner().invoke(program, list(words), prog_name="sentinel-tunnel")
    return result.exit_code, result.output


@pytest.mark.parametrize("old_lives", [True, False])
def test_polling_alone_follows(cluster: Cluster, fake_redis: MakeRedis, caplog: pytest.LogCaptureFixture,
                               old_lives: bool) -> None:
    """A database that moved is followed without epochs and events, also when its old node dies with all it ran."""
    old, new = cluster.endpoint, fake_redis()
    with caplog.at_level(logging.INFO, "st"), cluster.tunnel(poll="100ms") as app:
        app.wait_master(old, "db1")
        with app.connect("db1") as client:
            assert ask(client, "SET", "key", "old") == b"+OK\r\n"
            if not old_lives:
                cluster.services[0].stop()
            cluster.move(new)
            if not old_lives:
                old.stop()
            app.wait_master(new, "db1")
            assert until_ended(client) == b""
        with app.connect("db1") as client:
            assert ask(client, "SET", "key", "new") == b"+OK\r\n"
        assert (old.values, new.values) == ({b"key": b"old"}, {b"key": b"new"})
        status = app.tunnel("db1")
        assert (status.epoch, status.switches, status.verified) == (None, 1, True)
        assert not any(sentinel.events for sentinel in app.app.status().sentinels)
    told = [record.getMessage().split()[0] for record in caplog.records]
    assert told.count("no_events") == 3 and told.count("switch") == 1


def test_the_pace_is_the_poll(cluster: Cluster) -> None:
    """Missing answers are no trouble: once the database is found there is one round for each reason to ask."""
    with cluster.tunnel(poll="1h") as app:
        app.wait_master(cluster.endpoint, "db1")
        wait_until(lambda: app.app._parts.lanes["db1"].follower.settled, "all is well")
        before = cluster.asked()
        be_busy(1)  # long enough for four rounds, where anything is unusual
        assert cluster.asked() == before
        app.app._hint("a reason")
        wait_until(lambda: cluster.asked() == [count + 1 for count in before], "each is asked once more")
        be_busy(1)
        assert cluster.asked() == [count + 1 for count in before]
        assert app.app.status().state == "ok" and not app.app.status().troubles()
    assert [service.accepted for service in cluster.services] == [2] * 3  # one to ask, one that was refused events


def test_nobody_is_discovered(cluster: Cluster) -> None:
    """Without a list of others the configured services are all there are, and none of them is dropped."""
    with cluster.tunnel(poll="100ms") as app:
        app.wait_master(cluster.endpoint, "db1")
        wait_until(lambda: min(service.count("SENTINEL SENTINELS") for service in cluster.services) > 0,
                   "each was asked for others")
        wait_until(lambda: min(cluster.asked()) > 5, "all of them are asked on")
        assert [each.address for each in app.app.status().sentinels] == [
            "%s:%d" % service.address for service in cluster.services]
        assert app.tunnel("db1").sentinels_agreeing == 3


def test_a_database_that_is_gone(cluster: Cluster) -> None:
    """An unknown database is told as such, and served when it is there."""
    masters = dict(cluster.services[0].masters)
    for service in cluster.services:
        service.masters.clear()
    with cluster.tunnel(poll="100ms", hold="0") as app:
        wait_until(lambda: "none of them monitors this name" in app.tunnel("db1").reason, "the reason is told")
        with app.connect("db1") as client:
            assert read_all(client).startswith(b"-LOADING sentinel-tunnel: no master for 'db1' (3 of 3 sentinels")
        for service in cluster.services:
            service.masters.update(masters)
        app.wait_master(cluster.endpoint, "db1")


@pytest.mark.parametrize("name", ["db1", INTERNAL])
@pytest.mark.parametrize("words", [(), ("--verify",)])
def test_resolve(cluster: Cluster, name: str, words: t.Sequence[str]) -> None:
    """The address of a database is printed, of either of its names."""
    assert run("resolve", name, *words, *cluster.words) == (0, "%s:%d\n" % cluster.endpoint.address)


def test_resolve_while_a_node_is_down(cluster: Cluster) -> None:
    """The services of the other nodes are enough."""
    cluster.services[0].stop()
    assert run("resolve", "db1", *cluster.words) == (0, "%s:%d\n" % cluster.endpoint.address)
    with refused_address() as nobody:
        code, said = run("resolve", "db1", "-s", "%s:%d" % nobody)
    assert code == 69 and "Connection refused" in said


def test_masters(cluster: Cluster) -> None:
    """The table has what is told, and question marks for what is not."""
    code, table = run("masters", *cluster.words)
    address = "%s:%d" % cluster.endpoint.address
    assert code == 0
    assert [line.split() for line in table.splitlines()[1:]] == [
        [name, address, "disconnected", "?", "1", "?", "?"] for name in ("db1", INTERNAL)]


def test_run_without_names(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """The names that the service lists are enough to run, whatever they look like."""
    del cluster.services[0].masters["db1"]
    port = free_port()
    with Program(tmp_path, "run", *cluster.words[:2], "-p", str(port)) as running:
        running.wait_ready()
        assert "  %s  127.0.0.1:%d -> %s:%d  ready\n" % ((INTERNAL, port) + cluster.endpoint.address) in running.out
        with dial(("127.0.0.1", port)) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
        assert running.end() == 0
        assert " ERROR " not in running.log and " WARNING " not in running.log
