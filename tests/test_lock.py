"""The lock of the one process, and the small files beside it."""
import contextlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import typing as t

import pytest

from st.errors import AlreadyRunning, LocalError, LockError
from st.host.lock import Lock, end_holder, holder_pid, locked
from tests.programs import ROOT
from tests.waiting import FACTOR

HOLD = ("import os, signal, sys, time; from st.host.lock import Lock; lock = Lock(sys.argv[1]);"
        "{}; print('held', flush=True); time.sleep(3600)")


@contextlib.contextmanager
def holder(path: str, first: str = "pass") -> t.Iterator["subprocess.Popen[bytes]"]:
    """Give a process that holds the lock, after it has done something `first`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD.format(first), path], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    """A lock file in a directory that is not there yet."""
    return str(tmp_path / "run" / "test.lock")


def test_only_one_holds_it(path: str) -> None:
    """The second is told who the first is, and what to do; afterwards the lock is free."""
    with holder(path) as process:
        with pytest.raises(AlreadyRunning) as caught:
            Lock(path)
        assert caught.value.pid == process.pid == holder_pid(path)
        text = str(caught.value)
        assert text.startswith("already running: pid %d holds the lock %s. Stop that one first" % (process.pid, path))
        assert "--control of its own" in text
    with Lock(path):
        assert holder_pid(path) == os.getpid()
    Lock(path).close()


def test_a_file_left_behind_is_no_lock(path: str) -> None:
    """However the process ended; a longer pid in the file leaves no digit behind."""
    with holder(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    pathlib.Path(path).write_text("99999999999\n")
    with Lock(path):
        assert pathlib.Path(path).read_text() == "%d\n" % os.getpid()


def test_a_pid_of_nobody_is_not_named(path: str) -> None:
    """Better none than a wrong one."""
    with Lock(path):
        pathlib.Path(path).write_text("99999999999\n")
        with pytest.raises(AlreadyRunning, match="already running: another process holds") as caught:
            Lock(path)
        assert caught.value.pid is None


def test_the_directory_is_made_for_us(path: str) -> None:
    """Others may look at that of root, not at that of a user."""
    with Lock(path):
        mode = stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
        assert mode == (0o755 if os.geteuid() == 0 else 0o700)


def test_no_child_keeps_the_lock(path: str) -> None:
    """A command that is run meanwhile, and outlives us, does not hold it."""
    lock = Lock(path)
    child = subprocess.Popen(["sleep", "3600"], close_fds=False)
    try:
        lock.close()
        lock.close()
        Lock(path).close()
    finally:
        child.kill()
        child.wait()


def test_a_cleaner_may_remove_the_file_at_any_moment(path: str) -> None:
    """Whoever has opened the file before, and locks it after that, does not hold what others lock by then."""
    inside: t.List[int] = []
    crowds: t.List[int] = []
    end = time.monotonic() + 2.0

    def compete() -> None:
        while time.monotonic() < end and not crowds:
            with contextlib.suppress(AlreadyRunning):
                lock = Lock(path)
                inside.append(1)
                time.sleep(0)  # let others run
                if len(inside) > 1:
                    crowds.append(len(inside))
                inside.pop()
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                lock.close()

    threads = [threading.Thread(target=compete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * FACTOR)
    assert crowds == []


def test_a_removed_file_is_made_again(path: str) -> None:
    """The holder stays the only one, also when the directory was removed, and takes the lock from nobody."""
    with Lock(path) as lock:
        lock.renew()
        shutil.rmtree(os.path.dirname(path))
        lock.renew()
        assert holder_pid(path) == os.getpid()
        with pytest.raises(AlreadyRunning):
            Lock(path)
        os.unlink(path)
        with holder(path) as process:
            lock.renew()
            assert holder_pid(path) == process.pid


@pytest.mark.parametrize("content", ["[sentinel-tunnel]\n", "12 apples\n"])
def test_another_file_is_not_overwritten(tmp_path: pathlib.Path, content: str) -> None:
    """Such as the configuration, named by a slip."""
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(LockError, match="lock %s: this is another kind of file" % file):
        Lock(str(file))
    assert file.read_text() == content


def test_nobody_else_can_take_it(path: str) -> None:
    """Whoever may read a file may lock it, and could so keep us from starting again."""
    before = os.umask(0)
    try:
        Lock(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    """Where others may write, they could lead us to any file."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(LockError):
        Lock(str(tmp_path / "link"))
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/run/lock", "/"])
def test_a_place_that_cannot_be(place: str) -> None:
    """The error says so, or the one that may go on without a lock does."""
    with pytest.raises(LockError, match="lock %s: " % place) as caught:
        Lock(place)
    with locked(place, is_optional=True) as (_, doubt):
        assert doubt == str(caught.value)
    with pytest.raises(LockError), locked(place, is_optional=False):
        pass


def test_optional_is_not_beside_another(path: str) -> None:
    """A lock that somebody holds is respected all the same; none at all is no doubt."""
    with holder(path), pytest.raises(AlreadyRunning), locked(path, is_optional=True):
        pass
    with locked(path, is_optional=True) as (_, doubt):
        assert doubt == "" and holder_pid(path) == os.getpid()
    with locked(None, is_optional=False) as (_, doubt):
        assert doubt == ""


def test_a_holder_is_ended(path: str) -> None:
    """SIGTERM is enough for one that heeds it."""
    with holder(path) as process:
        reap = threading.Thread(target=process.wait)
        reap.start()
        end_holder(path)
        reap.join(30 * FACTOR)
        assert process.returncode == -signal.SIGTERM
        Lock(path).close()


def test_a_holder_that_heeds_nothing_is_killed(path: str) -> None:
    """SIGKILL follows after a moment."""
    with holder(path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)") as process:
        reap = threading.Thread(target=process.wait)
        reap.start()
        end_holder(path)
        reap.join(30 * FACTOR)
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("content", ["{pid}\n", "", "99999999999\n", "{pid} or so\n"])
def test_nobody_else_is_ended(path: str, content: str) -> None:
    """A pid in the file is believed only when that process has it open: numbers are used again."""
    bystander = subprocess.Popen(["sleep", "3600"])
    try:
        os.makedirs(os.path.dirname(path))
        pathlib.Path(path).write_text(content.format(pid=bystander.pid))
        with pytest.raises(LocalError, match="lock %s: the process that holds it cannot be told" % path):
            end_holder(path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_second_process_waits_for_the_name(path: str) -> None:
    """The first has locked the file a moment ago, and not written its pid yet."""
    told: t.List[t.Optional[int]] = []

    def contend() -> None:
        with pytest.raises(AlreadyRunning) as caught:
            Lock(path)
        told.append(caught.value.pid)

    with holder(path, "os.truncate(sys.argv[1], 0)") as process:
        contender = threading.Thread(target=contend)
        contender.start()
        pathlib.Path(path).write_text("%d\n" % process.pid)
        contender.join(30 * FACTOR)
        assert told == [process.pid]
