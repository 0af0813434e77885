"""Says the same only once an hour, over many short processes: cron mails whatever they print."""
import contextlib
import hashlib
import os
import typing as t

from st.host.notes import write_note
from st.host.places import make_directory
from st.host.planted import read_own

INTERVAL = 3600.0  # seconds
_MOST = 50  # texts that are remembered
_LONGEST = 100 * _MOST  # bytes


class Reminder:
    """Remembers in a file what was told, and when."""

    def __init__(self, path: str) -> None:
        self._path = path

    def is_due(self, text: str, now: float) -> bool:
        """Tell whether to say `text` now, in seconds since the epoch, and remember that it was said.

        When that cannot be remembered it is due: rather too often than never.
        """
        told = self._recently_told(now)
        key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        if key in told:
            return False
        lines = ["%s %d\n" % item for item in [*told.items(), (key, now)][-_MOST:]]
        with contextlib.suppress(OSError):
            make_directory(self._path)
            write_note(self._path, "".join(lines))
        return True

    def forget(self) -> None:
        """Let everything be news again: things are well."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _recently_told(self, now: float) -> t.Dict[str, int]:
        rows = [line.split() for line in read_own(self._path, _LONGEST).splitlines()]
        told = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
        # A time to come is that of a clock which was put back.
        return {key: at for key, at in told.items() if 0 <= now - at < INTERVAL}
