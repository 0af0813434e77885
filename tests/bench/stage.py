"""What a workload is given, and what it gives."""
import typing as t

from tests.bench.peers import Maker
from tests.live.bed import Bed

LIMIT = 15  # seconds; what comes later did not happen

# What one workload found on one way, by the names of the measures; None: it did not happen.
Figures = t.Dict[str, t.Optional[float]]


class Stage(t.NamedTuple):
    """What the workloads of one call share."""

    bed: Bed
    makers: t.Mapping[str, Maker]
    seconds: float  # that one timed run takes
    quick: bool
