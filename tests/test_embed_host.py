"""What a program feels of the tunnels inside of it: nothing."""
from st.testing import FakeDeployment
from tests.embedders import run_embedder, said_by
from tests.fakes import World

STATE = """
import locale, logging, resource

def state():
    mask = os.umask(0)
    os.umask(mask)
    return [
        {number: signal.getsignal(number) for number in signal.Signals}, signal.pthread_sigmask(signal.SIG_BLOCK, []),
        signal.set_wakeup_fd(-1), mask, resource.getrlimit(resource.RLIMIT_NOFILE), locale.setlocale(locale.LC_ALL),
        resource.getrlimit(resource.RLIMIT_STACK), sys.getswitchinterval(), threading.stack_size(), os.getcwd(),
        dict(os.environ), logging.getLogger().handlers[:], logging.getLogger().level,
        logging.getLogger("st").handlers[:],
        logging.getLogger("st").level, logging.raiseExceptions, sys.excepthook, threading.enumerate(),
        socket.getdefaulttimeout(), sorted(os.listdir("/proc/self/fd")), sys.stdin, sys.stdout, sys.stderr]
"""


def test_an_import_does_nothing_and_pulls_no_click(world: World) -> None:
    """No thread, no descriptor, no handler; neither the command line nor what a process needs is loaded."""
    said = said_by(world, """
        loaded = [name for name in sys.modules if name.startswith(("click", "st.cli", "st.process", "st.web", "pytest",
                                                                   "st.control", "st.printed", "st.testing"))]
        print(loaded, threading.active_count(), len(os.listdir("/proc/self/fd")))
    """)
    assert said == ["[] 1 4"]


def test_the_state_of_the_process_is_untouched(world: World) -> None:
    """Signals, mask, limits, locale, logging, switch interval and the rest are as before: while it runs, and after."""
    said = said_by(world, STATE + """
if True:
    before = state()
    with st.SentinelTunnel(SEEDS, NAME) as tunnel:
        tunnel.wait_ready(20)
        print(ping(tunnel.port))
        during = state()
    after = state()
    changed = [(a, b) for a, b in zip(before, during) if a != b]
    print(len(changed), before == after)  # threads and descriptors
    """)
    assert said == ["b'+PONG\\r\\n'", "2 True"]


def test_a_limit_of_files_leaves_room_for_the_program(world: World) -> None:
    """Half of the descriptors stay the program's; the limit itself is not raised."""
    said = said_by(world, """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with st.SentinelTunnel(SEEDS, NAME) as tunnel:
            print(tunnel.status()["tunnels"][0]["max_connections"], resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    """)
    most, limit = said[0].split()
    assert 0 < 2 * int(most) < 300 and limit == "600"


def test_a_host_without_threads_is_told_at_once(world: World) -> None:
    """`start` raises a LocalError, whether the first or a later thread cannot be had, and leaves nothing behind."""
    said = said_by(world, """
        import resource
        def size():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[0]) * resource.getpagesize()
        threading.stack_size(256 << 20)
        before = sorted(os.listdir("/proc/self/fd"))
        for threads in (0, 1):
            resource.setrlimit(resource.RLIMIT_AS, (size() + (threads << 28) + (64 << 20), resource.RLIM_INFINITY))
            tunnel = st.SentinelTunnel(SEEDS, NAME)
            try:
                tunnel.start()
                print("started")
            except st.LocalError as error:
                print(error)
            tunnel.stop()
            until(lambda: threading.active_count() == 1)
            print(sorted(os.listdir("/proc/self/fd")) == before)
    """)
    assert ": cannot listen: can't start new thread: raise the limit of processes" in said[0]
    assert said[2].startswith("cannot start: can't start new thread: raise the limit of processes")
    assert said[1::2] == ["True"] * 2


def test_a_program_that_does_not_stop_it_ends(world: World) -> None:
    """At its end, in whatever way, nothing waits for a thread of ours, and nothing is printed."""
    for end in ("", "sys.exit(0)", "os._exit(0)"):
        assert said_by(world, """
            tunnel = st.SentinelTunnel(SEEDS, NAME)
            tunnel.start()
            tunnel.wait_ready(20)
            client = socket.create_connection((tunnel.host, tunnel.port))
            print("served", flush=True)
            %s
        """ % end) == ["served"]


def test_an_error_of_the_program_is_its_own(world: World) -> None:
    """An exception inside of `with` comes out, after the tunnel has stopped."""
    done = run_embedder(world, """
        with st.SentinelTunnel(SEEDS, NAME) as tunnel:
            raise LookupError("mine")
    """)
    assert done.returncode == 1 and done.stderr.endswith(b"LookupError: mine\n")


def test_a_program_that_dies_of_broken_pipes_lives() -> None:
    """Tools set SIGPIPE to its default, to end silently below `| head`: no socket of ours may be what ends them."""
    with FakeDeployment() as deployment:
        assert said_by(deployment, """
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            with st.SentinelTunnel(SEEDS, NAME) as tunnel:
                tunnel.wait_ready(20)
                for _ in range(50):
                    client = socket.create_connection((tunnel.host, tunnel.port))
                    client.sendall(b"PING\\r\\n" * 2000)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
                    client.recv(10)
                    client.close()
                until(lambda: not tunnel.status()["tunnels"][0]["clients"])
            print("lives")
        """) == ["lives"]
