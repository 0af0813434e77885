"""Prometheus' own judgement of what we expose: its parser in Python, and promtool where it is installed."""
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import FACTOR

Labels = t.Tuple[t.Tuple[str, str], ...]  # sorted
Samples = t.Dict[t.Tuple[str, Labels], float]

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None,
                                    reason="no promtool: it comes with the Debian package prometheus")


class Family(t.NamedTuple):
    """What the text says of one name."""

    kind: str
    help: str
    samples: Samples


def families(text: str) -> t.Dict[str, Family]:
    """Return all families in a text by their full names; each name and each sample stands there once."""
    found: t.Dict[str, Family] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")  # which the parser takes off
        assert name not in found, "%s stands there twice" % name
        samples = {(each.name, tuple(sorted(each.labels.items()))): each.value for each in family.samples}
        assert len(samples) == len(family.samples), "%s has a sample twice" % name
        found[name] = Family(family.type, family.documentation, samples)
    return found


def values(text: str) -> Samples:
    """Return all samples in a text by name and labels."""
    return {key: value for family in families(text).values() for key, value in family.samples.items()}


def value(text: str, name: str, **labels: str) -> float:
    """Return the value of one sample."""
    return values(text)[name, tuple(sorted(labels.items()))]


def promtool(*words: str, given: str = "") -> t.Tuple[int, str]:
    """Run promtool; return its exit code and what it wrote."""
    process = subprocess.Popen(["promtool", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    output, _ = process.communicate(given.encode("utf-8"), timeout=60 * FACTOR)
    return process.returncode, output.decode("utf-8")


def check_rules(rules: str, directory: pathlib.Path) -> t.Tuple[int, str]:
    """Let promtool read rules; return its exit code and what it wrote."""
    path = directory / "rules.yml"
    path.write_text(rules)
    return promtool("check", "rules", str(path))
