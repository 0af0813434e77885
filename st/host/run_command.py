"""Runs one command, without a shell, for a bounded time: its output is kept, and its process group ends with it."""
import contextlib
import os
import select
import signal
import subprocess
import typing as t

from st.deadline import Deadline

KEPT = 4096  # bytes of output, the last ones: they say what went wrong
_PIPE = 65536  # bytes; all that a pipe holds
_LOOK = 0.05  # seconds between two looks whether it has ended
_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
_DEATH = 1.0  # seconds for a killed process to be gone


class Outcome(t.NamedTuple):
    """How a command ended: its exit code (-9: signal 9; None: it cannot be killed), and the end of its output."""

    code: t.Optional[int]
    output: str
    cut: str  # why we ended it, or ""


def run_command(words: t.Sequence[bytes], environ: t.Mapping[bytes, bytes], limit: Deadline,
                end: t.Callable[[], t.Optional[Deadline]]) -> Outcome:
    """Run the command until it ends, or `limit` or the deadline that `end` may return is over.

    Raises OSError or ValueError when it cannot be started.
    """
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=environ, close_fds=True, start_new_session=True)
    with contextlib.closing(_Running(process)) as running:
        while not running.ended():
            stopping = end()
            if stopping is not None and stopping.passed():
                return running.kill("stop", 0.0)
            if limit.passed():
                return running.kill("limit", _GRACE)
            running.listen()
        return running.outcome("")


class _Running:
    """A process that was started, with what it has written so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout
        self._output = b""
        self._poller = select.poll()
        self._poller.register(self._pipe, select.POLLIN)
        os.set_blocking(self._pipe.fileno(), False)

    def ended(self) -> bool:
        """Tell whether it has; it is not reaped yet, so that nobody else gets its number."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is not None or os.waitid(os.P_PID, self._process.pid, flags) is not None

    def listen(self) -> None:
        """Take what it writes, or wait a moment."""
        if self._poller.poll(_LOOK * 1000) and not self._read():
            self._poller.unregister(self._pipe)  # it has closed its output, and goes on

    def kill(self, why: str, grace: float) -> Outcome:
        """End it and its group: asked first when there is a `grace` in seconds."""
        if grace:
            self._signal(signal.SIGTERM)
            patience = Deadline(grace)
            while not self.ended() and not patience.passed():
                self.listen()
        self._signal(signal.SIGKILL)
        return self.outcome(why)

    def outcome(self, cut: str) -> Outcome:
        """Return how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it waits in the kernel, or belongs to another user
            self._process.wait(_DEATH)
        self._read()
        return Outcome(self._process.returncode, self._output.decode("utf-8", "replace"), cut)

    def close(self) -> None:
        """Stop listening: what it has left behind in the background may go on."""
        self._pipe.close()

    def _read(self) -> bool:
        try:
            data = os.read(self._pipe.fileno(), _PIPE)
        except BlockingIOError:
            return True
        self._output = (self._output + data)[-KEPT:]
        return bool(data)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
