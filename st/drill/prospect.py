"""What a failover would be, and why it cannot succeed, if so: looked at before anything is done."""
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.drill.words import short
from st.sentinel.answers import Credentials, Report
from st.sentinel.client import connect
from st.sentinel.round import TROUBLE
from st.sentinel.survey import Asker, elect, everyone, report
from st.wire.resp import Command, Reply, ReplyError, pairs

DOWN = frozenset(["s_down", "o_down", "disconnected"])


class Prospect(t.NamedTuple):
    """A failover to come; times in seconds."""

    name: str  # of the master
    master: Address  # as the tunnel reaches it
    replicas: t.Tuple[str, ...]  # those that may be promoted
    sentinel: Address  # the one to be told
    sentinels: t.Tuple[Address, ...]
    down_after: float
    failover_timeout: float
    problems: t.Tuple[str, ...]  # why it would fail


def look(whom: Asker, name: str, peers: bool) -> Prospect:
    """Ask the Sentinels about a failover of this master; raise NoMasterError when they name none."""
    reports = report(whom, [name], peers=peers)
    master = elect(whom, name, reports).address
    sentinel = next(each.sentinel for each in reports if not each.error and each.answers[name].master)
    # SLAVES: the name that every version knows.
    quorum, fields, replicas = ask(sentinel, whom.credentials, whom.timeout, [
        ["SENTINEL", "CKQUORUM", name], ["SENTINEL", "MASTER", name], ["SENTINEL", "SLAVES", name]])
    good, bad = candidates(replicas)
    details = pairs(fields)
    problems = doubts(name, reports) + ["the Sentinels cannot agree on a failover: %s" % quorum] * _failed(quorum)
    if not good:
        problems.append("no replica can be promoted: %s" % ("; ".join(bad) or "there is none"))
    return Prospect(name, master, tuple(good), sentinel, everyone(whom, reports),
                    _seconds(details.get("down-after-milliseconds")), _seconds(details.get("failover-timeout")),
                    tuple(problems))


def ask(sentinel: Address, credentials: Credentials, timeout: float, commands: t.Sequence[Command]) -> t.List[Reply]:
    """Return a Sentinel's replies to commands, errors too; raise PeerError."""
    deadline = Deadline(timeout)
    conversation = connect(sentinel, deadline, credentials.tls)
    try:
        return conversation.ask([*credentials.commands(), *commands], deadline)[-len(commands):]
    finally:
        conversation.close()


def candidates(listing: Reply) -> t.Tuple[t.List[str], t.List[str]]:
    """Return the replicas that may be promoted, and the others with the reason, from the reply to SENTINEL SLAVES."""
    good: t.List[str] = []
    bad: t.List[str] = []
    for entry in map(pairs, listing if isinstance(listing, list) else []):
        address = "%s:%s" % (entry.get("ip"), entry.get("port"))
        flags = DOWN.intersection(entry.get("flags", "").split(","))
        why = ", ".join(sorted(flags))
        if not why and entry.get("slave-priority") == "0":
            why = "replica-priority is 0"
        if not why and entry.get("master-link-status", "ok") != "ok":
            why = "its link to the master is down"
        (bad if why else good).append("%s (%s)" % (address, why) if why else address)
    return good, bad


def doubts(name: str, reports: t.Sequence[Report]) -> t.List[str]:
    """Return what speaks against a failover now in what the Sentinels said."""
    told = [(each.sentinel, each.answers[name]) for each in reports if not each.error]
    found = []
    if len({answer.master for _, answer in told if answer.master}) > 1:
        found.append("the Sentinels name different masters: %s" % ", ".join(
            "%s names %s" % (short(sentinel), answer.master) for sentinel, answer in told))
    for sentinel, answer in told:
        trouble = sorted(TROUBLE & answer.flags)
        if trouble:
            found.append("%s says of the master: %s" % (short(sentinel), ", ".join(trouble)))
    return found


def _failed(reply: Reply) -> bool:
    return isinstance(reply, ReplyError)


def _seconds(milliseconds: t.Optional[str]) -> float:
    return int(milliseconds) / 1000 if milliseconds and milliseconds.isdigit() else 0.0
