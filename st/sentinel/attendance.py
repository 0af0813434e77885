"""Which Sentinels have answered in a round, which are worth waiting for, and which are down."""
import logging
import time
import typing as t

from st.address import Address
from st.event import Event
from st.sentinel.answers import Report
from st.tally import Histogram, Tally

logger = logging.getLogger(__name__)

SLACK = 0.25  # seconds that a worker may be late with the report of a time-out


QUERY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds


class Questions:
    """What is counted of one Sentinel: how its answers turned out, and how long each took."""

    def __init__(self) -> None:
        self.results = Tally("ok", "unknown_name", "noauth", "timeout", "error")
        self.seconds = Histogram(QUERY_BOUNDS)


class Attendance:
    """Belongs to the watcher thread; others may read `last`."""

    def __init__(self, sentinel_timeout: float,
                 questions: t.Optional[t.Mapping[Address, "Questions"]] = None) -> None:
        self._silence = sentinel_timeout + SLACK  # seconds after which a Sentinel without any report is down
        self.last: t.Dict[Address, Report] = {}  # the newest report of each
        self._reports: t.Dict[Address, Report] = {}  # of this round, or late from an earlier one
        self._late: t.Dict[Address, float] = {}  # since when (monotonic) a round had to go on without it
        self.questions: t.Dict[Address, Questions] = dict(questions or {})  # counted on from an earlier watcher's
        self._voters: t.Dict[Address, str] = {}  # what tells each from the others, once it was told

    def begin(self) -> None:
        """Begin a round: nobody has answered."""
        self._reports = {}

    def note(self, report: Report) -> None:
        """Keep a report, and say so when a Sentinel is lost or back: once, not each round."""
        sentinel, before = report.sentinel, self.last.get(report.sentinel)
        self.last[sentinel] = self._reports[sentinel] = report
        self._late.pop(sentinel, None)
        self._count(report)
        if report.myid:
            self._voters[sentinel] = report.myid
        if report.error and (before is None or not before.error):
            logger.warning(Event("sentinel_down", sentinel=sentinel, error=report.error))
        elif before is not None and before.error and not report.error:
            logger.info(Event("sentinel_up", sentinel=sentinel))

    def _count(self, report: Report) -> None:
        questions = self.questions.setdefault(report.sentinel, Questions())
        questions.results.count(report.kind)
        if not report.error:
            questions.seconds.observe(report.latency)

    def awaited(self, sentinels: t.Sequence[Address]) -> bool:
        """Tell whether somebody has not answered who can be expected to: not the down and the late of last time."""
        missing = [sentinel for sentinel in sentinels if sentinel not in self._reports]
        if any(sentinel not in self._late and not self._is_down(sentinel) for sentinel in missing):
            return True
        return bool(missing) and all(report.error for report in self._reports.values())  # then any answer is welcome

    def go_on(self, sentinels: t.Sequence[Address]) -> None:
        """Go on without those who have not answered; who has been late for too long is down."""
        now = time.monotonic()
        for sentinel in sentinels:
            if sentinel not in self._reports:
                late = now - self._late.setdefault(sentinel, now)
                if late > self._silence and not self._is_down(sentinel):
                    self.note(Report(sentinel, 0, error="%s: silent" % (sentinel,), kind="timeout"))
                    self._late[sentinel] = now - late

    def reports(self, sentinels: t.Sequence[Address]) -> t.List[Report]:
        """Return what was reported in this round, in the order of the Sentinels."""
        return [self._reports[sentinel] for sentinel in sentinels if sentinel in self._reports]

    def known(self, sentinels: t.Sequence[Address]) -> int:
        """Return how many Sentinels that is: one under two addresses is one."""
        return len({self._voters.get(sentinel, str(sentinel)) for sentinel in sentinels})

    def _is_down(self, sentinel: Address) -> bool:
        return sentinel in self.last and bool(self.last[sentinel].error)
