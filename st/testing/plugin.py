"""What pytest finds of this package: the fixture `sentinel_deployment`."""
import typing as t

import pytest

from st.testing.deployment import FakeDeployment


@pytest.fixture
def sentinel_deployment() -> t.Iterator[FakeDeployment]:
    """Give a master "mymaster", two replicas and three Sentinels, in threads of this process (st.testing)."""
    with FakeDeployment() as deployment:
        yield deployment
