"""What the replicas of one tunnel said of themselves when they were asked last."""
import time
import typing as t

from st.address import Address
from st.sentinel.election import UNREACHABLE
from st.sentinel.prober import Probed
from st.wire.role import Role

LOST_AFTER = 2  # replies in a row: the first may be of the moment in which the master went down


class Roles:
    """Belongs to the watcher thread. `probe` lets a node be asked; `patience` in seconds is what it gets to answer."""

    def __init__(self, probe: t.Callable[[Address], None], patience: float) -> None:
        self._probe = probe
        self._patience = patience
        self._heard: t.Dict[Address, Probed] = {}
        self._asked_at: t.Dict[Address, float] = {}  # since when (monotonic) an answer is awaited
        self._lost: t.Dict[Address, int] = {}  # how many times in a row a node said that its link is lost

    def go_on_as(self, other: "Roles") -> None:
        """Take over what was heard so far."""
        self._heard, self._lost = other._heard, other._lost

    def ask(self, address: Address) -> None:
        """Let a node be asked for its role."""
        self._asked_at.setdefault(address, time.monotonic())
        self._probe(address)

    def ask_new(self, addresses: t.Iterable[Address]) -> None:
        """Let those be asked that never were."""
        for address in addresses:
            if address not in self._heard and address not in self._asked_at:
                self.ask(address)

    def take(self, probed: Probed) -> None:
        """Note what a node said, if it was asked."""
        if self._asked_at.pop(probed.address, None) is not None:
            self._heard[probed.address] = probed
            self._lost[probed.address] = self._lost.get(probed.address, 0) + 1 if probed.role.link else 0

    def forget_all_but(self, addresses: t.Collection[Address]) -> None:
        """Forget the nodes that nobody lists or uses any more."""
        self._heard = {address: probed for address, probed in self._heard.items() if address in addresses}
        self._asked_at = {address: at for address, at in self._asked_at.items() if address in addresses}
        self._lost = {address: times for address, times in self._lost.items() if address in addresses}

    def heard(self, address: Address) -> t.Optional[Probed]:
        """Return what a node said last."""
        return self._heard.get(address)

    def role(self, address: Address) -> t.Optional[Role]:
        """Return the role that a node told last, None before any; one that is silent for long is unreachable."""
        now = time.monotonic()
        if now - self._asked_at.get(address, now) > self._patience:  # as in a name lookup, which has no time-out
            return Role(UNREACHABLE, "no reply to ROLE")
        probed = self._heard.get(address)
        return None if probed is None else probed.role

    def lost(self, address: Address) -> bool:
        """Tell whether a node has said more than once in a row that its link to the master is lost."""
        return self._lost.get(address, 0) >= LOST_AFTER

    def suspect(self, address: Address) -> bool:
        """Tell whether its last word was that."""
        return self._lost.get(address, 0) > 0
