"""`exec`: a command that finds Redis in its environment, and nothing else that it could notice."""
import os
import pathlib
import signal
import sys
import typing as t

import pytest

from st.cli.exec_ import Opened, opened, variables_for
from st.config import parse
from st.errors import SentinelTunnelError
from tests import execs
from tests.execs import serves, tunnels_among
from tests.fakes import World
from tests.programs import Program
from tests.waiting import wait_until

# What a command finds that the process has become; `wait` would find the tunnels if they were its children.
LOOK = """
env | grep ^REDIS_ | sort
grep SigIgn /proc/self/status
ls /proc/self/fd | wc -l
env | grep ^LC_CTYPE=
wait
"""
TALK = """
import os, socket
with socket.create_connection((os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"])), 60) as sock:
    sock.sendall(b"SET key value\\r\\n")
    print(sock.recv(100))
"""
# Tells each signal that it gets, and goes on; ends when there is a file "end".
OBEY = """
import os, signal, time
def tell(number, frame):
    print(signal.Signals(number).name, flush=True)
for name in os.environ["CAUGHT"].split():
    signal.signal(getattr(signal, name), tell)
print("port", os.environ["REDIS_PORT"], flush=True)
while not os.path.exists("end"):
    time.sleep(0.01)
"""
CAUGHT = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT")

Start = t.Callable[..., Program]


@pytest.fixture
def start(world: World, tmp_path: pathlib.Path) -> t.Iterator[Start]:
    """Give a function that starts `exec` in the world of fakes; whatever is left of it is ended."""
    made: t.List[Program] = []

    def begin(*words: str, **environ: str) -> Program:
        sentinel = "%s:%d" % world.sentinels[0].address
        made.append(Program(tmp_path, "exec", "-s", sentinel, *words, environ=environ))
        return made[-1]

    yield begin
    for program in made:
        with program:
            pass
        wait_until(lambda: not beside(program), "the tunnels have ended")


def beside(program: Program) -> t.List[int]:
    """Return the processes beside the one that was started."""
    return execs.beside(program.control, program.process.pid)


def obeying(start: Start) -> t.Tuple[Program, int]:
    """Start a command that goes on; return it once it runs, and the port of its tunnel."""
    program = start("mymaster", "--", sys.executable, "-c", OBEY, CAUGHT=" ".join(CAUGHT))
    program.wait_for("port ", lambda: program.out)
    return program, int(program.out.split()[1])


def test_the_command_finds_redis_and_nothing_else(start: Start) -> None:
    """Its variables, with no other changed; no child, no descriptor and no ignored signal of ours; its output alone."""
    program = start("mymaster", "--", "sh", "-c", LOOK, LC_ALL="", LC_CTYPE="none", LANG="")
    assert program.code() == 0
    lines = program.out.splitlines()
    port = lines[2].partition("=")[2]
    url = "redis://127.0.0.1:" + port
    assert lines == ["REDIS_HOST=127.0.0.1", "REDIS_HOST_MYMASTER=127.0.0.1", "REDIS_PORT=" + port,
                     "REDIS_PORT_MYMASTER=" + port, "REDIS_URL=" + url, "REDIS_URL_MYMASTER=" + url,
                     "SigIgn:\t0000000000000000", "4", "LC_CTYPE=none"]  # 4: three, and the list itself
    assert program.log == ""


def test_it_reaches_the_master(start: Start, world: World) -> None:
    """Without a name too: then there is one tunnel for each master that the Sentinels monitor."""
    program = start("--", sys.executable, "-c", TALK)
    assert (program.code(), program.out) == (0, "b'+OK\\r\\n'\n")
    assert world.master.values == {b"key": b"value"}


@pytest.mark.parametrize("words, code", [
    (("mymaster", "--", "sh", "-c", "exit 7"), 7),
    (("mymaster", "--", "sh", "-c", "kill -9 $$"), -9),
    (("mymaster", "--", "/dev/null"), 126),
    (("mymaster", "--", "no-such-command", "--help"), 127),
    (("other", "--hold", "100ms", "--", "true"), 69),
    (("mymaster", "-c", "none.ini", "--", "true"), 125),
    (("mymaster",), 2),
    (("mymaster=7000", "--", "true"), 2),
])
def test_exit_codes(start: Start, words: t.Sequence[str], code: int) -> None:
    """The command's own, and others where it did not run: then the reason is told."""
    program = start(*words)
    assert program.code() == code and program.out == ""
    assert bool(program.log) == (code not in (7, -9)) and "Traceback" not in program.log


def test_signals_are_the_commands(start: Start) -> None:
    """Each one reaches it, and none ends the tunnels before it; then they end."""
    program, port = obeying(start)
    others = beside(program)
    for name in CAUGHT:
        program.send(getattr(signal, name))
        program.wait_for(name, lambda: program.out)
        if name not in ("SIGWINCH", "SIGCONT"):  # which end nobody
            for pid in others:
                os.kill(pid, getattr(signal, name))
    assert program.out.split()[2:] == list(CAUGHT) and serves(port)
    (pathlib.Path("/proc/%d/cwd" % program.process.pid) / "end").write_text("")
    assert program.code() == 0
    wait_until(lambda: not serves(port) and not beside(program), "the tunnels end with it")


def test_it_stops_and_goes_on(start: Start) -> None:
    """As with Ctrl-Z and fg: the command alone stops, its connections stay."""
    program, port = obeying(start)
    stat = pathlib.Path("/proc/%d/stat" % program.process.pid)
    program.send(signal.SIGSTOP)  # TSTP is void for a process group that no shell watches
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it stops")
    assert serves(port)
    program.send(signal.SIGCONT)
    program.wait_for("SIGCONT", lambda: program.out)


def test_kill_leaves_nothing_behind(start: Start) -> None:
    """After kill -9 the tunnels end too, also while nobody has reaped it; and they hold nothing of its streams."""
    program, port = obeying(start)
    fd = "/proc/%d/fd/" % tunnels_among(beside(program))
    assert [os.readlink(fd + number) for number in ("0", "1", "2")] == ["/dev/null"] * 3
    assert not {os.readlink(fd + number) for number in os.listdir(fd)} & {
        os.readlink("/proc/%d/fd/%d" % (program.process.pid, number)) for number in (1, 2)}
    program.send(signal.SIGKILL)
    wait_until(lambda: not serves(port) and not beside(program), "the tunnels end with it")
    assert program.code() == -9


def test_the_tunnels_are_killed(start: Start) -> None:
    """The command goes on; it is told on its standard error why nobody listens any more, and then nothing is left."""
    program, port = obeying(start)
    os.kill(tunnels_among(beside(program)), signal.SIGKILL)
    program.wait_for("the tunnels of this command were killed by signal 9")
    wait_until(lambda: not beside(program), "nothing is left")
    assert not serves(port) and program.process.poll() is None
    program.send(signal.SIGTERM)
    program.wait_for("SIGTERM", lambda: program.out)


def test_the_guard_of_the_tunnels_is_killed(start: Start) -> None:
    """They serve on, and still end with the command."""
    program, port = obeying(start)
    tunnels = tunnels_among(beside(program))
    [guard] = set(beside(program)) - {tunnels}
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: beside(program) == [tunnels], "it is gone")
    assert serves(port)
    program.send(signal.SIGKILL)
    wait_until(lambda: not serves(port) and not beside(program), "the tunnels end with it")


def test_a_name_that_nobody_monitors(start: Start) -> None:
    """It is told at once, whatever `hold` is, with the names that there are."""
    program = start("mymasters", "--hold", "10m", "--", "true")
    assert program.code() == 69 and program.log == (
        "error: mymasters: not monitored by the sentinels that answer (1 of 1): they monitor mymaster; "
        "did you mean 'mymaster'?\n")


def test_killed_while_it_waits(start: Start, world: World) -> None:
    """Ctrl-C before there is a master ends it as it would end the command, and what it had begun."""
    for node in world.nodes:
        node.role = "slave"
    program = start("mymaster", "--hold", "60s", "--", "true")
    wait_until(lambda: beside(program), "it has begun")
    assert program.end(signal.SIGINT) == -signal.SIGINT
    wait_until(lambda: not beside(program), "the tunnels end with it")


def test_the_log_is_for_the_asking(start: Start) -> None:
    """With -v it goes to standard error, from its beginning on and while the command runs."""
    program = start("-v", "mymaster", "--", sys.executable, "-c", TALK)
    assert program.code() == 0 and program.out == "b'+OK\\r\\n'\n"
    wait_until(lambda: " close tunnel=mymaster" in program.log, "the end of the connection is logged")
    assert " INFO master tunnel=mymaster" in program.log


def test_of_several_the_first_is_redis_url(start: Start, world: World, tmp_path: pathlib.Path) -> None:
    """In the order of the configuration, whose sections count but for where they listen."""
    (tmp_path / "two.ini").write_text(
        "[sentinel-tunnel]\n[tunnel:b-1]\nmaster = mymaster\nport = 1\n"
        "[tunnel:a]\nmaster = mymaster\nport = 2\nlisten = 10.9.9.9\nallow = 10.0.0.0/8\n")
    program = start("-c", "two.ini", "--", "sh", "-c", "echo $REDIS_URL $REDIS_URL_B_1 $REDIS_URL_A")
    assert program.code() == 0, program.log
    first, b, a = program.out.split()
    assert first == b != a and b.startswith("redis://127.0.0.1:") and a.startswith("redis://127.0.0.1:")


def test_tls_of_the_commands_own() -> None:
    """Where the client itself speaks TLS its URL says so."""
    [tunnel] = parse("[sentinel-tunnel]\nsentinels = s\n[tunnel:a]\nport = 1\ntls = passthrough\n").settings.tunnels
    assert variables_for([opened(tunnel, "127.0.0.1:7")])["REDIS_URL"] == "rediss://127.0.0.1:7"


def test_names_that_are_one_variable() -> None:
    """A command must not find one Redis where it looks for another."""
    tunnels = [Opened("a-b", 1, "redis"), Opened("a.b", 2, "redis")]
    with pytest.raises(SentinelTunnelError, match="'a-b' and 'a.b' would both be REDIS_URL_A_B"):
        variables_for(tunnels)
