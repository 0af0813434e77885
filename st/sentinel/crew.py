"""The workers of the watcher: who asks which Sentinel, who listens to it, who asks which node for its role."""
import logging
import ssl
import typing as t

from st.address import Address
from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.event import Event
from st.sentinel.answers import Credentials, Report
from st.sentinel.client import SentinelClient
from st.sentinel.prober import Probed, Prober
from st.sentinel.roster import discovered
from st.sentinel.subscription import Subscription
from st.sentinel.worker import Worker
from st.wire.dial import Endpoint

logger = logging.getLogger(__name__)


class Brief(t.NamedTuple):
    """What the crew is to do and how; the same for all of it."""

    seeds: t.Tuple[Address, ...]
    credentials: Credentials
    timeout: float  # seconds, for each conversation with a Sentinel
    events: bool
    discover: bool
    translate: t.Callable[[Address], Address]  # the address map
    tunnels: t.Tuple[TunnelSettings, ...]
    is_own: t.Callable[[Endpoint], bool]  # whether one of our tunnels listens there
    tls: t.Mapping[str, ssl.SSLContext] = {}  # to the nodes, by tunnel; those without speak plain TCP


class Desk:
    """One Sentinel's workers: one asks, one listens to its events."""

    def __init__(self, sentinel: Address, brief: Brief, post: t.Callable[[Report], None],
                 heard: t.Callable[[str], None]) -> None:
        names = sorted({tunnel.master for tunnel in brief.tunnels})
        replicas_of = sorted({tunnel.master for tunnel in brief.tunnels if tunnel.role == "replica"})
        client = SentinelClient(sentinel, brief.credentials)
        self._round, self._peers = 0, False  # written by the watcher before it calls the asker

        def ask() -> None:
            post(client.report(names, brief.timeout, self._round, self._peers, replicas_of))

        self.subscription = Subscription(sentinel, brief.credentials, names, brief.timeout, heard)
        self._asker = Worker("ask %s" % (sentinel,), ask, client.interrupt, client.close)
        self._listener = Worker("events %s" % (sentinel,), self.subscription.listen, self.subscription.interrupt,
                                self.subscription.close)
        self.workers = [self._asker] + [self._listener] * brief.events

    def start(self) -> None:
        """Start the workers, all or none; raise RuntimeError when the system has no thread left."""
        try:
            for worker in self.workers:
                worker.start()
        except RuntimeError:
            for worker in self.workers:
                worker.dismiss()
            raise

    def ask(self, round: int, peers: bool) -> None:
        """Ask the Sentinel for a round; subscribe again where the subscription has ended."""
        self._round, self._peers = round, peers
        for worker in self.workers:
            worker.call()


class Crew:
    """Starts and ends workers. Only the watcher thread calls it, but for `dismiss_all` when that has ended."""

    def __init__(self, brief: Brief, discovered: t.Tuple[Address, ...] = ()) -> None:
        self._brief = brief
        self._tunnels = {tunnel.name: tunnel for tunnel in brief.tunnels}
        self.discovered = discovered  # Sentinels that others named, so far
        self._desks: t.Dict[Address, Desk] = {}
        self._probers: t.Dict[t.Tuple[str, Address], Worker] = {}
        self._leaving: t.List[Worker] = []  # dismissed, perhaps still in a name lookup
        self._post: t.Callable[[t.Any], None] = _nowhere
        self._heard: t.Callable[[str], None] = _nowhere

    def report_to(self, post: t.Callable[[t.Union[Report, Probed]], None], heard: t.Callable[[str], None]) -> None:
        """Say where reports, roles and events go; before anything else."""
        self._post, self._heard = post, heard

    def sentinels(self) -> t.List[Address]:
        """Return all Sentinels, seeds first."""
        return list(self._brief.seeds) + list(self.discovered)

    def hears_events(self, sentinel: Address) -> bool:
        """Tell whether the subscription to a Sentinel stands."""
        desk = self._desks.get(sentinel)
        return desk is not None and desk.subscription.connected

    def ask_all(self, round: int, peers: bool) -> None:
        """Let every Sentinel be asked, all at the same time."""
        self._reap()
        for sentinel in self.sentinels():
            if sentinel not in self._desks:
                desk = Desk(sentinel, self._brief, self._post, self._heard)
                if not _started(desk):
                    continue  # the others are asked; the next round tries again
                self._desks[sentinel] = desk
            self._desks[sentinel].ask(round, peers and self._brief.discover)

    def meet(self, reports: t.Sequence[Report]) -> None:
        """Take Sentinels in that others name, and let go those that nobody names any more."""
        if not self._brief.discover:
            return
        self.discovered = discovered(self._brief.seeds, self.discovered, reports, self._brief.translate)
        for sentinel in set(self._desks) - set(self.sentinels()):
            self._dismiss(self._desks.pop(sentinel).workers)

    def probe(self, tunnel: str, address: Address) -> None:
        """Let a node be asked for its role, with the credentials of a tunnel."""
        if (tunnel, address) not in self._probers:
            settings = self._tunnels[tunnel]
            credentials = Credentials(settings.redis_user, settings.redis_password, self._brief.tls.get(tunnel))
            prober = Prober(tunnel, address, credentials,
                            settings.connect_timeout, settings.role_check != "no", self._brief.is_own)
            post = self._post
            worker = Worker("role %s" % (address,), lambda: post(prober.probe()), prober.interrupt, prober.close)
            if not _started(worker):
                return  # the next round tries again
            self._probers[(tunnel, address)] = worker
        self._probers[(tunnel, address)].call()

    def keep_probers(self, tunnel: str, wanted: t.Set[Address]) -> None:
        """End the tunnel's connections to nodes that nobody asks for any more."""
        for key in [key for key in self._probers if key[0] == tunnel and key[1] not in wanted]:
            self._dismiss([self._probers.pop(key)])

    def dismiss_all(self, deadline: Deadline) -> None:
        """End all workers; returns at the deadline at the latest. A second call waits for those that have not ended."""
        for desk in list(self._desks.values()):
            self._dismiss(desk.workers)
        self._dismiss(list(self._probers.values()))
        self._desks, self._probers = {}, {}
        self._leaving = [worker for worker in self._leaving if not worker.join(deadline)]

    def _dismiss(self, workers: t.Sequence[Worker]) -> None:
        for worker in workers:
            worker.dismiss()
        self._leaving += workers

    def _reap(self) -> None:
        """Forget the dismissed whose threads have ended, and interrupt the others again."""
        self._leaving = [worker for worker in self._leaving if not worker.join(Deadline(0))]


def _started(what: t.Union[Desk, Worker]) -> bool:
    """Start it; False, and a line in the log, when the system has no thread left."""
    try:
        what.start()
    except RuntimeError as error:
        logger.error(Event("no_thread", error=error, means="tried again in the next round"))
        return False
    return True


def _nowhere(message: t.Any) -> None:
    raise AssertionError("the crew was put to work before report_to")
