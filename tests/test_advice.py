"""What to do next, by the words in which a trouble is told."""
import typing as t

import pytest

from st.ops.advice import next_step
from tests.fakes import Monitored, World, refused_address
from tests.tunnels import Running, world_settings
from tests.waiting import wait_until

Disturb = t.Callable[[World], None]


def name_a_stranger(world: World) -> None:
    """Let no Sentinel know the name."""
    for sentinel in world.sentinels:
        sentinel.masters.clear()


def name_a_dead_one(world: World) -> None:
    """Let the Sentinels name an address where nobody listens."""
    with refused_address() as nobody:
        for sentinel in world.sentinels:
            sentinel.masters["mymaster"] = Monitored(nobody, 1)


def name_a_replica(world: World) -> None:
    """Let the master say that it is none."""
    world.master.role = "slave"


@pytest.mark.parametrize("disturb, words", [
    (name_a_stranger, "`sentinel-tunnel masters` lists"), (name_a_dead_one, "see that it runs there"),
    (name_a_replica, "changed the role by hand")])
def test_the_next_step_fits_the_reason(world: World, disturb: Disturb, words: str) -> None:
    """What the program itself says of a tunnel without a master leads to a step."""
    disturb(world)
    with Running(world_settings(world, poll=0.1)) as app:
        wait_until(lambda: app.tunnel().state == "no_master", "there is no master")
        wait_until(lambda: words in next_step(app.tunnel().reason), "the step fits %r" % app.tunnel().reason)
        assert "  next: " in app.app.status().as_text(0)


@pytest.mark.parametrize("error, words", [
    ("10.0.0.1:26379: Connection refused", "see that it runs there"),
    ("10.0.0.1:26379: no connection in time", "firewall"),
    ("sentinel1: name lookup failed: Name or service not known", "DNS"),
    ("10.0.0.1:26379: this Sentinel refuses us: NOAUTH Authentication required.", "password"),
    ("10.0.0.1:6379: is no Sentinel (a plain Redis?): ERR unknown command", "26379"),
    ("3 of 3 sentinels answer, failover in progress, 10.0.0.1:6379: Connection refused", "wait some seconds"),
    ("1 of 3 sentinels answer, only 1 agree on the master, min_sentinels is 2", "lower min_sentinels")])
def test_the_next_step_fits_the_error(error: str, words: str) -> None:
    """Of several things that are wrong, the one that explains the others counts."""
    assert words in next_step(error)


def test_words_that_tell_nothing_give_no_step() -> None:
    """No advice is better than a wrong one."""
    assert next_step("") == next_step("because") == ""


def test_every_step_fits_a_line() -> None:
    """With its indent a step is no longer than 80 columns."""
    errors = ("failover in progress", "min_sentinels", "sentinel_outage", "NOAUTH", "name lookup failed", "refused",
              "says that it is", "would lead to itself", "is no Sentinel", "timed out", "it does not monitor this name")
    assert all(0 < len(next_step(error)) <= 72 for error in errors)
