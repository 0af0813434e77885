"""Follow the replicas of one master: from the answers of a round and the roles of nodes to the places in the row."""
import functools
import logging
import time
import typing as t

from st.address import Address
from st.config.values import TunnelSettings
from st.event import Event
from st.nat import NatMap
from st.sentinel.answers import Answer, Listed, Report
from st.sentinel.condition import NO_MASTER, OK
from st.sentinel.follower import GAP_BOUNDS, PATIENCE, Follower
from st.sentinel.masters import Target
from st.sentinel.prober import Probed
from st.sentinel.replica_roles import Roles
from st.sentinel.replica_row import Changed, ReplicaRow
from st.sentinel.replicas import DROP, KEEP, USE, Fate, Opinion, Seen, judge, opinions
from st.sentinel.roster import MOST_REPLICAS
from st.sentinel.round import Round
from st.tally import Histogram
from st.wire.role import REPLICA

logger = logging.getLogger(__name__)

CALM_AFTER = 10.0  # seconds for which a master must have been well; Sentinels tell each other of a failover every 2 s


class ReplicaFollower:
    """Decides for one tunnel to replicas. Only the watcher thread calls it; it never blocks.

    A follower of the master is part of it: it tells which Sentinels are up to date, and it is where connections go when
    there is no replica. What that one has to tell goes to the log at DEBUG.
    """

    def __init__(self, tunnel: TunnelSettings, row: ReplicaRow, nat_map: NatMap,
                 probe: t.Callable[[str, Address], None], on_stale: t.Callable[[str, int], int],
                 min_sentinels: int = 0, serve_outage: bool = True, calm_after: float = CALM_AFTER) -> None:
        self.tunnel = tunnel
        self.row = row
        self._translate = nat_map.apply
        self._on_stale = on_stale  # cuts the connections that are not current any more, returns how many
        self._master = Follower(tunnel, row.master, nat_map, probe, self._cut_from_master, min_sentinels, serve_outage,
                                log=_in_detail)
        self._roles = Roles(functools.partial(probe, tunnel.name), PATIENCE + 2 * tunnel.connect_timeout)
        self._opinions: t.Dict[Address, Opinion] = {}  # what the Sentinels said of each replica in the last round
        self._told: t.Optional[int] = None  # how many Sentinels listed replicas then; None: no round has ended yet
        self._calm_after = calm_after
        self._calm = False
        self._lacking = ""  # what new clients get for want of replicas, in words; "" while there are some
        self.state = ""  # as of a `Condition`
        self.settled = False  # nothing unusual: the watcher need not hurry
        self.since = 0.0  # Unix time at which the replicas in use changed last, read by status
        self.switches = 0  # replicas come and go one by one: that is no switch, and has no gap
        self.gaps = Histogram(GAP_BOUNDS)

    @property
    def agreeing(self) -> int:
        """How many Sentinels agree on the master."""
        return self._master.agreeing

    def go_on_as(self, other: "ReplicaFollower") -> None:
        """Take over what another follower of the same tunnel knew when its watcher ended."""
        self._master.go_on_as(other._master)
        self._roles.go_on_as(other._roles)
        self._opinions, self._told, self._calm = other._opinions, other._told, other._calm
        self._lacking, self.state, self.since = other._lacking, other.state, other.since

    def begin(self) -> None:
        """Begin a round: ask the master, and every replica that is listed or in use, while Sentinels are asked."""
        self._master.begin()
        self.settled = False
        for address in self._known():
            self._roles.ask(address)

    def wanted(self) -> t.Set[Address]:
        """Return the addresses that are worth a connection of ours."""
        return self._master.wanted() | set(self._known())

    def take(self, probed: Probed) -> None:
        """Note what a node said."""
        self._master.take(probed)
        self._roles.take(probed)

    def consider(self, round: Round) -> None:
        """Decide on what is known so far: who is used, who is left in peace, who is cut."""
        self._master.consider(round)
        been_well = time.monotonic() - self._master.unwell_at
        if self._master.well or been_well < self._calm_after:  # else this round has not told how the master is yet
            self._calm = been_well >= self._calm_after
        if round.complete:
            self._read(round)
        if self._told is not None:
            self._decide(round, self._told)

    def _read(self, round: Round) -> None:
        """Take what the Sentinels say of replicas."""
        lists = [[listed._replace(address=self._translate(listed.address)) for listed in each]
                 for each in self._lists(round).values()]
        self._opinions, self._told = opinions(lists), len(lists)
        known = self._known()
        self._roles.ask_new(known)
        self._roles.forget_all_but(known)

    def _lists(self, round: Round) -> t.Dict[str, t.Tuple[Listed, ...]]:
        """Return the lists by who told them: of the Sentinels that name our master; the others missed a failover."""
        current = self.row.master.current()
        told = (_newest(round.answers(self.tunnel.master)) if current is None
                else self._master.naming(current.address, round))
        return {report.voter: answer.replicas for report, answer in told if answer.replicas is not None}

    def _known(self) -> t.List[Address]:
        """Return the replicas in use, then those that are listed; not more than descriptors are kept back for."""
        in_use = sorted({target.address for target in self.row.places()})
        return (in_use + [address for address in sorted(self._opinions) if address not in in_use])[:MOST_REPLICAS]

    def _decide(self, round: Round, told: int) -> None:
        places = {target.address: target.endpoint for target in self.row.places()}
        fates = {address: self._judge(address, told, address in places) for address in self._known()}
        use = [self._target(address) for address in sorted(fates) if fates[address].what == USE]
        keep = {places[address] for address in fates if address in places and fates[address].what == KEEP}
        pending = not use and any(self._roles.role(address) is None for address in fates)
        hold = self._master.reason_to_hold(round)
        why = round.in_words(hold, "" if use else self._why_none(fates, round))
        fallback = self.tunnel.replica_fallback == "master" and not pending
        usable = not hold and (bool(use) or (fallback and self.row.master.now().target is not None))
        if usable:
            self.state = OK  # before the row wakes those who ask for it
        self._tell(self.row.update(use, keep, fallback, bool(hold), why), fates)
        if round.complete and not pending and (use or self._master.state):
            self._conclude(bool(use), usable, why)

    def _judge(self, address: Address, told: int, in_use: bool) -> Fate:
        lost = self._master.well and self._roles.lost(address)  # the master was asked after the first of these
        seen = Seen(self._opinions.get(address, Opinion(told)), self._roles.role(address), lost, in_use)
        return judge(seen, self._calm, self.tunnel.role_check == "strict")

    def _target(self, address: Address) -> Target:
        probed, master = self._roles.heard(address), self.row.master.current()
        assert probed is not None and probed.endpoint is not None  # it is used because it was reached
        return Target(address, probed.endpoint, master and master.epoch, probed.role.name == REPLICA, REPLICA)

    def _why_none(self, fates: t.Mapping[Address, Fate], round: Round) -> str:
        if not self._told:
            return round.no_answer(self.tunnel.master) or "no Sentinel that is up to date lists the replicas"
        if not fates:
            return "no replica is listed (Sentinels do not see one without masterauth)"
        return "no replica is fit: %s" % "; ".join("%s %s" % (address, fate.why) for address, fate in fates.items())

    def _tell(self, changed: Changed, fates: t.Mapping[Address, Fate]) -> None:
        """Cut who must not go on, and log who came and who went."""
        closed = self._on_stale(self.tunnel.name, self.row.generation) if changed.stale else 0
        for target in changed.down:
            fate = fates.get(target.address, Fate(DROP, "is at another address now"))
            why = fate.why if fate.what != USE else "is at another address now"
            logger.warning(Event("replica_down", tunnel=self.tunnel.name, replica=target.address, why=why,
                                 closed=closed))
        for target in changed.up:
            logger.info(Event("replica_up", tunnel=self.tunnel.name, replica=target.address))
        if changed.up or changed.down:
            self.since = time.time()

    def _conclude(self, found: bool, usable: bool, why: str) -> None:
        """End a round: note how the tunnel is doing, and tell when it has lost its last replica."""
        self.state = OK if usable else NO_MASTER
        suspects = [target for target in self.row.places() if self._roles.suspect(target.address)]
        self.settled = self._master.settled and not suspects
        lacking = "" if found else "new clients get the master" if usable else "new clients wait"
        if lacking and lacking != self._lacking:
            logger.warning(Event("no_replica", tunnel=self.tunnel.name, why=why, means=lacking))
        self._lacking = lacking

    def _cut_from_master(self, tunnel: str, generation: int) -> int:
        self.row.wake()  # who waits to try that master again must not
        return self._on_stale(tunnel, generation)


def _in_detail(level: int, event: Event) -> None:
    logger.debug(event)


def _newest(answers: t.Sequence[t.Tuple[Report, Answer]]) -> t.List[t.Tuple[Report, Answer]]:
    """Return the answers at the highest config-epoch that is told."""
    epochs = [answer.epoch for _, answer in answers if answer.epoch is not None]
    return [(report, answer) for report, answer in answers if not epochs or answer.epoch == max(epochs)]
