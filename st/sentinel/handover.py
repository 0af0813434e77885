"""The moment before a failover promotes a replica: what the old master acknowledges after it is lost. No clock."""
import typing as t

from st.address import Address

LONGEST = 5.0  # seconds that new connections wait: a Sentinel sees the promotion after about one
REST = 300.0  # seconds without a word of it, before one is believed again that did not come to a switch


class Handover:
    """Whether connections are kept off the master for a replica that is being promoted. Only the watcher calls it.

    One Sentinel alone leads a failover, and may be alone in what it says: hence the limits.
    """

    def __init__(self) -> None:
        self.on = False
        self.closed = 0  # connections that it has ended
        self._since = 0.0  # when it began (monotonic)
        self._saying: t.FrozenSet[Address] = frozenset()  # Sentinels that said so when they last answered
        self._said_at = -REST  # when any of them did (monotonic)

    def begins(self, now: float, saying: t.AbstractSet[Address], others: t.AbstractSet[Address]) -> bool:
        """Take who says that a replica of this master is being promoted, and who does not; True when it begins."""
        said_at = self._said_at
        self._saying = (self._saying | saying) - others  # who has not answered this time may be busy with it
        if not saying:
            return False
        self._said_at = now
        if self.on or now - said_at < REST:
            return False
        self.on, self._since, self.closed = True, now, 0
        return True

    def overdue(self, now: float) -> bool:
        """Tell whether it has taken too long: then it ends, whatever is not known yet."""
        return self.on and now - self._since >= LONGEST

    def goes_on(self, now: float) -> bool:
        """End it when nobody says so any more, or it takes too long; True when it goes on."""
        if not self._saying:
            self.on, self.closed = False, 0
        self.on = self.on and not self.overdue(now)
        return self.on

    def switched(self, another: bool) -> int:
        """End it, for a new reign begins; return how many connections it has ended.

        Only `another` master shows that it was true: a higher epoch of the same one is easily said, again and again.
        """
        closed, self.closed = self.closed, 0
        self.on, self._saying = False, frozenset()
        if another:
            self._said_at = -REST
        return closed
