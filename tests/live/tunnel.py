"""The program itself as a process, as its users run it."""
import os
import subprocess
import sys
import typing as t

from st.address import Address
from tests.live.bed import Bed
from tests.live.node import HOST, free_port
from tests.live.talk import Talk
from tests.waiting import FACTOR, wait_until


class Tunnel:
    """`sentinel-tunnel run` with a tunnel for each master name of a bed, and further `options`; a context manager."""

    def __init__(self, bed: Bed, *options: str) -> None:
        self.addresses = {name: Address(HOST, free_port()) for name in bed.names}
        self._log = os.path.join(bed.directory, "tunnel-%d.log" % self.addresses[bed.names[0]].port)
        self._words = ["run"] + ["%s=%d" % (name, address.port) for name, address in self.addresses.items()]
        for sentinel in bed.sentinel_addresses:
            self._words += ["--sentinel", str(sentinel)]
        self._words += options
        self._process: t.Optional["subprocess.Popen[bytes]"] = None

    def __enter__(self) -> "Tunnel":
        try:
            self.start()
        except BaseException:  # a Ctrl-C too must not leave the process behind
            self.kill()
            raise
        return self

    def __exit__(self, *exc: t.Any) -> None:
        if self.process.poll() is None:
            self.terminate()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process, also when it has ended."""
        assert self._process is not None, "this tunnel was never started"
        return self._process

    def start(self) -> None:
        """Start the process and wait until a command gets through every tunnel."""
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "st"] + self._words, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._ready, "no command gets through the tunnel")

    def log(self) -> str:
        """Return what the process has printed and logged so far."""
        with open(self._log, errors="replace") as file:
            return file.read()

    def terminate(self) -> int:
        """Ask the process to end (SIGTERM) and return its exit code; kill it when it has not ended in 10 s."""
        self.process.terminate()
        try:
            return self.process.wait(10 * FACTOR)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> bool:
        code = self.process.poll()
        assert code is None, "the tunnel ended with exit code %s:\n%s" % (code, self.log())
        return all(_answers(address) for address in self.addresses.values())


def _answers(address: Address) -> bool:
    try:
        with Talk(address, timeout=15) as talk:
            return bool(talk.call("PING") == "PONG")
    except OSError:
        return False
