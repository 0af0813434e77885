"""One run of redis-benchmark, and what it printed."""
import csv
import shutil
import subprocess
import typing as t

from st.address import Address
from tests.waiting import FACTOR

PROGRAM = "redis-benchmark"
LONGEST = 120  # seconds


class Load(t.NamedTuple):
    """What one run found."""

    rate: float  # requests a second
    p50: t.Optional[float]  # milliseconds; redis-benchmark tells latencies since 6.2
    p99: t.Optional[float]


def found() -> bool:
    """Tell whether this host has it."""
    return shutil.which(PROGRAM) is not None


def parse(text: str) -> Load:
    """Return what the output of `redis-benchmark --csv` says; ValueError: it is none."""
    rows = list(csv.reader(line for line in text.splitlines() if line.startswith('"')))
    if rows and rows[0][0] == "test":
        fields = dict(zip(rows[0], rows[-1]))
    else:
        fields = dict(zip(("test", "rps"), rows[-1])) if rows else {}
    try:
        rate = float(fields["rps"])
    except (KeyError, ValueError):
        raise ValueError("no figure in what %s printed: %r" % (PROGRAM, text)) from None
    p50, p99 = ((float(fields[name]) if name in fields else None) for name in ("p50_latency_ms", "p99_latency_ms"))
    return Load(rate, p50, p99)


def command(address: Address, words: t.Sequence[str], requests: int) -> t.List[str]:
    """Return the words that start it."""
    return [PROGRAM, "-h", address.host, "-p", str(address.port), "-n", str(requests), "--csv"] + list(words)


def run(address: Address, words: t.Sequence[str], requests: int) -> Load:
    """Run it to its end."""
    done = subprocess.run(command(address, words, requests), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=LONGEST * FACTOR)
    if done.returncode or "rror" in done.stderr:
        raise OSError("%s ended with code %d and said: %s"
                      % (" ".join(done.args), done.returncode, (done.stderr or done.stdout).strip()[:500]))
    return parse(done.stdout)
