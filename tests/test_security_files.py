"""Another local user who may write the directory in which our files shall lie: links, pipes and files put there."""
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import typing as t

import pytest

from st.host.planted import check_planted, open_own, read_own
from st.ops.ledger import Ledger
from tests.live.node import free_port
from tests.programs import Program
from tests.waiting import FACTOR, wait_until

NOBODY = 65534
SECRET = "root:x:0:0\n"  # what root's own file holds, and shall hold afterwards
WORDS = ("run", "mymaster=%d" % free_port(), "-s", "127.0.0.1:1")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who is another user for the attacker")

# What the attacker does before we start; the victim's file is one of root.
ATTACKS = {
    "link": 'ln -s "$VICTIM" "$PLACE"',
    "link to nothing": 'ln -s "$VICTIM.new" "$PLACE"',
    "hard link": 'ln "$VICTIM" "$PLACE"',
    "pipe": 'mkfifo -m 666 "$PLACE"',
    "file": 'echo 1 >"$PLACE"; chmod 666 "$PLACE"',
    "directory": 'mkdir -m 777 "$PLACE"',
}


class Scene(t.NamedTuple):
    """A directory for everybody, and a file of root."""

    shared: str
    victim: pathlib.Path

    def attack(self, how: str, name: str) -> str:
        """Let another user do something at a path; return the path."""
        place = os.path.join(self.shared, name)
        subprocess.run(["/bin/sh", "-c", ATTACKS[how]], check=True, timeout=20 * FACTOR,
                       preexec_fn=lambda: os.setuid(NOBODY), env={"VICTIM": str(self.victim), "PLACE": place})
        return place

    def check_unharmed(self, place: str) -> None:
        """The victim's file is as it was, no file was made for the attacker, and his own got not a byte."""
        assert self.victim.read_text() == SECRET and not os.path.exists(str(self.victim) + ".new")
        found = os.lstat(place)
        if found.st_uid == NOBODY and stat.S_ISREG(found.st_mode):
            assert found.st_size == len("1\n")


@pytest.fixture
def scene() -> t.Iterator[Scene]:
    """Give a directory like /tmp; a hard link needs a file that the other user may write."""
    directory = tempfile.mkdtemp(prefix="st-")
    os.chmod(directory, 0o755)
    shared, victim = os.path.join(directory, "shared"), pathlib.Path(directory, "victim")
    os.mkdir(shared)
    os.chmod(shared, 0o1777)
    victim.write_text(SECRET)
    os.chmod(str(victim), 0o666)
    yield Scene(shared, victim)
    shutil.rmtree(directory)


@needs_root
@pytest.mark.parametrize("how", sorted(ATTACKS))
@pytest.mark.parametrize("setting, code", [("log_file", 77), ("lock", 77), ("control", 1)])
def test_a_process_does_not_start_on_what_others_planted(tmp_path: pathlib.Path, scene: Scene, how: str, setting: str,
                                                         code: int) -> None:
    """It says what is wrong with which file, and has touched nothing."""
    place = scene.attack(how, "place")
    with Program(tmp_path, *WORDS, environ={"SENTINEL_TUNNEL_" + setting.upper(): place}) as program:
        assert program.code() == code and place in program.log and "Traceback" not in program.log
    scene.check_unharmed(place)


@needs_root
@pytest.mark.parametrize("how", sorted(ATTACKS))
def test_history_and_pid_file_harm_nobody(tmp_path: pathlib.Path, scene: Scene, how: str) -> None:
    """The history is kept in memory then, with a warning; a pid file takes the place of one, and of nothing else."""
    history, pid_file = scene.attack(how, "history"), scene.attack(how, "pid")
    planted = os.lstat(pid_file)
    environ = {"SENTINEL_TUNNEL_HISTORY_FILE": history, "SENTINEL_TUNNEL_PID_FILE": pid_file}
    with Program(tmp_path, *WORDS, environ=environ) as program:
        if how == "file":
            wait_until(lambda: not os.path.samestat(os.lstat(pid_file), planted), "the pid file is ours")
            assert program.end() == 0 and not os.path.lexists(pid_file)
        else:
            assert program.code() == 1 and "error: pid file " + pid_file in program.log
            scene.check_unharmed(pid_file)
        assert " WARNING history" in program.log and history in program.log
    scene.check_unharmed(history)


@needs_root
@pytest.mark.parametrize("how", sorted(ATTACKS))
def test_cron_is_not_held_up(tmp_path: pathlib.Path, scene: Scene, how: str) -> None:
    """What `ensure` remembers beside the lock may be a pipe that nobody writes: it tells its error all the same."""
    lock = os.path.join(scene.shared, "lock")
    told = scene.attack(how, "lock.told")
    with Program(tmp_path, "ensure", "-c", "/nowhere", environ={"SENTINEL_TUNNEL_LOCK": lock}) as program:
        assert program.code() == 78 and "/nowhere" in program.log
    scene.check_unharmed(told)


@needs_root
@pytest.mark.parametrize("how", sorted(ATTACKS))
def test_nothing_below_what_others_made_is_trusted(scene: Scene, how: str) -> None:
    """Neither the thing itself nor a file in it; what we made there is."""
    place = scene.attack(how, "place")
    for path in (place, os.path.join(place, "below")):
        with pytest.raises(PermissionError, match="everybody may"):
            check_planted(path)
        assert read_own(path, 100) == ""
    ours = os.path.join(scene.shared, "ours")
    os.close(open_own(ours, os.O_WRONLY | os.O_CREAT))
    os.symlink(ours, ours + ".link")
    os.close(open_own(ours + ".link", os.O_WRONLY))


def test_a_file_that_was_named_by_mistake_is_not_shortened(tmp_path: pathlib.Path) -> None:
    """A log of somebody else as history_file: our line is added, and each of his stays."""
    path = tmp_path / "syslog"
    path.write_text("somebody's line\n" * 3000)
    Ledger(str(path), lambda line: line == "ours").append(["ours"])
    assert path.read_text() == "somebody's line\n" * 3000 + "ours\n"
