"""The writer and the reader of a drill, and their keys."""
import itertools
import typing as t

import pytest

from st.address import Address
from st.deadline import Deadline
from st.drill.caller import Caller, Login, converse
from st.errors import PeerRefused
from st.secret import Secret
from st.testing.wire import Several
from tests.fakes import Error, FakeRedis
from tests.waiting import FACTOR, wait_until

LONG = 30 * FACTOR  # seconds; no test waits for it to pass
NOBODY = Login(None, None)
MakeRedis = t.Callable[..., FakeRedis]


def test_each_attempt_is_noted(fake_redis: MakeRedis) -> None:
    """With its number, and the error of one that failed; then there is a new connection."""
    node = fake_redis()
    caller = Caller("writer", Address(*node.address), NOBODY, lambda number: ["SET", "key", number])
    caller.start()
    wait_until(lambda: caller.good_since(0) >= 5, "it writes")
    node.replies["SET"] = Error("READONLY You can't write against a read only replica.")
    wait_until(lambda: caller.last_error, "it fails")
    node.replies.clear()
    failed = len(caller.attempts)
    wait_until(lambda: caller.good_since(caller.attempts[failed - 1].ended) >= 5, "it writes again")
    caller.stop(Deadline(LONG))
    numbers = [attempt.number for attempt in caller.attempts]
    assert numbers == list(range(caller.begun)) and node.values[b"key"] == b"%d" % numbers[-1]
    assert {attempt.error for attempt in caller.attempts} == {
        "", "SET: READONLY You can't write against a read only replica."}
    ends = list(itertools.chain.from_iterable((attempt.began, attempt.ended) for attempt in caller.attempts))
    assert ends == sorted(ends)
    errors = sum(1 for attempt in caller.attempts if attempt.error)
    assert node.accepted == errors + 1


@pytest.mark.parametrize("silent", ["AUTH", "SET"])
def test_it_ends_whatever_it_waits_for(fake_redis: MakeRedis, silent: str) -> None:
    """What it was interrupted in is no failure, but may have been done: it is counted."""
    node = fake_redis()
    node.password, node.replies[silent] = "secret", Several()
    caller = Caller("writer", Address(*node.address), Login(None, Secret("secret")), lambda number: ["SET", "key", "1"])
    caller.start()
    wait_until(lambda: node.count(silent), "it waits for a reply")
    caller.stop(Deadline(LONG))
    assert (caller.attempts, caller.begun) == ([], 1)


def test_it_logs_in(fake_redis: MakeRedis) -> None:
    """With the password that the tunnel knows; a wrong one is told."""
    node = fake_redis()
    node.password = "secret"
    converse(Address(*node.address), Login(None, Secret("secret")), Deadline(LONG)).close()
    with pytest.raises(PeerRefused, match="refuses the login"):
        converse(Address(*node.address), Login(None, Secret("wrong")), Deadline(LONG))
