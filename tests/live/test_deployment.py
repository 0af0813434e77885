"""The files that `init --deployment` writes, started as they are: addresses of loopback, directories of the test."""
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import typing as t

import hiredis
import pytest

from st.address import Address
from tests.live.node import Node, SentinelNode, free_port
from tests.live.talk import Talk
from tests.live.tunnel import PROGRAM, run_once
from tests.programs import Program, own_places
from tests.waiting import FACTOR, wait_until

NAME = "mymaster"


class Server:
    """One of the three: its files where its units look for them, in a directory of its own, and two processes."""

    def __init__(self, directory: pathlib.Path, host: str, password: str) -> None:
        # All three are this host: none may take the address that each of them has.
        own = {"/etc/redis": str(directory), "/var/lib/redis": str(directory), " %s 127.0.0.1\n" % host: " %s\n" % host}
        for name in os.listdir(str(directory)):
            text = (directory / name).read_text("ascii")
            for old, new in own.items():
                text = text.replace(old, new)
            (directory / name).write_text(text)
        self.redis = Unit(directory / "redis-server.service", Address(host, 6379), password)
        self.sentinel = SentinelUnit(directory / "redis-sentinel.service", Address(host, 26379), password)


class Unit(Node):
    """What a unit starts."""

    def __init__(self, unit: pathlib.Path, address: Address, password: str) -> None:
        self.address, self._password, self._tls = address, password, None
        self.host, self.port = address
        self._directory = str(unit.parent)
        self._process, self.stopped = None, False
        found = re.search(r"^ExecStart=/usr/bin/redis-\w+ (\S+)$", unit.read_text("ascii"), re.MULTILINE)
        assert found, "%s starts nothing" % unit
        self._conf = found.group(1)

    def start(self) -> None:
        super().start()
        if self.port == 6379:  # not 5 s of waiting for more replicas with each first copy
            self.cli("CONFIG", "SET", "repl-diskless-sync-delay", 0)

    def conf(self) -> str:
        """Return its configuration as it is now."""
        return pathlib.Path(self._conf).read_text("ascii")


class SentinelUnit(Unit, SentinelNode):
    """The unit of a Sentinel."""


@pytest.fixture
def servers(tmp_path: pathlib.Path) -> t.Iterator[t.List[Server]]:
    """Three servers whose files were just made, started by the test, ended with it."""
    net = "127.%d.%d" % (random.randrange(1, 255), random.randrange(1, 255))  # nobody else's
    hosts = ["%s.%d" % (net, number) for number in (1, 2, 3)]
    done = run_once("init", "--deployment", *hosts, "--directory", str(tmp_path / "made"))
    assert (done.returncode, done.stderr) == (0, "")
    password = (tmp_path / "made" / "application" / "sentinel-tunnel.pass").read_text().strip()
    made = [Server(tmp_path / "made" / host, host, password) for host in hosts]
    yield made
    for server in made:
        server.redis.kill()
        server.sentinel.kill()


def _configuration(directory: pathlib.Path) -> t.Tuple[str, Address]:
    """Put the file for hosts of applications where it is found, and return its path and the tunnel's address."""
    address, path = Address("127.0.0.1", free_port()), directory / "sentinel-tunnel.ini"
    text = path.read_text("ascii").replace("/etc/", "%s/" % directory)
    path.write_text(text.replace("port = 6379", "port = %d" % address.port))
    return str(path), address


def _sees_all(server: Server) -> bool:
    reply = server.sentinel.cli("SENTINEL", "MASTER", NAME)
    fields = dict(zip(reply[::2], reply[1::2]))
    return (fields["flags"], fields["num-slaves"], fields["num-other-sentinels"]) == ("master", "2", "2")


def _follows(server: Server, master: str) -> bool:
    try:
        role = server.redis.cli("ROLE")
    except OSError:  # Sentinel ends all connections to a node that it turns round
        return False
    return role[0] == "slave" and (role[1], role[3]) == (master, "connected")


def _set(address: Address, password: str, value: str) -> t.Any:
    """Write a value through the tunnel; None where the client would try again."""
    try:
        with Talk(address, password, timeout=30) as talk:
            return talk.call("SET", "key", value)
    except OSError:
        return None
    except hiredis.ReplyError as error:
        assert re.match("LOADING sentinel-tunnel|NOREPLICAS|READONLY", str(error)), error
        return None


def _start(servers: t.Sequence[Server]) -> None:
    """Start all as systemd would, and wait until each sees the others."""
    for server in servers:
        server.redis.start()
    wait_until(lambda: all(_follows(server, servers[0].redis.host) for server in servers[1:]), "no replication")
    for server in servers:
        server.sentinel.start()
    wait_until(lambda: all(_sees_all(server) for server in servers), "the Sentinels do not see all", 60)


def _hurry(servers: t.Sequence[Server]) -> None:
    """Have the Sentinels call a node down sooner than their files say, so that the test is short."""
    for server in servers:
        for option, value in (("down-after-milliseconds", 1000), ("failover-timeout", 4000)):
            assert server.sentinel.cli("SENTINEL", "SET", NAME, option, int(value * FACTOR)) == "OK"


def test_the_deployment_as_it_is_written(servers: t.List[Server], tmp_path: pathlib.Path) -> None:
    """Replicas follow, a failover is survived, and the former master comes back as a replica, twice."""
    made = tmp_path / "made" / "application"
    config, address = _configuration(made)
    password = (made / "sentinel-tunnel.pass").read_text().strip()
    assert "refused" in _mail(made, " resolve ") and "PROBLEM D01" in _mail(made, " doctor ")
    _start(servers)
    assert _mail(made, " resolve ") == ""
    first = servers[0].redis
    with Program(tmp_path, "run", "-c", config) as tunnel:
        tunnel.wait_ready()
        assert _set(address, password, "before") == "OK"
        _ask_the_doctor(config, tunnel)
        assert _mail(made, " doctor ", SENTINEL_TUNNEL_CONTROL=tunnel.control) == ""
        first.restart()  # before anybody calls it down
        assert first.role() == "master" and first.cli("GET", "key") == "before"  # else its replicas were empty now
        wait_until(lambda: all(_follows(server, first.host) for server in servers[1:]), "the replicas do not follow")
        _hurry(servers)
        first.kill()
        wait_until(lambda: _set(address, password, "after"), "nothing can be written after the failover", 60)
    master, = [server for server in servers[1:] if server.redis.role() == "master"]
    assert "\nreplicaof " not in master.redis.conf()
    first.start()  # by its file it still is the master
    wait_until(lambda: _follows(servers[0], master.redis.host), "the former master does not follow", 60)
    wait_until(lambda: "\nreplicaof %s 6379\n" % master.redis.host in first.conf(), "redis.conf is not rewritten")
    first.restart()
    wait_until(lambda: _follows(servers[0], master.redis.host), "the former master does not follow again")
    assert first.cli("GET", "key") == "after"
    written = "".join(server.redis.log() for server in servers)  # of its Sentinel, too
    assert "CONFIG REWRITE executed" in written and not re.search("REWRITE failed|not able to save", written)


def _mail(directory: pathlib.Path, command: str, **environ: str) -> str:
    """Run the line of the crontab that has a command, as cron does; return what it would mail."""
    lines = (directory / "crontab").read_text("ascii").splitlines()
    line, = [line.replace("/etc/", "%s/" % directory) for line in lines if command in line and not line.startswith("#")]
    line = " ".join(line.split()[5:]).replace("/usr/local/bin/sentinel-tunnel", " ".join(map(shlex.quote, PROGRAM)))
    own = dict(own_places(str(directory)), **os.environ)
    own.update(environ)
    done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=60 * FACTOR, env=own)
    return done.stdout


def _ask_the_doctor(config: str, tunnel: Program) -> None:
    """The command doctor finds nothing, not even a note, and could look at all but what would write."""
    environ = dict(os.environ, SENTINEL_TUNNEL_CONTROL=tunnel.control)  # else the port is somebody else's
    done = run_once("doctor", "-c", config, "--strict", "--json", environ=environ)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told = json.loads(done.stdout)
    assert (told["findings"], {each["id"] for each in told["unchecked"]}) == ([], {"D10"})
