"""For the tests of programs that use tunnels: Sentinels and Redis nodes in threads, and a fixture for pytest."""
from st.testing.deployment import FakeDeployment
from st.testing.redis_node import FakeRedis
from st.testing.sentinel import FakeSentinel

__all__ = ("FakeDeployment", "FakeRedis", "FakeSentinel")
