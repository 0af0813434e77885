"""Redis nodes and Sentinels for tests: those of st.testing, with every fault a network has."""
from st.testing.connection import Connection
from st.testing.redis_like import unknown_command
from st.testing.sentinel import Monitored, Replica, Sibling
from st.testing.wire import NIL_ARRAY, Error, Simple, encode
from tests.fakes.dead_ends import endless_line, refused_address, silent_listener
from tests.fakes.raw import dial, read_all, read_exactly, talk
from tests.fakes.redis_node import FakeRedis
from tests.fakes.sentinel import FakeSentinel
from tests.fakes.world import World

__all__ = [
    "NIL_ARRAY", "Connection", "Error", "FakeRedis", "FakeSentinel", "Monitored", "Replica", "Sibling", "Simple",
    "World", "dial", "encode", "endless_line", "read_all", "read_exactly", "refused_address", "silent_listener", "talk",
    "unknown_command",
]
