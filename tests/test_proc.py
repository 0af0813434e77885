"""What /proc tells: of this process, of children, of threads."""
import os
import subprocess
import sys
import typing as t

import pytest

from tests.proc import cpu_seconds, family, family_cpu, machine_cpu, numbers, settled, stat_fields, usage
from tests.waiting import wait_until

PARENT = """
import subprocess, sys, threading
BUSY = "import time\\nwhile time.process_time() < 0.3: pass"
waiting = threading.Event()
threading.Thread(target=waiting.wait, daemon=True).start()
subprocess.check_call([sys.executable, "-c", BUSY])
child = subprocess.Popen(["sleep", "1000"])
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""


@pytest.fixture
def parent() -> t.Iterator[t.Tuple[int, int]]:
    """Give a process with two threads, a child that ended after 0.3 s of work, and one that sleeps: both numbers."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        yield process.pid, int(process.stdout.readline())
        process.stdin.close()


def test_a_family_is_counted_together(parent: t.Tuple[int, int]) -> None:
    """Threads and processes of both generations count, and the work of a child that has ended."""
    pid, child = parent
    assert family(pid) == [pid, child]
    found = settled(pid)
    assert (found.processes, found.threads) == (2, 3)
    assert found.cpu > 0.25 > cpu_seconds(stat_fields(pid))
    assert found.memory > usage(child).memory > 0


def test_a_family_does_not_take_more_than_the_machine(parent: t.Tuple[int, int]) -> None:
    """What a family has used is the work of all its members, and a part of what the machine has done."""
    assert 0.25 < family_cpu(parent[0]) < machine_cpu()


def test_switches_grow_with_the_work(parent: t.Tuple[int, int]) -> None:
    """A process that wakes up again has been switched to."""
    with subprocess.Popen(["sh", "-c", "while read line; do echo $line; done"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as echo:
        assert echo.stdin and echo.stdout
        before = usage(echo.pid).switches
        for _ in range(20):
            os.write(echo.stdin.fileno(), b"again\n")
            assert os.read(echo.stdout.fileno(), 100) == b"again\n"
        wait_until(lambda: usage(echo.pid).switches >= before + 20, "it was switched to for each line")
        echo.stdin.close()


def test_numbers_of_lines() -> None:
    """Only the lines that are asked for, with and without a unit."""
    text = "Name:\tx\nPss:   12 kB\nPss_Anon: 3 kB\nvoluntary_ctxt_switches:\t44\n"
    assert numbers(text, ("Pss", "voluntary_ctxt_switches")) == {"Pss": 12, "voluntary_ctxt_switches": 44}
