"""Lines of the log that come again and again become a count, so that hours of them fill no disk."""
import collections
import typing as t

from st.event import Event
from st.log.lines import Line, own_line

FOLD_SECONDS = 60.0
OFTEN = 5  # times within a minute, with others in between, that the same line is written
_MOST = 64  # different lines that are remembered

_Key = t.Tuple[str, str, str]


class Fold:
    """Holds a line back that repeats the last one, or that was written OFTEN within a minute; not safe for threads."""

    def __init__(self) -> None:
        self._recent: "collections.OrderedDict[_Key, _Repeated]" = collections.OrderedDict()  # the oldest first
        self._last: t.Optional[_Key] = None  # of the line that was written last

    def add(self, line: Line) -> t.List[Line]:
        """Return the lines to write now that `line` has come: counts of what was held back, and the line if it is not.

        What repeats the last line is counted when another comes, what comes often when its minute is over.
        """
        key = (line.level, line.text, line.trace)
        due = self._forget_old(key, line.created)
        repeated = self._recent.setdefault(key, _Repeated(line))
        if key == self._last or repeated.written >= OFTEN:
            repeated.hold(line)
            return due
        last = self._recent.get(self._last) if self._last else None
        if last is not None and last.written < OFTEN:
            due += last.told(apart=False)
        repeated.written += 1
        self._last = key
        return due + [line]

    def due(self) -> t.List[Line]:
        """Return the lines that tell what was held back and not yet counted."""
        return [line for key, repeated in self._recent.items() for line in repeated.told(apart=key != self._last)]

    def _forget_old(self, key: _Key, now: float) -> t.List[Line]:
        """Return the counts of lines whose minute is over, or for which there is no room; the one of `key` first."""
        due = self._forget(key) if key in self._recent and self._recent[key].is_over(now) else []
        while self._recent and (next(iter(self._recent.values())).is_over(now) or len(self._recent) >= _MOST):
            due += self._forget(next(iter(self._recent)))
        return due

    def _forget(self, key: _Key) -> t.List[Line]:
        due = self._recent.pop(key).told(apart=key != self._last)
        self._last = None if key == self._last else self._last
        return due


class _Repeated:
    """A line, how often it was written, and how often it was held back since that was last told."""

    def __init__(self, first: Line) -> None:
        self._first = first
        self._latest = first
        self._held = 0
        self.written = 0

    def is_over(self, now: float) -> bool:
        """Tell whether it is another minute; a clock that was set back must not silence anything."""
        return not 0 <= now - self._first.created < FOLD_SECONDS

    def hold(self, line: Line) -> None:
        """Count `line` instead of writing it."""
        self._held += 1
        self._latest = line

    def told(self, apart: bool) -> t.List[Line]:
        """Return the line with the count, if there is one; with the text when other lines stand `apart` between."""
        if not self._held:
            return []
        fields: t.Dict[str, t.Any] = {"count": self._held, "event": self._first.event.name}
        if apart or self.written >= OFTEN:
            fields["text"] = self._first.text
        self._held = 0
        return [own_line(self._latest.created, self._first.level, Event("repeated", **fields))]
