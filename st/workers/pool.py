"""All workers of a process: which of them carries the next connection."""
import os
import socket
import threading
import typing as t

from st.deadline import Deadline
from st.errors import LocalError
from st.ops.measures import WorkerMeasures
from st.tunnel.relay import Relay
from st.tunnel.turns import Turns
from st.workers.carried import Carried
from st.workers.slots import Slots, shared_file
from st.workers.worker import Worker


class Workers:
    """So many processes. `relay` is for any thread, `start` and `stop` for the owner; startable again."""

    def __init__(self, count: int, room: int) -> None:
        """Have `count` workers carry up to `room` connections."""
        self._room = room
        self._count = count
        self.workers: t.List[Worker] = []  # those that run
        self._memory: t.Optional[int] = None  # the file that is shared with them
        self._slots: t.Optional[Slots] = None  # what is in it
        self._turns = Turns()  # of connections that have ended
        self._lock = threading.Lock()  # guards the slots that are free
        self._free: t.List[int] = []
        self._next = 0  # no slot from here on was ever used

    def start(self) -> None:
        """Start them; raise LocalError when that cannot be done."""
        try:
            self._memory = shared_file(self._room)
            self._slots = Slots(self._memory)
            for number in range(1, self._count + 1):
                self.workers.append(Worker("worker %d" % number, self._memory, self._give_back))
                self.workers[-1].start()
        except (OSError, RuntimeError) as error:
            self.stop(Deadline(0))
            text = "workers: cannot start %d processes: %s: set workers = 1"
            raise LocalError(text % (self._count, error)) from error

    def stop(self, deadline: Deadline) -> None:
        """End them, and with them what they carry. Twice is fine."""
        workers, self.workers = self.workers, []
        memory, self._memory, self._slots = self._memory, None, None  # the last connection gives the memory back
        for worker in workers:
            worker.stop(deadline)
        if memory is not None:
            os.close(memory)

    def relay(self, client: socket.socket, master: socket.socket, on_readonly: t.Callable[[], None]
              ) -> t.Union[Relay, Carried]:
        """Return what carries bytes between two sockets: the worker that has the least to do, or this process."""
        able, slots = [worker for worker in self.workers if worker.well], self._slots
        number = self._take() if able and slots else None
        if number is None or slots is None:
            return Relay(client, master, on_readonly)
        return Carried(min(able, key=len).begin, number, slots.begin(number), (client, master), on_readonly,
                       self._turns)

    def measures(self) -> t.Tuple[WorkerMeasures, ...]:
        """Return what each of them does and uses."""
        return tuple(worker.measures() for worker in self.workers)

    def _take(self) -> t.Optional[int]:
        with self._lock:
            if self._free:
                number = self._free.pop()
            elif self._next < self._room:
                number, self._next = self._next, self._next + 1
            else:
                return None
            return number

    def _give_back(self, number: int) -> None:
        with self._lock:
            self._free.append(number)
