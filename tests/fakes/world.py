"""A small complete deployment: one master, its replicas, and Sentinels that agree."""
import typing as t

from tests.fakes.redis_node import FakeRedis
from tests.fakes.sentinel import FakeSentinel, Monitored, Replica, Sibling
from tests.fakes.server import Address


class World:
    """Nodes and Sentinels for one master name; the test may then disturb each of them."""

    def __init__(self, name: str = "mymaster", replicas: int = 2, sentinels: int = 3) -> None:
        self.name = name
        self.epoch = 0
        self.nodes = [FakeRedis() for _ in range(1 + replicas)]
        self.sentinels = [FakeSentinel() for _ in range(sentinels)]
        self.master = self.nodes[0]
        self._set_roles(self.master)
        self._tell_sentinels()

    @property
    def seeds(self) -> t.List[Address]:
        """The addresses of the Sentinels."""
        return [sentinel.address for sentinel in self.sentinels]

    @property
    def replicas(self) -> t.List[FakeRedis]:
        """Every node but the master."""
        return [node for node in self.nodes if node is not self.master]

    def switch(self, to_node: FakeRedis, epoch: t.Optional[int] = None) -> None:
        """Make `to_node` the master, at the next epoch unless one is given; open connections stay open.

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

    def _set_roles(self, master: FakeRedis) -> None:
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
