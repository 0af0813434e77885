"""Short ways to let the doctor look at a deployment, and to compare what it found."""
import typing as t

from st.address import Address
from st.doctor.examine import Examined, examine
from st.doctor.finding import Finding
from st.doctor.look import Plan, look
from st.doctor.values import HostSeen, Seen
from st.secret import Secret
from st.sentinel.answers import Credentials
from tests.live.bed import Bed
from tests.waiting import FACTOR, wait_until

# A deployment that nobody could find fault with.
SANE_REDIS = {"min-replicas-to-write": "1"}
DOWN_AFTER = 10000  # milliseconds; on a machine that is busy with tests a PING may take some hundred
SANE_SENTINEL = {"down-after-milliseconds": str(DOWN_AFTER)}
PATIENCE = 10 * FACTOR  # seconds for each node; nobody is silent, but for those that a test lets be
AGAIN = 0.2  # seconds to the second look


class Look:
    """Looks at a deployment in always the same way; the arguments are passwords and fields of Plan."""

    def __init__(self, bed: Bed, sentinel_password: str = "", redis_password: str = "", **plan: t.Any) -> None:
        of_nodes = _credentials(redis_password)
        self._plan = Plan(tuple(bed.sentinel_addresses), (), _credentials(sentinel_password), lambda name: of_nodes,
                          lambda address: address)._replace(patience=PATIENCE, again_after=AGAIN, within=6 * PATIENCE)
        self._plan = self._plan._replace(**plan)

    def seen(self, **plan: t.Any) -> Seen:
        """Return what is seen, with other fields of Plan for this time."""
        return look(self._plan._replace(**plan), HostSeen())

    def examined(self, **plan: t.Any) -> Examined:
        """Return what that means."""
        return examine(self.seen(**plan))

    def ids(self, **plan: t.Any) -> t.List[str]:
        """Return the ids of what was found, each once."""
        return sorted({finding.id for finding in self.examined(**plan).findings})

    def one(self, id: str, text: str, **plan: t.Any) -> Finding:
        """Return the only finding of an id; fail when its title has not this text."""
        findings = [finding for finding in self.examined(**plan).findings if finding.id == id]
        assert len(findings) == 1 and text in findings[0].title, findings
        return findings[0]

    def wait_for(self, id: str, text: str, **plan: t.Any) -> Finding:
        """Return the first finding of an id with this text in its title, as soon as there is one."""
        def found() -> t.List[Finding]:
            return [each for each in self.examined(**plan).findings if each.id == id and text in each.title]

        return wait_until(found, "%s %r is not found" % (id, text))[0]

    def wait_well(self, **plan: t.Any) -> None:
        """Wait until nothing is found any more."""
        left: t.List[Finding] = []

        def well() -> bool:
            left[:] = self.examined(**plan).findings
            return not left

        try:
            wait_until(well, "nothing is found any more")
        except AssertionError as error:
            raise AssertionError("still found: %s" % (left,)) from error


def _credentials(password: str) -> Credentials:
    return Credentials(password=Secret(password)) if password else Credentials()


def moved(old: t.Tuple[str, int], new: t.Tuple[str, int]) -> t.Callable[[Address], Address]:
    """Return an address map that leads one address to another."""
    return lambda address: Address(*new) if address == old else address


def tell_all(bed: Bed, *words: t.Union[str, int]) -> None:
    """Say the same to every Sentinel."""
    for sentinel in bed.sentinels:
        assert sentinel.cli("SENTINEL", *words) == "OK"
