"""Small files that a process leaves for others."""
import os
import pathlib
import stat
import subprocess
import sys

import pytest

from st.errors import AlreadyRunning, LocalError
from st.host.lock import Lock
from st.host.notes import PidFile, write_note
from tests.programs import ROOT
from tests.waiting import FACTOR

WRITE = "import sys; from st.host.notes import write_note; [write_note(sys.argv[1], str(n) * 9000) for n in range(10)]"


def test_a_note_is_whole_at_any_moment(tmp_path: pathlib.Path) -> None:
    """Who reads while it is written anew finds the old or the new text."""
    file = tmp_path / "note"
    write_note(str(file), "x" * 9000)
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(file)], cwd=ROOT)
    seen = set()
    while process.poll() is None:
        seen.add(file.read_text())
    assert process.wait(60 * FACTOR) == 0
    assert all(len(text) == 9000 and len(set(text)) == 1 for text in seen) and file.read_text() == "9" * 9000
    assert os.listdir(str(tmp_path)) == ["note"] and stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_note_that_cannot_be_written_leaves_nothing(tmp_path: pathlib.Path) -> None:
    """The name is taken by a directory."""
    (tmp_path / "note").mkdir()
    with pytest.raises(OSError):
        write_note(str(tmp_path / "note"), "text")
    assert os.listdir(str(tmp_path)) == ["note"]


def test_a_pid_file_tells_the_pid(tmp_path: pathlib.Path) -> None:
    """And goes at the end; twice is fine."""
    path = tmp_path / "pid"
    file = PidFile(str(path))
    file.write()
    assert path.read_text() == "%d\n" % os.getpid()
    file.remove()
    file.remove()
    assert not path.exists()


def test_the_pid_file_of_another_process_stays(tmp_path: pathlib.Path) -> None:
    """One that was started meanwhile has written its own."""
    path = tmp_path / "pid"
    file = PidFile(str(path))
    file.write()
    path.write_text("%d\n" % os.getppid())
    file.remove()
    assert path.read_text() == "%d\n" % os.getppid()


def test_a_pid_file_that_cannot_be_written() -> None:
    """Somebody counts on it, so that it is an error."""
    with pytest.raises(LocalError, match="pid file /dev/null/pid: Not a directory: name another file"):
        PidFile("/dev/null/pid").write()


@pytest.mark.parametrize("content", ["[sentinel-tunnel]\n", "\n[sentinel-tunnel]\n", "12 apples\n"])
def test_another_file_is_not_replaced(tmp_path: pathlib.Path, content: str) -> None:
    """Such as the configuration, named by a slip."""
    file = tmp_path / "file"
    file.write_text(content)
    with pytest.raises(LocalError, match="pid file %s: this is another kind of file" % file):
        PidFile(str(file)).write()
    assert file.read_text() == content


def test_no_device_is_replaced(tmp_path: pathlib.Path) -> None:
    """Root could do so with /dev/null, and the host would miss it; a pipe stands for it here."""
    pipe = tmp_path / "null"
    os.mkfifo(str(pipe))
    with pytest.raises(LocalError, match="pid file %s: this is another kind of file" % pipe):
        PidFile(str(pipe)).write()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_lock_is_not_replaced(tmp_path: pathlib.Path) -> None:
    """Its file would be another one then, which a second process could lock."""
    path = str(tmp_path / "lock")
    with Lock(path):
        with pytest.raises(LocalError, match="pid file %s: .* the lock of a process" % path):
            PidFile(path).write()
        with pytest.raises(AlreadyRunning):
            Lock(path)


@pytest.mark.parametrize("content", [b"", b"4711\n", b"12\n4711\n", b"\0\0\0\0\0"])
def test_what_a_crash_leaves_is_replaced(tmp_path: pathlib.Path, content: bytes) -> None:
    """Of a process, or of the whole host."""
    for write in (lambda path: PidFile(path).write(), lambda path: Lock(path).close()):
        file = tmp_path / "file"
        file.write_bytes(content)
        write(str(file))
        assert file.read_bytes() == b"%d\n" % os.getpid()
