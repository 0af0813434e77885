"""The control socket under clients that are slow, idle, wrong or many, and the file that it is."""
import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import typing as t

import pytest

from st.control.commands import Answer
from st.control.place import ControlError, Place
from st.control.server import MOST
from st.control.talk import Talk
from st.deadline import Deadline
from st.unix import LONGEST
from tests.control import Steered, short_directory, steered
from tests.fakes import World
from tests.tunnels import descriptors, no_threads_left, until_ended
from tests.waiting import FACTOR, wait_until


@pytest.fixture
def control(world: World) -> t.Iterator[Steered]:
    """Give a control socket on an App with one tunnel."""
    with steered(world) as made:
        yield made


@pytest.fixture
def path() -> t.Iterator[str]:
    """Give a path for a socket, in a directory that is not there yet."""
    with short_directory() as directory:
        yield os.path.join(directory, "made", "s")


def ping(sock: socket.socket) -> bytes:
    """Return what one PING brings."""
    sock.sendall(b"PING\r\n")
    return sock.recv(100)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"*1\r\nx", b"x" * 70000])
def test_garbage_gets_an_error_and_an_end(control: Steered, garbage: bytes) -> None:
    """The next client is served."""
    with control.connect() as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(garbage)
        assert sock.recv(200).startswith(b"-ERR Protocol error: ")
        with contextlib.suppress(ConnectionResetError):  # it closed with some of ours unread
            assert sock.recv(200) == b""
    assert control.ask(b"PING\r\n") == b"+PONG\r\n"


def test_many_idle_clients_keep_nobody_out(control: Steered) -> None:
    """The one that has asked nothing for the longest time makes room; those that ask stay."""
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(control.connect()) for _ in range(MOST)]
        assert [ping(sock) for sock in idle] == [b"+PONG\r\n"] * MOST
        assert ping(idle[0]) == b"+PONG\r\n"  # so that the second is the one
        newcomer = stack.enter_context(control.connect())
        assert ping(newcomer) == b"+PONG\r\n"
        assert idle[1].recv(100) == b""
        assert ping(idle[0]) == ping(idle[2]) == b"+PONG\r\n"


def test_a_storm_of_clients_leaves_few_threads(control: Steered) -> None:
    """However many connect and say half a word, the process serves with a bounded number of threads."""
    with contextlib.ExitStack() as stack:
        for _ in range(4 * MOST):
            sock = stack.enter_context(control.connect())
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(b"*1\r\n$4\r\nPI")
        wait_until(lambda: control.ask(b"PING\r\n") == b"+PONG\r\n", "a client with a question gets in")
        assert sum(thread.name.startswith("control #") for thread in threading.enumerate()) <= MOST


def test_who_waits_holds_up_nobody(control: Steered, world: World) -> None:
    """WAIT ends when the client hangs up, and another makes room for those who come."""
    for sentinel in world.sentinels:
        sentinel.masters.clear()
    world.master.role = "slave"
    wait_until(lambda: control.app.tunnel().state == "no_master", "there is no master any more")
    with contextlib.ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(control.connect()).sendall(b"WAIT 3600\r\n")
        assert control.ask(b"PING\r\n") == b"+PONG\r\n"
    wait_until(lambda: not any(thread.name.startswith("control #") for thread in threading.enumerate()),
               "no thread waits for clients that have gone")


def test_who_is_being_answered_stays(control: Steered, world: World) -> None:
    """Those that ask nothing make room first, though they came later."""
    for sentinel in world.sentinels:
        sentinel.masters.clear()
    world.master.role = "slave"
    wait_until(lambda: control.app.tunnel().state == "no_master", "there is no master any more")
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(control.connect())
        waiting.sendall(b"WAIT 3600\r\n")
        idle = [stack.enter_context(control.connect()) for _ in range(MOST - 1)]
        assert [ping(sock) for sock in idle] == [b"+PONG\r\n"] * len(idle)
        newcomers = [stack.enter_context(control.connect()) for _ in range(3)]
        assert [ping(sock) for sock in newcomers] == [b"+PONG\r\n"] * 3
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(100)


def answering(words: t.Sequence[str], talk: Talk) -> Answer:
    """Answer a number with so many bytes."""
    return Answer(b"x" * int(words[0]))


@contextlib.contextmanager
def talking(**limits: float) -> t.Iterator[t.Tuple[socket.socket, threading.Thread]]:
    """Give a client's socket, and the thread that serves it within small limits."""
    ours, its = socket.socketpair()
    ours.settimeout(20 * FACTOR)
    thread = threading.Thread(target=Talk(1, its, answering, **limits).run, daemon=True)
    thread.start()
    with ours:
        yield ours, thread
    thread.join(20 * FACTOR)


def test_a_request_that_does_not_end_is_given_up() -> None:
    """Byte by byte does not help: the time runs from the first on."""
    with talking(idle=0.3) as (sock, thread):
        with contextlib.suppress(BrokenPipeError):
            while thread.is_alive():
                sock.sendall(b"1")
                thread.join(0.05)
        assert until_ended(sock) == b""


def test_between_requests_a_client_may_be_idle() -> None:
    """An interactive redis-cli stays connected while its user thinks."""
    with talking(idle=1.0 * FACTOR) as (sock, thread):
        thread.join(1.3 * FACTOR)  # a while in which nothing comes
        sock.sendall(b"3\r")
        thread.join(0.1)  # so that it waits for the rest, whose time begins with the first byte
        sock.sendall(b"\n")
        assert sock.recv(100) == b"xxx"


def test_a_reader_that_does_not_read_is_given_up() -> None:
    """Its thread ends, however much is left to send."""
    with talking(slow=0.2) as (sock, thread):
        sock.sendall(b"50000000\r\n")
        thread.join(20 * FACTOR)
        assert not thread.is_alive()


def test_a_fault_of_ours_is_told_and_logged(expect_error: t.Callable[[str], None]) -> None:
    """The traceback is in the log, the client gets an error, and may go on."""
    expect_error("the command no-number of the control socket failed")
    with talking() as (sock, _):
        sock.sendall(b"no-number\r\n")
        assert sock.recv(100) == b"-ERR a fault of sentinel-tunnel: look at its log\r\n"
        sock.sendall(b"1\r\n")
        assert sock.recv(100) == b"x"


def test_only_the_owner_may_connect(control: Steered) -> None:
    """The file has mode 0600, whatever the umask is."""
    assert stat.S_IMODE(os.stat(control.path).st_mode) == 0o600


UMASK_0 = """
import os, sys
os.umask(0)
from st.control.place import Place
place = Place(sys.argv[1])
print(oct(os.stat(sys.argv[1]).st_mode & 0o777), oct(os.stat(os.path.dirname(sys.argv[1])).st_mode & 0o022))
os._exit(0)  # as if killed: the file stays
"""


def leave_behind(path: str) -> str:
    """Let a process that dies make a socket, with a umask of 0; return what it saw."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-u", "-c", UMASK_0, path], stdout=subprocess.PIPE, cwd=root, check=True,
                          timeout=60 * FACTOR)
    return done.stdout.decode()


def test_a_socket_that_was_left_behind_is_replaced(path: str) -> None:
    """After kill -9 the next process has the place; its directory was made, for others to read at the most."""
    assert leave_behind(path) == "0o600 0o0\n"
    place = Place(path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
    place.close()
    assert not os.path.exists(path)


def test_a_socket_on_which_somebody_listens_stays(path: str) -> None:
    """Also when nobody takes the connections, and its queue is full."""
    place = Place(path)
    with contextlib.ExitStack() as waiting:
        for full in (False, True):
            if full:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        sock = waiting.enter_context(socket.socket(socket.AF_UNIX))
                        sock.setblocking(False)
                        sock.connect(path)
            with pytest.raises(ControlError, match="another process listens there: stop it"):
                Place(path)
    assert os.path.exists(path)
    place.close()


def test_another_file_is_never_removed(path: str) -> None:
    """Not a file, a symbolic link, a directory, nor a socket of another kind that is in use."""
    os.mkdir(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(path)
        with pytest.raises(ControlError, match="another process listens"):
            Place(path)
        os.unlink(path)
    os.symlink("/nowhere", path)
    with pytest.raises(ControlError, match="no socket: remove it"):
        Place(path)
    os.unlink(path)
    with open(path, "w"):
        pass
    with pytest.raises(ControlError, match="no socket: remove it"):
        Place(path)
    assert os.path.isfile(path)


def test_the_end_removes_no_successors_socket(path: str) -> None:
    """Another process may have taken the place meanwhile; a second end does nothing."""
    first = Place(path)
    os.unlink(path)
    second = Place(path)
    first.close()
    first.close()
    assert os.path.exists(path)
    second.close()
    assert not os.path.exists(path)


def test_a_removed_socket_is_made_again(control: Steered) -> None:
    """A cleaner, or somebody's `rm -rf`, leaves no process that cannot be reached; the end removes it as ever."""
    shutil.rmtree(os.path.dirname(control.path))
    wait_until(control.reachable, "the socket is there again")
    assert stat.S_IMODE(os.stat(control.path).st_mode) == 0o600
    assert control.ask(b"PING\r\n") == b"+PONG\r\n"
    control.server.stop(Deadline(20 * FACTOR))
    assert not os.path.exists(control.path)


@pytest.mark.parametrize("wrong, why", [
    ("/tmp/" + "x" * LONGEST, "longer than 107 bytes: name a shorter path"),
    ("/proc/no/s", "No such file or directory: name another path"),
    ("/dev/null/x/s", "Not a directory: name another path")])
def test_a_place_that_cannot_be_had_says_what_to_do(wrong: str, why: str) -> None:
    """The path, what is wrong, what to do."""
    with pytest.raises(ControlError) as caught:
        Place(wrong)
    assert str(caught.value).startswith("control socket %s: %s" % (wrong, why))


def test_stop_ends_everything_within_its_time(control: Steered) -> None:
    """The clients see an end, the file is gone, a second stop does nothing."""
    with control.connect() as sock:
        assert ping(sock) == b"+PONG\r\n"
        control.server.stop(Deadline(20 * FACTOR))
        assert sock.recv(100) == b"" and not os.path.exists(control.path)
    control.server.stop(Deadline(20 * FACTOR))
    assert not any(thread.name.startswith("control") for thread in threading.enumerate())


def test_the_log_tells_who_steers(control: Steered, caplog: pytest.LogCaptureFixture) -> None:
    """What changes something has a line with the client's process and user; looking has none."""
    with caplog.at_level("INFO", "st.control"):
        control.ask(b"STATUS\r\nRELOAD\r\n")
    lines = [str(record.msg) for record in caplog.records if record.name.startswith("st.control")]
    assert lines == ['control command=RELOAD by="pid %d uid %d"' % (os.getpid(), os.geteuid())]


def test_without_threads_one_client_at_a_time_is_served(control: Steered,
                                                        expect_error: t.Callable[[str], None]) -> None:
    """Somebody must be able to look, and to stop the process; who says nothing is not waited for long."""
    expect_error("no_thread")
    with no_threads_left(), control.connect() as silent:
        assert control.ask(b"PING\r\nPING\r\n") == b"+PONG\r\n+PONG\r\n"
        assert until_ended(silent) == b"" and control.ask(b"STOP\r\n").startswith(b"+") and control.stopped.wait(
            20 * FACTOR)


def test_it_stops_while_its_own_thread_serves_a_client(control: Steered,
                                                       expect_error: t.Callable[[str], None]) -> None:
    """For want of another one; there is no time left to wait for it."""
    expect_error("no_thread")
    with no_threads_left(), control.connect() as sock:
        assert ping(sock) == b"+PONG\r\n"
        control.server.stop(Deadline(0))
        assert until_ended(sock) == b""


def test_in_a_hurry_nothing_is_waited_for() -> None:
    """What waits as long as its client does, as WAIT, ends while that one is there still."""
    ours, its = socket.socketpair()
    with ours:
        def answering(words: t.Sequence[str], talk: Talk) -> Answer:
            assert not talk.gone()
            wait_until(talk.gone, "it waits no longer")
            return Answer(b"+OK\r\n", ends=True)

        talk = Talk(1, its, answering)
        talk.hurry(0.5 * FACTOR)
        ours.sendall(b"WAIT 60\r\n")
        talk.run()
        assert ours.recv(100) == b"+OK\r\n"


def test_without_descriptors_one_client_is_let_in(control: Steered) -> None:
    """The one that was kept for it; when it has gone there is one again."""
    with socket.socket(socket.AF_UNIX) as sock, socket.socket() as lowest:
        number = lowest.fileno()
        lowest.close()
        sock.settimeout(20 * FACTOR)
        with descriptors(number):
            sock.connect(control.path)
            assert ping(sock) == b"+PONG\r\n"
    for _ in range(3):
        assert control.ask(b"PING\r\n") == b"+PONG\r\n"
