"""The programs of docs/clients, all at once, each with its real client, through the death of a master."""
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest

from tests.live.bed import Bed
from tests.live.clients import SOON_AGAIN
from tests.live.node import Node
from tests.live.servers import older_than
from tests.live.tunnel import Tunnel
from tests.programs import ROOT
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
PASSWORD = "secret"
CLIENTS = os.path.join(ROOT, "docs", "clients")
MODULES = os.path.join(ROOT, "build", "clients", "node_modules")  # where .ci/run puts ioredis
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}  # where Debian puts redigo
BEFORE, AFTER = 3, 3  # writes that each has to get through, before the master dies and after


class Kind(t.NamedTuple):
    """How examples in a language are run, and a command that succeeds where that can be done."""

    run: t.Tuple[str, ...]
    probe: t.Tuple[str, ...]


KINDS = {
    ".py": Kind((sys.executable, "-W", "ignore"), (sys.executable, "-c", "import redis")),
    ".js": Kind(("node",), ("node", "-e", "require('ioredis')")),
    ".php": Kind(("php",), ("php", "-r", "exit(class_exists('Redis') ? 0 : 1);")),
    ".rb": Kind(("ruby",), ("ruby", "-e", "require 'redis'")),
    ".go": Kind((), ("go", "list", "github.com/gomodule/redigo/redis")),
    ".sh": Kind(("sh",), ("redis-cli", "--version")),
}
EXAMPLES = sorted(path.name for path in pathlib.Path(CLIENTS).glob("*") if path.suffix in KINDS)


def _environ(**more: str) -> t.Dict[str, str]:
    return dict(os.environ, NODE_PATH=MODULES, **more)


def missing(example: str) -> t.Optional[str]:
    """Return why an example cannot be run on this host, or None."""
    if example.endswith(".py") and older_than(6, 0):
        return "the newest releases of redis-py begin with HELLO, which this server does not know"
    probe = KINDS[os.path.splitext(example)[1]].probe
    if shutil.which(probe[0]) is None:
        return "no %s" % probe[0]
    environ = _environ(**GO) if probe[0] == "go" else _environ()
    done = subprocess.run(probe, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60 * FACTOR)
    return "%s cannot: %s" % (probe[0], probe[-1]) if done.returncode else None


class Example:
    """One example as a process, and what it has printed."""

    def __init__(self, name: str, directory: pathlib.Path, environ: t.Mapping[str, str]) -> None:
        self._output = directory / name
        command = [*KINDS[os.path.splitext(name)[1]].run, os.path.join(CLIENTS, name)]
        if name.endswith(".go"):
            command = [_compiled(command[-1], directory)]
        with open(str(self._output), "wb") as output:
            self.process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT)

    def printed(self) -> str:
        """Return all that it has printed."""
        return self._output.read_text("utf-8")

    def written(self) -> int:
        """Return the last number that it wrote, 0 before the first."""
        numbers = [line for line in self.printed().rpartition("\n")[0].splitlines() if line.isdigit()]
        return int(numbers[-1]) if numbers else 0

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


def _compiled(path: str, directory: pathlib.Path) -> str:
    program = str(directory / "go-example")
    environ = _environ(GOCACHE=str(directory / "go-cache"), **GO)
    subprocess.check_call(["go", "build", "-o", program, path], env=environ, timeout=200 * FACTOR)
    return program


class Survivor(t.NamedTuple):
    """What one example did: all that it printed, its number when there was a new master, and the one stored there."""

    printed: str
    before: int
    stored: int


@pytest.fixture(scope="module")
def bed() -> t.Iterator[Bed]:
    """Two nodes with a password, and three Sentinels without one."""
    with Bed(replicas=1, requirepass=PASSWORD, sentinel_options=SOON_AGAIN) as bed:
        yield bed


@pytest.fixture(scope="module")
def tunnel(bed: Bed) -> t.Iterator[Tunnel]:
    """The tunnel to them."""
    with Tunnel(bed) as tunnel:
        yield tunnel


@pytest.fixture(scope="module")
def survivors(bed: Bed, tunnel: Tunnel, tmp_path_factory: pytest.TempPathFactory) -> t.Dict[str, Survivor]:
    """Run every example that this host can run, kill the master, and wait until each writes again, or a long time."""
    directory = tmp_path_factory.mktemp("examples")
    host, port = tunnel.addresses[NAME]
    environ = _environ(REDIS_HOST=host, REDIS_PORT=str(port), REDIS_PASSWORD=PASSWORD, REDIS_NAME=NAME,
                       REDIS_SENTINELS=",".join(map(str, bed.sentinel_addresses)))
    running: t.Dict[str, Example] = {}
    try:
        for name in EXAMPLES:
            if not missing(name):
                running[name] = Example(name, directory, environ)
        return _through_a_failover(bed, running)
    finally:
        for example in running.values():
            example.end()


def _through_a_failover(bed: Bed, running: t.Mapping[str, Example]) -> t.Dict[str, Survivor]:
    _wait(running, {name: BEFORE for name in running})
    old, new = bed.nodes(NAME)
    old.kill()
    bed.wait_master(NAME, old.address)
    before = {name: example.written() for name, example in running.items()}
    _wait(running, {name: number + AFTER for name, number in before.items()})
    return {name: Survivor(example.printed(), before[name], _stored(new, name)) for name, example in running.items()}


def _wait(running: t.Mapping[str, Example], numbers: t.Mapping[str, int]) -> None:
    """Wait until each has written its number or ended; who did not write it is told by its own test."""
    try:
        wait_until(lambda: all(example.written() >= numbers[name] or example.process.poll() is not None
                               for name, example in running.items()), "", 60)
    except AssertionError:
        pass


def _stored(node: Node, name: str) -> int:
    return int(node.cli("GET", "example:" + os.path.splitext(name)[0]) or 0)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_goes_on_after_a_failover(survivors: t.Dict[str, Survivor], name: str) -> None:
    """It writes before the master dies, and to the new one afterwards; it never ends."""
    if name not in survivors:
        pytest.skip(missing(name) or "not started")
    survivor = survivors[name]
    assert survivor.before >= BEFORE and survivor.stored >= survivor.before + AFTER, survivor
    numbers = [int(line) for line in survivor.printed.splitlines() if line.isdigit()]
    assert numbers == list(range(1, len(numbers) + 1)), survivor.printed
    others = [line for line in survivor.printed.splitlines() if not line.isdigit()]
    assert all(line.startswith("trying again: ") for line in others), survivor.printed
