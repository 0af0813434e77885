"""One finding: what was seen, what it means, how it is mended. Its kinds are tables in the modules of `findings`."""
import typing as t

PROBLEM, WARNING, NOTE = "problem", "warning", "note"
# To be said of SENTINEL RESET: without a master, Sentinel finds no replicas again, and can promote none.
ALIVE = "and only while the master is up: it forgets the replicas too"
SEVERITIES = (PROBLEM, WARNING, NOTE)  # the worst first


class Finding(t.NamedTuple):
    """Something that is wrong; `about` is a master name, a Sentinel, or a part of this host."""

    id: str
    severity: str
    about: str
    title: str
    seen: str
    means: str
    fix: str


class Kind(t.NamedTuple):
    """A kind of finding: texts in which {words} stand for what differs."""

    id: str
    severity: str
    title: str
    means: str
    fix: str

    def found(self, about: str, seen: str, **words: t.Any) -> Finding:
        """Return a finding of this kind."""
        words["about"] = about
        return Finding(self.id, self.severity, about, self.title.format(**words), seen,
                       self.means.format(**words), self.fix.format(**words))


class Unchecked(t.NamedTuple):
    """Something that could not be looked at; `about` "" is everything."""

    id: str
    about: str
    why: str


Result = t.Union[Finding, Unchecked]
