"""`watch`: what Sentinels tell, in words, until Ctrl-C."""
import pathlib
import re
import signal
import typing as t

import pytest

from tests.fakes import Error, World
from tests.programs import Program

Start = t.Callable[..., Program]


@pytest.fixture
def start(world: World, tmp_path: pathlib.Path) -> t.Iterator[Start]:
    """Give a function that starts `watch` with the first Sentinel of the world of fakes."""
    made: t.List[Program] = []

    def begin(*words: str) -> Program:
        made.append(Program(tmp_path, "watch", "-s", "%s:%d" % world.seeds[0], *words))
        return made[-1]

    yield begin
    for program in made:
        with program:
            pass


def test_the_events_of_one_master(start: Start, world: World) -> None:
    """After the date, from all Sentinels that one knows; those of other masters are not told, nor is the end."""
    program = start(world.name)
    for seed in world.seeds:
        program.wait_for("sentinel %s:%d is listened to\n" % seed, lambda: program.out)
    day, first = program.out.splitlines()[:2]
    assert first.endswith(" mymaster: the master is %s:%d" % world.master.address)
    assert re.match(r"[A-Z][a-z]{2} [0-9]{4}-[0-9]{2}-[0-9]{2}\Z", day)
    world.sentinels[2].publish("+sdown", "master other 10.0.0.1 6379")
    world.sentinels[2].publish("+sdown", "master mymaster 10.0.0.1 6379")
    program.wait_for(" mymaster: sentinel %s:%d thinks the master 10.0.0.1:6379 is down (+sdown)\n" % world.seeds[2],
                     lambda: program.out)
    world.sentinels[1].close()
    program.wait_for(" sentinel %s:%d cannot be heard: " % world.seeds[1], lambda: program.out)
    assert program.end(signal.SIGINT) == 0
    assert len(program.out.splitlines()) == 7 and program.log == ""


def test_the_events_of_all_masters(start: Start, world: World) -> None:
    """Also where the right to list them is missing: then of the Sentinels that were named alone."""
    world.sentinels[0].replies["SENTINEL MASTERS"] = Error("NOPERM this user has no permissions")
    program = start()
    program.wait_for("is listened to", lambda: program.out)
    world.sentinels[0].publish("+sdown", "master other 10.0.0.1 6379")
    program.wait_for(" other: sentinel ", lambda: program.out)
    assert program.end(signal.SIGINT) == 0 and len(program.out.splitlines()) == 3


def test_nothing_to_watch(start: Start, world: World) -> None:
    """A name that no Sentinel knows would be watched in vain for ever."""
    program = start("other")
    assert program.code() == 69 and "other: not monitored by the sentinels that answer" in program.log
    for sentinel in world.sentinels:
        sentinel.close()
    program = start()
    assert program.code() == 69 and program.out == ""
