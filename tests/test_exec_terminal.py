"""`exec` in a terminal, with closed streams, and with what a command leaves behind: nothing is in between."""
import os
import pathlib
import pty
import subprocess
import sys
import typing as t

import pytest

from tests.execs import beside, serves
from tests.fakes import World
from tests.programs import ROOT, is_alive
from tests.waiting import FACTOR, wait_until

# The leader of a session without a terminal gets the first one that it opens.
LEAD = 'exec 0<>"$1" 1>&0 2>&1; shift; exec "$@"'
JOB = 'echo "port $REDIS_PORT"; read line; echo "<$line>"; exit 7'


class Terminal:
    """A program that leads the session of a terminal; a context manager that hangs up."""

    def __init__(self, directory: pathlib.Path, *words: str) -> None:
        self._ours, self._its = pty.openpty()
        os.set_blocking(self._ours, False)
        self.mark = str(directory)
        environ = dict(os.environ, HOME=self.mark, PYTHONPATH=ROOT, PS1="$ ")
        self.process = subprocess.Popen(["sh", "-c", LEAD, "sh", os.ttyname(self._its), *words], cwd=self.mark,
                                        stdin=subprocess.DEVNULL, env=environ, start_new_session=True)
        self._shown = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        wait_until(lambda: not beside(self.mark, 0), "all have ended")

    def hang_up(self) -> None:
        """Let the terminal go, as a lost connection does; twice is fine."""
        if self._ours >= 0:
            os.close(self._ours)
            os.close(self._its)
            self._ours = -1

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def shown(self) -> str:
        """Return all that stands there since it was asked for a text."""
        try:
            self._shown += os.read(self._ours, 1 << 16)
        except OSError:  # nothing now
            pass
        return self._shown.decode("ascii", "replace")

    def wait_for(self, text: str) -> str:
        """Wait until a text is shown, and return the rest of its line; what is older is forgotten."""
        wait_until(lambda: "\n" in self.shown().partition(text)[2], "%r is shown" % text)
        line, _, rest = self.shown().partition(text)[2].partition("\n")
        self._shown = rest.encode()
        return line.strip()


@pytest.fixture
def words(world: World, tmp_path: pathlib.Path) -> t.List[str]:
    """Return the words that run a job, which tells its port, reads a line, says it, and ends with 7."""
    (tmp_path / "job").write_text(JOB)
    return [sys.executable, "-m", "st", "exec", "-s", "%s:%d" % world.seeds[0], "mymaster", "--", "sh", "job"]


def test_the_keys_of_a_shell(words: t.List[str], tmp_path: pathlib.Path) -> None:
    """Ctrl-Z stops the command and leaves the tunnels, fg goes on; its exit code is the shell's; Ctrl-C ends it."""
    with Terminal(tmp_path, "sh", "-i") as terminal:
        terminal.type(" ".join(words) + "\n")
        port = int(terminal.wait_for("port "))
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        assert serves(port)
        terminal.type("fg\n")
        terminal.wait_for("sh job")
        terminal.type("hello\n")
        terminal.wait_for("<hello>")
        terminal.type("echo code: $?\n")
        terminal.wait_for("$?")
        assert terminal.wait_for("code: ") == "7"
        wait_until(lambda: not serves(port), "the tunnels end with it")
        terminal.type(" ".join(words) + "\n")
        port = int(terminal.wait_for("port "))
        terminal.type("\x03")  # and what was typed ahead is forgotten, so that nothing may be
        wait_until(lambda: not serves(port), "the tunnels end with it")
        terminal.type("echo code: $?\n")
        terminal.wait_for("$?")
        assert terminal.wait_for("code: ") == "130"
        terminal.type("exit\n")
        assert terminal.process.wait(60 * FACTOR) == 0


def test_a_terminal_that_hangs_up(words: t.List[str], tmp_path: pathlib.Path) -> None:
    """As when ssh is cut off: the command gets HUP, as without us, and the tunnels end with it."""
    with Terminal(tmp_path, *words) as terminal:
        port = int(terminal.wait_for("port "))
        terminal.hang_up()
        assert terminal.process.wait(60 * FACTOR) == -1
        wait_until(lambda: not serves(port), "the tunnels end with it")


def test_closed_streams(words: t.List[str], tmp_path: pathlib.Path) -> None:
    """They are closed for the command too, and no socket of ours takes their place."""
    look = "ls -l /proc/self/fd > seen; exit 5"
    script = "exec %s -c '%s' <&- >&- 2>&-" % (" ".join(words[:-1]), look)
    assert subprocess.call(["sh", "-c", script], cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=ROOT)) == 5
    lines = (tmp_path / "seen").read_text().splitlines()
    targets = [line.split(" -> ")[1] for line in lines if " -> " in line]
    assert str(tmp_path / "seen") in targets
    assert not [target for target in targets if target.startswith(("socket:", "pipe:", "/dev/"))]


def test_what_a_command_leaves_in_the_background(words: t.List[str], tmp_path: pathlib.Path) -> None:
    """Its exit is the end: nobody waits for what it has started, whose tunnels are gone."""
    script = "sleep 600 & echo $! $REDIS_PORT; exit 3"
    environ = dict(os.environ, PYTHONPATH=ROOT, HOME=str(tmp_path))
    with subprocess.Popen([*words[:-1], "-c", script], stdout=subprocess.PIPE, env=environ) as program:
        assert program.stdout is not None
        pid, port = map(int, program.stdout.readline().split())
        try:
            assert program.wait(60 * FACTOR) == 3
            wait_until(lambda: not serves(port), "the tunnels end")
            wait_until(lambda: beside(str(tmp_path), 0) == [pid], "nothing else is left")
            assert is_alive(pid)
        finally:
            os.kill(pid, 9)
