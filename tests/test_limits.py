"""Limits of the host: how many clients fit."""
import resource
import threading
import typing as t

import pytest

from st.errors import LocalError
from st.host import limits
from st.host.kernel import kernel_text
from st.host.least import check, needs, startable
from st.host.limits import lowest_limit, pids_files, raise_descriptor_limit, room, room_event, thread_limit
from tests.tunnels import no_threads_left


@pytest.fixture
def nofile() -> t.Iterator[t.Tuple[int, int]]:
    """Give the limits of open files, and set them back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("below", [0, 100])
def test_the_soft_limit_becomes_the_hard_one(nofile: t.Tuple[int, int], below: int) -> None:
    """The limit in force afterwards is the hard one, which stays; it is never lowered."""
    hard = nofile[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard - below, hard))
    assert raise_descriptor_limit() == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_refusal_leaves_the_limit(nofile: t.Tuple[int, int]) -> None:
    """When the system refuses, nothing is raised and the limit stays."""
    limits._set_descriptor_limit(200, 100)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == nofile


def test_unlimited_is_a_number() -> None:
    """An infinite limit, which is -1 for Python, is a number one can count with."""
    assert limits._number(resource.RLIM_INFINITY) == 1048576
    assert limits._number(1024) == 1024


@pytest.mark.parametrize(
    "descriptors, tunnels, sentinels, threads, clients",
    [
        (1024, 1, 3, None, 475),
        (1024, 1, 19, None, 459),
        (1024, 2, 3, None, 471),
        (1024, 1, 3, 4096, 475),
        (65536, 1, 3, 4096, 4047),
        (1024, 1, 3, 100, 51),
        (64, 1, 3, None, 1),
        (20, 50, 3, None, 1),
        (1024, 1, 3, 10, 1),
    ],
)
def test_how_many_clients_fit(descriptors: int, tunnels: int, sentinels: int, threads: t.Optional[int],
                              clients: int) -> None:
    """Two descriptors and a thread each, beside what is kept back; one client always."""
    assert room(descriptors, tunnels, sentinels, threads) == clients


def test_questions_to_replicas_are_kept_back() -> None:
    """A descriptor and a thread each."""
    assert room(1024, 1, 3, None, 16) == room(1024, 1, 3) - 8
    assert room(1024, 1, 3, 100, 16) == room(1024, 1, 3, 100) - 16


def test_the_line_at_the_start() -> None:
    """The log says how many clients fit and the limits that say so."""
    assert str(room_event(480, 1024, 4096)) == "room clients=480 nofile=1024 nproc=4096"
    assert str(room_event(480, 1024, None)) == "room clients=480 nofile=1024 nproc=unlimited"


V1 = "12:memory:/system.slice/st.service\n9:pids:/system.slice/st.service\n0::/\n"


def test_where_the_cgroup_limits_threads() -> None:
    """The file of our group and of each group above it, in both versions of cgroups."""
    root = "/sys/fs/cgroup/"
    pids = [root + "pids/system.slice/st.service/pids.max", root + "pids/system.slice/pids.max", root + "pids/pids.max"]
    assert pids_files(V1) == pids + [root + "pids.max"]
    assert pids_files("0::/user.slice\n") == [root + "user.slice/pids.max", root + "pids.max"]
    assert pids_files("") == []


@pytest.mark.parametrize(
    "nproc, pids_max, lowest",
    [
        (4096, [], 4096),
        (4096, ["", "max\n", "100\n", "200\n"], 100),
        (50, ["100\n"], 50),
        (resource.RLIM_INFINITY, ["100\n"], 100),
        (resource.RLIM_INFINITY, ["max\n"], None),
    ],
)
def test_the_lowest_limit_of_threads_counts(nproc: int, pids_max: t.List[str], lowest: t.Optional[int]) -> None:
    """The limit of the user, unless a cgroup's is lower; none of them is no limit."""
    assert lowest_limit(nproc, pids_max) == lowest


@pytest.fixture
def nproc() -> t.Iterator[int]:
    """Give a soft limit of threads of this user, and set it back afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    lowered = 50000 if soft == resource.RLIM_INFINITY else soft - 1
    resource.setrlimit(resource.RLIMIT_NPROC, (lowered, hard))
    yield lowered
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


def test_the_limit_of_this_host_is_read(nproc: int) -> None:
    """The limit is the user's or that of a cgroup this test can read too."""
    texts = [kernel_text(path) for path in pids_files(kernel_text("/proc/self/cgroup"))]
    assert thread_limit() == lowest_limit(nproc, texts) <= nproc  # type: ignore[operator]


def test_what_is_needed_at_the_least() -> None:
    """More for each tunnel, each of its places, each Sentinel and each worker."""
    least = needs(1, 1, 3)
    assert least.what == "1 tunnel and 3 Sentinels" and needs(2, 3, 1).what == "2 tunnels and 1 Sentinel"
    for more in (needs(2, 1, 3), needs(1, 2, 3), needs(1, 1, 4), needs(1, 1, 3, 2)):
        assert more.descriptors > least.descriptors and more.threads > least.threads


def test_threads_are_tried() -> None:
    """As many as are asked for, all ended at once; none where the kernel gives none."""
    before = threading.active_count()
    assert startable(50) == 50 and threading.active_count() == before
    with no_threads_left():
        assert startable(50) == 0
        with pytest.raises(LocalError, match="^too few threads: 0 more can be started here, and 1 tunnel and 1 Sen"):
            check(needs(1, 1, 1), 1024)
    check(needs(1, 1, 1), 1024)


def test_one_client_at_a_time_is_worth_a_warning() -> None:
    """With what to raise."""
    assert "only one client at a time: raise ulimit -n" in str(room_event(1, 64, None))
