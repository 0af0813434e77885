"""Asking for a master once, without a thread."""
import contextlib
import os
import threading
import time
import typing as t

import pytest

import st
from tests.fakes import Connection, World, refused_address, silent_listener
from tests.waiting import FACTOR


def test_the_master_is_named_without_a_thread(world: World) -> None:
    """The address is that of the newest epoch, whichever Sentinel tells it, and no thread was there."""
    world.switch(world.nodes[1])
    world.sentinels[0].masters[world.name] = (world.nodes[0].address, 0, "master")
    threads = set(threading.enumerate())
    seen: t.Set[threading.Thread] = set()

    def look(connection: Connection, command: t.List[bytes]) -> str:
        seen.update(threading.enumerate())
        return connection.server.name

    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL MYID"] = look
    found = st.resolve_master(world.seeds, world.name, timeout=5 * FACTOR)
    assert found == world.nodes[1].address and str(found) == "%s:%d" % world.nodes[1].address
    assert seen and {thread for thread in seen if not thread.name.startswith("fake-")} <= threads


def test_sentinels_that_are_down_cost_their_share(world: World) -> None:
    """One that is silent and one that refuses leave time for the third."""
    with contextlib.ExitStack() as stack:
        dead = [stack.enter_context(silent_listener()), stack.enter_context(refused_address())]
        started = time.monotonic()
        found = st.resolve_master([*dead, world.seeds[0]], world.name, timeout=3 * FACTOR)
        assert found == world.master.address
        assert time.monotonic() - started < 60 * FACTOR


def test_why_there_is_none(world: World) -> None:
    """Each cause has an error of its own, all below one, and so have wrong settings."""
    with pytest.raises(st.UnknownMasterError, match="not monitored by the sentinels that answer"):
        st.resolve_master(world.seeds, "nobody", timeout=5 * FACTOR)
    with refused_address() as address, pytest.raises(st.NoSentinelError, match="Connection refused"):
        st.resolve_master([address], world.name)
    with pytest.raises(st.ConfigError, match="unknown setting 'sentinel_pasword'; did you mean 'sentinel_password'"):
        st.resolve_master(world.seeds, world.name, sentinel_pasword="x")


def test_a_password_may_be_a_text_or_a_function(world: World) -> None:
    """Sentinels that want one get what the function returns; one that fails is named with its error."""
    for sentinel in world.sentinels:
        sentinel.password = "secret"
    for password in ("secret", lambda: "secret"):
        assert st.resolve_master(world.seeds, world.name, sentinel_password=password) == world.master.address
    with pytest.raises(st.NoSentinelError, match="given as sentinel_password failed: KeyError: 'NO_VAULT'"):
        st.resolve_master(world.seeds, world.name, sentinel_password=lambda: os.environ["NO_VAULT"])
    with pytest.raises(st.NoSentinelError, match="given as sentinel_password returned bytes, and no text"):
        st.resolve_master(world.seeds, world.name, sentinel_password=lambda: b"secret")
