"""A file of lines on a real disk: torn, killed, full, shared, replaced, and never longer than it may be."""
import contextlib
import errno
import fcntl
import os
import pathlib
import random
import resource
import subprocess
import sys
import threading
import typing as t

import pytest

from st.ops.ledger import KEPT, Ledger
from tests.programs import ROOT
from tests.waiting import FACTOR, wait_until

LONG = 60 * FACTOR  # seconds; no test waits so long
# Appends lines "NAME 1", "NAME 2", ... and tells the number of each that is on the disk.
WRITER = """
import sys
from st.ops.ledger import Ledger
ledger, name, number = Ledger(sys.argv[1], lambda line: True), sys.argv[2], 0
while number != int(sys.argv[3]):
    number += 1
    ledger.append(["%s %d" % (name, number)])
    print(number, flush=True)
"""


def known(line: str) -> bool:
    """Tell whether a line is one of these tests."""
    name, _, number = line.partition(" ")
    return name.isalpha() and number.isdigit()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Give the path of a file that does not exist, in a directory that does not."""
    return tmp_path / "state" / "st" / "file"


def ledger(path: pathlib.Path) -> Ledger:
    """Return the ledger at a path."""
    return Ledger(str(path), known)


def test_lines_are_kept_in_order(path: pathlib.Path) -> None:
    """Another ledger reads them, the newest last; directories are made, and others may read the file."""
    assert ledger(path).read() == []
    ledger(path).prepare()
    assert path.exists() and ledger(path).read() == []
    ledger(path).append(["a 1", "a 2"])
    ledger(path).append(["a 3"])
    assert ledger(path).read() == ["a 1", "a 2", "a 3"]


@pytest.mark.parametrize("torn", [b"a 9999", b'{"tunn', b"\n", b"\x00\x00\x00", b"\xff\xfe\x80 1"])
def test_a_torn_end_costs_no_line(path: pathlib.Path, torn: bytes) -> None:
    """The next line stands on a line of its own, whatever a crash has left at the end."""
    ledger(path).append(["a 1"])
    path.write_bytes(path.read_bytes() + torn)
    ledger(path).append(["a 2"])
    assert [line for line in ledger(path).read() if line != "a 9999"] == ["a 1", "a 2"]


def test_what_is_not_ours_is_passed_over(path: pathlib.Path) -> None:
    """Garbage of every kind between the lines is neither read nor an error."""
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a 1\n\n\x00\xff garbage \xe9\na\na 2\r\n a 3\n" + b"x" * 100000 + b"\na 4\n")
    assert ledger(path).read() == ["a 1", "a 4"]


def test_a_long_file_is_shortened(path: pathlib.Path) -> None:
    """With the 2,000th line the newest 1,000 are left, in a new file of the same mode, and nothing beside it."""
    ledger(path).append(["a %d" % number for number in range(1999)])
    path.chmod(0o640)
    (path.parent / "file.new").write_text("of a process that was killed")
    ledger(path).append(["a 1999"])
    assert path.read_text().splitlines() == ["a %d" % number for number in range(1000, 2000)]
    assert path.stat().st_mode & 0o777 == 0o640 and os.listdir(str(path.parent)) == ["file"]
    ledger(path).append(["a 2000"])
    assert len(path.read_text().splitlines()) == 1001 and ledger(path).read()[-1] == "a 2000"
    assert len(ledger(path).read()) == KEPT


def test_a_symbolic_link_stays_one(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Who keeps the file elsewhere finds it there after it was shortened."""
    link = tmp_path / "link"
    link.symlink_to(path)
    ledger(link).append(["a %d" % number for number in range(2000)])
    assert link.is_symlink() and len(path.read_text().splitlines()) == KEPT


def test_a_killed_writer_loses_the_torn_line_at_most(path: pathlib.Path) -> None:
    """Killed at any moment, over and over, also while the file is shortened: all that was reported is there."""
    ledger(path).append(["a %d" % number for number in range(1900)])
    dice = random.Random(7)
    for name in "bcdefghijklm":
        with writing(path, name, -1) as writer:
            assert writer.stdout is not None
            for _ in range(dice.randrange(1, 120)):
                reported = int(writer.stdout.readline())
            threading.Event().wait(dice.random() / 200)  # the moment of the kill is what varies here
            writer.kill()
            reported = max([reported, *map(int, writer.stdout.read().split())])
        numbers = numbers_of(path, name)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[-1] in (reported, reported + 1)  # one may be on the disk that was not told of yet
        assert len(path.read_text().splitlines()) <= 2000


def writing(path: pathlib.Path, name: str, lines: int) -> "subprocess.Popen[bytes]":
    """Start a process that appends so many lines, -1: until it is killed."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, str(lines)], stdout=subprocess.PIPE,
                            env={"PYTHONPATH": ROOT})


def numbers_of(path: pathlib.Path, name: str) -> t.List[int]:
    """Return the numbers in the lines of one writer."""
    return [int(line.split()[1]) for line in ledger(path).read() if line.startswith(name)]


def test_two_processes_share_a_file(path: pathlib.Path) -> None:
    """Both write at the same time, also while one of them shortens it: no line is torn, mixed or lost."""
    ledger(path).append(["a %d" % number for number in range(1800)])
    with writing(path, "b", 400) as one, writing(path, "c", 400) as other:
        one.communicate(timeout=LONG)
        other.communicate(timeout=LONG)
    assert all(map(known, path.read_text().splitlines())) and len(path.read_text().splitlines()) < 2000
    assert numbers_of(path, "b") == numbers_of(path, "c") == list(range(1, 401))


def test_a_holder_that_is_stopped_costs_time_only(path: pathlib.Path) -> None:
    """Who keeps the lock for ever does not keep us from writing; the file is not shortened meanwhile."""
    ledger(path).append(["a %d" % number for number in range(1999)])
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ledger(path).append(["a 1999"])
        assert len(path.read_text().splitlines()) == 2000
    ledger(path).append(["a 2000"])
    assert path.read_text().splitlines()[0] == "a 1001"


def test_a_line_waits_for_the_file_that_replaces_its_own(path: pathlib.Path) -> None:
    """A writer that waited for the lock of a file that was replaced meanwhile writes to the new one."""
    ledger(path).append(["a 1"])
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(target=ledger(path).append, args=(["a 3"],))
        thread.start()
        wait_until(lambda: [link for link in os.listdir("/proc/self/fd") if opens(link, path)][1:], "it waits")
        other = path.with_name("other")
        other.write_text("a 1\na 2\n")
        other.rename(path)
    thread.join()
    assert ledger(path).read() == ["a 1", "a 2", "a 3"]


def opens(descriptor: str, path: pathlib.Path) -> bool:
    """Tell whether a descriptor of this process is an open file."""
    try:
        return os.readlink("/proc/self/fd/" + descriptor) == str(path)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def file_limit(size: int) -> t.Iterator[None]:
    """Bound the size of files for a moment, as a nearly full disk does: pytest too may write to one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_takes_all_or_nothing(path: pathlib.Path) -> None:
    """What did not fit whole leaves no trace, so that it can be written again later."""
    ledger(path).append(["a 1"])
    with pytest.raises(OSError) as caught, file_limit(10):
        ledger(path).append(["a 2", "a 3", "a 4"])
    assert caught.value.errno == errno.ENOSPC
    assert path.read_text() == "a 1\n"


def test_a_full_disk_keeps_the_long_file(path: pathlib.Path) -> None:
    """When the short file cannot be written, the long one stays, and the next line shortens it."""
    ledger(path).append(["a %d" % number for number in range(1999)])
    (path.parent / "file.new").mkdir()
    with pytest.raises(OSError):
        ledger(path).append(["a 1999"])
    (path.parent / "file.new").rmdir()
    assert len(path.read_text().splitlines()) == 2000
    ledger(path).append(["a 2000"])
    assert len(path.read_text().splitlines()) == KEPT


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)])
def test_only_a_file_is_written(path: pathlib.Path, make: t.Callable[[str], None]) -> None:
    """A named pipe, a directory or a device in its place is an error at once, never a wait."""
    path.parent.mkdir(parents=True)
    make(str(path))
    for call in (ledger(path).prepare, ledger(path).read, lambda: ledger(path).append(["a 1"])):
        with pytest.raises(OSError):
            call()
