"""A Sentinel with faults."""
import st.testing.sentinel
from tests.fakes.faults import Faulty


class FakeSentinel(Faulty, st.testing.sentinel.FakeSentinel):
    """A Sentinel in threads of this process; its tables and faults may change at any time."""
