"""docs/embedding.md says what is so: each block of code is run, and the example is used."""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest

from st.testing import FakeDeployment
from tests.live.node import free_port
from tests.programs import ROOT
from tests.waiting import FACTOR

PAGE = os.path.join(ROOT, "docs", "embedding.md")
TOOLBOX = os.path.join(ROOT, "docs", "examples", "toolbox.py")
PLACES = re.compile(r'\["10\.0\.0\.11"[^]]*\]')


def blocks() -> t.List[str]:
    """Return the code on the page."""
    with open(PAGE, encoding="utf-8") as file:
        return re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def deployment() -> t.Iterator[FakeDeployment]:
    """Give a deployment whose master has the name that the page uses, and another one."""
    with FakeDeployment("sessions") as made:
        for sentinel in made.sentinels:
            sentinel.masters["cache"] = sentinel.masters["sessions"]
        yield made


@pytest.mark.parametrize("number", range(len(blocks())))
def test_a_block_does_what_it_shows(number: int, deployment: FakeDeployment, tmp_path: pathlib.Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """With the Sentinels of this test in the place of the page's it runs to its end; a test in it is called."""
    config = tmp_path / "c.ini"
    config.write_text("[sentinel-tunnel]\nsentinels = %s\nhttp = 9479\n[tunnel:sessions]\nport = %d\n"
                      "[tunnel:cache]\nport = %d\n"
                      % (", ".join("%s:%d" % seed for seed in deployment.seeds), free_port(), free_port()))
    monkeypatch.setenv("REDIS_PASSWORD", "p")
    code = PLACES.sub(repr(deployment.seeds), blocks()[number]).replace("/etc/sentinel-tunnel.ini", str(config))
    code = re.sub(r"(wait\(|timeout=)10\b", r"\g<1>%g" % (10 * FACTOR), code)
    names: t.Dict[str, t.Any] = {}
    exec(compile(code, "docs/embedding.md, block %d" % number, "exec"), names)
    for name, value in names.items():
        if name.startswith("test_"):
            with FakeDeployment() as made:
                value(made)
    if "client" in names:
        names["client"].connection_pool.disconnect()


def test_the_page_has_code() -> None:
    """Its blocks are found."""
    assert len(blocks()) >= 8


@contextlib.contextmanager
def toolbox(deployment: FakeDeployment, *words: str, **environ: str) -> t.Iterator["subprocess.Popen[bytes]"]:
    """Give the example as a process."""
    sentinels = [word for seed in deployment.seeds for word in ("--sentinel", "%s:%d" % seed)]
    command = [sys.executable, "-W", "ignore", TOOLBOX, "--wait", "%g" % (60 * FACTOR), *sentinels, *words]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=dict(os.environ, PYTHONPATH=ROOT, **environ))
    with process:  # closes the pipes
        try:
            yield process
        finally:
            process.kill()


def test_the_toolbox_tells_and_counts(deployment: FakeDeployment) -> None:
    """It shows the master, and gets in with the password of its environment; without a master it says why."""
    for node in deployment.nodes:
        node.password = "p"
        node.values[b"k"] = b"v"
    with toolbox(deployment, "sessions", "where", TOOLBOX_PASSWORD="p") as process:
        out, errors = process.communicate(timeout=60 * FACTOR)
        assert b"sessions: up, master %s:%d, " % (b"127.0.0.1", deployment.master.address[1]) in out, errors
    with toolbox(deployment, "sessions", "count", TOOLBOX_PASSWORD="p") as process:
        assert process.communicate(timeout=60 * FACTOR)[0] == b"1\n"
    with toolbox(deployment, "--wait", "0.2", "nobody", "where") as process:
        assert b"toolbox: ERROR no master within 0.2s: nobody: " in process.communicate(timeout=60 * FACTOR)[1]
        assert process.returncode == 1


def test_the_toolbox_watches(deployment: FakeDeployment) -> None:
    """It prints a switch when there is one, as long as it runs."""
    old = deployment.master
    with toolbox(deployment, "sessions", "watch") as process:
        assert process.stdout is not None and process.stdout.readline() == b"watching sessions\n"
        new = deployment.failover()
        line = process.stdout.readline().decode()
        assert line.startswith("%s:%d -> %s:%d after " % (old.address + new.address))
