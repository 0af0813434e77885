"""The raw figures in a file, which each call adds its rounds to."""
import json
import os
import typing as t

from tests.bench.stage import Figures

Round = t.Dict[str, Figures]  # what one workload found, by the names of the ways
Rounds = t.Dict[str, t.List[Round]]  # by the names of the workloads


class Mixed(Exception):
    """The file holds figures of something else."""


class Store:
    """One file of figures, all of one machine and of the same versions."""

    def __init__(self, path: str) -> None:
        self.machine: t.Dict[str, str] = {}
        self.rounds: Rounds = {}
        self._path = path
        self._read()

    def begin(self, machine: t.Mapping[str, str]) -> None:
        """Say where the next rounds come from; Mixed: the others come from elsewhere."""
        differing = ["%s: %s there, %s here" % (name, self.machine[name], machine[name])
                     for name in machine if machine[name] != self.machine.get(name, machine[name])]
        if differing:
            raise Mixed("%s holds figures of something else (%s). Move it away, or write elsewhere with --output."
                        % (self._path, "; ".join(differing)))
        self.machine.update(machine)

    def add(self, workload: str, found: Round) -> None:
        """Keep one round of a workload, on the disk too."""
        self._read()  # another call may have added to it meanwhile
        self.rounds.setdefault(workload, []).append(found)
        os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        with open(self._path + ".new", "w") as file:
            json.dump({"machine": self.machine, "rounds": self.rounds}, file, indent=1)
            file.write("\n")
        os.replace(self._path + ".new", self._path)

    def _read(self) -> None:
        if os.path.exists(self._path):
            with open(self._path) as file:
                kept = json.load(file)
            self.machine.update(kept["machine"])
            self.rounds = kept["rounds"]


def values(rounds: t.Iterable[Round], way: str, measure: str) -> t.List[float]:
    """Return a measure of one way, of every round that has it; what did not happen took for ever."""
    found = [each[way][measure] for each in rounds if measure in each.get(way, {})]
    return [float("inf") if value is None else value for value in found]


def compared(rounds: t.Iterable[Round], way: str, base: str, measure: str,
             how: t.Callable[[float, float], float]) -> t.List[float]:
    """Return how one way compares with another in each round that has both."""
    pairs = ((each.get(way, {}).get(measure), each.get(base, {}).get(measure)) for each in rounds)
    return [how(one, other) for one, other in pairs if one is not None and other is not None]
