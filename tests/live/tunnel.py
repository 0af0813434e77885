"""The program itself as a process, as its users run it."""
import os
import shlex
import subprocess
import sys
import tempfile
import typing as t

import hiredis

from st.address import Address
from tests.live.bed import Bed
from tests.live.node import HOST, free_port
from tests.live.talk import Talk
from tests.programs import own_places
from tests.waiting import FACTOR, wait_until


PROGRAM = (sys.executable, "-m", "st")


def run_once(*words: str, program: t.Sequence[str] = PROGRAM,
             environ: t.Optional[t.Mapping[str, str]] = None) -> "subprocess.CompletedProcess[str]":
    """Run a command of the program to its end, and return its exit code and output; its places are its own."""
    with tempfile.TemporaryDirectory() as directory:
        own = dict(own_places(directory), **(os.environ if environ is None else environ))
        return subprocess.run(list(program) + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=60 * FACTOR, env=own)


def sentinel_words(bed: Bed) -> t.List[str]:
    """Return the options that name the Sentinels of a bed."""
    return [word for address in bed.sentinel_addresses for word in ("--sentinel", str(address))]


class Tunnel:
    """`sentinel-tunnel run` with a tunnel for each master name of a bed, and further `options`; a context manager.

    `program` are the words that start it, `environ` is its environment when it is not ours. Its control socket and
    lock are its own in any case: several run at a time.
    """

    def __init__(self, bed: Bed, *options: str, program: t.Sequence[str] = PROGRAM,
                 environ: t.Optional[t.Mapping[str, str]] = None) -> None:
        self.addresses = {name: Address(HOST, free_port()) for name in bed.names}
        self._log = os.path.join(bed.directory, "tunnel-%d.log" % self.addresses[bed.names[0]].port)
        places = os.path.join(bed.directory, str(self.addresses[bed.names[0]].port))
        os.makedirs(places, exist_ok=True)
        self._environ = dict(own_places(places), **(os.environ if environ is None else environ))
        self._words = list(program) + ["run"]
        self._words += ["%s=%s" % (name, address) for name, address in self.addresses.items()]
        self._words += sentinel_words(bed) + list(options)
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
            self._process = subprocess.Popen(self._words, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=subprocess.STDOUT, env=self._environ)
        wait_until(self._ready, "no command gets through the tunnel")

    def log(self) -> str:
        """Return what the process has printed and logged so far."""
        with open(self._log, errors="replace") as file:
            return file.read()

    def events(self, name: str) -> t.List[t.Dict[str, str]]:
        """Return the fields of each event of this name that has been logged so far."""
        lines = [line.split(" ", 3) for line in self.log().rpartition("\n")[0].splitlines()]
        told = [line[3] for line in lines if line[2:3] == [name] and len(line) == 4]
        return [dict(word.split("=", 1) for word in shlex.split(fields)) for fields in told]

    def switches(self, least: int = 1) -> t.List[t.Dict[str, str]]:
        """Return the switches, once so many are logged: a client may have reached the new master before."""
        wait_until(lambda: len(self.events("switch")) >= least, "the log does not tell of %d" % least)
        return self.events("switch")

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
    except hiredis.ReplyError as error:
        return str(error).startswith("NOAUTH")  # Redis itself says that
