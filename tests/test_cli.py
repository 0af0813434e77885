"""The program as a process: what it prints, where, and how it exits."""
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MINIMAL = os.path.join(ROOT, "conf", "minimal.ini")
ORIGINAL = os.path.join(ROOT, "conf", "original.json")


class Ended(t.NamedTuple):
    """What a process left."""

    code: int
    out: str
    err: str


Run = t.Callable[..., Ended]


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    """Give a way to run the program with nearly no environment, as cron does."""
    def start(*words: str, out: t.Any = subprocess.PIPE, **environ: str) -> Ended:
        variables = dict({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": ROOT}, **environ)
        process = subprocess.Popen([sys.executable, "-m", "st", *words], stdout=out, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, env=variables, cwd=str(tmp_path))
        output, errors = process.communicate(timeout=60)
        return Ended(process.returncode, (output or b"").decode("utf-8"), errors.decode("utf-8"))

    return start


def test_it_runs_without_a_locale(run: Run) -> None:
    """cron sets no LANG: click would abort on CPython 3.6."""
    assert run("--version") == Ended(0, "sentinel-tunnel 0.1.0\n", "")
    assert run("--version", LC_ALL="POSIX").code == 0


def test_no_argument_is_a_short_help(run: Run) -> None:
    """Usage and commands, on standard error, exit 2."""
    ended = run()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: sentinel-tunnel ") and "  check " in ended.err and "--help" in ended.err
    assert "--poll" not in ended.err


def test_check_tells_how_much_there_is(run: Run) -> None:
    """One line when all is well."""
    assert run("check", "-c", MINIMAL) == Ended(0, "ok: 1 tunnel, 3 sentinels\n", "")


def test_check_tells_notes_and_warnings_apart(run: Run, tmp_path: pathlib.Path) -> None:
    """Both on standard error, and neither with -q."""
    ended = run("check", "-c", ORIGINAL, SENTINEL_TUNNEL_POLLL="1")
    assert (ended.code, ended.out) == (0, "ok: 3 tunnels, 3 sentinels\n")
    assert ended.err.splitlines()[0].startswith("warning: environment: SENTINEL_TUNNEL_POLLL is ignored")
    assert ended.err.splitlines()[1].startswith("note: %s: tunnels listen on 127.0.0.1" % ORIGINAL)
    assert run("check", "-q", "-c", ORIGINAL, SENTINEL_TUNNEL_POLLL="1") == Ended(0, "", "")


def test_a_wrong_configuration_exits_78(run: Run, tmp_path: pathlib.Path) -> None:
    """Every problem has its line on standard error, also with -q."""
    (tmp_path / "sentinel-tunnel.ini").write_text("[sentinel-tunnel]\nsentinels = s1\npol = 1\n[tunnel:a]\n")
    assert run("check", "-q") == Ended(
        78, "", "./sentinel-tunnel.ini:3: unknown setting 'pol'; did you mean 'poll'?\n"
        "./sentinel-tunnel.ini:4: tunnel 'a' has no port: write one, such as port = 6379\n")


def test_a_name_that_is_not_ascii_works_without_a_locale(run: Run, tmp_path: pathlib.Path) -> None:
    """Names of any script are read, and printed as UTF-8 where a file is printed."""
    old = tmp_path / "old.json"
    old.write_bytes('{"sentinels":"s1","Databases":[{"Name":"caf\u00e9","Local_port":1}]}'.encode("utf-8"))
    ended = run("convert", str(old))
    assert (ended.code, ended.err) == (0, "") and "[tunnel:caf\u00e9]\n" in ended.out


@pytest.mark.parametrize("closing", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path: pathlib.Path, closing: str) -> None:
    """Some who start daemons close them."""
    command = "%s -m st check -c %s %s" % (sys.executable, MINIMAL, closing)
    assert subprocess.call(["sh", "-c", command], cwd=ROOT, stdout=subprocess.DEVNULL) == 0


def test_a_reader_that_goes_away_is_no_error(run: Run) -> None:
    """`sentinel-tunnel --help | head -1` prints no traceback."""
    for words in (["--help"], ["check", "-c", MINIMAL]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            ended = run(*words, out=writer)
        finally:
            os.close(writer)
        assert ended.err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this host has no /dev/full")
def test_a_full_disk_is_told_in_one_line(run: Run) -> None:
    """`sentinel-tunnel check > report` on a full disk fails, and says why."""
    for words in (["--help"], ["check", "-c", MINIMAL]):
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            ended = run(*words, out=full)
        finally:
            os.close(full)
        assert (ended.code, ended.err) == (1, "error: standard output: No space left on device\n")
