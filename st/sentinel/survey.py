"""Ask all Sentinels once, at the same time, with threads that are gone afterwards: for commands and embedders."""
import threading
import typing as t

from st.address import Address
from st.config.findings import did_you_mean
from st.config.values import Settings
from st.deadline import Deadline
from st.errors import NoMasterError, NoSentinelError, PeerError, PeerRefused, PeerSilent, UnknownMasterError
from st.sentinel.answers import Credentials, Report
from st.sentinel.client import SentinelClient, ask_masters
from st.sentinel.election import Vote, decide
from st.sentinel.prober import Prober
from st.sentinel.roster import discovered
from st.tls import client_context
from st.wire.role import MASTER, Role

SLACK = 0.25  # seconds that a thread may be late with its own time-out
MOST_NAMES = 10  # in one sentence

Found = t.TypeVar("Found")
Outcome = t.Union[Found, PeerError]


class Asker(t.NamedTuple):
    """Whom to ask and how: the same for every question of a survey."""

    sentinels: t.Sequence[Address]
    credentials: Credentials
    timeout: float  # seconds, for each Sentinel
    translate: t.Callable[[Address], Address] = lambda address: address  # the address map


def asker(settings: Settings) -> Asker:
    """Return whom to ask, and how, by these settings."""
    terms = settings.sentinel_tls_terms
    credentials = Credentials(settings.sentinel_user, settings.sentinel_password, terms and client_context(terms))
    return Asker(settings.sentinels, credentials, settings.sentinel_timeout, settings.nat_map.apply)


def ask_each(sentinels: t.Sequence[Address], ask: t.Callable[[Address], Found],
             timeout: float) -> t.Dict[Address, Outcome[Found]]:
    """Return what `ask` returned or raised for each Sentinel, in their order; a hanging name lookup is left behind."""
    outcomes: t.Dict[Address, Outcome[Found]] = {}

    def note(sentinel: Address) -> None:
        try:
            outcomes[sentinel] = ask(sentinel)
        except PeerError as error:
            outcomes[sentinel] = error

    threads = [threading.Thread(target=note, args=(sentinel,), name="ask %s" % (sentinel,), daemon=True)
               for sentinel in sentinels]
    for thread in threads:
        thread.start()
    deadline = Deadline(timeout + SLACK)
    for thread in threads:
        thread.join(deadline.left())
    return {sentinel: outcomes.get(sentinel, PeerSilent("%s: no reply in time" % (sentinel,)))
            for sentinel in sentinels}


def masters(asker: Asker) -> t.Dict[str, t.Dict[str, str]]:
    """Return the masters that any Sentinel monitors, by name the fields that the first tells; raise NoSentinelError."""
    def ask(sentinel: Address) -> t.List[t.Dict[str, str]]:
        return ask_masters(sentinel, asker.credentials, asker.timeout)

    outcomes = ask_each(asker.sentinels, ask, asker.timeout)
    told = [outcome for outcome in outcomes.values() if not isinstance(outcome, PeerError)]
    if not told and any(isinstance(outcome, PeerRefused) for outcome in outcomes.values()):
        raise NoMasterError("the sentinels do not list their masters (name them instead): %s"
                            % "; ".join(map(str, outcomes.values())))
    if not told:
        raise NoSentinelError("no sentinel answers: %s" % "; ".join(map(str, outcomes.values())))
    found: t.Dict[str, t.Dict[str, str]] = {}
    for entries in told:
        for fields in entries:
            found.setdefault(fields["name"], fields)
    return found


def not_monitored(name: str, answered: int, asked: int) -> UnknownMasterError:
    """Return the error about a name that nobody monitors who answers."""
    text = "%s: not monitored by the sentinels that answer (%d of %d)"
    return UnknownMasterError(text % (name, answered, asked), name)


def they_monitor(names: t.Iterable[str], name: str) -> str:
    """Return in words what the Sentinels monitor, for somebody who asked for another name."""
    known = sorted(names)
    more = ", and %d more" % (len(known) - MOST_NAMES) if len(known) > MOST_NAMES else ""
    return "they monitor %s%s%s" % (", ".join(known[:MOST_NAMES]) or "no master", more, did_you_mean(name, known))


class Elected(t.NamedTuple):
    """The master of a name, and the role that it told; MASTER when it was not asked."""

    address: Address
    role: Role

    @property
    def doubt(self) -> str:
        """Why it is not known that it is master; "" when it said so, or was not asked."""
        return "" if self.role.name == MASTER else self.role.detail


def find(asker: Asker, name: str, prober: t.Optional[t.Callable[[Address], Prober]] = None) -> Address:
    """Return the master of a name, by the rules of `election`; with `prober` only one that says it is master.

    Raises UnknownMasterError, NoSentinelError, or NoMasterError with what each of them said.
    """
    return elect(asker, name, report(asker, [name]), prober).address


def elect(asker: Asker, name: str, reports: t.Sequence[Report],
          prober: t.Optional[t.Callable[[Address], Prober]] = None) -> Elected:
    """Return the master of a name by reports that are there already; raise as `find`."""
    answers = [(report.voter, report.answers[name]) for report in reports if not report.error]
    votes = [Vote(voter, asker.translate(answer.master), answer.epoch) for voter, answer in answers if answer.master]
    if not votes:
        _raise_why(name, reports)
    roles = {} if prober else {vote.address: Role(MASTER) for vote in votes}
    while True:
        verdict = decide(votes, None, roles, len(asker.sentinels), stuck=True)
        if verdict.choice is not None:
            return Elected(verdict.choice.address, roles[verdict.choice.address])
        if not verdict.ask or prober is None:
            raise NoMasterError("%s: no master: %s" % (name, verdict.reason))
        for address in verdict.ask:
            roles[address] = _role(prober(address))


def report(asker: Asker, names: t.Sequence[str], peers: bool = False) -> t.List[Report]:
    """Return what each Sentinel says of these names; with `peers` also which other Sentinels it knows."""
    def ask(sentinel: Address) -> Report:
        client = SentinelClient(sentinel, asker.credentials)
        try:
            return client.report(names, asker.timeout, peers=peers)
        finally:
            client.close()

    outcomes = ask_each(asker.sentinels, ask, asker.timeout)
    return [Report(sentinel, 0, error=str(outcome), kind=outcome.kind) if isinstance(outcome, PeerError) else outcome
            for sentinel, outcome in outcomes.items()]


def everyone(asker: Asker, reports: t.Sequence[Report]) -> t.Tuple[Address, ...]:
    """Return all Sentinels: those that were asked, and those that they named in reports with `peers`."""
    return tuple(asker.sentinels) + discovered(asker.sentinels, (), reports, asker.translate)


def _role(prober: Prober) -> Role:
    try:
        return prober.probe().role
    finally:
        prober.close()


def _raise_why(name: str, reports: t.Sequence[Report]) -> None:
    answered = [report for report in reports if not report.error]
    if not answered:
        raise NoSentinelError("%s: no sentinel answers: %s" % (name, "; ".join(report.error for report in reports)))
    if all(report.answers[name].unknown for report in answered):
        raise not_monitored(name, len(answered), len(reports))
    said = [report.error or "%s: %s" % (report.sentinel, report.answers[name].problem) for report in reports]
    raise NoMasterError("%s: no master: %s" % (name, "; ".join(said)))
