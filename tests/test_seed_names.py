"""Seeds that are host names: looked up anew for each connection, and a lookup that hangs holds up nobody.

The program gets an /etc/hosts and an /etc/resolv.conf of its own, in a mount namespace, where that is allowed.
"""
import os
import pathlib
import shlex
import socket
import subprocess
import typing as t

import pytest

from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program
from tests.tunnels import ask
from tests.waiting import FACTOR, wait_until

# Where the name server of the program is, which never answers; each run of the tests has an address of its own.
DNS = ("127.53.%d.%d" % (os.getpid() // 250 % 250, 1 + os.getpid() % 250), 53)
NO_DISCOVERY = {"SENTINEL_TUNNEL_DISCOVER": "no"}  # or the Sentinels would be found again by what the others say


@pytest.fixture
def private_names(tmp_path: pathlib.Path) -> t.List[str]:
    """Give the words that start a program with our `hosts` and `resolv.conf`, files in `tmp_path`."""
    (tmp_path / "hosts").write_text("")
    (tmp_path / "resolv.conf").write_text("nameserver %s\noptions timeout:30 attempts:1\n" % DNS[0])
    mounts = ["mount --bind %s /etc/%s" % (shlex.quote(str(tmp_path / name)), name)
              for name in ("hosts", "resolv.conf")]
    words = ["unshare", "--mount", "/bin/sh", "-c", " && ".join(mounts + ['exec "$@"']), "sh"]
    try:
        code = subprocess.call(words + ["true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        code = -1
    if code:
        pytest.skip("no mount namespace of our own: that needs root, and util-linux")
    return words


def test_all_sentinels_move_behind_their_names(world: World, tmp_path: pathlib.Path,
                                               private_names: t.List[str]) -> None:
    """All restart with new addresses under their names, as in Kubernetes: the seeds lead there (node-redis#3237)."""
    def place(host: str) -> None:
        (tmp_path / "hosts").write_text("".join("%s sentinel-%d\n" % (host, number) for number in range(3)))

    place("127.0.0.1")
    words = [word for number, (_, port) in enumerate(world.seeds) for word in ("-s", "sentinel-%d:%d" % (number, port))]
    tunnel = "mymaster=%d" % free_port()
    with Program(tmp_path, "run", tunnel, *words, environ=NO_DISCOVERY, before=private_names) as program:
        program.wait_ready()
        for sentinel in world.sentinels:
            sentinel.stop()
        wait_until(lambda: program.log.count(" sentinel_down ") == 3, "all are gone")
        for sentinel in world.sentinels:
            sentinel.address = ("127.0.0.2", sentinel.address[1])
            sentinel.start()
        place("127.0.0.2")
        wait_until(lambda: program.log.count(" sentinel_up ") == 3, "all are found again")
        world.switch(world.replicas[0])
        program.wait_for(" switch ")
        assert program.end() == 0


def test_a_lookup_that_hangs_holds_up_nobody(world: World, tmp_path: pathlib.Path, private_names: t.List[str]) -> None:
    """While one seed's name is looked up the others are asked, a switch is followed, clients are accepted."""
    port = free_port()
    words = ["-s", "hangs.test:26379"] + [word for seed in world.seeds[1:] for word in ("-s", "%s:%d" % seed)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(DNS)
        server.settimeout(20 * FACTOR)
        with Program(tmp_path, "run", "mymaster=%d" % port, *words, environ=NO_DISCOVERY,
                     before=private_names) as program:
            assert b"hangs" in server.recv(1000)
            program.wait_ready()
            world.switch(world.replicas[0])
            program.wait_for(" switch ")
            with socket.create_connection(("127.0.0.1", port), 20 * FACTOR) as client:
                assert ask(client, "SET", "k", "v") == b"+OK\r\n"
            assert world.master.values and "name lookup failed" not in program.log  # it hangs still
            assert program.end() == 0
