"""`drill` and `exec` where all speak TLS and want a login: a real failover on each kind of tunnel, and refusals."""
import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from tests.certificates import stored
from tests.live.bed import Bed
from tests.live.keys import Keys, made_keys
from tests.live.servers import needs, needs_tls
from tests.live.talk import Talk
from tests.live.tunnel import run_once
from tests.programs import own_places
from tests.waiting import FACTOR, wait_until

NAME, PASSWORD, OTHERS = "sessions", "of-redis", "of-the-drill"
CALM = {"down-after-milliseconds": "%d" % (3000 * FACTOR)}
# The user that docs/commands.md asks for, and two that lack something of it.
USERS = {"drill": "+set +get +mget +del +role", "reader": "+get +mget +del +role", "keeper": "+set +get +mget +role"}
# A client that speaks TLS where its URL says so, and checks the certificate.
WRITE = """
import os, socket, ssl, sys
url = os.environ["REDIS_URL"]
sock = socket.create_connection((os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"])), 60)
if url.startswith("rediss:"):
    sock = ssl.create_default_context(cafile=sys.argv[1]).wrap_socket(sock, server_hostname="127.0.0.1")
sock.sendall(b"AUTH %s\\r\\nSET by-exec 1\\r\\n" % sys.argv[2].encode())
said = b""
while said.count(b"\\n") < 2:
    said += sock.recv(100)
print(url.partition(":")[0], said.decode().split())
"""

pytestmark = [needs_tls(), needs(6, 0)]


class Deployment(t.NamedTuple):
    """Redis and Sentinels that speak TLS only, and a configuration with a tunnel of each kind."""

    bed: Bed
    keys: Keys
    config: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: t.Any) -> t.Iterator[Deployment]:
    """A master, a replica and a Sentinel, with passwords and users."""
    directory = pathlib.Path(str(tmp_path_factory.mktemp("keys")))
    keys = made_keys(directory)
    with Bed(tls=keys.nodes, replicas=1, sentinels=1, requirepass=PASSWORD, sentinel_options=CALM) as bed:
        for node in bed.nodes(NAME):
            for user, rights in USERS.items():
                node.cli("ACL", "SETUSER", user, "on", ">" + OTHERS, "~sentinel-tunnel:drill:*", *rights.split())
        yield Deployment(bed, keys, stored(directory, "tls.ini", _configuration(bed, keys).encode()))


def _configuration(bed: Bed, keys: Keys) -> str:
    directory = keys.directory
    (directory / "password").write_text(OTHERS + "\n")
    (directory / "password").chmod(0o600)
    lines = ["[sentinel-tunnel]", "sentinels = " + ", ".join(map(str, bed.sentinel_addresses)),
             "sentinel_tls = yes", "sentinel_tls_ca = " + keys.nodes.ca, "tls = yes", "tls_ca = " + keys.nodes.ca,
             "redis_password_file = %s" % (directory / "password")]
    own = {"ended": ["redis_user = drill", "listen_tls_cert = " + keys.nodes.pair],
           "through": ["redis_user = drill", "tls = passthrough"],
           "reader": ["redis_user = reader"], "keeper": ["redis_user = keeper"]}
    for port, (name, more) in enumerate(own.items(), 1):
        lines += ["[tunnel:%s]" % name, "master = " + NAME, "port = %d" % port] + more
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("tunnel", ["ended", "through"])
def test_drill(made: Deployment, tunnel: str) -> None:
    """As a user who may do nothing else: a failover that is measured, and nothing is left of its keys."""
    old = made.bed.master(NAME)
    done = run_once("drill", tunnel, "--yes", "--json", "-c", made.config)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert (report["old"], report["problem"]) == (str(old.address), "")
    assert report["new"] == str(made.bed.master(NAME).address) != str(old.address)
    assert report["writes"]["lost"] is not None and done.returncode == (1 if report["writes"]["lost"] else 0)
    assert ("the tunnel itself speaks TLS" in " ".join(done.stderr.split())) == (tunnel == "through")
    made.bed.wait_healthy(NAME)
    wait_until(lambda: not [key for node in made.bed.nodes(NAME) for key in node.cli("KEYS", "*drill*")],
               "the keys are removed, and so they are from the replica")


@pytest.mark.parametrize("tunnel, refused", [("reader", "SET: NOPERM"), ("keeper", "DEL: NOPERM")])
def test_a_user_without_the_rights(made: Deployment, tunnel: str, refused: str) -> None:
    """It is told before anything is done, with the rights that are needed."""
    before = made.bed.master(NAME)
    done = run_once("drill", tunnel, "--yes", "-c", made.config)
    said = " ".join(done.stderr.split())
    assert (done.returncode, done.stdout) == (1, "") and refused in said and "+set +get +mget +del" in said
    assert made.bed.master(NAME) is before


@pytest.mark.parametrize("tunnel, scheme", [("ended", "redis"), ("through", "rediss")])
def test_exec(made: Deployment, tmp_path: pathlib.Path, tunnel: str, scheme: str) -> None:
    """The URL says whether the command is to speak TLS; with that it writes to the master."""
    words = [sys.executable, "-m", "st", "exec", tunnel, "-c", made.config, "--", sys.executable, "-c", WRITE,
             made.keys.nodes.ca, PASSWORD]
    out = subprocess.check_output(words, env=dict(os.environ, **own_places(str(tmp_path))), timeout=60 * FACTOR)
    assert out.decode() == "%s ['+OK', '+OK']\n" % scheme
    with Talk(made.bed.master(NAME).address, PASSWORD, tls=made.keys.nodes.context) as talk:
        assert talk.call("DEL", "by-exec") == 1
