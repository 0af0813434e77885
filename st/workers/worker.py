"""One worker as the process that started it sees it: its channel, what it carries, and its end."""
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t

from st.deadline import Deadline
from st.event import Event
from st.host.usage import usage_of
from st.ops.measures import WorkerMeasures
from st.workers.carried import ERROR, Carried
from st.workers.channel import ENDED, FAILED, PING, READONLY, Message, pair, receive, send

logger = logging.getLogger(__name__)

LOOK = 1.0  # seconds between two looks, and two questions whether it lives
HUNG = 10.0  # seconds without a sign of life after which a worker gets nothing new
CUT_PATIENCE = 1.0  # seconds that a worker may take to close a connection that was cut
AGAIN = 1.0  # seconds before a worker that ended is started anew
# A terminal or systemd sends them to all processes; they are meant for the one that started it, and ends it.
_NOT_FOR_IT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT)
# It must find this package and what that imports where we did, also in an archive, and never in the working directory,
# which is where -m would look first.
_PROGRAM = "import sys; sys.path[:] = sys.argv.pop().split(':'); from st.workers.carrier import run; run(*sys.argv[1:])"


class Worker:
    """Starts a process, again when it ends, and listens to it. `start` and `stop` are for the owner."""

    def __init__(self, name: str, memory: int, free: t.Callable[[int], None]) -> None:
        """Share the file `memory` with it; `free` takes the number of a connection back that it carries no more."""
        self.name = name
        self._memory = memory
        self._free = free
        self._heard = 0.0  # monotonic time of the last sign of life
        self._lock = threading.Lock()  # guards the next two
        self._open: t.Dict[int, t.Optional[Carried]] = {}  # by number; None: nobody waits for its end any more
        self._channel, self._process = self._spawn()
        self._up = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def well(self) -> bool:
        """It can be given connections."""
        return self._up and time.monotonic() - self._heard < HUNG

    def start(self) -> None:
        """Start to listen to the process; raise RuntimeError when the system has no thread left."""
        self._thread.start()

    def stop(self, deadline: Deadline) -> None:
        """End the process, and with it what it carries."""
        self._stopping.set()
        with self._lock:
            if self._up:
                self._channel.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(deadline.left())
        else:
            self._bury()

    def begin(self, carried: Carried, message: Message) -> None:
        """Hand a connection over."""
        with self._lock:
            self._open[carried.number] = carried
            channel = self._channel
        try:
            send(channel, message)
        except OSError:  # it has just ended, or hangs
            self._finish(carried.number, ERROR, carried)

    def measures(self) -> WorkerMeasures:
        """Return what it does and uses."""
        return WorkerMeasures(self.name, self.well, len(self), *usage_of(self.pid))

    def _spawn(self) -> t.Tuple[socket.socket, "subprocess.Popen[bytes]"]:
        ours, theirs = pair()
        with theirs:
            numbers = (theirs.fileno(), self._memory)
            words = [sys.executable, "-c", _PROGRAM, *map(str, numbers), os.pathsep.join(sys.path)]
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_IT)  # it begins as this thread is
            try:
                process = subprocess.Popen(words, pass_fds=numbers, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL)
            except BaseException:
                ours.close()
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ours.settimeout(LOOK)
        self._heard = time.monotonic()
        return ours, process

    def _live(self) -> None:
        """Listen to the process, and start it again whenever it ends; the thread's top."""
        while True:
            if self._up:
                self._listen()
                self._bury()
            if self._stopping.is_set() or self._stopping.wait(AGAIN):
                return
            try:
                channel, process = self._spawn()  # not under the lock: connections would wait for it
                with self._lock:
                    self._channel, self._process, self._up = channel, process, True
            except OSError as error:
                logger.error(Event("worker_lost", worker=self.name, error=error, means="tried again in a second"))

    def _listen(self) -> None:
        """Take what it says until it ends."""
        asked = 0.0
        while not self._stopping.is_set():  # it may have been started anew in the midst of a stop
            if time.monotonic() - asked >= LOOK:
                asked = time.monotonic()
                self._let_go()
                self._ask()
            try:
                message = receive(self._channel)
            except socket.timeout:
                continue
            except OSError:
                return
            if message is None:
                return
            self._heard = time.monotonic()
            self._take(message)

    def _ask(self) -> None:
        try:
            send(self._channel, Message(PING, 0))
        except OSError:
            pass  # it has ended, which `receive` tells, or takes nothing more: it has been asked often enough

    def _take(self, message: Message) -> None:
        if message.kind == READONLY:
            carried = self._open.get(message.number)
            if carried is not None:
                carried.on_readonly()
        elif message.kind == ENDED:
            self._finish(message.number, message.data.decode())
        elif message.kind == FAILED:
            logger.error(Event("worker_failed", worker=self.name, why=message.data.decode()))
            self._finish(message.number, ERROR)

    def _finish(self, number: int, who: str, only: t.Optional[Carried] = None) -> None:
        """Note that a connection has ended. It may be told twice: by then the number may be that of another one."""
        with self._lock:
            if only is not None and self._open.get(number) is not only:
                return
            known, carried = number in self._open, self._open.pop(number, None)
        if carried is not None:
            carried.finish(who)
        if known:
            self._free(number)

    def _let_go(self) -> None:
        """Wake the owners of connections that were cut, but not closed by a worker that hangs."""
        now = time.monotonic()
        with self._lock:
            late = [each for each in self._open.values() if each and each.cut_at and now - each.cut_at > CUT_PATIENCE]
            self._open.update((each.number, None) for each in late)
        for each in late:
            each.finish(ERROR)

    def _bury(self) -> None:
        """Note that the process has ended, or end it; what it carried ends with it."""
        self._process.kill()
        code = self._process.wait()
        with self._lock:
            self._up = False
            self._channel.close()
            lost = list(self._open)
        if not self._stopping.is_set():
            logger.error(Event("worker_lost", worker=self.name, exit=code, connections=len(lost),
                               means="these clients must connect again; it is started anew"))
        for number in lost:
            self._finish(number, ERROR)
