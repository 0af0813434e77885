"""What is different between two configurations, and the words for it."""
import typing as t

import pytest

from st.app.changes import AT_START_ONLY, compare
from st.config import Settings
from st.config.values import Settings as Values
from tests.configs import HEAD, settings

BEFORE = HEAD + "[tunnel:a]\nport = 1\n[tunnel:b]\nport = 2\n"


def between(after: str) -> t.List[str]:
    """Return the lines of a reload from BEFORE."""
    return compare(settings(BEFORE), settings(after)).lines()


@pytest.mark.parametrize("after, lines", [
    (BEFORE, ["nothing has changed"]),
    (BEFORE + "[tunnel:c]\nport = 3\n", ["added: tunnel c"]),
    (HEAD + "[tunnel:a]\nport = 1\n", ["removed: tunnel b"]),
    (HEAD + "[tunnel:b]\nport = 2\n[tunnel:a]\nport = 1\n", ["nothing has changed"]),
    (BEFORE.replace("port = 2", "port = 3"), ["replaced: tunnel b, its connections end"]),
    (BEFORE + "listen = 127.0.0.2\n", ["replaced: tunnel b, its connections end"]),
    (BEFORE + "listen = 127.0.0.1, /b\n", ["replaced: tunnel b, its connections end"]),
    (BEFORE + "socket_mode = 0600\n", ["changed: tunnel b: socket_mode"]),
    (BEFORE + "allow = ::1\nlogin = yes\nredis_password = x\n",
     ["changed: tunnel b: allow, redis_password, login"]),
    (BEFORE + "master = other\n", ["replaced: tunnel b, its connections end"]),
    (BEFORE + "hold = 1s\nmax_connections = 7\n", ["changed: tunnel b: hold, max_connections"]),
    (HEAD + "poll = 2s\n" + BEFORE[len(HEAD):], ["changed: poll"]),
    (HEAD + "http = 1234\npoll = 2s\n" + BEFORE[len(HEAD):], ["changed: poll", "needs a restart: http"]),
    (HEAD + "redis_password = x\n[tunnel:a]\nport = 2\n", [
        "removed: tunnel b", "replaced: tunnel a, its connections end"]),
])
def test_in_words(after: str, lines: t.Sequence[str]) -> None:
    """Each kind of change has its line."""
    assert between(after) == lines


def test_another_mode_needs_another_socket() -> None:
    """Where there is one."""
    before, after = settings(BEFORE + "listen = /b\n"), settings(BEFORE + "listen = /b\nsocket_mode = 0600\n")
    assert compare(before, after).lines() == ["replaced: tunnel b, its connections end"]


def test_a_password_is_never_shown() -> None:
    """Only that it changed."""
    lines = between(HEAD + "sentinel_password = secret1\nredis_password = secret2\n" + BEFORE[len(HEAD):])
    assert lines == ["changed: tunnel a: redis_password", "changed: tunnel b: redis_password",
                     "changed: sentinel_password"]


def test_what_needs_a_restart_are_settings() -> None:
    """A setting that was renamed would silently count as changed."""
    assert set(AT_START_ONLY) < set(Values._fields)


def test_leaving_and_arriving() -> None:
    """What is replaced does both."""
    made: Settings = settings(HEAD + "[tunnel:a]\nport = 9\n[tunnel:c]\nport = 3\n")
    changes = compare(settings(BEFORE), made)
    assert (changes.leaving, changes.arriving) == (("b", "a"), ("c", "a"))
