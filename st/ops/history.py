"""The switches of this process and of those before it: kept in memory and in a file, shown as a table or JSON."""
import collections
import json
import logging
import threading
import typing as t

from st.address import Address, parse_address
from st.event import Event
from st.log.lines import local_time
from st.ops.ledger import KEPT, Ledger
from st.plain import plain
from st.switch import Switch

logger = logging.getLogger(__name__)

_DAY = 86400.0  # seconds
_LATEST = 4102444800.0  # the year 2100: a time after it is garbage
_NESTED = 50  # brackets in a line; one of ours has two, but for those in names
_INDENT = " " * 27  # below TUNNEL


class History:
    """The newest switches. `keep` and `load` belong to one thread, for they wait for the disk; the rest to any."""

    def __init__(self, path: t.Optional[str]) -> None:
        self._ledger = Ledger(path, _is_entry) if path else None
        self._lock = threading.Lock()  # guards the switches
        self._switches: t.Deque[Switch] = collections.deque(maxlen=KEPT)
        self._unwritten: t.Deque[str] = collections.deque(maxlen=KEPT)  # lines; of the thread that keeps
        self._failing = False  # of the same thread

    def load(self) -> None:
        """Read what earlier processes kept; a file that cannot be read or written is a warning."""
        if self._ledger is None:
            return
        try:
            self._ledger.prepare()
        except OSError as error:
            self._fail(self._ledger, error)
        try:
            loaded = [_from_line(line) for line in self._ledger.read()]
        except OSError as error:
            self._fail(self._ledger, error)
            return
        with self._lock:
            self._switches = collections.deque([switch for switch in loaded if switch] + list(self._switches), KEPT)

    def keep(self, switch: Switch) -> None:
        """Add a switch, in the file too when that is possible: what could not be written waits for the next one."""
        with self._lock:
            self._switches.append(switch)
        if self._ledger is None:
            return
        self._unwritten.append(_to_line(switch))
        try:
            self._ledger.append(self._unwritten)
        except OSError as error:
            self._fail(self._ledger, error)
        else:
            self._unwritten.clear()
            self._failing = False

    def switches(self, tunnel: t.Optional[str] = None) -> t.List[Switch]:
        """Return the switches, or those of one tunnel, the newest last."""
        with self._lock:
            return [switch for switch in self._switches if tunnel in (None, switch.tunnel)]

    def _fail(self, ledger: Ledger, error: OSError) -> None:
        if not self._failing:
            logger.warning(Event("history_not_written", file=ledger.path, why=error.strerror or error,
                                 means="kept in memory only: tried again with each switch"))
        self._failing = True


def read_file(path: str) -> t.List[Switch]:
    """Return the switches that a process keeps, or kept, in a file, the newest last; raise OSError."""
    found = [_from_line(line) for line in Ledger(path, _is_entry).read()]
    return [switch for switch in found if switch]


def as_text(switches: t.Sequence[Switch], now: float) -> str:
    """Return a table for people, 80 columns wide, the newest last; `now` in seconds since the epoch."""
    if not switches:
        return "no switch so far\n"
    recent = sum(0 <= now - switch.at < _DAY for switch in switches)
    lines = ["%d switch%s, %d in the last 24 hours" % (len(switches), "" if len(switches) == 1 else "es", recent), "",
             _row("TIME", "TUNNEL", "GAP", "CLOSED", "HEARD"), _INDENT + "OLD -> NEW"]
    for switch in switches:
        lines.append(_row(local_time(switch.at, "seconds"), plain(switch.tunnel), "%.1fs" % switch.gap,
                          str(switch.closed), plain(switch.heard)))
        lines.append(_INDENT + plain("%s -> %s" % (switch.old, switch.new)))
    return "\n".join(lines) + "\n"


def as_json(switches: t.Sequence[Switch]) -> str:
    """Return the switches as one line of ASCII JSON: a list of objects."""
    return json.dumps([_as_dict(switch) for switch in switches])


def _row(time: str, tunnel: str, gap: str, closed: str, heard: str) -> str:
    return "%-25s  %-20s %10s %8s  %s" % (time, tunnel, gap, closed, heard)


def _as_dict(switch: Switch) -> t.Dict[str, t.Any]:
    return dict(switch._asdict(), old=str(switch.old), new=str(switch.new))


def _to_line(switch: Switch) -> str:
    return json.dumps(_as_dict(switch))


def _is_entry(line: str) -> bool:
    return _from_line(line) is not None


def _from_line(line: str) -> t.Optional[Switch]:
    """Return the switch in a line of the file, or None when it is torn, or not of ours."""
    if line.count("[") + line.count("{") > _NESTED:  # Python 3.13 crashes when a thread's stack is too small for them
        return None
    try:
        values = json.loads(line)
        checked = {name: _KINDS[name](values[name]) for name in Switch._fields}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Switch(**checked)


def _text(value: t.Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _address(value: t.Any) -> Address:
    return parse_address(_text(value))


def _seconds(value: t.Any) -> float:
    if isinstance(value, bool) or not 0 <= value < _LATEST:  # not so for NaN either; TypeError for all but numbers
        raise ValueError("no time")
    return float(value)


def _count(value: t.Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no count")
    return int(value)


def _epoch(value: t.Any) -> t.Optional[int]:
    return None if value is None else _count(value)


_KINDS: t.Mapping[str, t.Callable[[t.Any], t.Any]] = {
    "tunnel": _text, "master_name": _text, "old": _address, "new": _address, "epoch": _epoch, "at": _seconds,
    "gap": _seconds, "closed": _count, "took": _seconds, "heard": _text, "sentinels": _text}
