"""A master that dies when the Sentinels cannot agree: what a person can do, and must not."""
import hiredis

from tests.live.bed import Bed
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"


def is_down(bed: Bed) -> bool:
    """Tell whether the first Sentinel has noticed that the master is down."""
    reply = bed.sentinels[0].cli("SENTINEL", "MASTER", NAME)
    return "s_down" in dict(zip(reply[::2], reply[1::2]))["flags"]


def said(bed: Bed, command: str) -> str:
    """Return what the first Sentinel says to a command about the master, also when that is an error."""
    try:
        return str(bed.sentinels[0].cli("SENTINEL", command, NAME))
    except hiredis.ReplyError as error:
        return str(error)


def _can_write(tunnel: Tunnel) -> bool:
    try:
        with Talk(tunnel.addresses[NAME], timeout=60) as talk:
            return bool(talk.call("SET", "key", "after") == "OK")
    except (OSError, hiredis.ReplyError):  # cut in the switch, or waited for all of `hold`
        return False


def test_one_sentinel_fails_over_when_it_is_told_to() -> None:
    """Without a quorum nobody is promoted, until somebody says SENTINEL FAILOVER; the tunnel follows."""
    with Bed(replicas=1) as bed, Tunnel(bed) as tunnel:
        with Talk(tunnel.addresses[NAME]) as talk:
            assert talk.call("SET", "key", "before") == "OK"
        for sentinel in bed.sentinels[1:]:
            sentinel.kill()
        bed.master(NAME).kill()
        wait_until(lambda: is_down(bed), "the Sentinel does not see that the master is down")
        wait_until(lambda: "NOQUORUM" in said(bed, "CKQUORUM"), "the Sentinel does not see that the others are gone")
        assert said(bed, "FAILOVER") == "OK"
        wait_until(lambda: _can_write(tunnel), "nothing can be written", 60)


def test_a_reset_without_a_master_forgets_the_replicas() -> None:
    """Which is why the doctor says when to do it, and when not."""
    with Bed(replicas=1, sentinels=1) as bed:
        bed.master(NAME).kill()
        wait_until(lambda: is_down(bed), "the Sentinel does not see that the master is down")
        assert bed.sentinels[0].cli("SENTINEL", "RESET", NAME) == 1
        assert "NOGOODSLAVE" in said(bed, "FAILOVER")
