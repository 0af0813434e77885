"""The text format 0.0.4 of Prometheus: families of samples in, text out."""
import math
import typing as t

from st.tally import Distribution

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"

Labels = t.Tuple[t.Tuple[str, str], ...]


class Sample(t.NamedTuple):
    """One value; `suffix` is what follows the name of its family."""

    labels: Labels
    value: float
    suffix: str = ""


class Family(t.NamedTuple):
    """All samples of one name."""

    name: str
    kind: str
    help: str
    samples: t.Sequence[Sample]


def text(families: t.Iterable[Family]) -> str:
    """Return the text; a family without any sample shows its name and help all the same."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def distribution(labels: Labels, seen: Distribution) -> t.List[Sample]:
    """Return the samples of a histogram."""
    buckets = [("%g" % bound, number) for bound, number in seen.buckets] + [("+Inf", seen.observed)]
    samples = [Sample(labels + (("le", bound),), number, "_bucket") for bound, number in buckets]
    return samples + [Sample(labels, seen.sum, "_sum"), Sample(labels, seen.observed, "_count")]


def _lines(family: Family) -> t.List[str]:
    lines = ["# HELP %s %s" % (family.name, family.help), "# TYPE %s %s" % (family.name, family.kind)]
    return lines + [_line(family.name + sample.suffix, sample) for sample in family.samples]


def _line(name: str, sample: Sample) -> str:
    labels = ",".join('%s="%s"' % (label, _escaped(value)) for label, value in sample.labels)
    return "%s%s %s" % (name, "{%s}" % labels if labels else "", _number(sample.value))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(value) if isinstance(value, int) else repr(value)
