"""The way to syslog, with a real socket in the place of the daemon's: restarts, a full buffer, no daemon at all."""
import contextlib
import logging
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import typing as t

import pytest

from st.event import Event
from st.log.lines import own_line
from st.log.logs import Log, configure
from st.log.syslog import syslog_json, syslog_text
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program
from tests.waiting import FACTOR

LOGGER = logging.getLogger("st.test")
HEAD = re.compile(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d sentinel-tunnel\[(\d+)\]: (.*)\Z", re.DOTALL)


class Daemon:
    """A syslog daemon: a socket at `path` that holds what it got."""

    def __init__(self, path: str, kind: int = socket.SOCK_DGRAM) -> None:
        self.path = path
        self.kind = kind
        self.start()

    def start(self) -> None:
        """Bind the socket."""
        self.socket = socket.socket(socket.AF_UNIX, self.kind)
        self.socket.settimeout(20 * FACTOR)
        self.socket.bind(self.path)
        if self.kind == socket.SOCK_STREAM:
            self.socket.listen(1)

    def stop(self) -> None:
        """Close the socket, and take it away as daemons do."""
        self.socket.close()
        os.unlink(self.path)

    def receive(self) -> str:
        """Return the next message without its head; check the head, and put the severity before it."""
        return parsed(self.socket.recv(65536).decode("ascii"))


def parsed(message: str) -> str:
    """Return severity and text of a message in the form of RFC 3164, facility daemon."""
    match = HEAD.match(message)
    assert match, message
    assert int(match.group(1)) >> 3 == 3 and int(match.group(2)) == os.getpid()
    return "%d %s" % (int(match.group(1)) & 7, match.group(3))


@pytest.fixture
def path() -> t.Iterator[str]:
    """Give a short path for a socket."""
    directory = tempfile.mkdtemp(prefix="st-")
    yield os.path.join(directory, "log")
    shutil.rmtree(directory)


@pytest.fixture
def daemon(path: str) -> t.Iterator[Daemon]:
    """Give a daemon for datagrams, as most are."""
    made = Daemon(path)
    yield made
    made.socket.close()


def to_syslog(path: str, level: str = "debug", file: t.Optional[str] = None) -> Log:
    """Return the log that goes to a syslog."""
    return configure(level, "text", file, path)


def test_severity_and_identity(daemon: Daemon, expect_error: t.Callable[[str], None], capfd: t.Any) -> None:
    """Each level is its severity, in facility daemon, under our name and number; stderr stays silent."""
    expect_error("event=broken")
    with to_syslog(daemon.path):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            LOGGER.log(level, Event("switch", event="broken", gap="7.2s"))
    said = "%s switch event=broken gap=7.2s"
    assert [daemon.receive() for _ in range(4)] == [
        "7 " + said % "DEBUG", "6 " + said % "INFO", "4 " + said % "WARNING", "3 " + said % "ERROR"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("day, text", [(1, "Nov  1 02:03:04"), (22, "Nov 22 02:03:04")])
def test_the_time_is_that_of_the_rfc(day: int, text: str) -> None:
    """Month in English, the day padded with a space, local time."""
    at = time.mktime((2026, 11, day, 2, 3, 4, 0, 0, -1))
    assert syslog_text(own_line(at, "INFO", Event("open"))) == "<30>%s sentinel-tunnel[%d]: INFO open" % (
        text, os.getpid())


def test_json_in_syslog(path: str) -> None:
    """With the format json the message is an object, the time in it too."""
    message = parsed(syslog_json(own_line(0, "INFO", Event("open", id=1))))
    assert message.startswith('6 {"time": "') and message.endswith('"event": "open", "id": 1}')


def test_a_traceback_is_part_of_the_message(daemon: Daemon, expect_error: t.Callable[[str], None]) -> None:
    """One message, one line of ASCII, whatever the exception says."""
    expect_error("crash")
    with to_syslog(daemon.path):
        try:
            raise ValueError("one\ntwo \u00e9\x1b")
        except ValueError:
            LOGGER.exception(Event("crash"))
    message = daemon.receive()
    assert message.startswith('3 ERROR crash traceback="Traceback (most recent') and "ValueError: one" in message
    assert all(" " <= char <= "~" for char in message)


def test_long_lines_are_cut(daemon: Daemon) -> None:
    """8 KiB at most; the next message is whole."""
    with to_syslog(daemon.path):
        LOGGER.info(Event("long", text="x" * 100000))
        LOGGER.info(Event("short"))
    assert len(daemon.socket.recv(65536)) == 8192
    assert daemon.receive() == "6 INFO short"


def test_a_daemon_that_restarts_loses_nothing_afterwards(daemon: Daemon) -> None:
    """The first message after the restart already arrives; those meanwhile are counted."""
    with to_syslog(daemon.path):
        LOGGER.info(Event("one"))
        assert daemon.receive() == "6 INFO one"
        daemon.stop()
        daemon.start()
        LOGGER.info(Event("two"))
        assert daemon.receive() == "6 INFO two"
        daemon.stop()
        LOGGER.info(Event("three"))
        LOGGER.info(Event("four"))
        daemon.start()
        LOGGER.info(Event("five"))
        assert daemon.receive() == '4 WARNING lost lines=2 why="[Errno 2] No such file or directory"'
        assert daemon.receive() == "6 INFO five"


def test_a_daemon_that_hangs_blocks_nobody(daemon: Daemon) -> None:
    """A full buffer costs lines, never time: all calls return, and the number is told when there is room."""
    with to_syslog(daemon.path):
        for number in range(1000):
            LOGGER.info(Event("e", n=number))
        arrived = 0
        daemon.socket.setblocking(False)
        try:
            while True:
                assert daemon.receive() == "6 INFO e n=%d" % arrived
                arrived += 1
        except BlockingIOError:
            pass
        LOGGER.info(Event("last"))
        assert 0 < arrived < 1000
        assert daemon.receive() == '4 WARNING lost lines=%d why="[Errno 11] Resource temporarily unavailable"' % (
            1000 - arrived)
        assert daemon.receive() == "6 INFO last"


def test_a_stream_is_spoken_too(path: str) -> None:
    """Where the daemon listens for a stream, each message ends with a NUL."""
    daemon = Daemon(path, socket.SOCK_STREAM)
    with daemon.socket, to_syslog(path):
        LOGGER.info(Event("one"))
        LOGGER.info(Event("two"))
        connection = daemon.socket.accept()[0]
        with connection:
            received = b""
            while received.count(b"\0") < 2:
                received += connection.recv(65536)
    assert [parsed(part) for part in received.decode("ascii").split("\0")[:-1]] == ["6 INFO one", "6 INFO two"]


def test_a_stream_that_is_full_or_gone(path: str) -> None:
    """A full one costs whole messages, which are counted; one that was closed is opened again."""
    daemon = Daemon(path, socket.SOCK_STREAM)
    with daemon.socket, to_syslog(path):
        with daemon.socket.accept()[0] as connection:
            for number in range(300):
                LOGGER.info(Event("long", n=number, text="x" * 7000))
            connection.setblocking(False)
            received = b""
            with contextlib.suppress(BlockingIOError):
                while True:
                    received += connection.recv(65536)
            messages = [parsed(part) for part in received.decode("ascii").split("\0")[:-1]]
            assert messages == ["6 INFO long n=%d text=%s" % (number, "x" * 7000) for number in range(len(messages))]
            assert received.endswith(b"\0") and 0 < len(messages) < 300
        LOGGER.info(Event("last"))
        with daemon.socket.accept()[0] as connection:
            received = b""
            while received.count(b"\0") < 2:
                received += connection.recv(65536)
    lost, last = [parsed(part) for part in received.decode("ascii").split("\0")[:-1]]
    assert lost.startswith("4 WARNING lost lines=%d " % (300 - len(messages))) and last == "6 INFO last"


def test_without_a_daemon_stderr_is_used(path: str, capfd: t.Any) -> None:
    """It says so, and goes on there; a daemon that starts later gets what is said from then on, and the count."""
    with to_syslog(path):
        LOGGER.info(Event("one"))
        daemon = Daemon(path)
        with daemon.socket:
            LOGGER.info(Event("two"))
            assert daemon.receive() == '4 WARNING lost lines=1 why="[Errno 2] No such file or directory"'
            assert daemon.receive() == "6 INFO two"
    lines = [line[30:] for line in capfd.readouterr().err.splitlines()]
    assert lines[0].startswith('WARNING syslog_not_reached socket=%s why="No such file or directory" means=' % path)
    assert lines[1:] == ["INFO one", "INFO two"]


def test_a_file_and_syslog(daemon: Daemon, tmp_path: pathlib.Path, capfd: t.Any) -> None:
    """With a log file too, both get each line, each in its own form."""
    with to_syslog(daemon.path, "info", str(tmp_path / "st.log")) as log:
        LOGGER.info(Event("one"))
        log.reopen()
        LOGGER.info(Event("two"))
    assert [line[30:] for line in (tmp_path / "st.log").read_text().splitlines()] == ["INFO one", "INFO two"]
    assert [daemon.receive(), daemon.receive()] == ["6 INFO one", "6 INFO two"]
    assert capfd.readouterr() == ("", "")


def test_a_reload_may_bring_and_take_syslog(daemon: Daemon, capfd: t.Any) -> None:
    """Without a new start."""
    with configure("info", "text", None) as log:
        LOGGER.info(Event("one"))
        with log.changing("info", "text", None, daemon.path):
            pass
        LOGGER.info(Event("two"))
        with log.changing("info", "text", None):
            pass
        LOGGER.info(Event("three"))
    assert daemon.receive() == "6 INFO two"
    assert [line[30:] for line in capfd.readouterr().err.splitlines()] == ["INFO one", "INFO three"]


def test_repeats_are_counted_here_too(daemon: Daemon) -> None:
    """The same line again and again is a line and a count."""
    with to_syslog(daemon.path):
        for _ in range(3):
            LOGGER.info(Event("one"))
    assert [daemon.receive(), daemon.receive()] == ["6 INFO one", "6 INFO repeated count=2 event=one"]


def test_a_process_logs_there_and_not_to_stderr(world: World, path: str, tmp_path: pathlib.Path) -> None:
    """--syslog, with a daemon at /dev/log: standard error stays empty, also over a reload and at the end."""
    directory = os.path.dirname(path)
    before = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev && exec "$@"', directory]
    try:
        os.mknod(os.path.join(directory, "null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        subprocess.run([*before, "true"], check=True, stderr=subprocess.PIPE, timeout=60)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip("needs the right to mount: %s" % error)
    words = ["run", "mymaster=%d" % free_port(), "-s", "%s:%d" % world.seeds[0], "--syslog"]
    daemon = Daemon(path)
    with daemon.socket, Program(tmp_path, *words, before=before) as program:
        program.wait_ready()
        program.send(signal.SIGHUP)
        said: t.List[str] = []
        while not any(" reloaded " in message for message in said):
            said.append(daemon.socket.recv(65536).decode("ascii"))
        assert program.end() == 0
        while "stopped" not in said[-1]:
            said.append(daemon.socket.recv(65536).decode("ascii"))
        assert program.log == ""
    assert re.match(r"<30>.{15} sentinel-tunnel\[\d+\]: INFO start version=", said[0])


@pytest.mark.skipif(os.path.exists("/dev/log"), reason="this host has a syslog daemon")
def test_a_process_without_a_daemon_says_so(world: World, tmp_path: pathlib.Path) -> None:
    """It runs, and logs to standard error."""
    words = ["run", "mymaster=%d" % free_port(), "-s", "%s:%d" % world.seeds[0]]
    with Program(tmp_path, *words, environ={"SENTINEL_TUNNEL_SYSLOG": "yes"}) as program:
        program.wait_ready()
        assert program.end() == 0
        assert " WARNING syslog_not_reached socket=/dev/log " in program.log.splitlines()[0]
        assert program.log.splitlines()[-1].endswith(" INFO stopped")
