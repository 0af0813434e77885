"""A failover that is rehearsed and measured: a tunnel of our own, a writer, a reader, and ears for the Sentinels."""
import time
import typing as t

from st.address import parse_address
from st.app import App
from st.config.values import Settings, TunnelSettings
from st.deadline import Deadline
from st.drill.caller import Login
from st.drill.ears import Ears
from st.drill.events import ABORTS, Heard
from st.drill.outcome import CRASH, FAILOVER, Outcome, Phase, first_good_since, outage, phases_of, silences_of
from st.drill.prospect import Prospect, ask
from st.drill.traffic import DrillError, Traffic
from st.drill.words import clause, concerns, short
from st.errors import NoMasterError, PeerError
from st.sentinel.answers import Credentials
from st.switch import Switch
from st.wire.resp import ReplyError

ROOM = 8  # connections through the tunnel
STEADY_WAIT = 15.0  # seconds for all to go well before anything is done
AFTER = 1.0  # seconds that are measured beyond the outage
END_WAIT = 10.0  # seconds beyond it for the Sentinels to point the other replicas to the new master
CRASH_WAIT = 300.0  # seconds for a crash to be made, and seen
BOUNDS = (30.0, 180.0)  # seconds for a failover that was asked for: `failover-timeout` within these, and SLACK
SLACK = 3.0  # seconds: after `failover-timeout` a Sentinel gives up, and says so
TIMEOUT = 5.0  # seconds for a question, and for threads to end
_EARS_EVERY = 1.0  # seconds between two tries to hear a Sentinel that cannot be heard
_LOOK = 0.02  # seconds between two looks at what has happened


class Rehearsal:
    """One drill; a context manager that leaves nothing behind, no thread and no key. `say` prints for a person."""

    def __init__(self, settings: Settings, tunnel: TunnelSettings, prospect: Prospect, credentials: Credentials,
                 say: t.Callable[[str], None]) -> None:
        own = tunnel.for_this_host()._replace(
            role="master", login=False, tls="no" if tunnel.tls == "no" else "yes", max_connections=None,
            max_connections_per_client=0)
        self._prospect, self._credentials, self._say = prospect, credentials, say
        self._login = Login(tunnel.redis_user, tunnel.redis_password)
        self._app = App(settings._replace(tunnels=(own,), workers=1), ROOM, self._note_switch)
        self._heard: t.List[Heard] = []  # the ears add to it
        self._switches: t.List[t.Tuple[Switch, float]] = []  # the watcher adds to it, each with a monotonic time
        self._ears = Ears(prospect.sentinels, credentials, settings.sentinel_timeout, self._heard.append)
        self._ears_due = 0.0
        self._asked: t.Optional[float] = None  # when (monotonic) a Sentinel was asked for what may still go on
        self._traffic: t.Optional[Traffic] = None

    def __enter__(self) -> "Rehearsal":
        try:
            self._start()
        except BaseException:  # a Ctrl-C too
            self.close()
            raise
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()

    def close(self) -> None:
        """End all threads and remove all keys."""
        try:
            if self._traffic is not None:
                self._clean_up(self._traffic)
        finally:
            self._ears.stop(Deadline(TIMEOUT))
            self._app.stop(0)

    def _clean_up(self, traffic: Traffic) -> None:
        try:
            traffic.stop()
            self._await_switch()
            traffic.remove_keys()
        except KeyboardInterrupt:  # another one: whoever presses it will not wait
            traffic.tell_left("interrupted")
            raise

    def fail_over(self) -> Outcome:
        """Have a Sentinel fail over, and measure that; raise DrillError when it refuses."""
        prospect, told = self._prospect, short(self._prospect.sentinel)
        zero, at = time.monotonic(), time.time()
        self._asked = zero
        try:
            [reply] = ask(prospect.sentinel, self._credentials, TIMEOUT, [["SENTINEL", "FAILOVER", prospect.name]])
        except PeerError as error:
            raise DrillError("whether there is a failover is not known: %s" % error) from error
        if isinstance(reply, ReplyError):
            self._asked = None
            raise DrillError("nothing was done: sentinel %s does not fail over: %s; 'sentinel-tunnel doctor' tells why"
                             % (told, reply))
        bound = min(max(prospect.failover_timeout, BOUNDS[0]), BOUNDS[1]) + SLACK
        self._say("told sentinel %s to fail over from %s; waiting up to %gs" % (told, str(prospect.master), bound))
        problem = self._follow(bound)
        self._asked = None
        return self._outcome(FAILOVER, zero, at, [Phase("asked", zero, "of sentinel %s" % told)], problem)

    def wait_crash(self, seconds: float = CRASH_WAIT) -> Outcome:
        """Wait for a failover that somebody else brings about, and measure it."""
        self._say("waiting up to %gs for a new master: make the crash now, or stop this with Ctrl-C" % seconds)
        problem = self._follow(seconds)
        now = time.monotonic()
        found = outage(self._ongoing.writes, now)
        zero = found.last_good if found else now
        return self._outcome(CRASH, zero, time.time() - (now - zero), [], problem)

    def _start(self) -> None:
        self._app.start()
        self._ears.start()
        deadline = Deadline(STEADY_WAIT)
        late = self._app.wait_master(deadline)
        if late:
            raise NoMasterError("; ".join(late))
        [tunnel] = self._app.status().tunnels
        self._traffic = Traffic(parse_address(tunnel.listen), self._login, self._say)
        self._traffic.start()
        self._say("writing and reading through a tunnel to %s" % tunnel.master)
        self._traffic.wait_steady(deadline)

    @property
    def _ongoing(self) -> Traffic:
        assert self._traffic is not None, "to be used as a context manager"
        return self._traffic

    def _note_switch(self, switch: Switch) -> None:
        self._switches.append((switch, time.monotonic()))

    def _follow(self, bound: float) -> str:
        """Wait until clients are served by a new master, and a little longer; return why that is not so in time."""
        deadline, traffic = Deadline(bound), self._ongoing
        while not (self._switches and traffic.served_since(self._switches[-1][1])):
            # After a crash another Sentinel may go on.
            if self._asked is not None and self._given_up() and not self._switches:
                return self._given_up()
            if deadline.passed():
                return "the new master does not serve: %s" % (traffic.last_error or "no answer") \
                    if self._switches else "no new master within %gs" % bound
            self._pause()
        after, end = Deadline(AFTER), Deadline(END_WAIT)
        while not after.passed() or not (end.passed() or self._was_heard("ended")):
            self._pause()
        return ""

    def _given_up(self) -> str:
        """Return which Sentinel has ended a failover before it was done, and why."""
        return next((clause(event) for event in list(self._heard) if event.channel in ABORTS
                     and event.moment >= (self._asked or 0) and concerns(event, [self._prospect.name])), "")

    def _pause(self) -> None:
        if time.monotonic() >= self._ears_due:
            self._ears_due = time.monotonic() + _EARS_EVERY
            self._ears.again()
        time.sleep(_LOOK)

    def _was_heard(self, phase: str) -> bool:
        return phase in [each.name for each in phases_of(list(self._heard), self._prospect.name, 0)]

    def _await_switch(self) -> None:
        """Wait for a failover that goes on when we were interrupted: keys would come back from the new master."""
        deadline = Deadline(END_WAIT)
        if self._switches or self._given_up() or not (self._asked is not None or self._was_heard("elected")):
            return
        self._say("waiting up to %gs for the failover, to remove the keys from the new master" % END_WAIT)
        while not self._switches and not deadline.passed():
            time.sleep(_LOOK)

    def _outcome(self, kind: str, zero: float, at: float, phases: t.List[Phase], problem: str) -> Outcome:
        until, heard, traffic = time.monotonic(), list(self._heard), self._ongoing
        traffic.stop()
        phases += phases_of(heard, self._prospect.name, zero) + silences_of(heard, zero)
        for switch, moment in self._switches[:1]:
            phases += [Phase("noticed", moment - switch.took, "by the tunnel (%s)" % switch.heard),
                       Phase("closed", moment, "%d connections by then" % switch.closed)]
            phases += first_good_since(moment, "first write", traffic.writes)
            phases += first_good_since(moment, "first read", traffic.reads)
        new = self._switches[-1][0].new if self._switches else None
        return Outcome(self._prospect.name, kind, self._prospect.master, new, at, zero, until, traffic.writes,
                       traffic.reads, sorted(phases, key=lambda phase: phase.moment), traffic.lost(), problem)
