"""The watcher with its crew and followers, wired as in `st.app`, without any listener."""
import threading
import types
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.sentinel.answers import Credentials
from st.sentinel.crew import Brief, Crew
from st.sentinel.follower import Follower
from st.sentinel.masters import MasterRow, Snapshot
from st.sentinel.watcher import Watcher
from tests.configs import settings
from tests.fakes import FakeRedis
from tests.waiting import FACTOR, wait_until

STOP = 20 * FACTOR  # seconds that stop() may take at the most
ASK = "SENTINEL GET-MASTER-ADDR-BY-NAME"


class Watching:
    """Watches as long as the `with` block lasts; `stale` is what it said about connections: tunnel and generation.

    `options` are settings of the file; the default is a short poll without events, so that a test says what it needs.
    """

    def __init__(self, seeds: t.Sequence[t.Tuple[str, int]], names: t.Sequence[str] = ("mymaster",),
                 **options: str) -> None:
        words = dict({"poll": "100ms", "events": "no", "sentinel_timeout": "5s", "connect_timeout": "5s"}, **options)
        text = "".join("%s = %s\n" % item for item in words.items())
        tunnels = "".join("[tunnel:%s]\nport = %d\n" % (name, 1 + number) for number, name in enumerate(names))
        hosts = ", ".join(str(Address(*seed)) for seed in seeds)
        self.settings = settings("[sentinel-tunnel]\nsentinels = %s\n%s%s" % (hosts, text, tunnels))
        self.rows = {tunnel.name: MasterRow(tunnel.name, tunnel.master) for tunnel in self.settings.tunnels}
        self.stale: t.List[t.Tuple[str, int]] = []
        self.went: t.List[t.Optional[t.Tuple[str, int]]] = []  # where connections went to each time older ones were cut
        self.heard: t.List[str] = []
        self.crew = self._crew()
        self.followers = {name: self._follower(name) for name in self.rows}
        self.watcher = Watcher(self.crew, list(self.followers.values()), self.settings.poll,
                               self.settings.sentinel_timeout)
        self.crew.report_to(self.watcher.post, self._hear)

    def _crew(self) -> Crew:
        given = self.settings
        return Crew(Brief(given.sentinels, Credentials(given.sentinel_user, given.sentinel_password),
                          given.sentinel_timeout, given.events, given.discover, given.nat_map.apply, given.tunnels,
                          is_own=lambda endpoint: False))

    def _follower(self, name: str) -> Follower:
        tunnel, = [tunnel for tunnel in self.settings.tunnels if tunnel.name == name]
        return Follower(tunnel, self.rows[name], self.settings.nat_map, self.crew.probe, self._cut,
                        self.settings.min_sentinels, self.settings.sentinel_outage == "serve")

    def _cut(self, tunnel: str, generation: int) -> int:
        self.stale.append((tunnel, generation))
        self.went.append(self.master(tunnel))
        return 0

    def _hear(self, channel: str) -> None:
        self.heard.append(channel)
        self.watcher.wake("event", channel)

    def __enter__(self) -> "Watching":
        self.watcher.start()
        return self

    def __exit__(self, kind: t.Optional[t.Type[BaseException]], error: t.Optional[BaseException],
                 trace: t.Optional[types.TracebackType]) -> None:
        self.watcher.stop(Deadline(STOP))

    def now(self, name: str = "mymaster") -> Snapshot:
        """Return the row of a tunnel."""
        return self.rows[name].now()

    def master(self, name: str = "mymaster") -> t.Optional[t.Tuple[str, int]]:
        """Return where the connections of a tunnel go, also while new ones are held."""
        target = self.rows[name].current()
        return target and target.endpoint.sockaddr[:2]

    def wait_master(self, node: FakeRedis, name: str = "mymaster") -> None:
        """Wait until the connections of a tunnel go to `node`."""
        wait_until(lambda: self.master(name) == node.address, "%s goes to %s:%d" % ((name,) + node.address))

    def wait_rounds(self, rounds: int = 3) -> None:
        """Wait until that many rounds have begun and ended from now on."""
        watcher, goal = self.watcher, self.watcher._round + rounds + 1
        wait_until(lambda: watcher._round >= goal, "%d rounds are over" % rounds)

    def wait_reason(self, part: str, name: str = "mymaster") -> None:
        """Wait until the reason of a tunnel has a certain part."""
        wait_until(lambda: part in self.now(name).reason, "the reason has %r" % part)

    def sentinels(self) -> t.Set[t.Tuple[str, int]]:
        """Return the addresses of all Sentinels that are asked."""
        return {tuple(address) for address in self.crew.sentinels()}  # type: ignore[misc]

    def up(self) -> t.Dict[t.Tuple[str, int], bool]:
        """Return which Sentinels answered when they were last asked."""
        return {tuple(address): not report.error  # type: ignore[misc]
                for address, report in self.watcher.reports().items()}


def thread_names(part: str) -> t.List[str]:
    """Return the names of the threads of ours that have `part` in them."""
    return [thread.name for thread in threading.enumerate() if part in thread.name and "fake" not in thread.name]
