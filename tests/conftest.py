"""Fixtures of every test: fakes that close themselves, and a watch for what a test leaves behind."""
import logging
import os
import signal
import threading
import typing as t

import hypothesis
import pytest
import redis

from tests.fakes import FakeRedis, FakeSentinel, World
from tests.waiting import wait_until

# A run in the background of a shell ignores SIGINT, and so would every process that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes, or the making of it, is no fault.
hypothesis.settings.register_profile("patient", deadline=None,
                                     suppress_health_check=[hypothesis.HealthCheck.too_slow])
# A few examples each where the whole suite runs on one Python after the other.
hypothesis.settings.register_profile("few", hypothesis.settings.get_profile("patient"), max_examples=20)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))

SECONDS_TO_GO = 5  # for threads and descriptors that are on their way out when a test ends


def pytest_collection_modifyitems(items: t.List[pytest.Item]) -> None:
    """Begin with the tests that have real servers: they take the longest, and several files run at a time."""
    items.sort(key=lambda item: "tests/live/" not in item.nodeid)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> t.Iterator[None]:
    """Fail a test that leaves threads or descriptors behind, each by its name."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    leaked: t.List[str] = []

    def clean() -> bool:
        leaked[:] = ["thread %s" % thread.name for thread in threading.enumerate() if thread not in threads]
        leaked.extend("descriptor %d -> %s" % item for item in sorted(open_descriptors() - descriptors))
        return not leaked

    try:
        wait_until(clean, "nothing is left behind", SECONDS_TO_GO)
    except AssertionError:
        pytest.fail("the test left behind, close or join it:\n  " + "\n  ".join(leaked), pytrace=False)


def open_descriptors() -> t.Set[t.Tuple[int, str]]:
    """Return the number and the target of each open descriptor of this process."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((int(name), os.readlink("/proc/self/fd/" + name)))
        except FileNotFoundError:
            pass  # the one that listed the directory
    return found


class ErrorRecords(logging.Handler):
    """Keeps the ERROR records of the tree `st`, and the texts that the test expects in them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: t.List[str] = []
        self.expected: t.List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text with its traceback."""
        self.texts.append(self.format(record))

    def problems(self) -> t.List[str]:
        """Return a line for each record nobody expected and each expected one that did not come."""
        unexpected = [text for text in self.texts if not any(part in text for part in self.expected)]
        missing = [part for part in self.expected if not any(part in text for text in self.texts)]
        return ["unexpected: " + text for text in unexpected] + ["expected, not logged: " + part for part in missing]


@pytest.fixture(autouse=True)
def _error_records(nothing_left_behind: None) -> t.Iterator[ErrorRecords]:
    records = ErrorRecords()
    logger = logging.getLogger("st")
    logger.addHandler(records)
    yield records
    logger.removeHandler(records)
    if records.problems():
        pytest.fail("ERROR lines in the log:\n  " + "\n  ".join(records.problems()), pytrace=False)


@pytest.fixture
def expect_error(_error_records: ErrorRecords) -> t.Callable[[str], None]:
    """Give a function that says: this test logs an ERROR with this text in it."""
    return _error_records.expected.append


Made = t.TypeVar("Made", FakeRedis, FakeSentinel)


def _factory(kind: t.Callable[..., Made]) -> t.Iterator[t.Callable[..., Made]]:
    made: t.List[Made] = []

    def make(*args: t.Any, **options: t.Any) -> Made:
        made.append(kind(*args, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def fake_redis() -> t.Iterator[t.Callable[..., FakeRedis]]:
    """Give a maker of FakeRedis; each is closed when the test ends."""
    yield from _factory(FakeRedis)


@pytest.fixture
def fake_sentinel() -> t.Iterator[t.Callable[..., FakeSentinel]]:
    """Give a maker of FakeSentinel; each is closed when the test ends."""
    yield from _factory(FakeSentinel)


@pytest.fixture
def world() -> t.Iterator[World]:
    """Give one master, two replicas and three Sentinels that agree."""
    made = World()
    yield made
    made.close()


@pytest.fixture
def redis_client() -> t.Iterator[t.Callable[..., redis.Redis]]:
    """Give a maker of redis-py clients from an address; their sockets are closed when the test ends."""
    made: t.List[redis.Redis] = []

    def make(address: t.Tuple[str, int], **options: t.Any) -> redis.Redis:
        made.append(redis.Redis(*address, **options))
        return made[-1]

    yield make
    for client in made:
        client.connection_pool.disconnect()  # close() of old releases leaves the sockets to the garbage collector
