"""A connection that a worker carries: does as a `Relay` does, for the thread that owns it here."""
import socket
import time
import typing as t

from st.tunnel.turns import Turn, Turns
from st.workers.channel import CARRY, Message
from st.workers.slots import ASKED, TO_CLIENT, TO_MASTER

ERROR = "error"  # who ended a connection that the worker could not carry on


class Progress:
    """One direction."""

    def __init__(self, words: t.Sequence[int], at: int) -> None:
        self._words = words
        self._at = at

    @property
    def carried(self) -> int:
        """Bytes so far."""
        return self._words[self._at]

    @property
    def held(self) -> bool:
        """Bytes were received that the kernel has not taken for the other side."""
        return bool(self._words[self._at + 1])


class Carried:
    """Its owner calls `run`; the sockets stay open here, so that whoever cuts it can shut them down at any time."""

    deaf = True  # who cuts must shut down both sockets: that alone ends it, without a word to the worker

    def __init__(self, begin: t.Callable[["Carried", Message], None], number: int, slot: t.Any,
                 sockets: t.Tuple[socket.socket, socket.socket], on_readonly: t.Callable[[], None],
                 turns: Turns) -> None:
        """Carry between the client's and the master's socket, counting in `slot`; `begin` hands it over."""
        self.number = number
        self.on_readonly = on_readonly
        self.cut_at: t.Optional[float] = None  # monotonic time
        self._begin = begin
        self._sockets = sockets
        self._turns = turns
        self._turn = Turn()
        self._who = ERROR
        self._look_at(slot)

    def run(self, first_reply: bytes = b"") -> str:
        """Have it carried to the end; return who ended it first: client or master, or error."""
        client, master = self._sockets
        self._begin(self, Message(CARRY, self.number, first_reply, (client.fileno(), master.fileno())))
        self._turn.wait()
        return self._who

    def closed(self) -> None:
        """Let others that have ended at the same time go on; to be called when the sockets are closed."""
        self._turns.done(self._turn)

    def cut(self) -> None:
        """Note that another thread ends it, which then shuts both sockets down."""
        self.cut_at = time.monotonic()

    def quiet(self) -> bool:
        """Tell whether nothing is on its way: no reply that the client waits for, nothing that waits for a receiver."""
        return not (self._words[ASKED] or self.to_master.held or self.to_client.held)

    def finish(self, who: str) -> None:
        """Wake its owner; the counters stay as they are now."""
        self._look_at(list(self._words))
        self._who = who
        self._turns.add(self._turn)

    def _look_at(self, words: t.Sequence[int]) -> None:
        self._words = words
        self.to_master, self.to_client = Progress(words, TO_MASTER), Progress(words, TO_CLIENT)
