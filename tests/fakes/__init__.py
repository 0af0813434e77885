"""Redis nodes and Sentinels for tests: real sockets on free ports, and every fault a network has."""
from tests.fakes.connection import Connection
from tests.fakes.dead_ends import endless_line, refused_address, silent_listener
from tests.fakes.raw import dial, read_all, read_exactly, talk
from tests.fakes.redis_like import unknown_command
from tests.fakes.redis_node import FakeRedis
from tests.fakes.sentinel import FakeSentinel, Monitored, Replica, Sibling
from tests.fakes.wire import NIL_ARRAY, Error, Simple, encode
from tests.fakes.world import World

__all__ = [
    "NIL_ARRAY", "Connection", "Error", "FakeRedis", "FakeSentinel", "Monitored", "Replica", "Sibling", "Simple",
    "World", "dial", "encode", "endless_line", "read_all", "read_exactly", "refused_address", "silent_listener", "talk",
    "unknown_command",
]
