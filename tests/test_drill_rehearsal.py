"""A drill whose failover is refused, given up or lost sight of: what is told, and that nothing is left behind."""
import pathlib
import signal
import typing as t

import pytest

from st.drill.prospect import look
from st.drill.rehearsal import Rehearsal
from st.drill.traffic import DrillError
from st.sentinel.survey import asker
from st.testing.wire import Simple
from tests.fakes import Connection, Error, World
from tests.programs import Program
from tests.tunnels import world_settings
from tests.waiting import FACTOR, wait_until

ASK = "SENTINEL FAILOVER"
Said = t.List[str]


@pytest.fixture
def rehearsal(world: World) -> t.Iterator[t.Callable[[], Rehearsal]]:
    """Give a maker of one drill of the world; its nodes know MGET, and lose every key."""
    for node in world.nodes:
        node.replies["MGET"] = lambda connection, words: [None] * len(words[1:])
    made = world_settings(world, sentinel_timeout=10 * FACTOR)

    def make(said: t.Optional[Said] = None) -> Rehearsal:
        whom = asker(made)
        say = (lambda line: None) if said is None else said.append
        return Rehearsal(made, made.tunnels[0], look(whom, world.name, True), whom.credentials, say)

    yield make
    wait_until(lambda: not any(node.values for node in world.nodes), "the keys are removed")


Make = t.Callable[..., Rehearsal]


def fail_over(make: Make) -> None:
    """Do the drill, which is to raise an error."""
    with make() as drill:
        drill.fail_over()


@pytest.mark.parametrize("command, error, words", [
    ("SET", "OOM command not allowed when used memory > 'maxmemory'.", "SET: OOM command not allowed .* 'maxmemory'.$"),
    ("MGET", "NOPERM no permissions", r"MGET: NOPERM .*: ~sentinel-tunnel:drill:\* \+set \+get \+mget \+del$"),
])
def test_a_master_that_refuses(world: World, rehearsal: Make, command: str, error: str, words: str) -> None:
    """Told before a failover is asked for, also what is done after it; with Redis's words, and what to do."""
    world.master.replies[command] = Error(error)
    with pytest.raises(DrillError, match="^nothing was done: the master cannot be written and read: " + words):
        fail_over(rehearsal)
    assert not any(sentinel.count(ASK) for sentinel in world.sentinels)


def test_a_sentinel_that_refuses(world: World, rehearsal: Make) -> None:
    """Its words are passed on."""
    world.sentinels[0].replies[ASK] = Error("NOGOODSLAVE No suitable replica to promote")
    with pytest.raises(DrillError, match="does not fail over: NOGOODSLAVE No suitable replica to promote"):
        fail_over(rehearsal)


def test_a_failover_that_is_given_up(world: World, rehearsal: Make) -> None:
    """Nobody waits on for it, and the report says who gave it up, and why; not what is said of other masters."""
    def give_up(connection: Connection, words: t.List[bytes]) -> Simple:
        for name in ("other", world.name):
            world.sentinels[1].publish("-failover-abort-slave-timeout", "master %s 10.0.0.1 1" % name)
        return Simple("OK")

    world.sentinels[0].replies[ASK] = give_up
    with rehearsal() as drill:
        outcome = drill.fail_over()
    assert "gives up the failover from the master 10.0.0.1:1: the replica did not become" in outcome.problem
    assert outcome.problem.startswith("sentinel %s:%d " % world.sentinels[1].address)
    assert outcome.new is None and [phase.name for phase in outcome.phases] == ["asked", "given up"]


def test_a_sentinel_that_ends_while_it_is_asked(world: World, rehearsal: Make) -> None:
    """Whether it did anything is not known, and told so; the keys are removed from the new master."""
    def end(connection: Connection, words: t.List[bytes]) -> None:
        world.switch(world.nodes[1])
        connection.close()

    world.sentinels[0].replies[ASK] = end
    with pytest.raises(DrillError, match="whether there is a failover is not known: .*closed the connection"):
        fail_over(rehearsal)
    world.nodes[0].values.clear()  # nobody replicates here


def test_interrupted_twice(world: World, rehearsal: Make, tmp_path: pathlib.Path) -> None:
    """Whoever presses Ctrl-C again while the keys are removed does not wait, and is told that they are left."""
    words = ["drill", world.name, "-s", "%s:%d" % world.seeds[0], "--yes", "--kill"]
    with Program(tmp_path, *words) as program:
        program.wait_for("make the crash now")
        asked = world.master.count("DEL")
        world.master.delays["DEL"] = 3600
        program.send(signal.SIGINT)
        wait_until(lambda: world.master.count("DEL") > asked, "the keys are being removed")
        assert program.end(signal.SIGINT) == 1
        said = " ".join(program.log.split())
    assert "are left, until Redis removes them after 15 min at the most: interrupted" in said
    assert "Traceback" not in said
    world.master.delays.clear()
    world.master.values.clear()
