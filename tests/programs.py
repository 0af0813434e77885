"""The program as a process, for tests: started, read, sent signals, and never left behind."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t

from tests.proc import cpu_seconds, stat_fields
from tests.waiting import FACTOR, wait_until

LONGEST_SOCKET = 107  # bytes of a unix socket's path (unix(7), less the null byte)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def own_places(directory: str) -> t.Dict[str, str]:
    """Return the variables that keep a process's files in a directory: those of root share one place else.

    There is no control socket where its path would be too long for one.
    """
    own = {"SENTINEL_TUNNEL_CONTROL": os.path.join(directory, "control.sock"),
           "SENTINEL_TUNNEL_HISTORY_FILE": os.path.join(directory, "history")}
    if len(os.fsencode(own["SENTINEL_TUNNEL_CONTROL"])) > LONGEST_SOCKET:
        own.update(SENTINEL_TUNNEL_CONTROL="off", SENTINEL_TUNNEL_LOCK=os.path.join(directory, "control.lock"))
    return own


def is_alive(pid: int) -> bool:
    """Tell whether a process that is not our child runs; one that nobody has reaped yet does not."""
    try:
        return stat_fields(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Program:
    """`sentinel-tunnel WORDS` in a directory of its own; a context manager that kills what still runs.

    Its control socket, and with it its lock, are its own too, unless `environ` says otherwise: see `own_places`.
    """

    def __init__(self, directory: pathlib.Path, *words: str, environ: t.Optional[t.Mapping[str, str]] = None,
                 before: t.Sequence[str] = (), passing: t.Sequence[int] = ()) -> None:
        self._private = tempfile.mkdtemp(prefix="st-")  # a pytest path may be longer than a unix socket's, 107 bytes
        own = {name: value for name, value in os.environ.items() if not name.startswith("SENTINEL_TUNNEL_")}
        own.update({"HOME": str(directory), "PYTHONPATH": ROOT}, **own_places(self._private))
        own.update(environ or {})
        self.control = own["SENTINEL_TUNNEL_CONTROL"]
        self._paths = [directory / "stdout", directory / "stderr"]
        with open(str(self._paths[0]), "ab") as out, open(str(self._paths[1]), "ab") as errors:
            self.process = subprocess.Popen([*before, sys.executable, "-m", "st", *words], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=errors, cwd=str(directory), env=own,
                                            pass_fds=passing)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        shutil.rmtree(self._private, ignore_errors=True)

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._paths[0].read_text()

    @property
    def log(self) -> str:
        """What it has written to standard error so far."""
        return self._paths[1].read_text()

    def wait_for(self, text: str, where: t.Optional[t.Callable[[], str]] = None) -> None:
        """Wait until a text is in the log, or in what `where` returns."""
        read = where or (lambda: self.log)
        wait_until(lambda: text in read() or self.process.poll() is not None, "%r is written" % text)
        assert text in read(), "ended with %s:\n%s\n%s" % (self.process.poll(), self.out, self.log)

    def wait_ready(self) -> "Program":
        """Wait until the mapping is printed with a master in it."""
        self.wait_for("  ready\n", lambda: self.out)
        return self

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.send(number)
        return self.code()

    def code(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(60 * FACTOR)

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used so far."""
        return cpu_seconds(stat_fields(self.process.pid))
