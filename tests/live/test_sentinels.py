"""Sentinels that freeze, die, come back and ask for passwords, and a tunnel that follows the master all the same."""
import os
import pathlib
import typing as t

import hiredis
import pytest

from st.address import Address
from tests.live.bed import Bed
from tests.live.clients import KINDS, PATIENCE, SOON_AGAIN, Waiting, reached
from tests.live.node import SentinelNode, free_port
from tests.live.servers import needs
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel, run_once, sentinel_words
from tests.waiting import wait_until

NAME = "sessions"
HOLD = ("--hold", "60s")


@pytest.fixture(scope="module")
def shared() -> t.Iterator[Bed]:
    """One deployment of three nodes and three Sentinels."""
    with Bed(sentinel_options=SOON_AGAIN) as bed:
        yield bed


@pytest.fixture
def tunnel(shared: Bed) -> t.Iterator[Tunnel]:
    """A tunnel to it; what the last test has killed or frozen is mended."""
    shared.mend()
    with Tunnel(shared, *HOLD) as tunnel:
        yield tunnel


def test_frozen_sentinel(shared: Bed, tunnel: Tunnel) -> None:
    """With one of three Sentinels frozen the tunnel follows the others, and says which one is silent."""
    frozen = shared.sentinels[0]
    frozen.stop()
    wait_until(lambda: _told(tunnel, "sentinel_down"), "the log does not tell of a silent Sentinel")
    old = shared.master(NAME)
    with Waiting() as waiting:
        waiting.open_each(tunnel.addresses[NAME])
        old.kill()
        new, _ = shared.wait_master(NAME, old.address)
        wait_until(lambda: not waiting.look(), "not every connection has ended")
        assert reached(tunnel.addresses[NAME]) == new.port
    assert {event["sentinel"] for event in tunnel.events("sentinel_down")} == {str(frozen.address)}
    assert [event["new"] for event in tunnel.switches()] == [str(new)]
    frozen.restart()
    wait_until(lambda: _told(tunnel, "sentinel_up"), "the log does not tell that it is back")


def test_restarted_sentinels(shared: Bed, tunnel: Tunnel) -> None:
    """A restart of two Sentinels ends no connection, and the tunnel follows the next failover."""
    with Waiting() as waiting:
        waiting.open_each(tunnel.addresses[NAME])
        for sentinel in shared.sentinels[:2]:
            sentinel.restart()
        shared.wait_healthy(NAME)
        assert waiting.look() == set(KINDS) and not tunnel.events("switch")
        new = shared.failover(NAME)
        wait_until(lambda: not waiting.look(), "not every connection has ended")
    assert reached(tunnel.addresses[NAME]) == new.port


def test_no_sentinel_left(shared: Bed, tunnel: Tunnel) -> None:
    """Without any Sentinel open and new connections go on; when they are back, the tunnel follows the next failover."""
    master = shared.master(NAME)
    with Waiting() as waiting:
        waiting.open_each(tunnel.addresses[NAME])
        for sentinel in shared.sentinels:
            sentinel.kill()
        wait_until(lambda: len(_told(tunnel, "sentinel_down")) == 3, "the log does not tell of all")
        assert reached(tunnel.addresses[NAME]) == master.port
        wait_until(lambda: tunnel.events("master_kept"), "the log does not tell that the last master is kept")
        assert waiting.look() == set(KINDS)
        for sentinel in shared.sentinels:
            sentinel.start()
        shared.wait_healthy(NAME)
        wait_until(lambda: tunnel.events("master_ok"), "the log does not tell that all is well")
        assert waiting.look() == set(KINDS) and not tunnel.events("switch")
        new = shared.failover(NAME)
        wait_until(lambda: not waiting.look(), "not every connection has ended")
    assert reached(tunnel.addresses[NAME]) == new.port


def test_polling_alone(shared: Bed) -> None:
    """Without events, and without a client that notices anything, the tunnel learns of a failover by asking."""
    shared.mend()
    with Tunnel(shared, environ=dict(os.environ, SENTINEL_TUNNEL_EVENTS="no")) as tunnel:
        new = shared.failover(NAME)
        [switch] = tunnel.switches()
        assert (switch["new"], switch["heard"]) == (str(new.address), "poll")


def test_ten_failovers_in_a_row(shared: Bed, tunnel: Tunnel) -> None:
    """The tunnel follows each of ten failovers, while Sentinels go down and come up."""
    masters = [shared.master(NAME).address]
    with Waiting() as waiting:
        for number in range(10):
            waiting.open(tunnel.addresses[NAME], "subscribe", "subscriber %d" % number)
            present, absent = shared.sentinels[number % 3], shared.sentinels[number % 3 - 1]
            absent.kill()
            wait_until(lambda: _begin_failover(present), "the Sentinel begins no failover")
            masters.append(shared.wait_master(NAME, masters[-1])[0])
            wait_until(lambda: not waiting.look(), "connections to master number %d are open" % number)
            assert reached(tunnel.addresses[NAME]) == masters[-1].port
            absent.start()
            # One that does not know of it yet would begin the next failover from the master before.
            wait_until(lambda: {_named(sentinel) for sentinel in shared.sentinels} == {masters[-1]},
                       "not every Sentinel learns of the failover")
    reigns = ["%s -> %s" % (event["old"], event["new"]) for event in tunnel.switches(len(masters) - 1)]
    assert reigns == ["%s -> %s" % pair for pair in zip(masters, masters[1:])]


@pytest.fixture(scope="module")
def locked() -> t.Iterator[Bed]:
    """A deployment with one password for its Sentinels and another for its nodes."""
    with Bed(replicas=1, requirepass="of-redis", sentinel_requirepass="of-sentinel") as bed:
        yield bed


@pytest.fixture
def passwords(tmp_path: pathlib.Path) -> t.Callable[[str, str], t.List[str]]:
    """Give a function that returns the options for a password of Sentinel and one of Redis."""
    def words(*of_each: str) -> t.List[str]:
        for option, password in zip(("sentinel", "redis"), of_each):
            (tmp_path / option).write_text(password + "\n")
            (tmp_path / option).chmod(0o600)
        return ["--sentinel-password-file", str(tmp_path / "sentinel"),
                "--redis-password-file", str(tmp_path / "redis")]

    return words


@needs(6, 2)
def test_passwords_of_their_own(locked: Bed, passwords: t.Callable[[str, str], t.List[str]]) -> None:
    """Where Sentinels and Redis have different passwords the tunnel uses each for its own, and gives clients none."""
    with Tunnel(locked, *passwords("of-sentinel", "of-redis")) as tunnel:
        old, address = locked.master(NAME), tunnel.addresses[NAME]
        with Talk(address) as talk, pytest.raises(hiredis.ReplyError, match="NOAUTH"):
            talk.call("SET", "key", "value")
        with Talk(address, "of-redis") as talk:
            assert talk.call("SET", "key", "value") == "OK"
            locked.failover(NAME)
            with pytest.raises(OSError):
                wait_until(lambda: talk.call("PING") != "PONG", "the connection was not ended")
        with Talk(address, "of-redis", timeout=PATIENCE) as talk:
            assert talk.call("SET", "key", "value") == "OK"
        assert [event["old"] for event in tunnel.switches()] == [str(old.address)]
        assert not tunnel.events("role_unknown")  # it was told that they are masters


@needs(6, 2)
@pytest.mark.parametrize("command", ["resolve %(name)s", "masters", "run %(name)s=%(port)d --require-master"])
def test_wrong_password_of_sentinel(locked: Bed, passwords: t.Callable[[str, str], t.List[str]], command: str) -> None:
    """Every command says which Sentinel refuses, and why."""
    words = (command % {"name": NAME, "port": free_port()}).split()
    done = run_once(*words + sentinel_words(locked) + passwords("of-redis", "of-redis") + ["--hold", "1s"])
    assert done.returncode == 69
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "%s: this Sentinel refuses us: " % (locked.sentinels[0].address,) in error
    assert "AUTH said: WRONGPASS" in error


@needs(6, 2)
def test_wrong_password_of_redis(locked: Bed, passwords: t.Callable[[str, str], t.List[str]]) -> None:
    """The tunnel serves, since clients have passwords of their own, and its log says which node refuses, and why."""
    with Tunnel(locked, *passwords("of-sentinel", "of-sentinel")) as tunnel:
        [warning] = tunnel.events("role_unknown")
        assert warning["master"] == str(locked.master(NAME).address)
        assert "NOAUTH" in warning["error"] and "AUTH said: WRONGPASS" in warning["error"]
        assert not tunnel.events("sentinel_down")


def _told(tunnel: Tunnel, name: str) -> t.Set[str]:
    """Return the Sentinels that the log has told this event of."""
    return {event["sentinel"] for event in tunnel.events(name)}


def _begin_failover(sentinel: SentinelNode) -> bool:
    try:
        return bool(sentinel.cli("SENTINEL", "FAILOVER", NAME) == "OK")
    except hiredis.ReplyError as error:
        assert str(error).startswith(("INPROG", "NOGOODSLAVE")), error
        return False


def _named(sentinel: SentinelNode) -> Address:
    host, port = sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
    return Address(host, int(port))
