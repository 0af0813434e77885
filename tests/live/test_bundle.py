"""The program as one file, made by scripts/bundle."""
import os
import pathlib
import subprocess
import sys

import pytest

import st
from tests.live.bed import Bed
from tests.live.talk import Talk
from tests.live.test_program import OFFLINE
from tests.live.tunnel import Tunnel
from tests.programs import ROOT
from tests.waiting import FACTOR

NAME = "sessions"


@pytest.fixture(scope="module")
def bundle() -> str:
    """The file, for this Python."""
    done = subprocess.run([os.path.join(ROOT, "scripts", "bundle"), sys.executable], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=280 * FACTOR)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package index to take shiv from: " + done.stderr[-500:])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _bare(*words: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command with nothing at all in its environment."""
    return subprocess.run(["env", "-i", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60 * FACTOR)


def test_one_file_is_enough(bundle: str, tmp_path: pathlib.Path) -> None:
    """Without an environment and without installed packages it tells its version and serves."""
    root = str(tmp_path)  # where it unpacks itself; by default below the home
    # -I: no PYTHONPATH, nothing of the user; -S: no site-packages. The base Python, for -S in a virtual one is not all.
    python = [os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2]), "-I", "-S"]
    alone = _bare(*python, "-c", "import click")
    assert b"ModuleNotFoundError" in alone.stderr  # or the next lines prove nothing
    done = _bare("SHIV_ROOT=" + root, *python, bundle, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"sentinel-tunnel %s\n" % st.__version__.encode(), b"")
    with Bed(replicas=0, sentinels=1) as bed:
        program = [*python, bundle]
        with Tunnel(bed, program=program, environ={"SHIV_ROOT": root}) as tunnel:
            with Talk(tunnel.addresses[NAME]) as talk:
                assert talk.call("SET", "key", "value") == "OK"
            assert tunnel.terminate() == 0
            assert "Traceback" not in tunnel.log()


def test_it_can_be_executed(bundle: str, tmp_path: pathlib.Path) -> None:
    """Its first line names this release of Python, which alone can load the parser inside; `print cron` names it."""
    with open(bundle, "rb") as file:
        assert file.readline() == b"#!/usr/bin/env python%d.%d\n" % sys.version_info[:2]
    path = "PATH=%s/bin:/usr/bin:/bin" % sys.base_prefix
    assert os.access(bundle, os.X_OK)
    config = tmp_path / "c.ini"
    config.write_text("[sentinel-tunnel]\nsentinels = s1\n[tunnel:a]\nport = 1\n")
    done = _bare(path, "SHIV_ROOT=%s" % tmp_path, bundle, "print", "cron", "-c", str(config))
    assert b"* * * * * %s ensure -c " % os.fsencode(bundle) in done.stdout, done
