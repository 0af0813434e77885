"""The control socket of a real process on a real deployment, by real redis-cli and the command line."""
import json
import os
import subprocess
import time
import typing as t

import pytest

from tests.control import needs_redis_cli, run_on
from tests.live.bed import Bed
from tests.live.clients import SOON_AGAIN
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel
from tests.waiting import wait_until

NAME = "sessions"


@pytest.fixture(scope="module")
def bed() -> t.Iterator[Bed]:
    """A master, two replicas and three Sentinels."""
    with Bed(sentinel_options=SOON_AGAIN) as bed:
        yield bed


@needs_redis_cli
def test_a_failover_is_seen_from_outside(bed: Bed) -> None:
    """Before, status is ok; afterwards it names the new master, and the history the gap that clients felt."""
    control = os.path.join(bed.directory, "c")
    with Tunnel(bed, "--control", control) as tunnel:
        assert run_on(control, "wait", "--timeout", "60s").code == 0
        with Talk(tunnel.addresses[NAME]) as talk:
            assert talk.call("PING") == "PONG"
            assert " %d " % os.getpid() in run_on(control, "clients").out
        old = bed.master(NAME)
        new = bed.failover(NAME)
        wait_until(lambda: json.loads(run_on(control, "history", "--json").out), "the switch is in the history")
        switch = json.loads(subprocess.check_output(["redis-cli", "-s", control, "HISTORY", "JSON", NAME]).decode())[0]
        assert (switch["old"], switch["new"]) == (str(old.address), str(new.address)) and switch["gap"] < time.time()
        wait_until(lambda: run_on(control, "status").out.startswith("ok: "), "all is well again")
        told = json.loads(run_on(control, "status", "--json").out)["tunnels"][0]
        assert (told["master"], told["switches"]) == (str(new.address), 1)
        assert run_on(control, "stop").out == "stopped pid %d\n" % tunnel.process.pid
        assert tunnel.process.poll() == 0


def test_the_place_is_taken_over_after_kill_9(bed: Bed) -> None:
    """What was left behind hinders neither status nor the next process."""
    control = os.path.join(bed.directory, "d")
    with Tunnel(bed, "--control", control) as tunnel:
        tunnel.kill()
        assert os.path.exists(control) and run_on(control, "status").code == 3
        tunnel.start()
        assert run_on(control, "status").code == 0
