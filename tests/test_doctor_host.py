"""What the doctor sees of this host: ports, files, limits, the configuration."""
import os
import pathlib
import socket
import tempfile
import typing as t

import pytest

from st.doctor.host import look_at_host
from st.doctor.values import HostSeen
from st.host.lock import Lock
from tests.configs import HEAD, loaded
from tests.programs import own_places

NOBODY = 65534


@pytest.fixture
def look(tmp_path: pathlib.Path) -> t.Callable[[str], HostSeen]:
    """Look, with a configuration of these lines and places in a directory of its own."""
    def look_at(lines: str) -> HostSeen:
        environ = own_places(str(tmp_path))
        return look_at_host(loaded(HEAD + lines, environ=environ), environ)

    return look_at


@pytest.fixture
def taken() -> t.Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        yield holder.getsockname()[1]


def test_nothing_is_wrong(look: t.Callable[[str], HostSeen], tmp_path: pathlib.Path) -> None:
    """A free port, a socket's path, files that can be written."""
    seen = look("log_file = %s\n[tunnel:a]\nlisten = 127.0.0.1, %s\nport = 1\n" % (tmp_path / "log", tmp_path / "sock"))
    assert (seen.taken, seen.unwritable, seen.unknown, seen.warnings) == ((), (), (), ())
    assert seen.room >= 1 and seen.wanted is None and seen.limits.startswith("nofile ")
    assert not (tmp_path / "log").exists() and not (tmp_path / "sock").exists()


def test_a_port_of_another_process(look: t.Callable[[str], HostSeen], taken: int) -> None:
    """With its holder; also when a wildcard is wanted."""
    for host in ("127.0.0.1", "0.0.0.0"):
        [(tunnel, why)] = look("[tunnel:a]\nlisten = %s\nport = %d\n" % (host, taken)).taken
        assert tunnel == "a" and why.startswith("%s:%d: Address already in use: held by " % (host, taken))
        assert "pid %d" % os.getpid() in why


def test_ports_of_the_running_process(look: t.Callable[[str], HostSeen], taken: int, tmp_path: pathlib.Path) -> None:
    """What holds our lock may hold our ports, and has opened its files."""
    lines = "log_file = /nonexistent/log\n[tunnel:a]\nport = %d\n" % taken
    assert look(lines).taken and look(lines).unwritable
    with Lock(str(tmp_path / "control.lock")):
        seen = look(lines)
    assert (seen.taken, seen.unwritable) == ((), ())


def test_a_host_that_is_not_ours(look: t.Callable[[str], HostSeen]) -> None:
    """An address of somebody else, and a name without an address."""
    [(_, address)] = look("[tunnel:a]\nlisten = 192.0.2.77\nport = 1\n").taken
    [(_, name)] = look("[tunnel:a]\nlisten = nosuch.invalid\nport = 1\n").taken
    assert "Cannot assign requested address" in address and name.startswith("nosuch.invalid:1: ")


def test_files_that_cannot_be_written(look: t.Callable[[str], HostSeen], tmp_path: pathlib.Path) -> None:
    """A directory that is missing; one of another user is not judged by this one."""
    [text] = look("log_file = %s/no/log\n" % tmp_path).unwritable
    assert text == "%s/no/log: there is no directory %s/no" % (tmp_path, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_files_of_another_user(look: t.Callable[[str], HostSeen]) -> None:
    """One's own that cannot be written is a fault; of another's that is not known."""
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to others
        os.chmod(directory, 0o755)
        theirs, mine = os.path.join(directory, "theirs"), os.path.join(directory, "mine")
        os.mkdir(theirs, 0o755)
        os.mkdir(mine)
        os.chmod(mine, 0o555)
        os.chown(mine, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            seen = look("log_file = %s/log\npid_file = %s/pid\n" % (theirs, mine))
        finally:
            os.seteuid(0)
    assert "%s/pid: permission denied" % mine in seen.unwritable
    assert "%s/log: belongs to user root: run doctor as the user who runs the program" % theirs in seen.unknown


def test_room_and_warnings(look: t.Callable[[str], HostSeen], tmp_path: pathlib.Path) -> None:
    """What the configuration wants to serve, what it warns of, and a program that is missing."""
    seen = look("on_failover = /nonexistent/program\n[tunnel:a]\nport = 1\nmax_connections = 70000\n"
                "[tunnel:b]\nport = 2\nmax_connections = 7\n")
    assert seen.wanted == 70007 and seen.logins == ()
    assert look("[tunnel:a]\nmaster = b\nport = 1\nlogin = yes\nredis_password = c\n").logins == ("b",)
    assert len(seen.warnings) == 1 and "/nonexistent/program" in seen.warnings[0]
