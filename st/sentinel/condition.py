"""How one tunnel is doing, in one word and in words: a line in the log for each change, not for each round."""
import logging
import time
import typing as t

from st.address import Address
from st.event import Event

logger = logging.getLogger(__name__)

DISAGREE_AFTER = 5.0  # seconds; during a failover Sentinels name different masters for a moment

OK = "master_ok"
KEPT = "master_kept"  # the Sentinels do not confirm the master, but it says that it is one
DISAGREE = "sentinels_disagree"
NO_MASTER = "no_master"


class Condition:
    """Written by the watcher thread; `state` is "" before the first round has ended."""

    def __init__(self, tunnel: str, log: t.Callable[[int, Event], None] = logger.log) -> None:
        self.state = ""
        self._tunnel = tunnel
        self._log = log  # with a level, where each line goes
        self._agreed_at = time.monotonic()  # when the Sentinels last agreed
        self._told = True  # the state is in the log

    def adopted(self, held: bool) -> None:
        """Note a new master, or that one is left for the next: each has a line of its own in the log."""
        self.state = NO_MASTER if held else OK
        self._agreed_at = time.monotonic()

    def not_left(self) -> None:
        """Note that no new master has come of it: if there is none now, that has not been told."""
        self._told = False

    def concluded(self, master: t.Optional[Address], why: str, usable: bool, agree: bool) -> None:
        """Note the end of a round: `why` is what is wrong or "", `usable` whether new clients are let in all the same,
        `agree` whether all votes were for one address.
        """
        now = time.monotonic()
        if agree:
            self._agreed_at = now
        state = (KEPT if usable else NO_MASTER) if why else OK
        if not why and now - self._agreed_at >= DISAGREE_AFTER:
            state, why = DISAGREE, "they have named different masters for %.0fs" % DISAGREE_AFTER
        before, self.state = self.state, state
        told, self._told = self._told, True
        if (state == before and told) or (not before and state == OK):
            return
        fields = [("tunnel", self._tunnel), ("master", master), ("why", why)]
        known: t.Dict[str, t.Any] = {key: value for key, value in fields if value}
        self._log(logging.INFO if state == OK else logging.WARNING, Event(state, **known))
