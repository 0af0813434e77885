"""Follow one master: from the answers of a round and the roles of nodes to the row in the table."""
import logging
import time
import typing as t

from st.address import Address
from st.config.values import TunnelSettings
from st.event import Event
from st.nat import NatMap
from st.sentinel.answers import Answer, Report
from st.sentinel.condition import Condition
from st.sentinel.election import Current, Verdict, Vote, decide
from st.sentinel.handover import Handover
from st.sentinel.masters import MasterRow, Target
from st.sentinel.prober import Probed
from st.sentinel.round import FAILOVER, Round
from st.switch import Switch
from st.tally import Histogram
from st.wire.dial import Endpoint, is_loopback
from st.wire.role import MASTER, REPLICA, UNKNOWN

logger = logging.getLogger(__name__)

STUCK_AFTER = 10.0  # seconds; Sentinels tell each other of a failover every 2 s
DEMOTED_AFTER = 2  # replies in a row: one may be of the moment in which a failover ends
GAP_BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)  # seconds
FAILING = "failover in progress"
LOOPBACK = "a sentinel on another host means its own host: announce an outside address"
PATIENCE = 1.0  # seconds beyond two time-outs for a role; then its absence is what is wrong


class Follower:
    """Decides for one tunnel. Only the watcher thread calls it; it never blocks."""

    def __init__(self, tunnel: TunnelSettings, row: MasterRow, nat_map: NatMap,
                 probe: t.Callable[[str, Address], None], on_stale: t.Callable[[str, int], int],
                 min_sentinels: int = 0, serve_outage: bool = True,
                 on_switch: t.Callable[[Switch], None] = lambda switch: None,
                 log: t.Callable[[int, Event], None] = logger.log) -> None:
        self.tunnel = tunnel
        self.row = row
        self._translate = nat_map.apply
        self._probe = probe
        self._on_stale = on_stale  # cuts the connections older than a generation, returns how many
        self._on_switch = on_switch  # is told of each; must not block
        self._log = log  # with a level, where every line for the log goes
        self._probed: t.Dict[Address, Probed] = {}  # of this round
        self._asked: t.Set[Address] = set()  # to be probed in this round
        self._awaited: t.Set[Address] = set()  # asked in the last round, and not answered in it
        self._last_good = time.monotonic()  # when the current master was last known to be one
        self._slave_replies = 0  # how many times in a row the current master said that it is a replica
        self._min_sentinels = min_sentinels
        self._serve_outage = serve_outage
        self._places: t.Dict[Address, Endpoint] = {}  # where each named address was found
        self._concluded_at = time.monotonic()  # when a round last ended with all roles known
        self._handover = Handover()
        self.condition = Condition(tunnel.name, log)
        self.well = False  # this round has found the master to be one, and nobody says that it is failed over
        self.unwell_at = time.monotonic()  # when a round last ended otherwise, or the master changed
        self.agreeing = 0  # Sentinels, read by status
        self.settled = False  # nothing unusual: the watcher need not hurry
        self.since = 0.0  # Unix time of the last adoption, read by status
        self.switches = 0
        self.gaps = Histogram(GAP_BOUNDS)

    def go_on_as(self, other: "Follower") -> None:
        """Take over what another follower of the same tunnel knew when its watcher ended."""
        self.condition, self.agreeing, self.since = other.condition, other.agreeing, other.since
        self.switches, self.gaps = other.switches, other.gaps
        self._last_good, self._slave_replies = other._last_good, other._slave_replies
        self.unwell_at, self._handover = other.unwell_at, other._handover

    @property
    def state(self) -> str:
        """How the tunnel is doing, in one word of `condition`; "" before the first round has ended."""
        return self.condition.state

    def begin(self) -> None:
        """Begin a round: forget what nodes said in the last one; ask the current master while Sentinels are asked."""
        # A Sentinel that takes longer than the pause between rounds leaves nodes no time to answer within one.
        self._awaited = self._asked - set(self._probed)
        self._probed.clear()
        self._asked.clear()
        self.settled = self.well = False
        current = self.row.current()
        if current is not None:
            self._want(current.address)

    def wanted(self) -> t.Set[Address]:
        """Return the addresses that are worth a connection of ours."""
        return self._asked | set(self._probed)

    def take(self, probed: Probed) -> None:
        """Note what a node said."""
        if probed.address not in self._asked | self._awaited:
            return  # of an earlier round, about a node that nobody asks for now
        self._probed[probed.address] = probed
        if probed.endpoint is not None:
            self._places[probed.address] = probed.endpoint
        current = self.row.current()
        if current is not None and probed.address == current.address:
            self._slave_replies = self._slave_replies + 1 if probed.role.name == REPLICA else 0
            if self._is_good(probed) and not self._handover.on:
                self._last_good = time.monotonic()

    def consider(self, round: Round) -> None:
        """Decide on what is known so far: adopt, keep, ask for a role, or note in words what is wrong."""
        votes = [Vote(report.voter, self._known_as(self._translate(answer.master)), answer.epoch)
                 for report, answer in round.answers(self.tunnel.master) if answer.master]
        target = self.row.current()
        current = None if target is None else Current(target.address, target.epoch)
        roles = {address: probed.role for address, probed in self._probed.items()}
        stuck = time.monotonic() - self._last_good > STUCK_AFTER
        verdict = decide(votes, current, roles, round.known, round.complete, self.tunnel.role_check == "strict", stuck)
        for address in verdict.ask:
            self._want(address)
        if verdict.choice is not None:
            self._settle(verdict.choice, verdict.agreeing, round)
        self._look_for_handover(round)
        if round.complete:
            self._forget_all_but({vote.address for vote in votes})
            self._conclude(verdict, round, len({vote.address for vote in votes}) < 2)

    def naming(self, address: Address, round: Round) -> t.List[t.Tuple[Report, Answer]]:
        """Return what those Sentinels said that name this address, or the current master's under another spelling."""
        return [(report, answer) for report, answer in round.answers(self.tunnel.master)
                if answer.master and self._known_as(self._translate(answer.master)) == address]

    def _known_as(self, address: Address) -> Address:
        """Return the current master's address for another spelling of it: a name and its IP are one node."""
        current = self.row.current()
        if current is None or address == current.address:
            return address
        if address not in self._places:
            self._want(address)
        return current.address if self._places.get(address) == current.endpoint else address

    def _forget_all_but(self, named: t.Set[Address]) -> None:
        self._places = {address: place for address, place in self._places.items() if address in named | self._asked}

    def _is_good(self, probed: t.Optional[Probed]) -> bool:
        if probed is None:
            return False
        return probed.role.name == MASTER or (probed.role.name == UNKNOWN and self.tunnel.role_check != "strict")

    def _want(self, address: Address) -> None:
        if address not in self._asked:
            self._asked.add(address)
            self._probe(self.tunnel.name, address)

    def _settle(self, choice: Current, agreeing: int, round: Round) -> None:
        """Make the choice the row's target, as a new generation when it is another node or another reign."""
        probed, old = self._probed[choice.address], self.row.current()
        if probed.endpoint is None:  # it is named still, but this round has not reached it
            return
        new = Target(choice.address, probed.endpoint, choice.epoch, probed.role.name == MASTER)
        self.agreeing = agreeing
        if old is None or not _same_reign(old, new, probed):
            self._adopt(old, new, round)
        elif new != old:
            self.row.refine(new)

    def _adopt(self, old: t.Optional[Target], new: Target, round: Round) -> None:
        hold = self.reason_to_hold(round)
        self._slave_replies = 0
        self.condition.adopted(bool(hold))  # before the row wakes those who ask for it
        generation = self.row.adopt(new, hold)
        started = time.monotonic()
        closed = self._on_stale(self.tunnel.name, generation)
        closed += self._handover.switched(old is None or old.endpoint != new.endpoint)
        took = time.monotonic() - started
        gap, self._last_good, self.unwell_at = started - self._last_good, started, started
        self.since = time.time()
        agreeing = "%d/%d" % (self.agreeing, round.known)
        told = dict(epoch=new.epoch, heard=round.heard, sentinels=agreeing)
        told["by"] = ",".join(str(report.sentinel) for report, _ in self.naming(new.address, round))
        if old is None:
            self._log(logging.INFO, Event("master", tunnel=self.tunnel.name, master=new.address, **told))
        else:
            self.switches += 1
            self.gaps.observe(gap)
            self._log(logging.WARNING, Event("switch", tunnel=self.tunnel.name, old=old.address, new=new.address,
                                             gap="%.1fs" % gap, closed=closed, took="%.0fms" % (took * 1000), **told))
            self._on_switch(Switch(self.tunnel.name, self.tunnel.master, old.address, new.address, new.epoch,
                                   self.since, gap, closed, took, round.heard, agreeing))
        if not new.verified and self.tunnel.role_check != "no":
            self._log(logging.WARNING, Event("role_unknown", tunnel=self.tunnel.name, master=new.address,
                                             error=self._probed[new.address].role.detail,
                                             means="used as named by the sentinels"))
        if self._announced_from_afar(new, round):
            self._log(logging.WARNING, Event("loopback_master", tunnel=self.tunnel.name, master=new.address,
                                             means=LOOPBACK))

    def _announced_from_afar(self, new: Target, round: Round) -> bool:
        """Tell whether a loopback address was announced, and by no Sentinel of this host."""
        places = [report.reached for report, answer in round.answers(self.tunnel.master) if answer.master]
        afar = [place is not None and not is_loopback(place.host) for place in places]
        return is_loopback(new.endpoint.sockaddr[0]) and bool(afar) and all(afar)

    def _conclude(self, verdict: Verdict, round: Round, agree: bool) -> None:
        """End a round, once the roles in question are known: hold or release new connections, say what is wrong."""
        now, pending, target = time.monotonic(), self._pending(verdict), self.row.current()
        overdue = self._handover.overdue(now) and target is not None and target.address not in pending
        if pending and not overdue and now - self._concluded_at < PATIENCE + 2 * self.tunnel.connect_timeout:
            return
        self._concluded_at = now
        trouble, leaving = round.trouble(self.tunnel.master), self._handover.on
        handover = self._handover.goes_on(now)
        if leaving and not handover:
            self.condition.not_left()
        self.settled = verdict.choice is not None and agree and not trouble and not handover
        self.well = verdict.choice is not None and not trouble & FAILOVER
        self.unwell_at = self.unwell_at if self.well else now
        self.agreeing = verdict.agreeing
        hold = self.reason_to_hold(round)
        waiting = "no reply to ROLE from %s" % ", ".join(map(str, pending)) if pending else ""
        wrong = verdict.reason or waiting or ("" if verdict.choice else round.no_answer(self.tunnel.master))
        failing = FAILING if handover or (trouble & FAILOVER and (wrong or hold)) else ""
        why = round.in_words(hold, failing, wrong)
        good = target is not None and self._is_good(self._probed.get(target.address))
        if self._slave_replies >= DEMOTED_AFTER and verdict.choice is None:
            self._demote(why)
        else:
            self.row.conclude(why, bool(hold) or handover, good or not why)
        self.condition.concluded(target.address if target else None, why, good and not hold and not handover, agree)

    def _demote(self, why: str) -> None:
        """Cut the connections to a master that says it is none, while Sentinels still name it.

        Somebody demoted it by hand: Sentinels take 20 s and more to notice (sentinel.c, sentinelRefreshInstanceInfo).
        """
        generation = self.row.demote(why)
        if generation is not None:
            closed = self._on_stale(self.tunnel.name, generation)
            self._log(logging.WARNING, Event("demoted", tunnel=self.tunnel.name, closed=closed, why=why))

    def _look_for_handover(self, round: Round) -> None:
        """Cut the connections to the master, and let new ones wait, once a Sentinel says that it promotes a replica.

        The master goes on to acknowledge writes for a second, and loses them when it is demoted (redis#6062).
        """
        current = self.row.current()
        if current is None:
            return
        answered = {report.sentinel for report, _ in round.answers(self.tunnel.master)}
        saying = {report.sentinel for report, answer in self.naming(current.address, round) if answer.promoting}
        if self._handover.begins(time.monotonic(), saying, answered - saying):
            self.condition.adopted(held=True)
            generation = self.row.demote(FAILING)
            if generation is not None:
                self._handover.closed = self._on_stale(self.tunnel.name, generation)
            self._log(logging.INFO, Event("handover", tunnel=self.tunnel.name, master=current.address,
                                          by=",".join(map(str, sorted(saying))), closed=self._handover.closed,
                                          means="failover begins; new connections wait"))

    def _pending(self, verdict: Verdict) -> t.List[Address]:
        """Return the addresses whose role is in question and has not been told yet."""
        current = self.row.current()
        asked = set(verdict.ask) | ({current.address} if current is not None else set())
        return sorted(asked - set(self._probed))

    def reason_to_hold(self, round: Round) -> str:
        """Return why new connections wait although there is a target, or ""."""
        if self.agreeing < self._min_sentinels:
            return "only %d agree on the master, min_sentinels is %d" % (self.agreeing, self._min_sentinels)
        if not self._serve_outage and round.outage():
            return "sentinel_outage is refuse"
        return ""


def _same_reign(old: Target, new: Target, probed: Probed) -> bool:
    """Tell whether connections to `old` may stay: the same node, however it is spelled, at no newer epoch."""
    same_node = old.endpoint == new.endpoint or (old.address == new.address and old.endpoint in probed.endpoints)
    newer = new.epoch is not None and old.epoch is not None and new.epoch > old.epoch
    return same_node and not newer
