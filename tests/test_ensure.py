"""The command ensure, as cron runs it: one process, silence when all is well, and no flood of mail."""
import errno
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import typing as t

import pytest

from st.host.lock import Lock
from tests.cron import Ended, Host, hosted
from tests.programs import is_alive
from tests.waiting import FACTOR, wait_until

CROWD = 50  # `ensure` at the same moment
SILENCE = Ended(0, "", "")


@pytest.fixture
def host(tmp_path: pathlib.Path) -> t.Iterator[Host]:
    """Give a host with a configuration for one process."""
    with hosted(tmp_path) as made:
        yield made


def test_it_starts_one_and_leaves_it_alone(host: Host) -> None:
    """Silent both times; its output ends although the process lives; after a crash the next one starts another."""
    assert host.ensure() == SILENCE
    first = host.pid
    assert host.serves() and host.ensure() == SILENCE and host.pid == first
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first), "it has ended")
    assert host.ensure() == SILENCE
    assert host.pid != first and host.serves()


def test_a_cleaner_cuts_nobody_off(host: Host) -> None:
    """Somebody removes the directory of lock and control socket: they come back, and there is still one process."""
    assert host.ensure() == SILENCE
    first = host.pid
    shutil.rmtree(os.path.dirname(host.lock))
    wait_until(lambda: os.path.exists(host.lock) and os.path.exists(host.control), "both are there again")
    assert host.ensure() == SILENCE and host.pid == first
    assert host.run("stop", "-c", str(host.config)) == Ended(0, "stopped pid %d\n" % first, "")


def test_a_crowd_starts_exactly_one(host: Host) -> None:
    """Each of them is content."""
    crowd = [host.popen("ensure", "-c", str(host.config), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
             for _ in range(CROWD)]
    try:
        results = [(process.communicate(timeout=120 * FACTOR)[0], process.returncode) for process in crowd]
    finally:
        for process in crowd:
            process.kill()
            process.wait()
    assert results == [(b"", 0)] * CROWD
    wait_until(lambda: len(host.processes()) == 1, "those that came late have ended")
    assert host.processes() == [host.pid] and host.serves()


def test_a_wrong_configuration_is_told_once(host: Host) -> None:
    """Exit 78 each time; mended and broken again, it is news."""
    good, bad = host.config.read_text(), host.config.read_text() + "holdd = 3\n"
    host.config.write_text(bad)
    told = host.ensure()
    assert told.code == 78 and told.out == "" and "unknown setting 'holdd'; did you mean 'hold'?" in told.err
    assert [host.ensure(), host.ensure()] == [Ended(78, "", "")] * 2
    host.config.write_text(good.replace("port", "prot"))
    assert host.ensure().err != ""
    host.config.write_text(bad)
    assert host.ensure() == Ended(78, "", "")
    host.config.write_text(good)
    assert host.ensure() == SILENCE and not host.told.exists()
    host.config.write_text(bad)
    assert host.ensure() == told


def test_what_stops_the_start_is_told_once(host: Host) -> None:
    """The error comes from the detached process, with its code."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", host.port))
        busy.listen(1)
        told = host.ensure()
        assert told.code == 1 and told.err.startswith("error: 127.0.0.1:%d: cannot listen: " % host.port)
        assert host.ensure() == Ended(1, "", "")
    assert host.ensure() == SILENCE and not host.told.exists()


def is_bound(sock: socket.socket, port: int) -> bool:
    """Bind a socket to a port; False while somebody else has it."""
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        assert error.errno == errno.EADDRINUSE
        return False
    return True


def test_its_words_go_to_a_file(host: Host) -> None:
    """As of a crontab line that ends in >>FILE 2>&1: silent while it runs, and the reason alone when it does not."""
    log = host.directory / "cron.log"

    def ensure() -> int:
        with log.open("ab") as file:
            return host.popen("ensure", "-c", str(host.config), stdout=file, stderr=file).wait(60 * FACTOR)

    assert (ensure(), ensure(), log.read_text()) == (0, 0, "")
    os.kill(host.pid, signal.SIGKILL)
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: is_bound(busy, host.port), "its port is free")  # when its last thread has ended
        busy.listen(1)
        assert ensure() == 1
    assert log.read_text().startswith("error: 127.0.0.1:%d: cannot listen: " % host.port)
    assert len(log.read_text().splitlines()) == 1


def test_what_cannot_be_remembered_is_told_each_time(host: Host) -> None:
    """Rather too often than never."""
    host.config.write_text("")
    host.told.mkdir(parents=True)
    (host.told / "file").write_text("")
    told = host.ensure()
    assert told.code == 78 and told.err != "" and host.ensure() == told


def test_a_person_is_told_each_time(host: Host) -> None:
    """On a terminal silence would be a riddle."""
    host.config.write_text("")
    assert host.ensure().err != "" and host.ensure().err == ""
    terminal, end = pty.openpty()
    try:
        process = host.popen("ensure", "-c", str(host.config), stdout=end, stderr=end)
        assert process.wait(60 * FACTOR) == 78
        assert b"no Sentinel is given" in os.read(terminal, 4096)
    finally:
        os.close(terminal)
        os.close(end)


def test_it_insists_on_ports_and_a_lock(host: Host) -> None:
    """What the Sentinels know may be different tomorrow; without a lock there would be a second process."""
    host.config.write_text(host.config.read_text().partition("[tunnel:a]")[0] + "lock = off\n")
    told = host.ensure()
    lines = told.err.splitlines()
    assert told.code == 78 and len(lines) == 2
    assert lines[0].startswith("no tunnel: a process in the background needs tunnels with ports: ")
    assert lines[1].startswith("lock = off: a process in the background needs its lock, ")


def test_nothing_at_all_around_it(host: Host) -> None:
    """No HOME, no locale, signals that are ignored, all standard streams closed."""
    words = ["sh", "-c", "trap '' INT TERM HUP; exec \"$@\" <&- >&- 2>&-", "sh"]
    words += host.words("ensure", "-c", str(host.config))
    assert subprocess.call(words, env=host.environ, cwd="/") == 0
    pid = host.pid
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(pid), "TERM ends it though it was ignored at the start")


@pytest.mark.parametrize("nobody", ["pipe", "/dev/full"])
def test_nobody_takes_what_it_prints(host: Host, nobody: str) -> None:
    """The exit code tells all the same."""
    host.config.write_text("")
    if nobody == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(nobody, os.O_WRONLY)
    try:
        assert host.popen("ensure", "-c", str(host.config), stdout=writer, stderr=writer).wait(60 * FACTOR) == 78
    finally:
        os.close(writer)


def test_a_process_that_hangs_is_replaced_when_asked(host: Host) -> None:
    """Stopped, it does not answer; without --replace-hung it is left to a person."""
    assert host.ensure() == SILENCE
    hung = host.pid
    os.kill(hung, signal.SIGSTOP)
    assert host.ensure() == SILENCE and host.pid == hung
    assert host.ensure("--replace-hung") == SILENCE
    wait_until(lambda: not is_alive(hung), "the hung one has ended")
    assert host.pid != hung and host.serves()


def test_a_healthy_process_is_never_replaced(host: Host) -> None:
    """Neither one that answers nor one whose control socket somebody has removed."""
    assert host.ensure() == SILENCE
    first = host.pid
    assert host.ensure("--replace-hung") == SILENCE
    os.unlink(host.control)
    assert host.ensure("--replace-hung") == SILENCE
    assert host.pid == first and host.serves()


def test_replacing_needs_the_control_socket(host: Host) -> None:
    """Off and asked together is a wrong configuration."""
    host.environ["SENTINEL_TUNNEL_CONTROL"] = "off"
    host.environ["SENTINEL_TUNNEL_LOCK"] = host.lock
    told = host.ensure("--replace-hung")
    assert told.code == 78 and told.err.startswith("control = off: --replace-hung asks on the control socket")
    assert host.ensure() == SILENCE and host.serves()


def test_a_master_may_be_required(host: Host) -> None:
    """Exit 69 with the reason, once, and nothing runs on."""
    told = host.ensure("--require-master", "--hold", "4s")  # longer than it waits without that option
    assert told.code == 69 and told.err.startswith("error: no master within 4s: a: ")
    Lock(host.lock).close()


def test_the_help_says_what_cron_needs(host: Host) -> None:
    """The lines to copy."""
    assert "* * * * * sentinel-tunnel ensure -c /etc/sentinel-tunnel.ini\n" in host.run("ensure", "--help").out
