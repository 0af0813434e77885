"""The command status: once, and again each second with --watch, on a terminal and without one."""
import fcntl
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess
import sys
import termios
import typing as t

import pytest

from tests.control import Steered, run_on, short_directory, steered
from tests.fakes import World
from tests.programs import ROOT, Program
from tests.waiting import FACTOR, wait_until

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture
def control(world: World) -> t.Iterator[Steered]:
    """Give a control socket on an App with one tunnel."""
    with steered(world) as made:
        yield made


class Terminal:
    """`status --watch` on a terminal of a size; a context manager that ends it."""

    def __init__(self, control: str, rows: int, columns: int) -> None:
        self._ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.set_blocking(self._ours, False)
        words = [sys.executable, "-m", "st", "status", "--watch", "--control", control]
        environ = {name: text for name, text in os.environ.items() if name not in ("LINES", "COLUMNS")}
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=its, stdout=its, stderr=its, env=environ)
        os.close(its)
        self._shown = b""

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def shown(self) -> str:
        """Return all that was written so far."""
        try:
            self._shown += os.read(self._ours, 1 << 16)
        except OSError:  # nothing now, or its end
            pass
        return self._shown.decode("ascii")

    def screens(self) -> t.List[str]:
        """Return the screens that were drawn in full so far."""
        return [screen.partition(CLEAR_BELOW)[0] for screen in self.shown().split(HOME)[1:] if CLEAR_BELOW in screen]


def test_status_once(control: Steered) -> None:
    """The text and the JSON of the process, exit 0, also with a master that is gone."""
    told = run_on(control.path, "status")
    assert told.code == 0 and told.out.startswith("ok: ") and told.err == ""
    assert json.loads(run_on(control.path, "status", "--json").out)["state"] == "ok"


def test_watch_draws_in_place(control: Steered) -> None:
    """Each screen is drawn over the last, line by line, without clearing it first; Ctrl-C gives the cursor back."""
    with Terminal(control.path, 40, 100) as terminal:
        wait_until(lambda: len(terminal.screens()) >= 2, "two screens are drawn")
        assert terminal.shown().startswith(HIDE_CURSOR + HOME) and "\x1b[2J" not in terminal.shown()
        lines = terminal.screens()[0].splitlines()
        assert any(line.startswith("ok: every tunnel has a master") for line in lines)
        assert all(line.endswith(CLEAR_LINE) or not line for line in lines)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(20 * FACTOR) == 0
        wait_until(lambda: terminal.shown().endswith(SHOW_CURSOR + "\r\n"), "the cursor is back")


def test_watch_fits_a_small_terminal(control: Steered) -> None:
    """Nothing scrolls, and what is left out is told; TERM gives the cursor back too."""
    with Terminal(control.path, 5, 20) as terminal:
        wait_until(terminal.screens, "a screen is drawn")
        lines = [line.replace(CLEAR_LINE, "") for line in terminal.screens()[0].split("\r\n")]
        assert len(lines) <= 5 and all(len(line.rstrip("\r")) <= 20 for line in lines)
        assert " more lines: " in terminal.screens()[0]
        terminal.process.terminate()
        assert terminal.process.wait(20 * FACTOR) == 0
        wait_until(lambda: terminal.shown().endswith(SHOW_CURSOR + "\r\n"), "the cursor is back")


def test_watch_cuts_nothing_off_a_narrow_terminal(control: Steered) -> None:
    """What is too long for a line goes on in the next, as on a phone: the answer must be read to its end."""
    with Terminal(control.path, 40, 36) as terminal:
        wait_until(terminal.screens, "a screen is drawn")
        lines = [line.replace(CLEAR_LINE, "").rstrip("\r") for line in terminal.screens()[0].split("\r\n")]
        assert all(len(line) <= 36 for line in lines)
        assert lines[2:4] == ["ok: every tunnel has a master, 3 of", "  3 Sentinels answer"]


def test_watch_goes_on_when_the_process_comes_back(world: World) -> None:
    """It tells that nothing runs, and goes on."""
    with short_directory() as directory:
        path = os.path.join(directory, "s" * 50)
        with Terminal(path, 40, 80) as terminal:
            wait_until(lambda: "not running" in terminal.shown(), "it is not running")
            assert path in terminal.shown(), "in full, on as many lines as it needs"
            with steered(world, path=path):
                wait_until(lambda: "ok: every" in terminal.screens()[-1], "it runs")
            wait_until(lambda: "not running" in terminal.screens()[-1], "it is not running again")


@pytest.mark.parametrize("option, part", [([], "ok: every tunnel has a master"), (["--json"], '"state": "ok"')])
def test_watch_without_a_terminal_prints_blocks(control: Steered, tmp_path: pathlib.Path, option: t.List[str],
                                                part: str) -> None:
    """One after the other, without a control character, at once although it goes to a file."""
    environ = {"SENTINEL_TUNNEL_CONTROL": control.path}
    with Program(tmp_path, "status", "--watch", *option, environ=environ) as program:
        wait_until(lambda: program.out.count(part) >= 2, "two blocks are printed")
        assert "\x1b" not in program.out
        assert program.end(signal.SIGINT) == 0
        assert program.log == ""
