"""Failovers that are rehearsed, measured and watched, on real servers."""
import json
import os
import pathlib
import signal
import typing as t
import xml.etree.ElementTree

import hiredis
import pytest

from st.deadline import Deadline
from st.drill.caller import Attempt, Login, converse
from st.drill.series import BATCH, EXPIRY, Series
from tests.live.bed import Bed
from tests.live.clients import reached
from tests.live.tunnel import run_once, sentinel_words
from tests.programs import Program
from tests.waiting import FACTOR, wait_until

NAME = "sessions"
PASSWORD = "of-redis"
LONG = 30 * FACTOR  # seconds; no test waits for it to pass
# On a busy host a shorter time leads to failovers that no test has asked for.
CALM = {"down-after-milliseconds": "%d" % (3000 * FACTOR)}


@pytest.fixture(scope="module")
def shared() -> t.Iterator[Bed]:
    """A master, two replicas and three Sentinels."""
    with Bed(sentinel_options=CALM) as bed:
        yield bed


@pytest.fixture
def bed(shared: Bed) -> Bed:
    """The same; what the last test has killed is mended."""
    shared.mend()
    return shared


def keys(bed: Bed) -> t.List[str]:
    """Return the keys of all nodes; something that is no key while one of them changes its role."""
    try:
        return [key for node in bed.nodes(NAME) if node.answering for key in node.cli("KEYS", "*")]
    except (OSError, hiredis.ReplyError) as error:
        return [str(error)]


def judge(bed: Bed, code: int, report: t.Dict[str, t.Any], old: str) -> t.Dict[str, float]:
    """Check what any report of a failover says; return the phases."""
    writes, phases = report["writes"], {phase["phase"]: phase["seconds"] for phase in report["phases"]}
    assert (report["name"], report["old"], report["new"]) == (NAME, old, str(bed.master(NAME).address))
    assert report["problem"] == "" and old != report["new"]
    assert code == (1 if writes["lost"] else 0) and report["passed"] == (code == 0)
    assert len(writes["lost_at"]) == writes["lost"] < writes["acknowledged"]
    # Nobody but the old master answers before the switch; at it those are let in that wait already.
    assert phases["noticed"] <= phases["closed"] <= min(phases["first write"], phases["first read"])
    assert phases["elected"] <= phases["chosen"] <= phases["promoted"] and "announced" in phases  # by any of them
    assert 0 < writes["outage"] and report["reads"]["answered"] >= 50
    wait_until(lambda: not keys(bed), "the keys are removed, and so they are from replicas")
    return phases


def test_drill(bed: Bed, tmp_path: pathlib.Path) -> None:
    """The failover happens, is measured, told and drawn; nothing is left behind; and `watch` tells it in words."""
    old = str(bed.master(NAME).address)
    words = sentinel_words(bed)
    with Program(tmp_path, "watch", NAME, *words[:2]) as watching:
        for sentinel in bed.sentinel_addresses:
            watching.wait_for("sentinel %s is listened to" % (sentinel,), lambda: watching.out)
        done = run_once("drill", NAME, "--yes", "--json", "--plot", str(tmp_path / "plot.svg"), *words)
        phases = judge(bed, done.returncode, json.loads(done.stdout), old)
        assert json.loads(done.stdout)["kind"] == "failover" and "Traceback" not in done.stderr
        assert phases["asked"] == 0 < phases["elected"]
        assert xml.etree.ElementTree.parse(str(tmp_path / "plot.svg")).getroot().tag.endswith("svg")
        switch = "%s: sentinel %%s says the master is %s now, it was %s" % (NAME, bed.master(NAME).address, old)
        for sentinel in bed.sentinel_addresses:
            watching.wait_for(switch % (sentinel,), lambda: watching.out)
        assert watching.end(signal.SIGINT) == 0 and watching.log == ""


def test_drill_of_a_crash(bed: Bed, tmp_path: pathlib.Path) -> None:
    """With --kill it says how to crash the master, asks for no failover, and measures the one that comes."""
    master = bed.master(NAME)
    with Program(tmp_path, "drill", NAME, "--yes", "--kill", *sentinel_words(bed)) as drill:
        drill.wait_for("make the crash now")
        assert "kill -9 PID of redis-server" in drill.log and keys(bed)
        master.kill()
        code = drill.code()
        text = " ".join(drill.out.split())
    assert "a failover (after a crash) from %s to %s worked" % (master.address, bed.master(NAME).address) in text
    assert code == (0 if " 0 of them lost" in text else 1)
    assert text.index(" down ") < text.index(" elected ") < text.index(" first write ")
    wait_until(lambda: not keys(bed), "the keys are removed")


def test_nothing_is_done_unasked(bed: Bed) -> None:
    """Without --yes it tells what it would do, with --yes it refuses what cannot succeed: nothing changes."""
    before, words = bed.master(NAME), sentinel_words(bed)
    told = run_once("drill", NAME, *words)
    assert (told.returncode, told.stdout) == (2, "")
    assert "would be told to fail over from %s to one of" % (before.address,) in " ".join(told.stderr.split())
    for sentinel in bed.sentinels[1:]:
        sentinel.kill()
    wait_until(lambda: _refused(words, "NOQUORUM"), "it is refused for want of Sentinels")
    bed.mend()
    for node in bed.replicas(NAME):
        node.cli("CONFIG", "SET", "replica-priority", 0)
    wait_until(lambda: _refused(words, "replica-priority is 0"), "it is refused for want of a replica")
    for node in bed.replicas(NAME):
        node.cli("CONFIG", "SET", "replica-priority", 100)
    wait_until(lambda: run_once("drill", NAME, *words).returncode == 2, "it could succeed again")
    assert bed.master(NAME) is before and not keys(bed)


def _refused(words: t.Sequence[str], why: str) -> bool:
    done = run_once("drill", NAME, *words)  # without --yes: it might succeed so far
    return done.returncode == 1 and why in " ".join(done.stderr.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(bed: Bed, tmp_path: pathlib.Path, number: int) -> None:
    """Ctrl-C while it writes, a TERM, and a terminal that hangs up: the keys are removed, and the exit code is 1."""
    with Program(tmp_path, "drill", NAME, "--yes", "--kill", *sentinel_words(bed)) as drill:
        wait_until(lambda: keys(bed), "it writes")
        assert drill.end(number) == 1 and drill.out == ""
        assert "error: interrupted" in drill.log and "Traceback" not in drill.log
    wait_until(lambda: not keys(bed), "the keys are removed")


def test_interrupted_in_a_failover(bed: Bed, tmp_path: pathlib.Path) -> None:
    """The keys are removed from the new master: from the old one alone they would come back."""
    with Program(tmp_path, "drill", NAME, "--yes", *sentinel_words(bed)) as drill:
        drill.wait_for("told sentinel")
        assert drill.end(signal.SIGINT) == 1 and "error: interrupted" in drill.log
    bed.wait_healthy(NAME)
    wait_until(lambda: not keys(bed), "the keys are removed")


def test_exec_through_a_failover(bed: Bed, tmp_path: pathlib.Path) -> None:
    """The command reaches the new master at the same port."""
    with Program(tmp_path, "exec", NAME, *sentinel_words(bed), "--", "sh", "-c", "echo $REDIS_PORT; exec sleep 600",
                 environ={"PATH": os.environ["PATH"]}) as program:
        program.wait_for("\n", lambda: program.out)
        address = ("127.0.0.1", int(program.out))
        old = reached(address)
        assert old == bed.master(NAME).port
        bed.failover(NAME)
        assert reached(address) == bed.master(NAME).port != old
        assert program.end() == -signal.SIGTERM


def test_drill_with_passwords(tmp_path: pathlib.Path) -> None:
    """The writer logs in; where it may not write, nothing is failed over, and the reason is told."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "password").chmod(0o600)
    with Bed(replicas=1, sentinels=1, requirepass=PASSWORD, sentinel_options=CALM) as bed:
        words, old = ["drill", NAME, "--yes", "--json", *sentinel_words(bed)], str(bed.master(NAME).address)
        refused = run_once(*words)
        assert refused.returncode == 1 and "NOAUTH" in refused.stderr and str(bed.master(NAME).address) == old
        done = run_once(*words, "--redis-password-file", str(tmp_path / "password"))
        judge(bed, done.returncode, json.loads(done.stdout), old)


def test_keys_of_a_drill(bed: Bed) -> None:
    """Numbers that are missing or changed are found, however many there are; all are removed, and go by themselves."""
    node, nobody = bed.master(NAME), Login(None, None)
    series = Series(node.address, nobody)
    conversation = converse(node.address, nobody, Deadline(LONG))
    conversation.ask([series.write(number) for number in range(1, 2 * BATCH + 2)], Deadline(LONG))
    conversation.close()
    assert 0 < node.cli("TTL", series.prefix + "1") <= EXPIRY
    node.cli("DEL", series.prefix + "7")
    node.cli("SET", series.prefix + "8", "other")
    attempts = [Attempt(number, 0.0, 0.0) for number in range(2 * BATCH + 2)]
    assert [attempt.number for attempt in series.missing(attempts)] == [0, 7, 8]
    assert Series(node.address, nobody).missing(attempts[:3]) == attempts[:3]  # that of another drill
    series.remove(2 * BATCH + 2)
    assert node.cli("KEYS", "*") == []
