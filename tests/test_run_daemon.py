"""`run`, one at a time: in the foreground and with --daemon."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import typing as t

import pytest

from st import __version__
from st.host.lock import Lock
from tests.cron import Ended, Host, hosted
from tests.programs import ROOT, is_alive
from tests.waiting import FACTOR, wait_until

# Everything is imported first: that user may not be allowed to read this Python.
AS_NOBODY = ("import os, subprocess, sys; from st.cli.main import main; 'x'.encode('idna'); "
             "'x'.encode('unicode_escape'); os.geteuid() or os.setuid(65534); main(sys.argv[1:])")
NO_LOG = "warning: no log will be kept: --log-file FILE names one\n"


@pytest.fixture
def host(tmp_path: pathlib.Path) -> t.Iterator[Host]:
    """Give a host with a configuration for one process."""
    with hosted(tmp_path) as made:
        yield made


def ended(pid: int) -> None:
    """Send TERM and wait for the end."""
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(pid), "it has ended")


def test_a_second_run_is_refused(host: Host) -> None:
    """Exit 75, before anything else is touched: its log file does not come to be."""
    assert host.run("run", "--daemon", "-c", str(host.config)).code == 0
    for options in ([], ["--daemon"]):
        second = host.run("run", *options, "-c", str(host.config), "--log-file", "second")
        assert second.code == 75
        assert second.err.startswith("error: already running: pid %d holds the lock %s. " % (host.pid, host.lock))
    assert not (host.directory / "second").exists()


def test_another_control_socket_is_another_process(host: Host) -> None:
    """As the message says; it has a lock of its own."""
    with Lock(host.lock):
        told = host.run("run", "--daemon", "-c", str(host.config), "--control", host.control + "2")
        assert (told.code, told.err) == (0, NO_LOG)
    wait_until(host.serves, "it serves")


def test_it_goes_to_the_background(host: Host) -> None:
    """It says so when it listens, and that nobody will read its log."""
    told = host.run("run", "--daemon", "-c", str(host.config))
    assert told == Ended(0, "sentinel-tunnel %s: running in the background, pid %d\n" % (__version__, host.pid), NO_LOG)
    assert host.serves()
    ended(host.pid)


def test_relative_paths_stay_what_they_are(host: Host) -> None:
    """The configuration, the log, the pid file and a password file, also at a reload: it has left the directory."""
    (host.directory / "pass").write_text("secret\n")
    (host.directory / "pass").chmod(0o600)
    told = host.run("run", "--daemon", "-c", "tunnel.ini", "--log-file", "log", "--pid-file", "pid",
                    "--sentinel-password-file", "pass")
    assert (told.code, told.err) == (0, "")
    pid, log = host.pid, host.directory / "log"
    assert (host.directory / "pid").read_text() == "%d\n" % pid and os.readlink("/proc/%d/cwd" % pid) == "/"
    host.config.write_text(host.config.read_text().replace("drain = 0", "drain = 1ms"))
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: "reloaded" in log.read_text(), "it is reloaded")
    assert " changes=\"changed: drain\"" in log.read_text() and " config=%s " % host.config in log.read_text()
    assert os.readlink("/proc/%d/cwd" % pid) == "/"
    ended(pid)
    assert not (host.directory / "pid").exists() and " stopped" in log.read_text()


def test_a_directory_that_is_gone_refuses_a_reload(host: Host) -> None:
    """And nothing else."""
    start = host.directory / "start"
    start.mkdir()
    log = host.directory / "log"
    assert host.run("run", "--daemon", "-c", "../tunnel.ini", "--log-file", str(log), cwd=str(start)).code == 0
    start.rmdir()
    os.kill(host.pid, signal.SIGHUP)
    wait_until(lambda: "reload_refused" in log.read_text(), "the reload is refused")
    assert "%s, where it was started: No such file or directory" % start in log.read_text()
    assert host.serves()
    ended(host.pid)  # the host finds its processes by the whole path of the configuration, which this one has not


def test_an_error_is_that_of_the_command(host: Host) -> None:
    """Its text and its exit code come from the detached process; the log has it too."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", host.port))
        busy.listen(1)
        told = host.run("run", "--daemon", "-c", str(host.config), "--log-file", "log")
    text = "127.0.0.1:%d: cannot listen: Address already in use" % host.port
    assert (told.code, told.out) == (1, "") and told.err.startswith("error: " + text)
    assert re.search(r' ERROR failed why="%s' % re.escape(text), (host.directory / "log").read_text())
    wait_until(lambda: not host.processes(), "it has ended")


def test_a_pid_file_that_cannot_be_written(host: Host) -> None:
    """It does not start then: somebody counts on it."""
    told = host.run("run", "--daemon", "-c", str(host.config), "--pid-file", "/dev/null/pid")
    assert told.code == 1 and "error: pid file /dev/null/pid: Not a directory" in told.err


@pytest.mark.parametrize("words", [["--lock", "/dev/null/lock"], ["--control", "/dev/null/control.sock"]])
def test_a_chosen_lock_that_cannot_be_had(host: Host, words: t.List[str]) -> None:
    """Whoever named the place means it."""
    told = host.run("run", "-c", str(host.config), *words)
    assert told.code == 1 and "error: lock /dev/null/%s" % os.path.splitext(words[1])[0][10:] in told.err


def start_as_nobody(host: Host, *words: str) -> "subprocess.Popen[bytes]":
    """Start the program as a user that cannot make the place of a lock."""
    environ = {"HOME": "/proc", "PATH": host.environ["PATH"]}
    return subprocess.Popen([sys.executable, "-c", AS_NOBODY, "run", "a=%d" % host.port, *words], cwd=ROOT, env=environ,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_no_place_for_a_lock_is_a_warning(host: Host) -> None:
    """As in a container that is read-only: one line in the log, and it serves. In the background it is an error."""
    process = start_as_nobody(host, "-s", "127.0.0.1:1")
    try:
        wait_until(lambda: host.serves() or process.poll() is not None, "it serves")
    finally:
        process.terminate()
        log = process.communicate(timeout=60 * FACTOR)[1].decode("ascii")
    assert process.returncode == 0 and log.count(" WARNING not_locked ") == 1, log
    refused = start_as_nobody(host, "-s", "127.0.0.1:1", "--daemon")
    errors = refused.communicate(timeout=60 * FACTOR)[1].decode("ascii")
    assert refused.returncode in (1, 77) and "error: lock " in errors, errors
