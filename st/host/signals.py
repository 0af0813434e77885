"""Signals of the process, in the order they came, without work in a signal handler."""
import os
import select
import signal
import typing as t

LOOK = 60.0  # seconds; no wait is without a limit
POKED = 0  # no signal has this number
STOP = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Catches TERM, INT, HUP and USR1 from its making until `close`. For the main thread only."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = {number: signal.signal(number, lambda number, frame: None)
                        for number in STOP + (signal.SIGHUP, signal.SIGUSR1)}
        # The C handler writes the number into the pipe: nothing of ours runs at a moment that we did not choose.
        self._wakeup = signal.set_wakeup_fd(self._writer)

    def wait(self, seconds: float = LOOK) -> t.Optional[int]:
        """Return the next signal, POKED after a `poke`, None when none came within `seconds`."""
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        if not poller.poll(seconds * 1000):
            return None
        return os.read(self._reader, 1)[0]

    def poke(self) -> None:
        """Let `wait` return; for any thread."""
        try:
            os.write(self._writer, bytes([POKED]))
        except OSError:
            pass  # full, so that it returns anyway; or closed: nobody waits any more

    def pending(self) -> bool:
        """Tell whether a signal waits to be taken."""
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        return bool(poller.poll(0))

    def end_at_next(self) -> None:
        """From now on TERM or INT end the process at once, with exit code 0; so does one that waits to be taken."""
        for number in STOP:
            signal.signal(number, lambda number, frame: os._exit(0))
        while self.pending():
            if os.read(self._reader, 1)[0] in STOP:
                os._exit(0)

    def close(self) -> None:
        """Give the signals back as they were."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def __enter__(self) -> "Signals":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()
