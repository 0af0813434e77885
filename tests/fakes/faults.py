"""What a network and its nodes can do wrong, for the fakes of st.testing: faults, delays, replies that a test sets."""
import typing as t

from st.testing.connection import Connection
from st.testing.redis_like import RedisLike, name_of
from st.testing.wire import Command, RequestParser, Value, encode
from tests.waiting import FACTOR

Reply = t.Union[Value, t.Callable[[Connection, Command], Value]]

FAULTS = {
    "": "none",
    "close": "closes each new connection at once",
    "reset": "resets (RST) each new connection at once",
    "silence": "reads, never answers",
    "stop_reading": "does not read, so that the client's writes back up",
    "echo": "sends back the bytes that it gets",
    "half": "sends the first half of a reply, then closes",
    "one_byte": "sends each byte in a packet of its own",
}


class FaultyConnection(Connection):
    """A connection on which the fault of its server is in force."""

    server: "Faulty"

    def __init__(self, *words: t.Any) -> None:
        super().__init__(*words)
        self._slow: t.List[bytes] = []  # replies that are sent byte by byte, though their commands came together

    def _deliver(self, data: bytes) -> None:
        fault = self.server.fault
        if fault == "half":
            self._write(data[:len(data) // 2])
            self.close()
        elif fault == "one_byte":
            for position in range(len(data)):
                self._write(data[position:position + 1])
                self._ending.wait(0.001)  # seconds; without it the peer reads several at once
        elif fault != "silence":
            self._write(data)

    def _serve(self) -> None:
        server = self.server
        self.wait_while(lambda waited: waited < server.accept_delay)
        self._abort = self._abort or server.fault == "reset"
        self.send(server.greeting)
        if not server.greeting and server.fault not in ("close", "reset"):
            super()._serve()

    def _obey(self, parser: RequestParser, data: bytes) -> None:
        if self.server.fault == "echo":
            self.send(data)
        else:
            super()._obey(parser, data)

    def _reply(self, reply: bytes) -> None:
        if self.server.fault == "one_byte":
            self._slow.append(reply)
        else:
            self.send(reply)

    def _end_batch(self) -> None:
        replies, self._slow = self._slow, []
        self.send(b"".join(replies))


class Faulty(RedisLike):
    """A node or Sentinel whose faults a test sets while it runs.

    The keys of `delays` and `replies` are "ROLE", "SENTINEL MASTER", "SENTINEL" (all of its subcommands), "*" (all).
    """

    connection_class = FaultyConnection
    patience = 10 * FACTOR

    def __init__(self, *words: t.Any, **more: t.Any) -> None:
        self.greeting = b""  # when set: sent to each new connection, which is then closed
        self.accept_delay = 0.0  # seconds before a new connection is served; lowering it frees those that wait
        # Seconds before the reply; a test that lowers or removes one frees the connections that wait.
        self.delays: t.Dict[str, float] = {}
        # Bytes go out as they are, other values are encoded; a callable returns either, or None for no reply.
        self.replies: t.Dict[str, Reply] = {}
        self._fault = ""
        super().__init__(*words, **more)

    @property
    def fault(self) -> str:
        """The fault in force, a key of FAULTS; it also counts for open connections, save "close" and "reset"."""
        return self._fault

    @fault.setter
    def fault(self, name: str) -> None:
        if name not in FAULTS:
            raise ValueError("%r is not a fault; there are %s" % (name, ", ".join(map(repr, FAULTS))))
        self._fault = name

    def is_frozen(self) -> bool:
        """Tell whether it reads nothing."""
        return self._fault == "stop_reading" or super().is_frozen()

    def respond(self, connection: Connection, command: Command) -> bytes:
        """Return the reply to `command`: the test's, or the one of Redis."""
        name = name_of(command)
        connection.wait_while(lambda waited: waited < _setting(self.delays, name, 0))
        reply = _setting(self.replies, name, super().respond)
        if callable(reply):
            reply = reply(connection, command)
            reply = b"" if reply is None else reply
        return reply if isinstance(reply, bytes) else encode(reply, connection.protocol)


def _setting(table: t.Dict[str, t.Any], name: str, default: t.Any) -> t.Any:
    """Return the entry for a command: by its full name, its first word or "*"."""
    for key in (name, name.split(" ")[0], "*"):
        if key in table:
            return table[key]
    return default
