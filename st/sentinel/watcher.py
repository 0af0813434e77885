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
from st.sentinel.attendance import SLACK, Attendance, Questions
from st.sentinel.crew import Crew
from st.sentinel.follower import Follower
from st.sentinel.prober import Probed
from st.sentinel.replica_follower import ReplicaFollower
from st.sentinel.round import Round

logger = logging.getLogger(__name__)

HURRY = 0.25  # seconds between rounds while anything is unusual
BREATH = 0.05  # seconds between rounds at the least, however many events and hints there are
LONGEST_ROUND = 1.0  # seconds; who takes longer is heard in a later round, and holds up nobody
BEAT = 5.0  # seconds; the watchdogs want to see a sign of life however rarely Sentinels are asked
PEERS_EVERY = 10  # rounds between two looks at which other Sentinels there are


class Wake(t.NamedTuple):
    """A reason to ask again at once: an `event` of a Sentinel or a `hint` of a connection; `stop` ends the thread."""

    heard: str
    detail: str


AnyFollower = t.Union[Follower, ReplicaFollower]
Message = t.Union[Report, Probed, Wake]


class Watcher:
    """Owns the thread that decides who is master; `crew` does what blocks, `followers` decide, one a tunnel."""

    def __init__(self, crew: Crew, followers: t.Sequence[AnyFollower], poll: float, sentinel_timeout: float,
                 questions: t.Optional[t.Mapping[Address, Questions]] = None) -> None:
        self._crew = crew
        self._followers = {follower.tunnel.name: follower for follower in followers}
        self._poll = poll
        self._timeout = sentinel_timeout
        self._inbox: queue.Queue[Message] = queue.Queue()
        self._woken = False  # a Wake is in the inbox: more of them say nothing more
        self._stopping = False  # written once, by stop()
        self._round = 0  # the number of the round; this and what follows belongs to the watcher thread
        self._heard = "poll"
        self._attendance = Attendance(sentinel_timeout, questions)
        self._peers_asked = -PEERS_EVERY  # the last round in which we learned which other Sentinels there are
        self._no_hints_before = 0.0  # monotonic time; also read by `wake`
        self._again: t.Optional[Wake] = None  # why to begin another round as soon as may be
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
        # While it is being started it has an ident already, and cannot be joined yet.
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(deadline.left())
        self._crew.dismiss_all(deadline)

    def reports(self) -> t.Dict[Address, Report]:
        """Return the newest report of each Sentinel."""
        return dict(self._attendance.last)

    def questions(self) -> t.Dict[Address, Questions]:
        """Return what was counted of each Sentinel."""
        return dict(self._attendance.questions)

    def _run(self) -> None:
        wake = Wake("poll", "start")
        while not self._stopping:
            started = time.monotonic()
            try:
                self._begin(wake)
                complete = self._collect(Deadline(min(self._timeout, LONGEST_ROUND) + SLACK))
                if not self._stopping:  # the workers may be ending already
                    self._attendance.go_on(self._crew.sentinels())
                    if complete:
                        self._end()
                wake = self._rest(started)
            except Exception:  # a fault of ours in one round must not end the watching
                logger.exception("a round of the watcher failed")
                time.sleep(HURRY)
        self._crew.dismiss_all(Deadline(0))  # also those that came when `stop` could not wait for this thread

    def _begin(self, wake: Wake) -> None:
        self._round += 1
        self._heard = wake.heard
        self._again = None
        self._attendance.begin()
        logger.debug(Event("round", number=self._round, heard=wake.heard, detail=wake.detail))
        for follower in self._followers.values():
            follower.begin()
        self._crew.ask_all(self._round, peers=self._round - self._peers_asked >= PEERS_EVERY)

    def _collect(self, deadline: Deadline) -> bool:
        """Take reports until every Sentinel that can be expected to answer has.

        Returns False when news came in while one kept us waiting: what the others said may be older than the news.
        """
        breath, sentinels = Deadline(BREATH), self._crew.sentinels()
        while not self._stopping and not deadline.passed() and self._attendance.awaited(sentinels):
            if self._again is not None and breath.passed():
                return False
            self._take(deadline.left(None if self._again is None else BREATH), complete=False)
        return True

    def _end(self) -> None:
        for follower in self._followers.values():
            follower.consider(self._now(complete=True))
        reports = self._attendance.reports(self._crew.sentinels())
        if any(report.peers is not None for report in reports):
            self._peers_asked = self._round
        self._crew.meet(reports)
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
            self._take(min(due - now, BEAT), complete=True)
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
            self._attendance.note(message)
            if not message.error:
                for follower in self._followers.values():
                    follower.consider(self._now(complete))

    def _now(self, complete: bool) -> Round:
        sentinels = self._crew.sentinels()
        return Round(self._attendance.reports(sentinels), self._attendance.known(sentinels), complete, self._heard)
