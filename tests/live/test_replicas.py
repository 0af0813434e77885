"""Tunnels to replicas, with real servers: who reads on while what happens."""
import collections
import contextlib
import os
import time
import typing as t

import pytest

from tests.live.bed import Bed
from tests.live.clients import PATIENCE, SOON_AGAIN, Repeated, Waiting
from tests.live.node import Node
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"

Talks = t.Dict[Node, t.List[Talk]]


def reading(bed: Bed, **more: str) -> Tunnel:
    """Return the program with a tunnel to the replicas of a bed, not started yet."""
    return Tunnel(bed, environ=dict(os.environ, SENTINEL_TUNNEL_ROLE="replica", **more))


@pytest.fixture(scope="module")
def bed() -> t.Iterator[Bed]:
    """One master name with two replicas, for tests that leave it healthy."""
    with Bed(sentinel_options=SOON_AGAIN) as bed:
        yield bed


def open_some(bed: Bed, tunnel: Tunnel, stack: contextlib.ExitStack, clients: int = 4) -> Talks:
    """Connect clients once both replicas are up, and return them by the node that they reached."""
    up = {str(node.address) for node in bed.replicas(NAME)}
    wait_until(lambda: {event["replica"] for event in tunnel.events("replica_up")} >= up, "both replicas are up")
    found: Talks = collections.defaultdict(list)
    for _ in range(clients):
        talk = stack.enter_context(Talk(tunnel.addresses[NAME], timeout=PATIENCE))
        port = int(talk.call("CONFIG", "GET", "port")[1])
        found[[node for node in bed.nodes(NAME) if node.port == port][0]].append(talk)
    return found


def has_ended(talk: Talk) -> bool:
    """Tell whether a connection is over."""
    try:
        return bool(talk.call("PING") != "PONG")
    except OSError:
        return True


def test_readers_while_the_master_dies(bed: Bed) -> None:
    """Every new connection reaches a replica, the whole time: before, during and after the failover."""
    bed.mend()
    with reading(bed) as tunnel, contextlib.ExitStack() as stack:
        open_some(bed, tunnel, stack, 1)
        address, old = tunnel.addresses[NAME], bed.master(NAME)

        def read() -> str:
            with Talk(address, timeout=PATIENCE) as talk:
                return str(talk.call("ROLE")[0])

        with Repeated(read, threads=3) as readers:
            wait_until(lambda: len(readers.results) > 20, "nobody reads")
            old.kill()
            killed = time.monotonic()
            wait_until(lambda: len(readers.since(killed)) > 50, "nobody reads while there is no master")
            bed.wait_master(NAME, old.address)
            elected = time.monotonic()
            wait_until(lambda: len(readers.since(elected)) > 50, "nobody reads after the failover")
    assert {result.value for result in readers.results} == {"slave"}
    # Sentinel itself ends the connections to each node that it reconfigures: what was under way there was lost.
    assert len(readers.failures) <= 2 * 3, readers.failures


def test_a_reader_of_the_replica_that_stays() -> None:
    """Its connection lives through the failover, where Sentinel does not end it; those to the promoted node end."""
    # To Sentinel the command is renamed, or its transaction with SLAVEOF would fail as a whole.
    deaf = Bed(redis_options={"rename-command": 'CLIENT ""'}, sentinel_options={"rename-command": "CLIENT EXISTS"})
    with deaf as bed, reading(bed) as tunnel, contextlib.ExitStack() as stack:
        found = open_some(bed, tunnel, stack)
        assert {len(talks) for talks in found.values()} == {2} and len(found) == 2
        new = bed.failover(NAME)
        wait_until(lambda: all(map(has_ended, found[new])), "the readers of the new master were not sent away")
        stayed, = set(found) - {new}
        assert [talk.call("PING") for talk in found[stayed]] == ["PONG", "PONG"]
        assert {talks[0].call("ROLE")[0] for talks in open_some(bed, tunnel, stack).values()} == {"slave"}


def test_a_replica_without_its_link(bed: Bed) -> None:
    """Its readers end, since what they read grows old; those of the other go on; it is used again when it is mended."""
    bed.mend()
    with reading(bed) as tunnel, contextlib.ExitStack() as stack:
        found = open_some(bed, tunnel, stack)
        lost, kept = bed.replicas(NAME)
        lost.cli("CONFIG", "SET", "masterauth", "wrong")
        try:
            bed.master(NAME).cli("CLIENT", "KILL", "TYPE", "replica")  # both come back, but for a wrong password
            wait_until(lambda: all(map(has_ended, found[lost])), "its readers were not sent away")
            down = wait_until(lambda: [event for event in tunnel.events("replica_down")
                                       if event["replica"] == str(lost.address)], "it is not told")
            assert [event["closed"] for event in down] == ["2"]
        finally:
            lost.cli("CONFIG", "SET", "masterauth", "")
        assert [talk.call("PING") for talk in found[kept]] == ["PONG", "PONG"]
        ups = [str(node.address) for node in (lost, lost)]
        wait_until(lambda: [event["replica"] for event in tunnel.events("replica_up")
                            if event["replica"] == ups[0]] == ups, "it is not used again")
        bed.wait_healthy(NAME)


def test_no_replica_is_left(bed: Bed) -> None:
    """The master serves readers; when a replica is back new ones go there, and those on the master are left alone."""
    bed.mend()
    with reading(bed) as tunnel, contextlib.ExitStack() as stack:
        open_some(bed, tunnel, stack, 1)
        replicas, master = bed.replicas(NAME), bed.master(NAME)
        for replica in replicas:
            replica.kill()
        wait_until(lambda: tunnel.events("no_replica"), "nobody noticed")
        talk = stack.enter_context(Talk(tunnel.addresses[NAME], timeout=PATIENCE))
        assert talk.call("CONFIG", "GET", "port")[1] == str(master.port)
        replicas[0].restart()
        wait_until(lambda: len(tunnel.events("replica_up")) == 3, "nobody noticed that one is back")
        with Talk(tunnel.addresses[NAME], timeout=PATIENCE) as other:
            assert other.call("CONFIG", "GET", "port")[1] == str(replicas[0].port)
        assert talk.call("PING") == "PONG"


def test_subscribers_come_to_a_replica(bed: Bed) -> None:
    """What waits for ever is carried as to a master."""
    bed.mend()
    with reading(bed) as tunnel, contextlib.ExitStack() as stack, Waiting() as waiting:
        open_some(bed, tunnel, stack, 1)
        waiting.open(tunnel.addresses[NAME], "subscribe")
        heard = [node.cli("PUBSUB", "NUMSUB", "news")[1] for node in bed.replicas(NAME)]
        assert sorted(heard) == [0, 1] and waiting.look() == {"subscribe"}
