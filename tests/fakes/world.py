"""A small complete deployment for one master name, whose nodes and Sentinels have faults."""
import typing as t

from st.testing.deployment import Deployment
from tests.fakes.redis_node import FakeRedis
from tests.fakes.sentinel import FakeSentinel


class World(Deployment[FakeRedis, FakeSentinel]):
    """One master, its replicas, and Sentinels that agree; the test may then disturb each of them.

    Every node has values of its own, so that a test sees where a write went.
    """

    redis_class = FakeRedis
    sentinel_class = FakeSentinel
    replicates = False

    def switch(self, to_node: FakeRedis, epoch: t.Optional[int] = None) -> None:
        """Make `to_node` the master, at the next epoch unless one is given; open connections stay open."""
        self.promote(to_node, epoch)
