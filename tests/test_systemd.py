"""What systemd is told: by the real program on a socket of ours, and by a Notifier fed with a real App."""
import contextlib
import pathlib
import signal
import socket
import tempfile
import typing as t

import pytest

from st.ops.status import ProcessStatus
from st.ops.systemd import Notifier, state_line
from tests.fakes import World
from tests.live.node import free_port
from tests.programs import Program
from tests.tunnels import running
from tests.waiting import FACTOR, wait_until

DAY = 86400.0
Expect = t.Callable[[str], None]


class Systemd:
    """The end of systemd: a bound socket and the messages that came; a context manager."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self._socket.setblocking(False)
        self._messages = []  # type: t.List[str]

    def __enter__(self) -> "Systemd":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self._socket.close()

    def messages(self) -> t.List[str]:
        """Return all that came so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._messages.append(self._socket.recv(65536).decode("ascii"))
        return self._messages

    def count(self, message: str) -> int:
        """Return how often a message came."""
        return self.messages().count(message)

    def wait_for(self, message: str, times: int = 1) -> None:
        """Wait until a message has come so often."""
        wait_until(lambda: self.count(message) >= times, "systemd hears %r %d times" % (message, times))

    def life(self) -> t.List[str]:
        """Return the first words of the messages about the life of the process, in order."""
        return [message.split("=")[0] for message in self.messages() if message[:4] in ("READ", "RELO", "STOP")]


@pytest.fixture
def systemd(request: t.Any) -> t.Iterator[Systemd]:
    """Give a socket to notify, at a path or in the abstract name space."""
    # A pytest path may be longer than a unix socket's, 107 bytes.
    with tempfile.TemporaryDirectory(prefix="st-") as directory:
        path = "@" + directory if getattr(request, "param", "abstract") == "abstract" else directory + "/notify"
        with Systemd(path) as made:
            yield made


def words(world: World, *more: str) -> t.List[str]:
    """Return the words that run one tunnel."""
    seeds = [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]
    return ["run", "mymaster=%d" % free_port(), "--drain", "0", *seeds, *more]


@pytest.mark.parametrize("systemd", ["path", "abstract"], indirect=True)
def test_the_life_of_a_process(world: World, tmp_path: pathlib.Path, systemd: Systemd) -> None:
    """Ready when it listens, food every while, reloading and ready at HUP, stopping at TERM: in this order."""
    environ = {"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "3000000"}
    with Program(tmp_path, *words(world), environ=environ) as program:
        ready = "READY=1\nMAINPID=%d" % program.process.pid
        systemd.wait_for(ready)
        systemd.wait_for("STATUS=ok: every tunnel has a master")
        systemd.wait_for("WATCHDOG=1", 3)
        program.send(signal.SIGHUP)
        systemd.wait_for(ready, 2)
        assert program.end() == 0
        assert systemd.life() == ["READY", "RELOADING", "READY", "STOPPING"]
        assert systemd.messages()[0] == ready and systemd.messages()[-1] == "STOPPING=1"
        reloading = [message for message in systemd.messages() if message.startswith("RELOADING")][0]
        assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=") and reloading.split("=")[-1].isdigit()


def test_ready_does_not_wait_for_a_master(world: World, tmp_path: pathlib.Path, systemd: Systemd) -> None:
    """Clients are held then; a unit that never becomes ready would be killed. The line in words follows the master."""
    for sentinel in world.sentinels:
        sentinel.stop()
    environ = {"NOTIFY_SOCKET": systemd.path}
    with Program(tmp_path, *words(world, "--poll", "100ms"), environ=environ) as program:
        systemd.wait_for("READY=1\nMAINPID=%d" % program.process.pid)
        wait_until(lambda: any("STATUS=down: tunnel mymaster" in message for message in systemd.messages()), "it tells")
        for sentinel in world.sentinels:
            sentinel.start()
        systemd.wait_for("STATUS=ok: every tunnel has a master")
        assert program.end() == 0
        assert not systemd.count("WATCHDOG=1")  # nobody asked for it


def test_a_wait_for_masters_at_the_start_feeds_the_watchdog(world: World, tmp_path: pathlib.Path,
                                                            systemd: Systemd) -> None:
    """With --require-master it may last as long as `hold`."""
    for sentinel in world.sentinels:
        sentinel.stop()
    environ = {"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "3000000"}
    with Program(tmp_path, *words(world, "--require-master", "--hold", "1h"), environ=environ) as program:
        systemd.wait_for("WATCHDOG=1", 3)
        assert "no master" not in program.log and program.end() == 0


@contextlib.contextmanager
def notifier(systemd: Systemd, **environ: str) -> t.Iterator[Notifier]:
    """Give a Notifier with a watchdog of 60 seconds, unless `environ` says otherwise."""
    given = dict({"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "60000000"}, **environ)
    with contextlib.closing(Notifier(given)) as made:
        assert given == {}  # a command that we run must not speak for us
        yield made


def test_no_food_while_a_thread_is_stalled(world: World, systemd: Systemd, expect_error: Expect) -> None:
    """A listener thread that hangs, while all others go on, keeps the food back; the log names it, once."""
    with running(world) as app, notifier(systemd) as told:
        told.tick(0.0, app.app.stalled(20 * FACTOR))
        assert systemd.messages() == ["WATCHDOG=1"]
        with app.app._seats._lock:  # the thread waits for it, each time it went round
            wait_until(lambda: app.app.stalled(3 * FACTOR) == ["listen mymaster"], "the listener shows no sign of life")
        expect_error('stalled threads="listen mymaster" means="systemd restarts')
        for second in range(100, 400):
            told.tick(float(second), ["listen mymaster"])
        assert systemd.messages() == ["WATCHDOG=1"]
        told.tick(400.0, [])
        assert systemd.messages() == ["WATCHDOG=1"] * 2


def test_the_watchdog_is_fed_at_half_its_time(systemd: Systemd) -> None:
    """A tick may come late: food goes out a tick before half of the time is over."""
    with notifier(systemd) as told:
        fed = []
        for second in range(100):
            before = systemd.count("WATCHDOG=1")
            told.tick(second * 1.0, [])
            if systemd.count("WATCHDOG=1") > before:
                fed.append(second)
        assert fed == [0, 30, 60, 90]


@pytest.mark.parametrize("environ", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "x"}])
def test_a_watchdog_that_is_not_ours(systemd: Systemd, environ: t.Dict[str, str]) -> None:
    """Another process's, none, or nonsense."""
    with notifier(systemd, **environ) as told:
        told.tick(0.0, [])
        assert systemd.messages() == []


def test_what_systemd_does_not_take_is_sent_later(systemd: Systemd) -> None:
    """The socket is full: nothing waits, and what matters arrives in order once there is room."""
    with notifier(systemd) as told:
        for number in range(10000):  # far more than a queue holds
            told.status("line %d" % number)
        told.reloading()
        told.ready()
        seen = systemd.messages()
        assert len(seen) < 10000 and systemd.life() == []
        told.tick(0.0, [])
        assert systemd.life() == ["RELOADING", "READY"] and systemd.messages()[-1] == "WATCHDOG=1"
        told.status("line 9999")
        assert systemd.messages()[-1] == "STATUS=line 9999"


def test_a_line_is_sent_when_it_is_new(systemd: Systemd) -> None:
    """Not each second; as one line, whatever the text."""
    with notifier(systemd) as told:
        for text in ("a", "a", "b\nREADY=1 \u00e9", "a", "x" * 10000):
            told.status(text)
        assert systemd.messages() == ["STATUS=a", "STATUS=b READY=1 \\xe9", "STATUS=a", "STATUS=" + "x" * 500]


def test_without_systemd_nothing_happens() -> None:
    """No socket, or one in a form that we do not know."""
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        with contextlib.closing(Notifier(dict(environ))) as told:
            told.ready()
            told.tick(0.0, [])
            assert not told.listens


def test_the_line_in_words(world: World) -> None:
    """The state first, then what is wrong."""
    with running(world) as app:
        assert state_line(app.app.status()) == "ok: every tunnel has a master"
    assert state_line(ProcessStatus("1", 1, 0.0, (), ())) == "down: no tunnel"
