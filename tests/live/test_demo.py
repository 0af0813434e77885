"""The demonstration shows what it promises and leaves nothing behind, wherever it is interrupted."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import typing as t

import pytest

from tests.live.show import say
from tests.live.talk import Talk
from tests.waiting import FACTOR, wait_until


class Demo:
    """The demonstration as a process whose temporary files, and those of all it starts, are in `directory`."""

    def __init__(self, directory: pathlib.Path, *words: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen([sys.executable, "-m", "tests.live.demo"] + list(words), bufsize=0,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env=dict(os.environ, TMPDIR=str(directory)))

    def read_until(self, text: str) -> str:
        """Return the lines up to the first that has `text`."""
        assert self.process.stdout is not None
        seen = ""
        for line in iter(self.process.stdout.readline, b""):
            seen += line.decode("ascii")
            if text in seen:
                return seen
        raise AssertionError("the demonstration ended without %r:\n%s" % (text, seen))

    def finish(self) -> t.Tuple[int, str]:
        """Return the exit code and the rest of the output."""
        output, _ = self.process.communicate(timeout=90 * FACTOR)
        return self.process.returncode, output.decode("ascii")

    def left(self) -> t.List[str]:
        """Return the files, and the processes, that the demonstration has left."""
        mark = str(self.directory)
        return os.listdir(mark) + [pid for pid in os.listdir("/proc") if pid.isdigit() and _belongs(pid, mark)]


def _belongs(pid: str, mark: str) -> bool:
    """Our Pythons have the directory in their environment; Redis writes over that, but works in the directory."""
    try:
        with open("/proc/%s/environ" % pid, "rb") as file:
            return os.fsencode("TMPDIR=" + mark) in file.read() or os.readlink("/proc/%s/cwd" % pid).startswith(mark)
    except OSError:  # it has ended meanwhile, or is another user's
        return False


@pytest.fixture
def start(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., Demo]]:
    """Start the demonstration; whatever the test does with it, it has ended and left nothing afterwards."""
    demos: t.List[Demo] = []

    def started(*words: str) -> Demo:
        demos.append(Demo(tmp_path, *words))
        return demos[-1]

    yield started
    for demo in demos:
        demo.process.send_signal(signal.SIGTERM)
        demo.process.wait(90 * FACTOR)
        if demo.process.stdout is not None:
            demo.process.stdout.close()
        wait_until(lambda: not demo.left(), "the demonstration has left something")


def test_demo_shows_a_failover(start: t.Callable[..., Demo]) -> None:
    """The client writes before and after the kill, and the words fit a plain terminal."""
    code, output = start().finish()
    assert code == 0, output
    before, after = (int(re.search("acknowledged %s +([0-9]+)" % when, output).group(1))  # type: ignore[union-attr]
                     for when in ("before the kill", "after it"))
    assert before > 10 and after > 10
    assert max(len(line) for line in output.splitlines()) <= 80, output
    assert output.endswith("All is stopped and removed.\n")


def test_long_text_is_folded(capsys: t.Any) -> None:
    """What a server or the tunnel refuses with, however long, keeps to 80 columns."""
    say("client", "refused because " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("moment", ["dies", "start", "watching", "connects", "kill -9"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_leaves_nothing(start: t.Callable[..., Demo], moment: str, number: int) -> None:
    """Ctrl-C ends the demonstration at every moment."""
    demo = start()
    demo.read_until(moment)
    demo.process.send_signal(number)
    code, output = demo.finish()
    assert code == 128 + number, output
    assert "Traceback" not in output
    assert not demo.left()


def test_kept_demo_can_be_used(start: t.Callable[..., Demo]) -> None:
    """With --keep the tunnel that it names serves other clients, until Ctrl-C."""
    demo = start("--keep")
    output = demo.read_until("Ctrl-C here")
    port = re.search("redis-cli -p ([0-9]+) +the master, through the tunnel", output)
    assert port, output
    with Talk(("127.0.0.1", int(port.group(1)))) as talk:
        assert talk.call("ROLE")[0] == "master"
    demo.process.send_signal(signal.SIGINT)
    assert demo.finish()[0] == 128 + signal.SIGINT
    assert not demo.left()


def test_demo_without_a_reader_ends(start: t.Callable[..., Demo]) -> None:
    """When nobody reads any more (scripts/demo | head) it ends and leaves nothing."""
    demo = start()
    demo.read_until("start")
    assert demo.process.stdout is not None
    demo.process.stdout.close()
    assert demo.process.wait(30 * FACTOR) == 1
    assert not demo.left()
