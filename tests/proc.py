"""What /proc tells of a process and of all that it has started."""
import os
import time
import typing as t

_TICKS = float(os.sysconf("SC_CLK_TCK"))
_GONE = (FileNotFoundError, ProcessLookupError)  # it ended while it was looked at


class Usage(t.NamedTuple):
    """What a process and its descendants have used so far, and hold now."""

    cpu: float  # seconds of processor time, also of threads and children that have ended
    switches: int  # context switches of the threads that live
    memory: int  # bytes of resident memory; a page that several processes share is counted once
    threads: int
    processes: int


def stat_fields(pid: int) -> t.List[str]:
    """Return the fields of /proc/PID/stat behind the name of the program: the first is the state."""
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()


def cpu_seconds(fields: t.Sequence[str], children: bool = False) -> float:
    """Return the processor time in these fields, if wanted with that of children that were waited for."""
    return sum(map(int, fields[11:15 if children else 13])) / _TICKS


def family(pid: int) -> t.List[int]:
    """Return a process and all its descendants."""
    parents: t.Dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = int(stat_fields(int(name))[1])
            except _GONE:
                continue
    found = [pid]
    for each in found:  # grows meanwhile
        found += [child for child, parent in parents.items() if parent == each]
    return found


def family_cpu(pid: int) -> float:
    """Return the processor time of a process, of its descendants, and of those that have ended and were waited for."""
    found = 0.0
    for member in family(pid):
        try:
            found += cpu_seconds(stat_fields(member), children=True)
        except _GONE:
            continue
    return found


def machine_cpu() -> float:
    """Return the processor time that was not idle on this machine so far, also what other machines on it took."""
    with open("/proc/stat") as file:
        fields = file.readline().split()
    user, nice, system, _idle, _waiting, hard, soft, stolen = map(int, fields[1:9])
    return (user + nice + system + hard + soft + stolen) / _TICKS


def usage(pid: int) -> Usage:
    """Return what a process and its descendants use."""
    cpu, switches, memory, threads = 0.0, 0, 0, 0
    members = family(pid)
    for member in members:
        try:
            cpu += cpu_seconds(stat_fields(member), children=True)
            memory += _memory(member)
            tasks = os.listdir("/proc/%d/task" % member)
        except _GONE:
            continue
        threads += len(tasks)
        switches += sum(_switches("/proc/%d/task/%s/status" % (member, task)) for task in tasks)
    return Usage(cpu, switches, memory, threads, len(members))


def settled(pid: int) -> Usage:
    """Return what they use when no child is on its way out: one that ends while it is counted may be left out."""
    before, found = -1, usage(pid)
    end = time.monotonic() + 5  # seconds
    while found.processes != before and time.monotonic() < end:
        time.sleep(0.02)  # seconds
        before, found = found.processes, usage(pid)
    return found


def numbers(text: str, names: t.Container[str]) -> t.Dict[str, int]:
    """Return the numbers of some of the lines `Name:  123 kB`."""
    lines = [line.partition(":") for line in text.splitlines()]
    return {name: int(rest.split()[0]) for name, _, rest in lines if name in names}


def _memory(pid: int) -> int:
    with open("/proc/%d/smaps_rollup" % pid) as file:  # since Linux 4.14
        return numbers(file.read(), ("Pss",))["Pss"] * 1024


def _switches(path: str) -> int:
    try:
        with open(path) as file:
            return sum(numbers(file.read(), ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")).values())
    except _GONE:
        return 0
