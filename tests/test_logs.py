"""The log as it is written: to stderr and to files, over rotation, a full disk and a vanished directory."""
import errno
import json
import logging
import os
import pathlib
import resource
import subprocess
import sys
import threading
import typing as t

import pytest

from st.errors import LogFileError
from st.event import Event
from st.log.logs import configure
from st.secret import Secret

LOGGER = logging.getLogger("st.test")


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Give the path of a log file that does not exist yet."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "st.log"


def said(path: pathlib.Path) -> t.List[str]:
    """Return the lines of a log file without the time."""
    return [line[30:] for line in path.read_text("ascii").splitlines()]


def fill(path: pathlib.Path) -> None:
    """Make the log file one that is always full."""
    path.symlink_to("/dev/full")


def test_the_level_decides_what_is_written(path: pathlib.Path) -> None:
    """Records below the level are not written; the others are."""
    with configure("info", "text", str(path)):
        LOGGER.debug(Event("open"))
        LOGGER.info(Event("close"))
    assert said(path) == ["INFO close"]


def test_json_is_one_object_a_line(path: pathlib.Path) -> None:
    """With the format json each line is an object."""
    with configure("info", "json", str(path)):
        LOGGER.info(Event("close", id=812))
        LOGGER.warning("no %s", "room")
    first, second = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert (first["level"], first["event"], first["id"]) == ("INFO", "close", 812)
    assert (second["event"], second["text"]) == ("message", "no room")


def test_a_secret_prints_as_stars(path: pathlib.Path) -> None:
    """A Secret in a field, in an argument or in JSON never shows its value."""
    for format in ("text", "json"):
        with configure("info", format, str(path)):
            LOGGER.info(Event("login", password=Secret("hunter2")))
            LOGGER.info("password %s or %r", Secret("hunter2"), Secret("hunter2"))
    assert "hunter2" not in path.read_text("ascii") and "password=***" in path.read_text("ascii")


def test_without_a_file_it_goes_to_stderr(capfd: t.Any) -> None:
    """None is stderr, which stays open when the log is closed."""
    with configure("info", "text", None) as log:
        LOGGER.info(Event("open"))
        log.reopen()
        LOGGER.info(Event("close"))
    os.write(2, b"still open\n")
    assert [line[-10:] for line in capfd.readouterr().err.splitlines()] == [" INFO open", "INFO close", "still open"]


def test_dev_null_is_no_log(capfd: t.Any) -> None:
    """With /dev/null nothing is written anywhere."""
    with configure("info", "text", os.devnull):
        LOGGER.warning(Event("open"))
    assert capfd.readouterr().err == ""


def run_child(code: str, **options: t.Any) -> "subprocess.CompletedProcess[bytes]":
    """Run `code` in a Python with an empty environment, as cron has it."""
    root = str(pathlib.Path(__file__).resolve().parent.parent)
    code = "import logging, os\nfrom st.log.logs import configure\n" + code
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, timeout=60, **options)


def test_output_is_ascii_without_any_locale() -> None:
    """With LANG unset, as under cron, text outside ASCII is escaped and nothing fails."""
    done = run_child("configure('info', 'text', None)\nlogging.getLogger('st').warning(chr(233) + chr(0xdc80))")
    assert done.stderr.endswith(b' WARNING message text="\\u00e9\\udc80"\n')


def test_a_closed_stderr_takes_nothing(tmp_path: pathlib.Path) -> None:
    """Started with stderr closed, no line goes to whatever was given descriptor 2 afterwards."""
    victim = tmp_path / "victim"
    code = "fd = os.open(%r, os.O_CREAT | os.O_RDWR)\nassert fd == 2\n" % str(victim)
    run_child(
        code + "with configure('info', 'text', None): logging.getLogger('st').warning('x')",
        preexec_fn=lambda: os.close(2),
        stderr=None,
    )
    assert victim.read_bytes() == b""


def test_loggers_are_given_back(path: pathlib.Path) -> None:
    """While configured nothing goes to the root logger; afterwards all is as before, also after a second close."""
    logger = logging.getLogger("st")
    before = (logger.level, logger.propagate, list(logger.handlers))
    log = configure("debug", "text", str(path))
    assert (logger.level, logger.propagate) == (logging.DEBUG, False)
    log.close()
    assert (logger.level, logger.propagate, logger.handlers) == before
    logger.setLevel(logging.ERROR)
    log.close()
    assert logger.level == logging.ERROR
    logger.setLevel(before[0])


def test_repeats_are_written_as_a_count(path: pathlib.Path) -> None:
    """The same line again and again is one line and a count, on flush and on close."""
    with configure("info", "text", str(path)) as log:
        for _ in range(3):
            LOGGER.warning(Event("refused", why="limit"))
        log.flush()
        assert said(path) == ["WARNING refused why=limit", "WARNING repeated count=2 event=refused"]
        LOGGER.warning(Event("refused", why="limit"))
    assert said(path)[2:] == ["WARNING repeated count=1 event=refused"]


def test_an_existing_file_is_appended_to(path: pathlib.Path) -> None:
    """A restart keeps what is in the file."""
    path.write_text("before\n")
    with configure("info", "text", str(path)):
        LOGGER.info(Event("open"))
    assert path.read_text("ascii").startswith("before\n2") and said(path)[1] == "INFO open"


def test_a_moved_file_is_made_anew(path: pathlib.Path) -> None:
    """After logrotate's rename the next line is in a new file; no signal is needed."""
    with configure("info", "text", str(path)):
        LOGGER.info(Event("one"))
        path.rename(path.with_suffix(".1"))
        LOGGER.info(Event("two"))
    assert said(path.with_suffix(".1")) == ["INFO one"] and said(path) == ["INFO two"]


def test_a_file_created_by_logrotate_is_followed(path: pathlib.Path) -> None:
    """When another file stands at the path, lines go there."""
    with configure("info", "text", str(path)):
        path.rename(path.with_suffix(".1"))
        path.touch()
        LOGGER.info(Event("two"))
    assert said(path) == ["INFO two"]


def test_reopen_opens_the_path_again(path: pathlib.Path) -> None:
    """reopen() makes the file at once, before there is a line for it."""
    with configure("info", "text", str(path)) as log:
        path.unlink()
        log.reopen()
        assert path.exists()


def test_a_reopen_that_fails_keeps_the_old_file(path: pathlib.Path) -> None:
    """Out of descriptors, reopen() leaves the open file as it is and says so in it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with configure("info", "text", str(path)) as log:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
        try:
            log.reopen()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        LOGGER.info(Event("one"))
    first, second = said(path)
    assert first.startswith('WARNING log_not_reopened why="[Errno 24] Too many open files') and second == "INFO one"


def test_other_threads_log_on_after_each_call(path: pathlib.Path) -> None:
    """No call on the log keeps its lock: a thread that logs afterwards is not blocked, even after the close."""
    log = configure("info", "text", str(path))
    handler = logging.getLogger("st").handlers[-1]
    record = LOGGER.makeRecord("st", logging.INFO, "f", 1, "late", (), None)
    for call in (log.flush, log.reopen, log.close):
        call()
        thread = threading.Thread(target=handler.handle, args=(record,), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), call


def test_a_full_disk_costs_lines_and_nothing_else(path: pathlib.Path, capfd: t.Any) -> None:
    """No log call raises or prints on a full disk; with room again the loss is told once, then all goes on."""
    fill(path)
    with configure("info", "text", str(path)):
        for number in range(3):
            LOGGER.info(Event("e", n=number))
        path.unlink()
        LOGGER.info(Event("e", n=3))
        LOGGER.info(Event("e", n=4))
    assert said(path) == [
        'WARNING lost lines=3 why="[Errno 28] No space left on device"',
        "INFO e n=3",
        "INFO e n=4",
    ]
    assert capfd.readouterr() == ("", "")


def test_a_disk_that_stays_full_does_not_stop_the_end(path: pathlib.Path) -> None:
    """close() with a count to write passes on a full disk."""
    fill(path)
    with configure("info", "text", str(path)) as log:
        LOGGER.info(Event("e"))
        LOGGER.info(Event("e"))
        log.flush()
        LOGGER.info(Event("e"))


def test_a_vanished_directory_costs_lines_and_nothing_else(path: pathlib.Path, capfd: t.Any) -> None:
    """Lines are lost while the directory is gone; when it is back the file is made anew."""
    with configure("info", "text", str(path)) as log:
        path.parent.rename(path.parent.with_name("gone"))
        LOGGER.info(Event("one"))
        log.reopen()
        LOGGER.info(Event("two"))
        path.parent.mkdir()
        LOGGER.info(Event("three"))
    lost = "WARNING lost lines=3 why=\"[Errno 2] No such file or directory: '%s'\"" % path
    assert said(path) == [lost, "INFO three"]
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def file_limit() -> t.Iterator[t.Callable[[int], None]]:
    """Give a function that bounds the size of files, as a nearly full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_cut_short_stays_alone(path: pathlib.Path, file_limit: t.Callable[[int], None]) -> None:
    """The part of a line that a full disk took does not swallow the beginning of the next line."""
    with configure("info", "text", str(path)):
        file_limit(34)
        LOGGER.info(Event("one"))
        LOGGER.info(Event("two"))
        file_limit(-1)
        LOGGER.info(Event("three"))
        LOGGER.info(Event("four"))
    lines = said(path)
    assert lines[0] == "INFO" and lines[1].startswith("WARNING lost lines=2 ")
    assert lines[2:] == ["INFO three", "INFO four"]


def test_a_new_file_does_not_begin_with_an_empty_line(path: pathlib.Path, file_limit: t.Callable[[int], None]) -> None:
    """A line cut short in the old file leaves no trace in the new one."""
    with configure("info", "text", str(path)):
        file_limit(34)
        LOGGER.info(Event("one"))
        file_limit(-1)
        path.unlink()
        LOGGER.info(Event("two"))
    assert len(said(path)) == 2 and said(path)[1] == "INFO two"


def test_a_record_after_the_close_makes_no_file(path: pathlib.Path) -> None:
    """A thread that still logs while the log is closed neither fails nor opens the file again."""
    log = configure("info", "text", str(path))
    handler = logging.getLogger("st").handlers[-1]
    log.close()
    path.unlink()
    handler.handle(LOGGER.makeRecord("st", logging.INFO, "f", 1, "late", (), None))
    assert not path.exists()


def test_the_end_of_the_process_may_close_it_again(path: pathlib.Path) -> None:
    """The interpreter closes each handler at its end; after ours is closed that does nothing."""
    log = configure("info", "text", str(path))
    handler = logging.getLogger("st").handlers[-1]
    log.close()
    handler.close()


def test_lines_of_many_threads_stay_whole(path: pathlib.Path) -> None:
    """Threads that log at the same time, while the file is rotated, lose and mix nothing."""
    with configure("info", "text", str(path)):
        threads = [threading.Thread(target=log_many, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        path.rename(path.with_suffix(".1"))
        for thread in threads:
            thread.join()
        LOGGER.info(Event("end"))
    lines = said(path) + said(path.with_suffix(".1"))
    assert sorted(lines) == sorted(["INFO e t=%d n=%d" % (t, n) for t in range(4) for n in range(200)] + ["INFO end"])


def log_many(thread: int) -> None:
    """Log 200 lines, no two alike."""
    for number in range(200):
        LOGGER.info(Event("e", t=thread, n=number))


def test_a_missing_directory_is_an_error_at_the_start(tmp_path: pathlib.Path) -> None:
    """A file that cannot be opened is an error that names it and says what to do, and leaves the loggers alone."""
    before = list(logging.getLogger("st").handlers)
    with pytest.raises(LogFileError) as caught:
        configure("info", "text", str(tmp_path / "none" / "st.log"))
    assert caught.value.errno == errno.ENOENT
    assert str(caught.value).endswith("none/st.log: No such file or directory: make its directory first")
    assert logging.getLogger("st").handlers == before


def test_a_directory_is_no_log_file(tmp_path: pathlib.Path) -> None:
    """A directory in the place of the file is an error with its own advice."""
    with pytest.raises(LogFileError, match="Is a directory: name a file in it"):
        configure("info", "text", str(tmp_path))


def test_any_other_fault_has_advice_too() -> None:
    """An error without advice of its own says to name another file."""
    with pytest.raises(LogFileError, match="Not a directory: name another file"):
        configure("info", "text", "/dev/null/x")


@pytest.fixture
def as_nobody() -> t.Iterator[None]:
    """Make a test of root one of an ordinary user."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_missing_permission_is_told(as_nobody: None) -> None:
    """Without the right to write the error carries EACCES, for exit code 77, and names the user."""
    with pytest.raises(LogFileError, match="let user %d write it, or name another file" % os.geteuid()) as caught:
        configure("info", "text", "/etc/passwd")
    assert caught.value.errno == errno.EACCES


def test_a_reader_that_stopped_costs_lines_and_stops_nobody() -> None:
    """A full pipe on stderr blocks no thread that logs; when it is read again, the number of lost lines is told."""
    program = "import logging, sys; from st.log.logs import configure; log = configure('info', 'text', None);" \
              "[logging.getLogger('st').info('line %d', n) for n in range(5000)]; print('on', flush=True);" \
              "sys.stdin.readline(); logging.getLogger('st').info('last'); log.close()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, universal_newlines=True)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "on\n"
    first = process.stderr.read(30000)  # of the 65536 that the pipe holds: there is room again
    rest = process.communicate("go on\n")[1]
    assert "line 0" in first and "lost lines=" in rest and rest.endswith("text=last\n")
