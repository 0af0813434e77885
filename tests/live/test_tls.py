"""TLS with real servers that speak nothing else: every leg, every client, a failover, and every refusal in words."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import typing as t

import hiredis
import pytest

from tests.certificates import Authority, stored
from tests.live.bed import Bed
from tests.live.clients import PLAIN, SOON_AGAIN
from tests.live.keys import Keys, made_keys
from tests.live.node import HOST, free_port
from tests.live.servers import needs_tls
from tests.live.talk import Talk
from tests.live.tunnel import run_once
from tests.programs import Program
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
PATIENCE = 30  # seconds
LEGS = ("plain", "ended", "through")  # what a client speaks: plain TCP; TLS with the tunnel; TLS with Redis


pytestmark = needs_tls()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: t.Any) -> Keys:
    """An authority, and one certificate for all nodes, the tunnel and their clients."""
    return made_keys(pathlib.Path(str(tmp_path_factory.mktemp("keys"))))


@pytest.fixture(scope="module")
def tls_bed(keys: Keys) -> t.Iterator[Bed]:
    """A master, two replicas and three Sentinels that speak TLS only."""
    with Bed(tls=keys.nodes, sentinel_options=SOON_AGAIN) as bed:
        yield bed


class Served:
    """The program with a tunnel for each of LEGS; a context manager."""

    def __init__(self, bed: Bed, keys: Keys, directory: pathlib.Path, *lines: str, ready: bool = True) -> None:
        self.ports = {leg: free_port() for leg in LEGS}
        self._keys, self._ready = keys, ready
        # The listener's certificate is a file of its own, which a test may renew.
        own = {"ended": "listen_tls_cert = " + stored(directory, "own.pem", *keys.authority.issue()),
               "through": "tls = passthrough"}
        process = ["[sentinel-tunnel]", "sentinels = " + ", ".join(map(str, bed.sentinel_addresses)),
                   "sentinel_tls = yes", "sentinel_tls_ca = " + keys.nodes.ca, "tls = yes", "tls_ca = " + keys.nodes.ca]
        sections = ["[tunnel:%s]\nmaster = %s\nport = %d\n%s" % (leg, NAME, port, own.get(leg, ""))
                    for leg, port in self.ports.items()]
        self.path = stored(directory, "tls.ini", "\n".join([*process, *lines, *sections, ""]).encode())
        self.program = Program(directory, "run", "-c", self.path)

    def __enter__(self) -> "Served":
        if self._ready:
            with contextlib.ExitStack() as stack:
                stack.push(self.program)
                self.program.wait_ready()
                stack.pop_all()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.program.__exit__(*exc)

    def talk(self, leg: str) -> Talk:
        """Return a client's connection, as this leg wants it."""
        return Talk((HOST, self.ports[leg]), timeout=PATIENCE, tls=None if leg == "plain" else self._keys.nodes.context)


@pytest.fixture
def tunnels(tls_bed: Bed, keys: Keys, tmp_path: pathlib.Path) -> t.Iterator[Served]:
    """The program with TLS to everything, ready."""
    with Served(tls_bed, keys, tmp_path) as made:
        yield made


def test_a_client_of_each_kind_reaches_redis(tunnels: Served) -> None:
    """An old client that knows no TLS, one that speaks it with the tunnel, and one that speaks it with Redis."""
    for number, leg in enumerate(LEGS):
        with tunnels.talk(leg) as talk:
            assert talk.call("SET", "k%d" % number, "x" * 300000) == "OK"
            assert talk.call("GET", "k%d" % number) == "x" * 300000 and talk.call("ROLE")[0] == "master"


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="no redis-cli")
@pytest.mark.parametrize("leg", LEGS)
def test_redis_cli(tunnels: Served, keys: Keys, leg: str) -> None:
    """As people try it by hand."""
    words = ["redis-cli", "-h", HOST, "-p", str(tunnels.ports[leg])]
    words += [] if leg == "plain" else ["--tls", "--cacert", keys.nodes.ca]
    assert subprocess.check_output(words + ["ECHO", "heard"], timeout=PATIENCE * FACTOR) == b"heard\n"


@pytest.mark.parametrize("leg", LEGS)
def test_redis_py(tunnels: Served, keys: Keys, redis_client: t.Callable[..., t.Any], leg: str) -> None:
    """The client library, with a pipeline of large values."""
    more = {} if leg == "plain" else {"ssl": True, "ssl_ca_certs": keys.nodes.ca, "ssl_check_hostname": True}
    client = redis_client((HOST, tunnels.ports[leg]), **dict(PLAIN, **more))
    with client.pipeline(transaction=False) as pipe:
        for number in range(50):
            pipe.set("p%d" % number, b"y" * 100000)
        for number in range(50):
            pipe.get("p%d" % number)
        assert pipe.execute()[50:] == [b"y" * 100000] * 50


def test_the_commands_that_ask_once(tunnels: Served, tls_bed: Bed) -> None:
    """resolve and masters speak TLS by the same settings."""
    done = run_once("resolve", "plain", "--verify", "-c", tunnels.path)
    assert (done.stdout, done.returncode) == ("%s\n" % (tls_bed.master(NAME).address,), 0), done.stderr
    done = run_once("masters", "-c", tunnels.path)
    assert NAME in done.stdout and str(tls_bed.master(NAME).address) in done.stdout, done.stderr


def test_what_the_commands_say_of_a_stranger(tunnels: Served, keys: Keys, tmp_path: pathlib.Path) -> None:
    """Not the deployment's authority: resolve says of each Sentinel why."""
    text = pathlib.Path(tunnels.path).read_text().replace(
        "sentinel_tls_ca = " + keys.nodes.ca, "sentinel_tls_ca = " + stored(tmp_path, "no.pem", Authority("x").cert))
    done = run_once("resolve", "plain", "-c", stored(tmp_path, "other.ini", text.encode()))
    assert done.returncode == 69 and "trust" in done.stderr and "TLS" in done.stderr


def test_renewed_certificates(tunnels: Served, keys: Keys, tmp_path: pathlib.Path) -> None:
    """New files under the same names, and a reload: new connections get them, open ones go on, each leg."""
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(tunnels.talk(leg)) for leg in LEGS]
        before = _shown(tunnels.ports["ended"], keys)
        stored(tmp_path, "own.pem", *keys.authority.issue())
        assert _shown(tunnels.ports["ended"], keys) == before
        tunnels.program.send(signal.SIGHUP)
        wait_until(lambda: _shown(tunnels.ports["ended"], keys) != before, "the new certificate is shown")
        assert [talk.call("PING") for talk in open_ones] == ["PONG"] * 3
        renewed = _shown(tunnels.ports["ended"], keys)
        stored(tmp_path, "own.pem", b"half a fi")
        tunnels.program.send(signal.SIGHUP)
        tunnels.program.wait_for("has no certificate in PEM form")
        assert _shown(tunnels.ports["ended"], keys) == renewed
        assert [talk.call("PING") for talk in open_ones] == ["PONG"] * 3


def _shown(port: int, keys: Keys) -> t.Optional[bytes]:
    with socket.create_connection((HOST, port), PATIENCE * FACTOR) as sock:
        with keys.nodes.context.wrap_socket(sock, server_hostname=HOST) as made:
            return made.getpeercert(True)


def test_failover_on_every_leg(keys: Keys, tls_bed: Bed, tunnels: Served) -> None:
    """kill -9 of the master: open connections end, and the next ones reach the new master."""
    old = tls_bed.master(NAME)
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(tunnels.talk(leg)) for leg in LEGS]
        assert [talk.call("SET", "before", 1) for talk in open_ones] == ["OK"] * 3
        old.kill()
        for talk in open_ones:
            with pytest.raises(OSError):
                while True:
                    talk.call("PING")
    new, _ = tls_bed.wait_master(NAME, old.address)
    for leg in LEGS:
        with _patient(tunnels, leg) as talk:
            assert talk.call("CONFIG", "GET", "tls-port")[1] == str(new.port) and talk.call("SET", "k", leg) == "OK"
    tls_bed.mend()


def test_events_come_over_tls(keys: Keys, tls_bed: Bed, tmp_path: pathlib.Path) -> None:
    """Nobody asks for ten minutes, no client is there to stumble: only an event can tell of the switch."""
    with Served(tls_bed, keys, tmp_path, "poll = 10m") as made:
        environ = dict(os.environ, SENTINEL_TUNNEL_CONTROL=made.program.control)

        def subscribed() -> bool:
            told = json.loads(run_once("status", "--json", "-c", made.path, environ=environ).stdout)
            return all(sentinel["events"] for sentinel in told["sentinels"]) and len(told["sentinels"]) == 3

        wait_until(subscribed, "every Sentinel is subscribed to", PATIENCE)
        tls_bed.failover(NAME)
        made.program.wait_for(" switch tunnel=plain ")


def _patient(tunnels: Served, leg: str) -> Talk:
    """Return the first connection on which a PING is answered: with passthrough nobody is told LOADING."""
    made: t.List[Talk] = []

    def answers() -> bool:
        made[:] = []
        try:
            made.append(tunnels.talk(leg))
            return bool(made[0].call("PING") == "PONG")
        except (OSError, hiredis.ReplyError):
            for talk in made:
                talk.close()
            return False

    wait_until(answers, "the next connection of %s reaches a master" % leg, PATIENCE)
    return made[0]


def test_a_certificate_of_ours_is_demanded(keys: Keys, tmp_path: pathlib.Path) -> None:
    """tls-auth-clients yes: without one the client's error line and the log say why; with one all is well."""
    with Bed(replicas=0, sentinels=1, tls=keys.nodes, redis_options={"tls-auth-clients": "yes"}) as bed:
        with Served(bed, keys, tmp_path, "hold = 1s", ready=False) as made:
            for leg in ("plain", "ended"):
                wait_until(lambda: "wants a certificate of ours" in _refusal(made, leg), "the client is told")
            made.program.wait_for("wants a certificate of ours: name its file (_cert)")
            with pytest.raises(OSError), made.talk("through") as talk:  # no line of ours, which would be garbage
                talk.call("PING")
        with Served(bed, keys, tmp_path, "tls_cert = " + keys.nodes.pair) as made:
            for leg in LEGS:
                with made.talk(leg) as talk:
                    assert talk.call("PING") == "PONG"


def _refusal(made: Served, leg: str) -> str:
    try:
        with made.talk(leg) as talk:
            return str(talk.call("PING"))
    except (OSError, hiredis.ReplyError) as error:
        return str(error)
