"""The events of a Sentinel as values: which there are, and what stands in each. No I/O."""
import re
import typing as t

from st.address import Address
from st.wire.resp import Reply, text

LISTENING, LOST = "listening", "lost"  # no channels: what we have to say ourselves of a Sentinel

# sentinel.c, sentinelEvent: those that say something to a person.
CHANNELS = tuple((
    "+sdown -sdown +odown -odown +new-epoch +try-failover +vote-for-leader +elected-leader"
    " +failover-state-select-slave +selected-slave +failover-state-send-slaveof-noone +failover-state-wait-promotion"
    " +promoted-slave +failover-state-reconf-slaves +slave-reconf-sent +slave-reconf-inprog +slave-reconf-done"
    " +failover-end +failover-end-for-timeout +switch-master +config-update-from"
    " -failover-abort-not-elected -failover-abort-no-good-slave -failover-abort-slave-timeout"
    " +slave +sentinel +sentinel-address-switch +dup-sentinel +convert-to-slave +fix-slave-config +role-change"
    " -role-change +reboot +monitor -monitor +reset-master +set +tilt -tilt"
).split())

ABORTS = tuple(channel for channel in CHANNELS if channel.startswith("-failover-abort-"))

_SWITCH = re.compile(r"(?P<name>.+) (?P<old_host>\S+) (?P<old_port>\d{1,5}) (?P<host>\S+) (?P<port>\d{1,5})\Z")
_NODE = re.compile(r"(?P<kind>master|slave|sentinel) (?P<name>.+?) (?P<host>\S+) (?P<port>\d{1,5})"
                   r"(?: @ (?P<of>.+?) \S+ \d{1,5})?(?: (?P<more>.+))?\Z")
_KINDS = {"slave": "replica"}  # in our words; the others are theirs


class Heard(t.NamedTuple):
    """What came from a Sentinel, and when."""

    sentinel: Address
    channel: str  # LISTENING and LOST are ours
    payload: str
    at: float  # Unix time
    moment: float  # monotonic


class Told(t.NamedTuple):
    """What an event says; "" and None where it does not."""

    name: str = ""  # of the master
    kind: str = ""  # master, replica or sentinel
    node: t.Optional[Address] = None
    old: t.Optional[Address] = None  # of +switch-master
    more: str = ""


def read_message(reply: Reply) -> t.Optional[t.Tuple[str, str]]:
    """Return channel and payload of what a Sentinel pushes; None when it is the answer to a question of ours."""
    if not isinstance(reply, list) or len(reply) != 3 or text(reply[0]) != "message":
        return None
    return text(reply[1]), text(reply[2])


def read_event(channel: str, payload: str) -> Told:
    """Return what the payload says, with all of it in `more` when it is of no form that we know."""
    if channel == "+switch-master":
        found = _SWITCH.match(payload)
        if found:
            return Told(found.group("name"), "master", _address(found, ""), _address(found, "old_"))
    found = _NODE.match(payload)
    if not found:
        return Told(more=payload)
    kind = found.group("kind")
    return Told(found.group("of") or (found.group("name") if kind == "master" else ""), _KINDS.get(kind, kind),
                _address(found, ""), more=found.group("more") or "")


def _address(found: t.Match[str], prefix: str) -> Address:
    return Address(found.group(prefix + "host"), int(found.group(prefix + "port")))
