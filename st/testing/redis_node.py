"""A Redis node: master or replica as it is told, with strings, transactions and Pub/Sub."""
import threading
import typing as t

from st.testing.connection import Connection
from st.testing.redis_like import RedisLike
from st.testing.server import Address
from st.testing.wire import Command, Error, Several, Simple, Value, Verbatim

READ_ONLY = Error("READONLY You can't write against a read only replica.")
NOT_A_NUMBER = Error("ERR value is not an integer or out of range")
ROLES = ("master", "slave", "sentinel")


class FakeRedis(RedisLike):
    """A Redis node in threads of this process; `role`, `master` and `replicas` may change at any time."""

    kind = "redis"

    def __init__(self, role: str = "master", host: str = "127.0.0.1") -> None:
        self.role = role
        self.master: t.Optional[Address] = None  # what a replica says of its master
        self.replicas: t.List[Address] = []
        self.offset = 0  # of the replication
        self.values: t.Dict[bytes, bytes] = {}
        self.written: t.Callable[[t.Optional[bytes]], None] = lambda key: None  # told of each write; None: all keys
        self._writing = threading.RLock()  # makes each write one step, so that clients can count lost ones with INCR
        super().__init__(host)

    @property
    def role(self) -> str:
        """The word that ROLE replies with, one of ROLES."""
        return self._role

    @role.setter
    def role(self, role: str) -> None:
        if role not in ROLES:
            raise ValueError("%r is not a role; there are %s" % (role, ", ".join(ROLES)))
        self._role = role

    def value_of(self, connection: Connection, command: Command) -> Value:
        """Return the reply to a command, which between MULTI and EXEC is only put into a queue."""
        name = command[0].upper()
        if connection.queue is None or name in (b"MULTI", b"EXEC", b"DISCARD", b"QUIT"):
            return super().value_of(connection, command)
        connection.queue.append(command)
        return Simple("QUEUED")

    def on_multi(self, connection: Connection) -> Value:
        """Begin a transaction."""
        if connection.queue is not None:
            return Error("ERR MULTI calls can not be nested")
        connection.queue = []
        return Simple("OK")

    def on_exec(self, connection: Connection) -> Value:
        """Execute what was queued, with nothing in between."""
        if connection.queue is None:
            return Error("ERR EXEC without MULTI")
        queue, connection.queue = connection.queue, None
        with self._writing:
            return [self.value_of(connection, command) for command in queue]

    def on_discard(self, connection: Connection) -> Value:
        """Forget what was queued."""
        if connection.queue is None:
            return Error("ERR DISCARD without MULTI")
        connection.queue = None
        return Simple("OK")

    def role_name(self) -> t.Optional[str]:
        """Return the role as HELLO shows it; None when it shows none."""
        return {"master": "master", "slave": "replica"}.get(self.role)

    def on_role(self, connection: Connection) -> Value:
        """Tell the role, and whom the node follows or is followed by."""
        if self.role == "sentinel":
            return ["sentinel", []]
        if self.role == "master":
            return ["master", self.offset, [[host, str(port), str(self.offset)] for host, port in self.replicas]]
        host, port = self.master or ("127.0.0.1", 6379)
        return ["slave", host, port, "connected", self.offset]

    def on_info(self, connection: Connection, *sections: bytes) -> Value:
        """Tell the section `replication`, whatever is asked."""
        lines = ["# Replication", "role:" + self.role]
        if self.role == "slave":
            host, port = self.master or ("127.0.0.1", 6379)
            lines += ["master_host:" + host, "master_port:%d" % port, "master_link_status:up"]
        lines.append("connected_slaves:%d" % len(self.replicas))
        lines += ["slave%d:ip=%s,port=%d,state=online,offset=%d,lag=0" % (number, host, port, self.offset)
                  for number, (host, port) in enumerate(self.replicas)]
        lines.append("master_repl_offset:%d" % self.offset)
        return Verbatim("\r\n".join(lines) + "\r\n")

    def on_quit(self, connection: Connection) -> Value:
        """Reply OK and close; Sentinel 7.0 has no such command."""
        connection.send(b"+OK\r\n")
        connection.close()
        return Several()

    def on_echo(self, connection: Connection, text: bytes) -> Value:
        """Reply with the text."""
        return text

    def on_select(self, connection: Connection, database: bytes) -> Value:
        """Accept a number; there is only one database."""
        return Simple("OK") if database.isdigit() else NOT_A_NUMBER

    def on_get(self, connection: Connection, key: bytes) -> Value:
        """Reply with the value of a key, or nil."""
        return self.values.get(key)

    def on_set(self, connection: Connection, key: bytes, value: bytes, *options: bytes) -> Value:
        """Store a value, on a master; with NX or XX only under that condition. No value ever expires."""
        if self.role != "master":
            return READ_ONLY
        words = [option.upper() for option in options]
        with self._writing:
            if (b"NX" in words and key in self.values) or (b"XX" in words and key not in self.values):
                return None
            self._store(key, value)
        return Simple("OK")

    def on_del(self, connection: Connection, key: bytes, *more: bytes) -> Value:
        """Remove keys, on a master, and tell how many there were."""
        if self.role != "master":
            return READ_ONLY
        with self._writing:
            found = {each for each in (key, *more) if each in self.values}
            for each in found:
                self._store(each, None)
        return len(found)

    def on_exists(self, connection: Connection, key: bytes, *more: bytes) -> Value:
        """Tell how many of these keys there are."""
        return sum(each in self.values for each in (key, *more))

    def on_incr(self, connection: Connection, key: bytes) -> Value:
        """Add one to a number, on a master."""
        return self.on_incrby(connection, key, b"1")

    def on_decr(self, connection: Connection, key: bytes) -> Value:
        """Take one from a number, on a master."""
        return self.on_decrby(connection, key, b"1")

    def on_decrby(self, connection: Connection, key: bytes, amount: bytes) -> Value:
        """Take from a number, on a master."""
        return self.on_incrby(connection, key, amount[1:] if amount.startswith(b"-") else b"-" + amount)

    def on_incrby(self, connection: Connection, key: bytes, amount: bytes) -> Value:
        """Add to a number, on a master."""
        if self.role != "master":
            return READ_ONLY
        with self._writing:
            try:
                number = int(self.values.get(key, b"0")) + int(amount)
            except ValueError:
                return NOT_A_NUMBER
            self._store(key, b"%d" % number)
            return number

    def on_dbsize(self, connection: Connection) -> Value:
        """Tell how many keys there are."""
        return len(self.values)

    def on_flushall(self, connection: Connection, *mode: bytes) -> Value:
        """Remove all keys, on a master."""
        if self.role != "master":
            return READ_ONLY
        with self._writing:
            self.values.clear()
            self.written(None)
        return Simple("OK")

    on_flushdb = on_flushall

    def _store(self, key: bytes, value: t.Optional[bytes]) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        self.written(key)

    def on_publish(self, connection: Connection, channel: bytes, payload: bytes) -> Value:
        """Push a message to the subscribers of this node."""
        return self.publish(channel.decode("latin-1"), payload.decode("latin-1"))
