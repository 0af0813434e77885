"""What the figures depend on: the machine, and the versions of all that takes part."""
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import typing as t

import st
from st.host.limits import raise_descriptor_limit

_SPARE = 300  # descriptors of a process for all that is no client


def room() -> int:
    """Return how many connections a process may carry, two descriptors each."""
    return (raise_descriptor_limit() - _SPARE) // 2


def description(against: str = "") -> t.Dict[str, str]:
    """Return what this machine is, and the other checkout; figures of two that differ must not be mixed."""
    found = {
        "processor": "%d x %s" % (os.cpu_count() or 0, _line_of("/proc/cpuinfo", "model name") or platform.machine()),
        "kernel": "Linux " + platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "sentinel-tunnel": "%s, sources %s" % (st.__version__, digest(pathlib.Path(st.__file__).parent)),
    }
    if against:
        found["sentinel-tunnel of the other checkout"] = "sources " + digest(pathlib.Path(against, "st"))
    for name, words in (("redis-server", "--version"), ("redis-benchmark", "--version"), ("haproxy", "-v"),
                        ("socat", "-V")):
        if shutil.which(name):
            found[name] = _version(name, words)
    return found


def digest(directory: pathlib.Path) -> str:
    """Return eight characters that differ when a module below the directory does."""
    found = hashlib.sha256()
    for path in sorted(directory.rglob("*.py")):
        found.update(str(path.relative_to(directory)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:8]


def version_in(text: str) -> str:
    """Return the first word of a program's answer that begins with a digit, or the answer's first line."""
    words = text.replace("v=", " ").split()
    return next((word for word in words if word[0].isdigit() and "." in word), text.partition("\n")[0])


def _version(name: str, words: str) -> str:
    done = subprocess.run([name, words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          timeout=10)
    return version_in(done.stdout)


def _line_of(path: str, name: str) -> str:
    with open(path) as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith(name)), "")
