"""The events of a Sentinel in words, for people. Values in, text out."""
import datetime
import typing as t

from st.address import SENTINEL_PORT, Address
from st.drill.events import LISTENING, LOST, Heard, Told, read_event
from st.plain import plain

# What a Sentinel does or says; `node` is whom it is about, with its kind.
WORDS = {
    LISTENING: "is listened to",
    LOST: "cannot be heard: {more}",
    "+sdown": "thinks {node} is down",
    "-sdown": "thinks {node} is back",
    "+odown": "finds enough others that think {node} is down ({more})",
    "-odown": "finds too few others that think {node} is down",
    "+new-epoch": "begins or learns of epoch {more}",
    "+try-failover": "wants to fail over from {node}",
    "+vote-for-leader": "votes for a leader: {more}",
    "+elected-leader": "is elected to fail over from {node}",
    "+failover-state-select-slave": "looks for the best replica",
    "+selected-slave": "chooses {node}",
    "+failover-state-send-slaveof-noone": "tells {node} to become master",
    "+failover-state-wait-promotion": "waits until {node} says that it is master",
    "+promoted-slave": "sees that {node} has become master",
    "+failover-state-reconf-slaves": "begins to point the other replicas to the new master",
    "+slave-reconf-sent": "tells {node} to follow the new master",
    "+slave-reconf-inprog": "sees {node} begin to follow the new master",
    "+slave-reconf-done": "sees {node} follow the new master",
    "+failover-end": "has ended the failover from {node}",
    "+failover-end-for-timeout": "has ended the failover from {node}, without waiting for all replicas",
    "+switch-master": "says the master is {address} now, it was {old}",
    "+config-update-from": "learns of a change from {node}",
    "-failover-abort-not-elected": "gives up the failover from {node}: it was not elected",
    "-failover-abort-no-good-slave": "gives up the failover from {node}: no replica is good enough",
    "-failover-abort-slave-timeout": "gives up the failover from {node}: the replica did not become master in time",
    "+slave": "finds {node}",
    "+sentinel": "finds {node}",
    "+sentinel-address-switch": "finds another sentinel at a new address: {more}",
    "+dup-sentinel": "finds {node} twice, and forgets the old one",
    "+convert-to-slave": "tells {node} to become a replica",
    "+fix-slave-config": "tells {node} to follow the right master",
    "+role-change": "hears that {node} has the right role again: {more}",
    "-role-change": "hears that {node} has not the role that it knows: {more}",
    "+reboot": "sees that {node} was restarted",
    "+monitor": "begins to monitor {node} {more}",
    "-monitor": "no longer monitors {node}",
    "+reset-master": "forgets what it knew of {node}",
    "+set": "has a new setting for {node}: {more}",
    "+tilt": "stops acting: its clock jumped, or it was not run for a while (TILT)",
    "-tilt": "acts again (end of TILT)",
}


def sentence(heard: Heard) -> str:
    """Return one line: when, the master's name, which Sentinel, what, and the channel for those who know it."""
    name = read_event(heard.channel, heard.payload).name
    channel = "" if heard.channel in (LISTENING, LOST) else " (%s)" % heard.channel
    return plain("%s %s%s%s" % (clock(heard.at), "%s: " % name if name else "", clause(heard), channel))


def clause(heard: Heard) -> str:
    """Return which Sentinel and what, as part of a line; not made safe to print."""
    told = read_event(heard.channel, heard.payload)
    what = WORDS.get(heard.channel, "{more}").format(
        node=_node(told), address=told.node, old=told.old, more=told.more.lstrip("#")).rstrip()
    return "sentinel %s %s" % (short(heard.sentinel), what)


def clock(at: float) -> str:
    """Return the local time of day."""
    return datetime.datetime.fromtimestamp(at).strftime("%H:%M:%S")


def short(sentinel: Address) -> str:
    """Return how a Sentinel is called: without the usual port."""
    return str(sentinel)[: -len(":%d" % SENTINEL_PORT)] if sentinel.port == SENTINEL_PORT else str(sentinel)


def concerns(heard: Heard, names: t.Container[str]) -> bool:
    """Tell whether it is about one of these masters, or about a Sentinel itself."""
    name = read_event(heard.channel, heard.payload).name
    return not name or name in names


def _node(told: Told) -> str:
    if told.node is None:
        return told.more
    return "the %s %s" % (told.kind, short(told.node) if told.kind == "sentinel" else told.node)
