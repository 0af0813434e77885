"""A tunnel inside of this process, to a real deployment, with the example as its user."""
import contextlib
import os
import subprocess
import sys
import typing as t

import redis

import st
from tests.live.bed import Bed
from tests.live.clients import SOON_AGAIN
from tests.live.conftest import MakeBed
from tests.programs import ROOT
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
TOOLBOX = os.path.join(ROOT, "docs", "examples", "toolbox.py")


def toolbox(bed: Bed, *words: str) -> str:
    """Return what the example prints."""
    sentinels = [word for address in bed.sentinel_addresses for word in ("--sentinel", str(address))]
    command = [sys.executable, "-W", "ignore", TOOLBOX, *sentinels, "--wait", "%g" % (60 * FACTOR), NAME, *words]
    return subprocess.check_output(command, env=dict(os.environ, PYTHONPATH=ROOT), timeout=120 * FACTOR).decode()


def test_an_embedded_tunnel_follows_a_failover(make_bed: MakeBed) -> None:
    """The callback, the client and `resolve_master` agree with the Sentinels, and the example counts what was written.
    """
    bed = make_bed(sentinel_options=SOON_AGAIN)
    seeds = [str(address) for address in bed.sentinel_addresses]
    told: t.List[st.Switch] = []
    with st.SentinelTunnel(seeds, NAME) as tunnel, contextlib.closing(redis.Redis.from_url(tunnel.url)) as client:
        tunnel.on_switch(told.append)
        tunnel.wait_ready(60 * FACTOR)
        assert client.set("a", 1) and client.wait(2, int(60000 * FACTOR)) == 2  # or the failover may lose it
        old = bed.master(NAME)
        assert st.resolve_master(seeds, NAME, timeout=10 * FACTOR) == old.address
        new = bed.failover(NAME)
        wait_until(lambda: told, "the switch is told")
        assert (told[0].old, told[0].new) == (old.address, new.address)
        assert client.set("b", 2)
        assert st.resolve_master(seeds, NAME, timeout=10 * FACTOR) == new.address
        assert toolbox(bed, "count") == "2\n" and "master %s," % (new.address,) in toolbox(bed, "where")
        client.connection_pool.disconnect()
