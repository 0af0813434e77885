"""What else ran on the machine meanwhile: a benchmark beside a busy build measures the build."""
import os
import time
import typing as t

from tests.bench.stage import Figures
from tests.proc import family_cpu, machine_cpu

MEASURE = "others"  # share of the processors' time that others had, of 1
MOST = 0.1  # with more the figures tell nothing


class Others:
    """Looks at the machine from its making on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._theirs = self._so_far()

    def share(self) -> float:
        """Return the share of all processors' time that was taken by processes that are not ours."""
        lasted = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, self._so_far() - self._theirs) / lasted

    @staticmethod
    def _so_far() -> float:
        return machine_cpu() - family_cpu(os.getpid())


def undisturbed(figures: Figures) -> bool:
    """Tell whether others left the machine alone while these figures were taken."""
    return (figures.get(MEASURE) or 0) <= MOST


def counted(found: t.Mapping[str, Figures]) -> t.Dict[str, Figures]:
    """Return what counts of a round: a way that was disturbed has no part in it."""
    return {way: figures for way, figures in found.items() if undisturbed(figures)}
