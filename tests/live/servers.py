"""What the server that the tests run on is, and what it is too old for."""
import contextlib
import glob
import os
import subprocess
import typing as t

import pytest

from tests.live.node import redis_server, redis_version, version_of
from tests.programs import ROOT
from tests.waiting import FACTOR

STORE = os.path.join(ROOT, "build", "servers")  # where scripts/servers keeps what it got


def older_than(*version: int) -> bool:
    """Tell whether the server is older than a version, as (6, 2); Valkey counts on from Redis 7.2."""
    return redis_server() is not None and redis_version() < version


def is_before(*version: int) -> t.Callable[[str], bool]:
    """Return a test for servers that are older than a version."""
    return lambda binary: version_of(binary) < version


def is_valkey(*version: int) -> t.Callable[[str], bool]:
    """Return a test for servers that are Valkey of at least a version."""
    return lambda binary: (subprocess.check_output([binary, "--version"]).startswith(b"Valkey")
                           and version_of(binary) >= version)


def needs(*version: int) -> pytest.MarkDecorator:
    """Skip a test where the server is older than the first that can do what the test is about."""
    return pytest.mark.skipif(older_than(*version), reason="needs Redis %s or newer" % ".".join(map(str, version)))


@contextlib.contextmanager
def running(fits: t.Callable[[str], bool], what: str) -> t.Iterator[None]:
    """Let nodes that start in this block be of a server that fits, the usual one or one from the store; else skip."""
    there = glob.glob(os.path.join(STORE, "*", "**", "*-server"), recursive=True)
    servers = [redis_server(), *sorted(path for path in there if os.access(path, os.X_OK))]
    server = next((path for path in servers if path is not None and fits(path)), None)
    if server is None:
        pytest.skip("%s is not in build/servers: scripts/servers --get gets what can be had" % what)
    usual = os.environ.get("REDIS_SERVER")
    os.environ["REDIS_SERVER"] = server
    try:
        yield
    finally:
        if usual is None:
            del os.environ["REDIS_SERVER"]
        else:
            os.environ["REDIS_SERVER"] = usual


def needs_tls() -> pytest.MarkDecorator:
    """Skip a test where the server was built without TLS."""
    return pytest.mark.skipif(not _has_tls(), reason="this redis-server was built without TLS")


def _has_tls() -> bool:
    binary = redis_server()
    if binary is None:
        return False
    words = [binary, "--port", "0", "--tls-port", "1", "--tls-cert-file", "/nonexistent"]  # it ends at once
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30 * FACTOR)
    return b"Bad directive" not in done.stdout and b"Failed finding TLS support" not in done.stdout
