"""The demonstration as a command: python -m tests.live.demo [--keep]. Nothing of it is left, however it ends.

The show itself (tests.live.show) runs in a session of its own with a temporary directory of its own, so that whatever
it started, and wherever a Ctrl-C met it, all can be ended and removed from here.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import typing as t


def main() -> int:
    """Run the show, pass on a signal, clean up after it; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Shows a failover of real servers on this host, "
                                     "as a client sees it through the tunnel, in about 20 seconds.")
    parser.add_argument("--keep", action="store_true", help="leave all running afterwards, until Ctrl-C")
    words = ["--keep"] if parser.parse_args().keep else []
    signals: t.List[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only noted: an exception could come between the start of the process and our knowing its number.
        signal.signal(number, lambda number, frame: signals.append(number))
    with tempfile.TemporaryDirectory(prefix="sentinel-tunnel-demo-") as directory:
        show = subprocess.Popen([sys.executable, "-m", "tests.live.show"] + words, start_new_session=True,
                                env=dict(os.environ, TMPDIR=directory))
        while not signals and not _ended(show, 0.1):
            pass
        if signals:
            print("\nStopping everything ...", file=sys.stderr, flush=True)
            show.send_signal(signal.SIGINT)
            _ended(show, 15)
        try:
            os.killpg(show.pid, signal.SIGKILL)  # whatever is left
        except ProcessLookupError:
            pass
        code = show.wait()
    if signals:
        print("All is stopped and removed.", file=sys.stderr)
    return 128 + signals[0] if signals else code


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
