"""The rule by which missing writes are judged, the plans of chaos, and a short chaos."""
import itertools
import subprocess
import sys

import pytest

from tests.live.counter import REPLICATION, Write, unexcused
from tests.live.hosts import Host
from tests.live.troubles import TROUBLES, plans
from tests.waiting import FACTOR

TROUBLE, SWITCH = 100.0, 110.0


@pytest.mark.parametrize("sent, excused", [
    (TROUBLE - REPLICATION - 0.1, False),  # every replica had it
    (TROUBLE - REPLICATION + 0.1, True),
    (SWITCH - 0.1, True),
    (SWITCH + 0.1, False),  # to the new master
])
def test_which_missing_writes_a_switch_explains(sent: float, excused: bool) -> None:
    """A write may be missing only when it was sent between the beginning of the trouble and the switch."""
    missing = [Write("a-1", sent, sent + 0.01)]
    assert unexcused(missing, [SWITCH], [TROUBLE]) == ([] if excused else missing)
    assert unexcused(missing, [], [TROUBLE]) == missing
    # Troubles and switches that came before and after explain nothing.
    assert unexcused(missing, [20, SWITCH, 500], [10, TROUBLE, 490]) == ([] if excused else missing)


def test_plans_of_a_seed() -> None:
    """A seed makes the same plans each time, another seed makes others, and every trouble has its turn."""
    first, again, other = ([*itertools.islice(plans(seed), 200)] for seed in (1, 1, 2))
    assert first == again != other
    assert {kind for plan in first for kind in plan.kinds} == set(TROUBLES)


def test_chaos() -> None:
    """A few seconds of chaos end well."""
    try:
        host = Host(1)
    except OSError as error:
        pytest.skip("no network namespaces: %s" % error)
    host.close_device()
    host.close()
    done = subprocess.run([sys.executable, "-m", "tests.live.chaos", "--seconds", "4", "--seed", "3"],
                          stdout=subprocess.PIPE, universal_newlines=True, timeout=250 * FACTOR)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("seed 3\n") and done.stdout.endswith("seed 3: all is well\n")
