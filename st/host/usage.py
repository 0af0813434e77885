"""What this process uses of its host, as the kernel tells it."""
import functools
import os
import resource
import threading
import typing as t

from st.host.kernel import kernel_text, stat_fields


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
    return Usage(started=_started(),
                 cpu=used.ru_utime + used.ru_stime,
                 resident=int(pages[1]) * resource.getpagesize() if pages else None,
                 open_descriptors=_open_descriptors(),
                 most_descriptors=float("inf") if limit == resource.RLIM_INFINITY else limit,
                 threads=threading.active_count())


def usage_of(pid: int) -> t.Tuple[t.Optional[float], t.Optional[int]]:
    """Return the CPU time (seconds) and resident memory (bytes) of another process; None when it is gone."""
    fields = stat_fields(pid)
    if not fields:
        return None, None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * resource.getpagesize()


@functools.lru_cache(maxsize=None)  # btime moves by a second when the clock is set, which would look like a restart
def _started() -> t.Optional[float]:
    boot = [line.split()[1] for line in kernel_text("/proc/stat").splitlines() if line.startswith("btime ")]
    fields = stat_fields("self")
    if not boot or not fields:
        return None
    return int(boot[0]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _open_descriptors() -> t.Optional[int]:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # the one that lists them
    except OSError:  # none is left to list them with, or there is no /proc
        return None
