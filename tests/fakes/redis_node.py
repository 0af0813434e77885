"""A Redis node: master or replica as the test says, with strings and Pub/Sub."""
import threading
import typing as t

from tests.fakes.connection import Connection
from tests.fakes.redis_like import RedisLike
from tests.fakes.server import Address
from tests.fakes.wire import Error, Several, Simple, Value, Verbatim

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
        self._counting = threading.Lock()  # makes INCR one step, so that clients can count lost writes with it
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

    def on_set(self, connection: Connection, key: bytes, value: bytes) -> Value:
        """Store a value, on a master."""
        if self.role != "master":
            return READ_ONLY
        self.values[key] = value
        return Simple("OK")

    def on_incr(self, connection: Connection, key: bytes) -> Value:
        """Add one to a number, on a master."""
        return self.on_incrby(connection, key, b"1")

    def on_incrby(self, connection: Connection, key: bytes, amount: bytes) -> Value:
        """Add to a number, on a master."""
        if self.role != "master":
            return READ_ONLY
        with self._counting:
            try:
                number = int(self.values.get(key, b"0")) + int(amount)
            except ValueError:
                return NOT_A_NUMBER
            self.values[key] = b"%d" % number
            return number

    def on_publish(self, connection: Connection, channel: bytes, payload: bytes) -> Value:
        """Push a message to the subscribers of this node."""
        return self.publish(channel.decode("latin-1"), payload.decode("latin-1"))
