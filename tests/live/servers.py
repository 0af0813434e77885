"""What the server that the tests run on is, and what it is too old for."""
import subprocess

import pytest

from tests.live.node import redis_server, redis_version
from tests.waiting import FACTOR


def older_than(*version: int) -> bool:
    """Tell whether the server is older than a version, as (6, 2); Valkey counts on from Redis 7.2."""
    return redis_server() is not None and redis_version() < version


def is_valkey() -> bool:
    """Tell whether the server is Valkey."""
    binary = redis_server()
    return binary is not None and subprocess.check_output([binary, "--version"]).startswith(b"Valkey")


def needs(*version: int) -> pytest.MarkDecorator:
    """Skip a test where the server is older than the first that can do what the test is about."""
    return pytest.mark.skipif(older_than(*version), reason="needs Redis %s or newer" % ".".join(map(str, version)))


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
