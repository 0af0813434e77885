"""Fixtures of the tests with real servers; without a redis-server these tests are skipped."""
import contextlib
import typing as t

import pytest

from tests.browser import Browser, browser
from tests.live.bed import Bed
from tests.live.node import redis_server

MakeBed = t.Callable[..., Bed]


def pytest_collection_modifyitems(items: t.List[pytest.Item]) -> None:
    """Skip every test with real servers, and say why, where there are none to run."""
    if redis_server() is None:
        why = "no redis-server: install one, or name it in REDIS_SERVER"
        for item in items:
            if item.nodeid.startswith("tests/live/"):
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def make_bed() -> t.Iterator[MakeBed]:
    """Start deployments, with the arguments of Bed, that end with the test."""
    with contextlib.ExitStack() as beds:
        yield lambda **arguments: beds.enter_context(Bed(**arguments))


@pytest.fixture
def bed(make_bed: MakeBed) -> Bed:
    """One deployment: the master name "sessions", a master, two replicas, three Sentinels."""
    return make_bed()


@pytest.fixture(scope="module")
def chromium() -> t.Iterator[Browser]:
    """Give a browser; the tests of this file share it."""
    with browser() as made:
        yield made
