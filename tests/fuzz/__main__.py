"""Fuzz for a given time, all targets or one: by coverage where atheris is installed, else at random."""
import argparse
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import typing as t

try:
    import atheris
except ImportError:  # it has wheels for a few versions of Python only
    atheris = None

if atheris is None:
    from tests.fuzz.targets import TARGETS
else:
    with atheris.instrument_imports(include=["st"]):
        from tests.fuzz.targets import TARGETS

MOST_PARTS = 20
LONGEST = 4096  # bytes


def main() -> None:
    """Fuzz each target in a process of its own, and print how many inputs it has had."""
    words = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    words.add_argument("--seconds", type=int, default=60, help="for all targets together (%(default)s)")
    words.add_argument("--target", choices=sorted(TARGETS), action="append", help="this one only; may be repeated")
    words.add_argument("--seed", type=int, default=int(time.time()), help="makes the same inputs again")
    words.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = words.parse_args()
    names = chosen.target or sorted(TARGETS)
    if chosen.here:
        (_at_random if atheris is None else _by_coverage)(names[0], chosen.seconds, chosen.seed)
        return
    failed = [name for name in names if not _run(name, max(1, chosen.seconds // len(names)), chosen.seed)]
    sys.exit("failed: %s" % ", ".join(failed) if failed else 0)


def _run(name: str, seconds: int, seed: int) -> bool:
    words = ["--here", "--target", name, "--seconds", str(seconds), "--seed", str(seed)]
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "tests.fuzz"] + words, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    output = done.stdout.decode("utf-8", "replace")
    inputs = re.findall(r"Done (\d+) ", output)
    values = (name, inputs[-1] if inputs else "?", "at random" if atheris is None else "by coverage",
              time.monotonic() - started, "FAILED" if done.returncode else "no crash")
    print("%-16s %9s inputs %s in %4.0f s: %s" % values, flush=True)
    if done.returncode:
        print(output)
    return done.returncode == 0


def _at_random(name: str, seconds: int, seed: int) -> None:
    """Call a target with parts that mean something to it, bytes that mean nothing, and cuts."""
    chance, target, inputs, end = random.Random(seed), TARGETS[name], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = _some(chance, target.parts)
        try:
            target.call(data)
        except BaseException:
            print("the input: %r" % data)
            raise
        inputs += 1
    print("Done %d inputs" % inputs)


def _some(chance: random.Random, parts: t.Sequence[bytes]) -> bytes:
    data = bytearray(b"".join(chance.choice(parts) for _ in range(chance.randrange(MOST_PARTS))))
    for _ in range(chance.choice((0, 0, 1, 3))):
        at = chance.randrange(len(data) + 1)
        data[at:at + chance.choice((0, 1, 5))] = bytes(chance.randrange(256) for _ in range(chance.randrange(4)))
    return bytes(data)


def _by_coverage(name: str, seconds: int, seed: int) -> None:
    """Let libFuzzer look for inputs that reach new lines; it ends the process."""
    target, chance = TARGETS[name], random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        for number in range(200):
            pathlib.Path(directory, str(number)).write_bytes(_some(chance, target.parts))
        words = ["-max_total_time=%d" % seconds, "-max_len=%d" % LONGEST, "-seed=%d" % (seed % (1 << 31)),
                 "-rss_limit_mb=2048", "-timeout=20", "-artifact_prefix=%s/" % tempfile.gettempdir()]
        atheris.Setup([sys.argv[0]] + words + [directory], target.call)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
