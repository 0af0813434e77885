"""A small complete deployment: one master, its replicas, and Sentinels that agree."""
import functools
import typing as t

from st.testing.redis_node import FakeRedis
from st.testing.sentinel import FakeSentinel, Monitored, Replica, Sibling
from st.testing.server import Address


Node = t.TypeVar("Node", bound=FakeRedis)
Guard = t.TypeVar("Guard", bound=FakeSentinel)
Self = t.TypeVar("Self", bound="Deployment[t.Any, t.Any]")


class Deployment(t.Generic[Node, Guard]):
    """Nodes and Sentinels of one master name, in threads of this process, on free ports of 127.0.0.1.

    Nothing happens by itself: the Sentinels name another master after `failover`, and at no other time.
    """

    redis_class: t.Type[Node]
    sentinel_class: t.Type[Guard]
    replicates = True  # replicas get every write at once

    def __init__(self, name: str = "mymaster", replicas: int = 2, sentinels: int = 3,
                 password: t.Optional[str] = None, sentinel_password: t.Optional[str] = None) -> None:
        self.name = name
        self.epoch = 0
        self.nodes = [self.redis_class() for _ in range(1 + replicas)]
        self.sentinels = [self.sentinel_class() for _ in range(sentinels)]
        self.master = self.nodes[0]
        for node in self.nodes:
            node.password = password
            node.written = functools.partial(self._replicate, node)
        for sentinel in self.sentinels:
            sentinel.password = sentinel_password
        self._set_roles(self.master)
        self._tell_sentinels()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()

    @property
    def seeds(self) -> t.List[Address]:
        """The addresses of the Sentinels, as (host, port)."""
        return [sentinel.address for sentinel in self.sentinels]

    @property
    def replicas(self) -> t.List[Node]:
        """Every node but the master."""
        return [node for node in self.nodes if node is not self.master]

    def failover(self, to_node: t.Optional[Node] = None) -> Node:
        """Make a replica the master, the first that is well unless one is given, and return it.

        As with Redis, the clients of the promoted and of the demoted node are disconnected, if these can do anything.
        """
        old = self.master
        well = [node for node in self.replicas if _is_well(node)]
        if not well:
            raise RuntimeError("no replica is there to be promoted: heal() some, or begin with more")
        new = to_node or well[0]
        self.promote(new)
        for node in (old, new):
            if not node.is_frozen():
                node.drop_all()
        return new

    def partition(self) -> None:
        """Cut the master off: whoever talks to it, or connects to it, hears nothing until `heal`."""
        self.master.freeze()

    def kill_master(self) -> None:
        """End the master's process: its connections end, and new ones are refused until `heal`."""
        self.master.stop()

    def kill_sentinel(self) -> Guard:
        """End the process of the first Sentinel that lives, and return it; it is refused until `heal`."""
        for sentinel in self.sentinels:
            if sentinel.running:
                sentinel.stop()
                return sentinel
        raise RuntimeError("no Sentinel lives any more: heal() brings them back")

    def heal(self) -> None:
        """Bring back everything that was cut off or killed; who is not the master any more follows it."""
        for node in self.nodes:
            if self.replicates and node is not self.master:
                node.values = dict(self.master.values)
            node.thaw()
            node.start()
        for sentinel in self.sentinels:
            sentinel.start()

    def promote(self, to_node: Node, epoch: t.Optional[int] = None) -> None:
        """Make a node the master, at the next epoch unless one is given; open connections stay open.

        The order is that of a failover: the roles first, then what the Sentinels say, then the event.
        """
        old = self.master.address
        self.epoch = self.epoch + 1 if epoch is None else epoch
        self._set_roles(to_node)
        self._tell_sentinels()
        payload = "%s %s %d %s %d" % ((self.name,) + old + to_node.address)
        for sentinel in self.sentinels:
            sentinel.publish("+switch-master", payload)

    def close(self) -> None:
        """Close every node and Sentinel."""
        for sentinel in self.sentinels:
            sentinel.close()
        for node in self.nodes:
            node.close()

    def _set_roles(self, master: Node) -> None:
        # The old master is demoted before the new one is promoted: never two at a time.
        self.master = master
        for node in self.replicas:
            node.role, node.master, node.replicas = "slave", master.address, []
        master.role, master.master = "master", None
        master.replicas = [node.address for node in self.replicas]

    def _tell_sentinels(self) -> None:
        for sentinel in self.sentinels:
            sentinel.masters[self.name] = Monitored(self.master.address, self.epoch)
            sentinel.replicas[self.name] = [Replica(node.address) for node in self.replicas]
            sentinel.siblings = [Sibling(other.address, other.runid) for other in self.sentinels
                                 if other is not sentinel]

    def _replicate(self, node: Node, key: t.Optional[bytes]) -> None:
        """Copy what was written on the master, one key or (None) all of them."""
        followers = [each for each in self.replicas if self.replicates and node is self.master and _is_well(each)]
        for follower in followers:
            if key is None:
                follower.values = dict(node.values)
            elif key in node.values:
                follower.values[key] = node.values[key]
            else:
                follower.values.pop(key, None)


class FakeDeployment(Deployment[FakeRedis, FakeSentinel]):
    """The usual one; a subclass may have nodes with more commands."""

    redis_class = FakeRedis
    sentinel_class = FakeSentinel


def _is_well(node: FakeRedis) -> bool:
    return node.running and not node.is_frozen()
