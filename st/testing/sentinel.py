"""A Sentinel that says of each master what the test tells it to."""
import hashlib
import typing as t

from st.testing.connection import Connection
from st.testing.redis_like import RedisLike, call
from st.testing.server import Address
from st.testing.wire import NIL_ARRAY, Error, Simple, Value, Verbatim

NO_SUCH_MASTER = Error("ERR No such master with that name")


class Monitored(t.NamedTuple):
    """What a Sentinel knows of one master; a plain tuple of the three does as well."""

    address: Address
    epoch: int = 0
    flags: str = "master"


class Replica(t.NamedTuple):
    """What a Sentinel knows of one replica."""

    address: Address
    flags: str = "slave"
    link: str = "ok"


class Sibling(t.NamedTuple):
    """What a Sentinel knows of another Sentinel."""

    address: Address
    runid: str
    flags: str = "sentinel"


class FakeSentinel(RedisLike):
    """A Sentinel in threads of this process; its tables may change at any time.

    An address may be any host and port, such as ("", 0) or ("?", 6379): it goes out as it is.
    """

    kind = "sentinel"
    mode = "sentinel"

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.masters: t.Dict[str, t.Tuple[Address, int, str]] = {}
        self.replicas: t.Dict[str, t.List[Replica]] = {}  # by the name of the master
        self.siblings: t.List[Sibling] = []
        self.quorum = 2
        super().__init__(host)
        self.runid = runid_of(self.address)

    def begin_batch(self, connection: Connection) -> None:
        """Note what the commands that came together shall see: no switch comes in between."""
        connection.masters = dict(self.masters)

    def master_fields(self, name: str) -> t.Dict[str, str]:
        """Return the fields of SENTINEL MASTER; a test may change some and set the dict as a reply."""
        return self._fields_of(name, self.masters[name])

    def _fields_of(self, name: str, monitored: t.Tuple[Address, int, str]) -> t.Dict[str, str]:
        address, epoch, flags = monitored
        fields = _fields(name, address, runid_of(address), flags, "master")
        return dict(fields, **{
            "config-epoch": str(epoch), "num-slaves": str(len(self.replicas.get(name, ()))),
            "num-other-sentinels": str(len(self.siblings)), "quorum": str(self.quorum),
            "failover-timeout": "180000", "parallel-syncs": "1",
        })

    def on_role(self, connection: Connection) -> Value:
        """Say that this is a Sentinel, and of which masters."""
        return ["sentinel", list(self.masters)]

    def on_info(self, connection: Connection, *sections: bytes) -> Value:
        """Tell the section `sentinel`, whatever is asked."""
        lines = ["# Sentinel", "sentinel_masters:%d" % len(self.masters), "sentinel_tilt:0"]
        for number, (name, ((host, port), _, flags)) in enumerate(self.masters.items()):
            status = "odown" if "o_down" in flags else "sdown" if "s_down" in flags else "ok"
            known = (len(self.replicas.get(name, ())), len(self.siblings) + 1)
            lines.append("master%d:name=%s,status=%s,address=%s:%d," % (number, name, status, host, port)
                         + "slaves=%d,sentinels=%d" % known)
        return Verbatim("\r\n".join(lines) + "\r\n")

    def on_sentinel(self, connection: Connection, subcommand: bytes, *words: bytes) -> Value:
        """Call `sentinel_<subcommand>`; those on one master get its name as text."""
        name = subcommand.decode("latin-1")
        handler = getattr(self, "sentinel_" + name.lower().replace("-", "_"), None)
        if handler is None:
            return Error("ERR unknown subcommand '%s'. Try SENTINEL HELP." % name)
        return call(handler, "sentinel|" + name.lower(), connection, list(words))

    def sentinel_get_master_addr_by_name(self, connection: Connection, name: bytes) -> Value:
        """Reply with host and port, both strings, or nil."""
        known = connection.masters.get(name.decode())
        return [known[0][0], str(known[0][1])] if known else NIL_ARRAY

    def sentinel_master(self, connection: Connection, name: bytes) -> Value:
        """Reply with the fields of one master."""
        known = connection.masters.get(name.decode())
        return self._fields_of(name.decode(), known) if known else NO_SUCH_MASTER

    def sentinel_masters(self, connection: Connection) -> Value:
        """Reply with the fields of every master."""
        return [self.master_fields(name) for name in list(self.masters)]

    def sentinel_sentinels(self, connection: Connection, name: bytes) -> Value:
        """Reply with the other Sentinels, never this one."""
        if name.decode() not in self.masters:
            return NO_SUCH_MASTER
        return [dict(_fields(runid, address, runid, flags), **{"voted-leader": "?", "voted-leader-epoch": "0"})
                for address, runid, flags in self.siblings]

    def sentinel_replicas(self, connection: Connection, name: bytes) -> Value:
        """Reply with the replicas of one master."""
        if name.decode() not in self.masters:
            return NO_SUCH_MASTER
        master_host, master_port = self.masters[name.decode()][0]
        more = {"master-host": master_host, "master-port": str(master_port), "slave-priority": "100"}
        return [dict(_fields("%s:%d" % address, address, runid_of(address), flags, "slave"),
                     **dict(more, **{"master-link-status": link}))
                for address, flags, link in self.replicas.get(name.decode(), ())]

    sentinel_slaves = sentinel_replicas

    def sentinel_myid(self, connection: Connection) -> Value:
        """Reply with the identity of this Sentinel."""
        return self.runid

    def sentinel_ckquorum(self, connection: Connection, name: bytes) -> Value:
        """Reply that all is well, if the name is known."""
        text = "OK %d usable Sentinels. Quorum and failover authorization can be reached" % (len(self.siblings) + 1)
        return Simple(text) if name.decode() in self.masters else NO_SUCH_MASTER


def runid_of(address: Address) -> str:
    """Return 40 hexadecimal digits that are the same for the same address."""
    return hashlib.sha256(repr(tuple(address)).encode()).hexdigest()[:40]


def _fields(name: str, address: Address, runid: str, flags: str, role: str = "") -> t.Dict[str, str]:
    fields = {
        "name": name, "ip": address[0], "port": str(address[1]), "runid": runid, "flags": flags,
        "link-pending-commands": "0", "link-refcount": "1", "last-ping-sent": "0", "last-ok-ping-reply": "20",
        "last-ping-reply": "20", "down-after-milliseconds": "30000",
    }
    return dict(fields, **{"info-refresh": "20", "role-reported": role}) if role else fields
