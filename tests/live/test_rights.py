"""Sentinels with a user who has no more rights than the documentation gives a client, and Sentinels told anew."""
import pathlib

from tests.live.bed import Bed
from tests.live.clients import KINDS, SOON_AGAIN, Waiting, reached
from tests.live.servers import needs
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"
# "High availability with Redis Sentinel", Sentinel client authentication: no SUBSCRIBE, no MASTERS, no INFO.
MINIMAL = ("-@all +auth +client|getname +client|id +client|setname +command +hello +ping +role"
           " +sentinel|get-master-addr-by-name +sentinel|master +sentinel|myid +sentinel|replicas"
           " +sentinel|sentinels").split()


@needs(6, 2)  # users of Sentinels
def test_minimal_rights(tmp_path: pathlib.Path) -> None:
    """A failover is followed by asking alone, and each Sentinel's refusal of events is told once."""
    (tmp_path / "password").write_text("pass\n")
    (tmp_path / "password").chmod(0o600)
    options = ["--sentinel-user", "client", "--sentinel-password-file", str(tmp_path / "password")]
    with Bed(replicas=1, sentinel_options=SOON_AGAIN) as bed:
        for sentinel in bed.sentinels:
            sentinel.cli("ACL", "SETUSER", "client", "on", ">pass", *MINIMAL)
        with Tunnel(bed, *options) as tunnel, Waiting() as waiting:
            waiting.open_each(tunnel.addresses[NAME])
            new = bed.failover(NAME)
            wait_until(lambda: not waiting.look(), "not every connection has ended")
            assert reached(tunnel.addresses[NAME]) == new.port
            [switch] = tunnel.switches()
            assert switch["heard"] != "event" and switch["sentinels"].endswith("/3")
            assert {event["sentinel"] for event in tunnel.events("no_events")} == set(map(str, bed.sentinel_addresses))
            assert len(tunnel.events("no_events")) == 3 and not tunnel.events("sentinel_down")


def test_master_told_anew() -> None:
    """SENTINEL REMOVE and MONITOR on every Sentinel, back at epoch 0 and without an event, move the tunnel."""
    with Bed(sentinel_options=SOON_AGAIN) as bed, Tunnel(bed) as tunnel, Waiting() as waiting:
        bed.failover(NAME)  # to an epoch above 0
        tunnel.switches()
        waiting.open_each(tunnel.addresses[NAME])
        old, new = bed.master(NAME), bed.replicas(NAME)[0]
        for sentinel in bed.sentinels:
            sentinel.cli("SENTINEL", "REMOVE", NAME)
        assert reached(tunnel.addresses[NAME]) == old.port and waiting.look() == set(KINDS)
        new.cli("REPLICAOF", "NO", "ONE")
        for sentinel in bed.sentinels:
            sentinel.cli("SENTINEL", "MONITOR", NAME, new.host, new.port, 2)
        wait_until(lambda: not waiting.look(), "connections to the master before are open")
        assert reached(tunnel.addresses[NAME]) == new.port
        switch = tunnel.switches(2)[-1]
        assert (switch["old"], switch["new"], switch["epoch"]) == (str(old.address), str(new.address), "0")


def test_promoted_replica_before_the_failover_is_over() -> None:
    """While a replica cannot be told of the new master SENTINEL MASTER prints the old one; the tunnel does not wait."""
    with Bed(sentinels=1, sentinel_options=SOON_AGAIN) as bed:
        [sentinel], old, deaf = bed.sentinels, bed.master(NAME), bed.nodes(NAME)[2]
        # It cannot be told to follow another master, and may not become one.
        deaf.restart('rename-command SLAVEOF ""', "replica-priority 0")
        bed.wait_healthy(NAME)
        wait_until(lambda: any("slave-priority,0" in ",".join(replica) for replica in sentinel.cli(
            "SENTINEL", "REPLICAS", NAME)), "the Sentinel does not see the priority")
        with Tunnel(bed) as tunnel, Waiting() as waiting:
            waiting.open_each(tunnel.addresses[NAME])
            assert sentinel.cli("SENTINEL", "FAILOVER", NAME) == "OK"
            new, _ = bed.wait_master(NAME, old.address)
            wait_until(lambda: not waiting.look(), "not every connection has ended")
            assert reached(tunnel.addresses[NAME]) == new.port
            reply = sentinel.cli("SENTINEL", "MASTER", NAME)
            fields = dict(zip(reply[::2], reply[1::2]))
            assert fields["port"] == str(old.port) and "failover_in_progress" in fields["flags"]  # it is not over
