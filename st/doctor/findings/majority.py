"""D02, D03, D04: whether enough Sentinels look after a name, and can agree."""
import typing as t

from st.doctor.case import Case, voices
from st.doctor.finding import ALIVE, NOTE, PROBLEM, WARNING, Kind, Result, Unchecked
from st.doctor.peers import at, known_as, peers
from st.doctor.values import Seen, number
from st.ops.tables import duration
from st.sentinel.survey import they_monitor

UNKNOWN = Kind("D02", PROBLEM, "no Sentinel monitors this name", "no client of this name can have a master",
               "write the name as the Sentinels have it, or on each: SENTINEL MONITOR {about} <ip> <port> <quorum>")
PARTLY = Kind("D02", WARNING, "{sentinel} does not monitor this name",
              "it has no vote in its failovers, and cannot tell who is master",
              "on it: SENTINEL MONITOR {about} {master} {quorum}, then the settings of the others (SENTINEL MASTER "
              "{about} there); or leave it out of `sentinels`")
ONE = Kind("D03", WARNING, "1 Sentinel: when it is down, nobody fails over",
           "the Sentinel is what the whole name depends on; it sees the network from one place alone",
           "add two on other machines (an application host will do)")
TWO = Kind("D03", WARNING, "2 Sentinels, majority 2: losing one stops every failover",
           "the machine of the master often has one of them: both are lost together",
           "add a third on another machine (an application host will do)")
EVEN = Kind("D03", NOTE, "{count} Sentinels, majority {majority}: no more may be lost than of {less}",
            "an even number costs one more and gains nothing", "add one on another machine, or take one away")
_QUORUM = "on every Sentinel: SENTINEL SET {about} quorum {majority}"
TOO_HIGH = Kind("D03", PROBLEM, "quorum {quorum} of {count} Sentinels can never be reached",
                "nobody ever fails over", _QUORUM)
ALL = Kind("D03", WARNING, "quorum {quorum} of {count} Sentinels: losing one stops every failover",
           "all of them must see that the master is down", _QUORUM)
ALONE = Kind("D03", WARNING, "quorum 1 of {count} Sentinels: each alone calls the master down",
             "one Sentinel with a bad network is enough to begin a failover", _QUORUM)
NO_QUORUM = Kind("D04", PROBLEM, "no failover is possible now", "when the master dies, no replica is promoted",
                 "bring Sentinels back; if the master is dead now, on one: SENTINEL FAILOVER {about} (it asks nobody). "
                 "Those that are gone for good count until you forget them: SENTINEL RESET {about} on each of the "
                 "others, 30 s apart, " + ALIVE)
GHOST = Kind("D04", WARNING, "is down, and still counts for the majority of {names}",
             "Sentinels never forget one: each that is gone makes it harder for the rest to agree",
             "start it; or, if it is gone for good: SENTINEL RESET <name> on each of the others, 30 s apart, " + ALIVE)
CUT_OFF = Kind("D04", WARNING, "is down for {by}, though it answers here",
               "these cannot agree with it, which costs votes", "open port 26379 between the Sentinels' hosts, both "
               "ways; if it asks for a password, set `sentinel sentinel-pass` on the others")


def unknown(seen: Seen) -> t.Iterator[Result]:
    """D02: names that nobody, or not everybody, monitors."""
    answering = voices(seen.sentinels)
    known = sorted({name for sentinel in answering for name in sentinel.masters})
    for name in seen.names:
        without = [each for each in answering if name not in each.told or each.told[name].unknown]
        teller = next((each.told[name] for each in answering if each not in without), None)
        if teller is None:
            yield UNKNOWN.found(name, they_monitor(known, name) if known else "they monitor nothing that they tell")
            continue
        for sentinel in without:
            yield PARTLY.found(name, "%d of %d Sentinels monitor it" % (len(answering) - len(without), len(answering)),
                               sentinel=sentinel.address, quorum=teller.fields.get("quorum", "<quorum>"),
                               master=("%s %d" % teller.address) if teller.address else "<ip> <port>")
    if not seen.names:
        lists = any(sentinel.lists_masters for sentinel in answering)
        yield Unchecked("D02", "", "the Sentinels monitor no master" if lists else
                        "the Sentinels do not list their masters: name one")
    if seen.left_out:
        yield Unchecked("D02", "%d names" % seen.left_out, "too many: name those that matter")


def enough(case: Case) -> t.Iterator[Result]:
    """D03: how many Sentinels there are for a name, and what quorum they want."""
    counts = [others + 1 for others in (number(each.told.fields, "num-other-sentinels") for each in case.first)
              if others is not None]
    quorums = [each for each in (number(teller.told.fields, "quorum") for teller in case.first) if each is not None]
    if not counts or not quorums:
        yield Unchecked("D03", case.name, "SENTINEL MASTER tells no numbers")
        return
    count, quorum = max(counts), max(quorums)
    majority = count // 2 + 1
    words = {"count": count, "quorum": quorum, "majority": majority, "less": count - 1}
    for kind, is_so in ((ONE, count == 1), (TWO, count == 2), (EVEN, count > 2 and count % 2 == 0),
                        (TOO_HIGH, quorum > count), (ALL, count > 2 and quorum == count),
                        (ALONE, count > 1 and min(quorums) == 1)):
        if is_so:
            yield kind.found(case.name, "SENTINEL MASTER: num-other-sentinels %d, quorum %d" % (count - 1, quorum),
                             **words)


def able(case: Case) -> t.Iterator[Result]:
    """D04: whether they could agree right now."""
    told = [(str(teller.sentinel.address), teller.told.quorum) for teller in case.first if teller.told.quorum]
    against = [each for each in told if each[1].startswith("NOQUORUM")]
    if not told:
        why = next((teller.told.refused["CKQUORUM"] for teller in case.first if "CKQUORUM" in teller.told.refused), "")
        yield Unchecked("D04", case.name, "CKQUORUM refused: %s" % why)
    if all(teller.told.sentinels is None for teller in case.first):
        yield Unchecked("D04", case.name, "SENTINEL SENTINELS refused")
    if against:
        yield NO_QUORUM.found(case.name, "; ".join("%s: %s" % each for each in against))


def ghosts(seen: Seen) -> t.Iterator[Result]:
    """D04: Sentinels that are down for others. Those of the configuration that we cannot reach either are D01's."""
    for peer in peers(seen):
        sentinel = at(seen, peer.address)
        if not peer.by or known_as(seen, peer):
            continue
        if sentinel is not None and sentinel.trouble is None:
            by = ", ".join(map(str, peer.by))
            yield CUT_OFF.found(str(peer.address), "SENTINEL SENTINELS on %s: s_down" % by, by=by)
        elif peer.down and (sentinel is None or not sentinel.configured):
            yield GHOST.found(str(peer.address), "SENTINEL SENTINELS: s_down, no good reply for %s"
                              % duration(peer.silent / 1000), names=", ".join(peer.names))
