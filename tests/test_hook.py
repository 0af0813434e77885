"""The command of on_failover, with real commands: what it is told, what it is not, and how it ends."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import typing as t

import pytest

from st.config.environment import TOLD
from st.config.kinds import command
from st.ops.hook import STOP_WAIT, Hook, missing_program
from tests.configs import HEAD, loaded, settings
from tests.programs import ROOT
from tests.switches import switch
from tests.waiting import FACTOR, wait_until

LONG = 60 * FACTOR  # seconds; no test waits so long
# A script that ignores SIGTERM, like its child, and tells both numbers when it does.
STUBBORN = ("trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' & "
            "echo $$ $! > %s.new; mv %s.new %s; while :; do sleep 0.05; done")


class Hooks:
    """Makes hooks, and stops them at the end."""

    def __init__(self) -> None:
        self.made: t.List[Hook] = []

    def __call__(self, line: str, limit: float = LONG, more: str = "") -> Hook:
        hook = Hook(settings("%son_failover = %s\n%s" % (HEAD, line, more)), limit)
        self.made.append(hook)
        hook.start()
        return hook


@pytest.fixture
def hooks() -> t.Iterator[Hooks]:
    """Give a maker of started hooks from the line of the configuration."""
    made = Hooks()
    yield made
    for hook in made.made:
        hook.stop()


def script(code: str) -> str:
    """Return the line for a command that runs Python code."""
    return "%s -c \"%s\"" % (sys.executable, code)


def read(path: pathlib.Path) -> str:
    """Return the text of a file, or "" as long as there is none."""
    return path.read_text("utf-8") if path.exists() else ""


def test_the_command_is_told_of_the_switch(hooks: Hooks, tmp_path: pathlib.Path) -> None:
    """Its environment is ours, and tells old and new as an address and in parts, epoch, gap and time."""
    os.environ["OTHER"] = "kept"
    hooks("sh -c 'env > %s/new; mv %s/new %s/env'" % ((tmp_path,) * 3)).tell(switch())
    wait_until(lambda: read(tmp_path / "env"), "the command has run")
    told = dict(line.split("=", 1) for line in read(tmp_path / "env").splitlines() if "=" in line)
    prefix = "SENTINEL_TUNNEL_"
    assert {name[len(prefix):]: told.get(name) for name in TOLD} == {
        "TUNNEL": "sessions", "MASTER_NAME": "mymaster", "OLD": "10.0.0.21:6379", "OLD_HOST": "10.0.0.21",
        "OLD_PORT": "6379", "NEW": "10.0.0.22:6380", "NEW_HOST": "10.0.0.22", "NEW_PORT": "6380", "EPOCH": "7",
        "GAP": "7.200", "AT": "1763774000.120"}
    assert told.pop("OTHER") == os.environ.pop("OTHER")


def test_a_command_may_call_this_program(run_check: t.Callable[[t.Mapping[str, str]], str]) -> None:
    """What it was told is no near miss of a setting."""
    assert run_check(dict.fromkeys(TOLD, "x")) == ""


@pytest.fixture
def run_check() -> t.Callable[[t.Mapping[str, str]], str]:
    """Give a function that returns the warnings of a configuration in an environment."""
    return lambda environ: "\n".join(loaded(HEAD + "[tunnel:a]\nport = 1\n", environ=environ).warnings)


@pytest.fixture
def passwords() -> t.Iterator[t.Dict[str, str]]:
    """Put passwords into the environment, in all the ways they get there."""
    given = {"SENTINEL_TUNNEL_SENTINEL_PASSWORD": "secret-1", "SENTINEL_TUNNEL_REDIS_PASSWORD": "secret-2",
             "REDIS_PASSWORD": "secret-3", "MY_OWN": "secret-4", "MY_OTHER": "secret-5"}
    os.environ.update(given)
    yield given
    for name in given:
        del os.environ[name]


def test_the_command_gets_no_password(
        hooks: Hooks, tmp_path: pathlib.Path, passwords: t.Dict[str, str]) -> None:
    """Neither those of our variables nor those that the configuration names by variables of another name."""
    more = "sentinel_password = secret-4\n[tunnel:a]\nport = 1\nredis_password = secret-5\n"
    hooks("sh -c 'env > %s/new; mv %s/new %s/env'" % ((tmp_path,) * 3), more=more).tell(switch())
    wait_until(lambda: read(tmp_path / "env"), "the command has run")
    assert "SENTINEL_TUNNEL_NEW=" in read(tmp_path / "env") and "secret-" not in read(tmp_path / "env")


def test_no_socket_and_no_file_is_handed_over(hooks: Hooks, tmp_path: pathlib.Path) -> None:
    """The command has three descriptors, even when one of ours could be inherited; nothing can be read from the first.

    It has a session of its own, so that a signal to our process group does not reach it.
    """
    code = ("import os; found = sorted(os.listdir('/proc/self/fd'))[:-1]; file = open('%s.new', 'w');"
            " print(found, os.read(0, 1), os.getsid(0) == os.getpid(), file=file, flush=True);"
            " os.rename('%s.new', '%s')") % ((tmp_path / "seen",) * 3)
    with socket.socket() as listener:
        listener.listen(1)
        listener.set_inheritable(True)
        hooks(script(code)).tell(switch())
        wait_until(lambda: read(tmp_path / "seen"), "the command has run")
    assert read(tmp_path / "seen") == "['0', '1', '2'] b'' True\n"


def test_one_after_the_other(hooks: Hooks, tmp_path: pathlib.Path) -> None:
    """Two switches are two runs, the second when the first has ended."""
    path = tmp_path / "runs"
    hook = hooks("sh -c 'echo + $SENTINEL_TUNNEL_TUNNEL >> %s; sleep 0.1; echo - >> %s'" % (path, path))
    hook.tell(switch(tunnel="one"))
    hook.tell(switch(tunnel="two"))
    wait_until(lambda: read(path).count("\n") == 4, "both have run")
    assert read(path).split() == ["+", "one", "-", "+", "two", "-"]


def test_what_fails_is_one_line_in_the_log(hooks: Hooks, caplog: t.Any) -> None:
    """Exit code and the end of the output, at most 4 KiB, on one line."""
    hooks(script("import sys; print('x' * 100000); print('no such host' + chr(233)); sys.exit(3)")).tell(switch())
    wait_until(lambda: caplog.records, "it is logged")
    line = str(caplog.records[0].msg)
    assert caplog.records[0].levelname == "WARNING" and line.startswith("on_failover_failed why=")
    assert ' why="exit code 3" ' in line and " tunnel=sessions code=3 " in line and "no such host" in line
    assert len(line) < 5000 and "\n" not in line


def test_what_succeeds_is_logged(hooks: Hooks, caplog: t.Any) -> None:
    """The exit code always; what it printed, for an operator who tries it, with -v only."""
    caplog.set_level("DEBUG", "st")
    hooks("echo done").tell(switch())
    wait_until(lambda: len(caplog.records) == 2, "it is logged")
    assert [record.levelname for record in caplog.records] == ["INFO", "DEBUG"]
    assert str(caplog.records[0].msg).startswith("on_failover program=echo tunnel=sessions code=0 took=")
    assert str(caplog.records[1].msg) == "on_failover_output program=echo output=done"


@pytest.mark.parametrize("line, why", [("/does/not/exist", "No such file"), ("/etc/passwd", "Permission denied")])
def test_what_cannot_be_started_is_an_error(
        hooks: Hooks, expect_error: t.Callable[[str], None], caplog: t.Any, line: str, why: str) -> None:
    """The log names the program, the reason and what to do; the next switch is tried all the same."""
    expect_error("on_failover_not_started program=%s tunnel=sessions" % line)
    hook = hooks(line)
    hook.tell(switch())
    hook.tell(switch())
    wait_until(lambda: len(caplog.records) == 2, "both are logged")
    assert why in str(caplog.records[1].msg) and "correct on_failover" in str(caplog.records[1].msg)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped by its new parent or not."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_over_the_limit_its_whole_group_ends(hooks: Hooks, tmp_path: pathlib.Path, caplog: t.Any) -> None:
    """A command that ignores SIGTERM, and its child, are killed; the next switch is told after that."""
    path = tmp_path / "pids"
    hook = hooks("sh -c '%s'" % (STUBBORN % (path, path, path)).replace("'", "'\\''"), limit=FACTOR)
    hook.tell(switch())
    wait_until(lambda: read(path), "it runs")
    wait_until(lambda: caplog.records, "the end is logged")
    assert ' why="took longer than %gs: killed" ' % FACTOR in str(caplog.records[0].msg)
    assert " code=-9 " in str(caplog.records[0].msg)
    for pid in map(int, read(path).split()):
        wait_until(lambda: is_gone(pid), "process %d is gone" % pid)


def test_over_the_limit_it_is_asked_first(hooks: Hooks, caplog: t.Any) -> None:
    """SIGTERM comes first: a command can end in good order, and its last words are logged."""
    hooks("sh -c 'trap \"echo cleaned; exit 5\" TERM; while :; do sleep 0.02; done'", limit=FACTOR).tell(switch())
    wait_until(lambda: caplog.records, "the end is logged")
    assert " code=5 " in str(caplog.records[0].msg) and "cleaned" in str(caplog.records[0].msg)


def test_what_it_leaves_in_the_background_goes_on(hooks: Hooks, tmp_path: pathlib.Path, caplog: t.Any) -> None:
    """A child that keeps the output open delays nothing and is not killed."""
    caplog.set_level("DEBUG", "st")
    path = tmp_path / "pid"
    hooks("sh -c 'sleep 1000 & echo $! > %s'" % path).tell(switch())
    wait_until(lambda: caplog.records, "the end is logged")
    pid = int(read(path))
    try:
        assert " code=0 " in str(caplog.records[0].msg) and not is_gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_stop_gives_it_a_moment_and_then_kills(hooks: Hooks, tmp_path: pathlib.Path, caplog: t.Any) -> None:
    """stop() returns although the command goes on for ever; the command and its child are gone then."""
    path = tmp_path / "pids"
    hook = hooks("sh -c '%s'" % (STUBBORN % (path, path, path)).replace("'", "'\\''"))
    hook.tell(switch())
    wait_until(lambda: read(path), "it runs")
    hook.stop()
    assert "killed, since sentinel-tunnel stops" in str(caplog.records[0].msg)
    wait_until(lambda: all(is_gone(pid) for pid in map(int, read(path).split())), "the kernel has ended them")
    assert "on_failover" not in [thread.name for thread in threading.enumerate()]


def test_stop_lets_it_finish(hooks: Hooks, tmp_path: pathlib.Path) -> None:
    """What was told before the stop is still run, when it takes less than the moment there is."""
    hook = hooks("sh -c 'sleep %g; echo done > %s'" % (STOP_WAIT / 10, tmp_path / "end"))
    hook.tell(switch())
    hook.stop()
    assert read(tmp_path / "end") == "done\n"


def test_a_reload_may_bring_and_take_the_command(hooks: Hooks, tmp_path: pathlib.Path) -> None:
    """From none to one, and back; without one there is no thread."""
    path = tmp_path / "runs"
    hook = hooks("")
    hook.tell(switch())
    assert "on_failover" not in [thread.name for thread in threading.enumerate()]
    hook.change(settings("%son_failover = sh -c 'echo $SENTINEL_TUNNEL_TUNNEL >> %s'\n" % (HEAD, path)))
    hook.tell(switch(tunnel="second"))
    wait_until(lambda: read(path) == "second\n", "the new command has run")
    hook.change(settings(HEAD))
    hook.tell(switch(tunnel="third"))
    hook.stop()
    assert read(path) == "second\n"


def test_names_outside_ascii(hooks: Hooks, tmp_path: pathlib.Path) -> None:
    """Words and values reach the command as UTF-8, whatever the locale."""
    hook = hooks("sh -c 'echo $0 $SENTINEL_TUNNEL_TUNNEL > %s' caf\u00e9" % (tmp_path / "said"))
    hook.tell(switch(tunnel="na\u00efve"))
    wait_until(lambda: read(tmp_path / "said"), "the command has run")
    assert read(tmp_path / "said") == "caf\u00e9 na\u00efve\n"


@pytest.mark.parametrize("line, part", [
    ("/does/not/exist --now", "no program '/does/not/exist': write its whole path"),
    ("/etc/passwd", "no program '/etc/passwd'"),
    ("does-not-exist", "no program 'does-not-exist' in PATH ("),
])
def test_a_command_that_is_not_there_is_doubted(line: str, part: str) -> None:
    """Before the first failover, not after it."""
    assert part in (missing_program(command(line)) or "")


@pytest.mark.parametrize("line", ["", "sh -c true", sys.executable])
def test_a_command_that_is_there_is_not_doubted(line: str) -> None:
    """By name or by path, and none at all."""
    assert missing_program(command(line)) is None


def test_a_command_is_looked_for_without_a_locale(tmp_path: pathlib.Path) -> None:
    """Cron gives none, and Python 3.6 takes paths for ASCII then."""
    program = tmp_path / "caf\xe9"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    code = "from st.ops.hook import *; print(missing_program(Command((%a,))), missing_program(Command((%a,))))"
    found = subprocess.check_output([sys.executable, "-c", code % (str(program), str(program) + "\xe9")], cwd=ROOT,
                                    env={"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
    assert found.startswith(b"None on_failover: no program ")
