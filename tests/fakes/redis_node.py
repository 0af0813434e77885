"""A Redis node with faults."""
import st.testing.redis_node
from tests.fakes.faults import Faulty


class FakeRedis(Faulty, st.testing.redis_node.FakeRedis):
    """A Redis node in threads of this process; `role`, `master`, `replicas` and faults may change at any time."""
