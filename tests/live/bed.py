"""A real deployment for tests: masters, replicas and Sentinels as processes on this host."""
import shutil
import tempfile
import time
import typing as t

import hiredis

from st.address import Address
from tests.live.node import QUICK_SENTINELS, Node, NodeTls, SentinelNode, redis_version
from tests.waiting import FACTOR, wait_until

_REDIS_OPTIONS = {
    "save": '""',
    "appendonly": "no",
    "repl-diskless-sync-delay": "0",  # 5 s by default in Redis 7
}
Options = t.Mapping[str, str]


def _sentinel_defaults() -> t.Dict[str, str]:
    """Before 7.0 a Sentinel pings each second only, and with 1 s it takes a new master for dead now and then."""
    down_after = 1000 if redis_version() >= QUICK_SENTINELS else 3000
    return {
        "down-after-milliseconds": "%d" % (down_after * FACTOR),
        "failover-timeout": "%d" % (10000 * FACTOR),  # a split vote is repeated after twice this time
    }


class Bed:
    """Runs `replicas` + 1 Redis nodes for each master name, and Sentinels that watch them all; a context manager.

    `redis_options` are lines of redis.conf, as name and value, for every Redis node; `sentinel_options` are those of
    `sentinel <option> <master name> <value>`, for every name. Lines for one node: `node.restart(line, ...)`.
    With `tls` all of them speak TLS and nothing else. With `requirepass` every Redis node has that password, with
    `sentinel_requirepass` every Sentinel.
    """

    def __init__(self, names: t.Sequence[str] = ("sessions",), replicas: int = 2, sentinels: int = 3,
                 redis_options: t.Optional[Options] = None, sentinel_options: t.Optional[Options] = None,
                 requirepass: t.Optional[str] = None, sentinel_requirepass: t.Optional[str] = None,
                 tls: t.Optional[NodeTls] = None) -> None:
        self.names = tuple(names)
        self.directory = ""
        self.sentinels: t.List[SentinelNode] = []
        self._nodes: t.Dict[str, t.List[Node]] = {}
        self._replica_count = replicas
        self._sentinel_count = sentinels
        self._redis_options = dict(_REDIS_OPTIONS, **(redis_options or {}))
        self._sentinel_options = dict(_sentinel_defaults(), **(sentinel_options or {}))
        self._requirepass = requirepass
        self._sentinel_requirepass = sentinel_requirepass
        self._tls = tls

    def __enter__(self) -> "Bed":
        self.directory = tempfile.mkdtemp(prefix="sentinel-tunnel-bed-")
        try:
            self._start()
        except BaseException:  # a Ctrl-C too must not leave processes behind
            self.close()
            raise
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()

    def close(self) -> None:
        """Kill every process that was started and remove the directory; twice is fine."""
        for node in self.sentinels + [node for nodes in self._nodes.values() for node in nodes]:
            node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def sentinel_addresses(self) -> t.List[Address]:
        """The addresses of all Sentinels, also of dead ones."""
        return [sentinel.address for sentinel in self.sentinels]

    def nodes(self, name: str) -> t.List[Node]:
        """Return every Redis node of a master name, also dead ones; the first was the master in the beginning."""
        return self._nodes[name]

    def node(self, name: str, address: t.Tuple[str, int]) -> Node:
        """Return the node of a master name that has this address."""
        return next(node for node in self._nodes[name] if node.address == address)

    def master(self, name: str) -> Node:
        """Return the node that the first answering Sentinel names as master."""
        return self.node(name, self._named(self._answering()[0], name))

    def replicas(self, name: str) -> t.List[Node]:
        """Return the nodes that are not the master, also dead ones."""
        master = self.master(name)
        return [node for node in self._nodes[name] if node is not master]

    def failover(self, name: str) -> Node:
        """Have the Sentinels fail over, and return the new master when the deployment is healthy again."""
        old = self.master(name)
        wait_until(lambda: _begins_failover(self._answering()[0], name), "no replica of %s can be promoted" % name)
        self.wait_master(name, old.address)
        self.wait_healthy(name)
        return self.master(name)

    def wait_master(self, name: str, not_address: t.Tuple[str, int]) -> t.Tuple[Address, float]:
        """Wait until the first of the Sentinels names another master; return it and the monotonic time of that."""
        host, port = not_address
        named: t.List[Address] = []

        def switched() -> bool:
            named[:] = [address for address in self._all_named(name) if address != not_address]
            return bool(named)

        wait_until(switched, "no Sentinel names a master of %s other than %s:%d" % (name, host, port), 90)
        return named[0], time.monotonic()

    def wait_healthy(self, name: str) -> None:
        """Wait until every Sentinel that answers sees the others, the master and each replica that answers as well."""
        wait_until(lambda: self._healthy(name), "the deployment of %s did not become healthy" % name, 60)

    def mend(self) -> None:
        """Start again what was killed or frozen, and wait until all is healthy."""
        everything = self.sentinels + [node for nodes in self._nodes.values() for node in nodes]
        for node in everything:
            if not node.answering:
                node.restart()  # a Sentinel that is merely continued does nothing for 30 s (TILT)
        for name in self.names:
            self.wait_healthy(name)

    def _start(self) -> None:
        for name in self.names:
            self._nodes[name] = []
            for index in range(self._replica_count + 1):
                self._start_node(self._nodes[name], index)
        for name in self.names:  # before the Sentinels: what they do not find at first they look for 10 s later
            wait_until(lambda: self._following(name), "the replicas of %s do not follow their master" % name)
        for index in range(self._sentinel_count):
            self.sentinels.append(self._new_sentinel(index))
            self.sentinels[-1].start()
        for name in self.names:
            self.wait_healthy(name)

    def _start_node(self, nodes: t.List[Node], index: int) -> None:
        lines = ["%s %s" % option for option in self._redis_options.items()]
        if self._requirepass:
            lines.append("masterauth " + self._requirepass)
        if index:
            lines.append("replicaof %s %d" % nodes[0].address)
        nodes.append(self._new_node(index, lines))
        nodes[-1].start()

    def _new_node(self, index: int, lines: t.List[str]) -> Node:
        return Node(self.directory, lines, self._requirepass, self._tls)

    def _new_sentinel(self, index: int) -> SentinelNode:
        return SentinelNode(self.directory, self._sentinel_lines(), self._sentinel_requirepass, self._tls)

    def _sentinel_lines(self) -> t.List[str]:
        lines = ["sentinel sentinel-pass " + self._sentinel_requirepass] if self._sentinel_requirepass else []
        quorum = self._sentinel_count // 2 + 1
        for name in self.names:
            master = self._nodes[name][0]
            lines.append("sentinel monitor %s %s %d %d" % (name, master.host, master.port, quorum))
            lines += ["sentinel %s %s %s" % (option, name, self._sentinel_options[option])
                      for option in self._sentinel_options]
            if self._requirepass:
                lines.append("sentinel auth-pass %s %s" % (name, self._requirepass))
        return lines

    def _answering(self) -> t.List[SentinelNode]:
        return [sentinel for sentinel in self.sentinels if sentinel.answering]

    @staticmethod
    def _named(sentinel: Node, name: str) -> Address:
        host, port = sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        return Address(host, int(port))

    def _all_named(self, name: str) -> t.Iterator[Address]:
        for sentinel in self._answering():
            try:
                yield self._named(sentinel, name)
            except OSError:  # it has died since we looked
                continue

    def _following(self, name: str) -> bool:
        return all(node.cli("ROLE")[3] == "connected" for node in self._nodes[name][1:])

    def _healthy(self, name: str) -> bool:
        masters = {self._named(sentinel, name) for sentinel in self._answering()}
        if len(masters) != 1:
            return False
        master = self.node(name, masters.pop())
        replicas = {node.address for node in self._nodes[name] if node.answering and node is not master}
        return master.role() == "master" and all(self._sees(sentinel, name, replicas) for sentinel in self._answering())

    def _sees(self, sentinel: Node, name: str, replicas: t.Set[Address]) -> bool:
        others = {other.address for other in self._answering() if other is not sentinel}
        seen_replicas = [fields for fields in _table(sentinel, "REPLICAS", name)
                         if fields["flags"] == "slave" and fields["master-link-status"] == "ok"]
        seen_others = [fields for fields in _table(sentinel, "SENTINELS", name)
                       # Valkey 9.1 does not forget that another has called the master before this one down.
                       if fields["flags"] in ("sentinel", "sentinel,master_down")]
        return (_fields(sentinel.cli("SENTINEL", "MASTER", name))["flags"] == "master"
                and replicas <= {_address(fields) for fields in seen_replicas}
                and others <= {_address(fields) for fields in seen_others})


def _begins_failover(sentinel: Node, name: str) -> bool:
    """Tell it to; one that is busy may not have heard of its replicas lately, and so takes none of them for good."""
    try:
        return bool(sentinel.cli("SENTINEL", "FAILOVER", name) == "OK")
    except hiredis.ReplyError as error:
        if str(error).startswith("NOGOODSLAVE"):
            return False
        raise


def _table(sentinel: Node, what: str, name: str) -> t.List[t.Dict[str, str]]:
    return [_fields(reply) for reply in sentinel.cli("SENTINEL", what, name)]


def _address(fields: t.Dict[str, str]) -> Address:
    return Address(fields["ip"], int(fields["port"]))


def _fields(reply: t.List[str]) -> t.Dict[str, str]:
    return dict(zip(reply[::2], reply[1::2]))
