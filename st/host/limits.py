"""How many clients this host lets us serve: file descriptors, and threads as one is needed for each client."""
import os
import resource
import threading
import typing as t

from st.event import Event
from st.host.kernel import kernel_text

_FOR_PROCESS = 60  # clients that are being refused, the log, the interpreter
_FOR_TUNNEL = 8  # a listener, the questions for the role of its master, and role checks with a password
_FOR_SENTINEL = 2  # one to ask it, one to hear its events
_FOR_CLIENT = 2  # a socket to the client and one to the master
_THREADS_FOR_PROCESS = 40  # 16 clients of the control socket, 16 threads that wait for work, the rest of it
_THREADS_FOR_TUNNEL = 3  # a listener, the questions for the role of its master

# What "unlimited" comes to: fs.nr_open, the kernel's own ceiling, as it is by default.
UNLIMITED = 1048576

_CGROUPS = "/sys/fs/cgroup"


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one; return the limit in force."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    _set_descriptor_limit(hard, hard)
    return descriptor_limit()


def descriptor_limit() -> int:
    """Return how many files this process may have open."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _set_descriptor_limit(soft: int, hard: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, OSError):
        pass  # above fs.nr_open, or forbidden by a sandbox: what we have must do, and the line at the start tells it


def prepare_thread_ends() -> None:
    """Let the C library load what it needs to end a thread; without a descriptor for it, it would end the process."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def thread_limit() -> t.Optional[int]:
    """Return how many threads the user or the cgroup may have, whichever is less; None is no limit."""
    nproc = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return lowest_limit(nproc, [kernel_text(path) for path in pids_files(kernel_text("/proc/self/cgroup"))])


def lowest_limit(nproc: int, pids_max: t.Sequence[str]) -> t.Optional[int]:
    """Return the lowest of RLIMIT_NPROC and the texts of pids.max, "max" and "" being no limit."""
    limits = [] if nproc == resource.RLIM_INFINITY else [nproc]
    limits += [int(text) for text in pids_max if text.strip().isdigit()]
    return min(limits, default=None)


def pids_files(cgroups: str) -> t.List[str]:
    """Return the files that may limit our threads, from the text of /proc/self/cgroup (version 1 and 2)."""
    files = []
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "pids"):
            root = os.path.join(_CGROUPS, controllers)
            steps = [step for step in path.split("/") if step]
            # The groups above ours limit it too.
            files += [os.path.join(root, *steps[:depth], "pids.max") for depth in range(len(steps), -1, -1)]
    return files


def room(descriptors: int, tunnels: int, sentinels: int, threads: t.Optional[int] = None, others: int = 0) -> int:
    """Return how many clients fit within these limits beside tunnels and Sentinels; at least 1.

    `others` are what takes one descriptor and one thread each: more listeners of a tunnel, questions to replicas.
    """
    both = _FOR_SENTINEL * sentinels + others
    fits = (descriptors - _FOR_PROCESS - _FOR_TUNNEL * tunnels - both) // _FOR_CLIENT
    if threads is not None:
        fits = min(fits, threads - _THREADS_FOR_PROCESS - _THREADS_FOR_TUNNEL * tunnels - both)
    return max(1, fits)


def room_event(clients: int, descriptors: int, threads: t.Optional[int]) -> Event:
    """Return the line of the log at the start that tells how many clients fit, and why."""
    limits = dict(nofile=descriptors, nproc="unlimited" if threads is None else threads)  # type: t.Dict[str, t.Any]
    if clients == 1:
        limits["means"] = "only one client at a time: raise ulimit -n, and the limit of processes (ulimit -u, TasksMax)"
    return Event("room", clients=clients, **limits)


def _number(limit: int) -> int:
    return UNLIMITED if limit == resource.RLIM_INFINITY else limit
