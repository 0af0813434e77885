"""What this process uses of its host, as the kernel tells it."""
import os
import resource
import threading
import typing as t

from st.ops.kernel import kernel_text


class Usage(t.NamedTuple):
    """None: the kernel does not tell."""

    started: t.Optional[float]  # Unix time
    cpu: float  # seconds
    resident: t.Optional[int]  # bytes
    open_descriptors: t.Optional[int]
    most_descriptors: float
    threads: int


def usage() -> Usage:
    """Return what this process uses now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = kernel_text("/proc/self/statm").split()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return Usage(started=_started(kernel_text("/proc/self/stat"), kernel_text("/proc/stat")),
                 cpu=used.ru_utime + used.ru_stime,
                 resident=int(pages[1]) * resource.getpagesize() if pages else None,
                 open_descriptors=_open_descriptors(),
                 most_descriptors=float("inf") if limit == resource.RLIM_INFINITY else limit,
                 threads=threading.active_count())


def _started(own: str, system: str) -> t.Optional[float]:
    """Return the Unix time of the start, from the texts of /proc/self/stat and /proc/stat."""
    boot = [line.split()[1] for line in system.splitlines() if line.startswith("btime ")]
    fields = own.rpartition(")")[2].split()  # the name of the program may have blanks and brackets in it
    if not boot or not fields:
        return None
    return int(boot[0]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _open_descriptors() -> t.Optional[int]:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # the one that lists them
    except OSError:  # none is left to list them with, or there is no /proc
        return None
