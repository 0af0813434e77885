"""The one watcher thread: asks all Sentinels at the same time, again and again, and lets the followers decide.

It waits for its inbox and nothing else. Whatever can block (name lookups, connects, replies) is done by workers,
one for each Sentinel and each node asked for its role, which post what they learned.
"""
import logging
import queue
import random
import threading
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.event import Event
from st.sentinel.answers import Report
from st.sentinel.crew import Crew
from st.sentinel.follower import Follower
from st.sentinel.prober import Probed
from st.sentinel.round import Round

logger = logging.getLogger(__name__)

HURRY = 0.25  # seconds between rounds while anything is unusual
BREATH = 0.05  # seconds between rounds at the least, however many events and hints there are
SLACK = 0.25  # seconds that a worker may be late with the report of a time-out
PEERS_EVERY = 10  # rounds between two looks at which other Sentinels there are


class Wake(t.NamedTuple):
    """A reason to ask again at once: an `event` of a Sentinel or a `hint` of a connection; `stop` ends the thread."""

    heard: str
    detail: str


Message = t.Union[Report, Probed, Wake]


class Watcher:
    """Owns the thread that decides who is master; `crew` does what blocks, `followers` decide, one a tunnel."""

    def __init__(self, crew: Crew, followers: t.Sequence[Follower], poll: float, sentinel_timeout: float) -> None:
        self._crew = crew
        self._followers = {follower.tunnel.name: follower for follower in followers}
        self._poll = poll
        self._timeout = sentinel_timeout
        self._inbox = queue.Queue()  # type: queue.Queue[Message]
        self._woken = False  # a Wake is in the inbox: more of them say nothing more
        self._stopping = False  # written once, by stop()
        self._round = 0  # the number of the round; this and what follows belongs to the watcher thread
        self._heard = "poll"
        self._abandoned = False  # the last round was cut short by a Wake: this one is not
        self._reports = {}  # type: t.Dict[Address, Report]  # of this round
        self._last = {}  # type: t.Dict[Address, Report]  # the newest of each Sentinel, also read by status
        self._voters = {}  # type: t.Dict[Address, str]  # what tells each Sentinel from the others, once it was told
        self._peers_asked = -PEERS_EVERY  # the last round in which we learned which other Sentinels there are
        self._no_hints_before = 0.0  # monotonic time; also read by `wake`
        self._again = None  # type: t.Optional[Wake]  # why to begin another round as soon as may be
        self.beat = time.monotonic()  # when the thread last went round, read by status
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Start the thread and those of the crew."""
        self._thread.start()

    def post(self, message: Message) -> None:
        """Take what a worker learned."""
        self._inbox.put(message)

    def wake(self, heard: str, detail: str) -> None:
        """Ask all Sentinels again soon: called by any thread, never blocks, cheap when repeated."""
        if heard == "hint" and time.monotonic() < self._no_hints_before:
            return  # clients may well do something all the time that only looks like a switch
        if not self._woken:
            self._woken = True
            self._inbox.put(Wake(heard, detail))

    def stop(self, deadline: Deadline) -> None:
        """End the thread and its workers; returns at the deadline at the latest."""
        self._stopping = True
        self._inbox.put(Wake("stop", ""))
        if self._thread.ident is not None:
            self._thread.join(deadline.left())
        self._crew.dismiss_all(deadline)

    def reports(self) -> t.Dict[Address, Report]:
        """Return the newest report of each Sentinel."""
        return dict(self._last)

    def _run(self) -> None:
        wake = Wake("poll", "start")
        while not self._stopping:
            started = time.monotonic()
            try:
                self._begin(wake)
                self._abandoned = not self._collect(Deadline(self._timeout + SLACK))
                if not self._abandoned and not self._stopping:  # who was not waited for is not silent
                    self._end()
                wake = self._rest(started)
            except Exception:  # a fault of ours in one round must not end the watching
                logger.exception("a round of the watcher failed")
                time.sleep(HURRY)

    def _begin(self, wake: Wake) -> None:
        self._round += 1
        self._heard = wake.heard
        self._again = None
        self._reports = {}
        logger.debug(Event("round", number=self._round, heard=wake.heard, detail=wake.detail))
        for follower in self._followers.values():
            follower.begin()
        self._crew.ask_all(self._round, peers=self._round - self._peers_asked >= PEERS_EVERY)

    def _collect(self, deadline: Deadline) -> bool:
        """Take reports until every Sentinel that can be expected to answer has: the silent ones of last time cannot.

        Returns False when news came in while one kept us waiting: what the others said may be older than the news.
        """
        breath = Deadline(BREATH)
        while not self._stopping and not deadline.passed():
            awaited = [sentinel for sentinel in self._crew.sentinels() if sentinel not in self._reports]
            if not any(self._expected(sentinel) for sentinel in awaited):
                break
            if self._again is not None and breath.passed() and not self._abandoned:
                return False
            self._take(deadline.left(None if self._again is None else BREATH), complete=False)
        return True

    def _expected(self, sentinel: Address) -> bool:
        last = self._last.get(sentinel)
        everybody_failed = all(report.error for report in self._reports.values())
        return last is None or not last.error or everybody_failed

    def _end(self) -> None:
        for sentinel in self._crew.sentinels():
            last = self._last.get(sentinel)
            if sentinel not in self._reports and (last is None or not last.error):
                self._note(Report(sentinel, self._round, error="%s: silent" % (sentinel,), kind="timeout"))
        for follower in self._followers.values():
            follower.consider(self._now(complete=True))
        if any(report.peers is not None for report in self._reports.values()):
            self._peers_asked = self._round
        self._crew.meet(list(self._reports.values()))
        for follower in self._followers.values():
            self._crew.keep_probers(follower.tunnel.name, follower.wanted())

    def _rest(self, started: float) -> Wake:
        """Wait for the next round, still taking what arrives; return why it begins."""
        jitter = random.uniform(0.9, 1.1)
        if self._heard == "hint":
            self._no_hints_before = time.monotonic() + self._poll
        while not self._stopping:
            self.beat = now = time.monotonic()
            settled = all(follower.settled for follower in self._followers.values())
            pause = jitter * (self._poll if settled else min(HURRY, self._poll))
            due = started + (BREATH if self._again is not None else pause)
            if now >= due:
                break
            self._take(due - now, complete=True)
        return self._again or Wake("poll", "")

    def _take(self, seconds: t.Optional[float], complete: bool) -> None:
        """Wait for one message and act on it."""
        try:
            message = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return
        if isinstance(message, Wake):
            self._woken = False
            self._again = message
        elif isinstance(message, Probed):
            follower = self._followers[message.tunnel]
            follower.take(message)
            follower.consider(self._now(complete))
        else:
            self._note(message)
            if message.round == self._round and not message.error:
                for follower in self._followers.values():
                    follower.consider(self._now(complete))

    def _note(self, report: Report) -> None:
        """Keep a report, and say so when a Sentinel is lost or back: once, not each round."""
        before = self._last.get(report.sentinel)
        self._last[report.sentinel] = report
        if report.myid:
            self._voters[report.sentinel] = report.myid
        if report.round == self._round:
            self._reports[report.sentinel] = report
        if report.error and (before is None or not before.error):
            logger.warning(Event("sentinel_down", sentinel=report.sentinel, error=report.error))
        elif before is not None and before.error and not report.error:
            logger.info(Event("sentinel_up", sentinel=report.sentinel))

    def _now(self, complete: bool) -> Round:
        sentinels = self._crew.sentinels()
        reports = [self._reports[sentinel] for sentinel in sentinels if sentinel in self._reports]
        known = {self._voters.get(sentinel, str(sentinel)) for sentinel in sentinels}
        return Round(reports, len(known), complete, self._heard)
