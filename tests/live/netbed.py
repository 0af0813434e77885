"""A deployment on a network of its own: data hosts with a Redis and a Sentinel each, application hosts with tunnels."""
import contextlib
import os
import typing as t

from st.address import Address
from tests.live.bed import Bed, Options
from tests.live.hosts import Host, Hosts
from tests.live.node import HOST, QUICK_SENTINELS, Node, SentinelNode, redis_version
from tests.live.talk import Talk, Word
from tests.live.tunnel import Tunnel

NAME = "sessions"
DATA = ("data-0", "data-1", "data-2")
TILT = 2000  # milliseconds, not 30 s; a Sentinel that was frozen does nothing for so long


class _Placed(Node):
    """A redis-server process on a host."""

    def __init__(self, place: Host, directory: str, lines: t.Iterable[str]) -> None:
        super().__init__(directory, lines)
        self._place = place
        self.host, self.address = place.address, Address(place.address, self.port)
        self._append(["bind %s %s" % (place.address, HOST), "protected-mode no"])

    def start(self) -> None:
        with self._place.inside():
            super().start()

    def cli(self, *words: Word) -> t.Any:
        with self._place.inside(), Talk(Address(HOST, self.port)) as talk:  # whatever is cut, or protected
            return talk.call(*words)


class _PlacedSentinel(_Placed, SentinelNode):
    """A Sentinel process on a host."""

    def start(self) -> None:
        super().start()
        if redis_version() >= QUICK_SENTINELS:
            self.cli("SENTINEL", "DEBUG", "tilt-period", TILT)


class NetBed(Bed):
    """A Bed of one master name whose processes are on `hosts`: those of DATA, and `applications`. Raises NoHosts."""

    def __init__(self, applications: t.Sequence[str], redis_options: t.Optional[Options] = None) -> None:
        # A replica that was cut off must not wait for a minute to notice.
        quick = {"repl-ping-replica-period": "1", "repl-timeout": "5"}
        super().__init__((NAME,), redis_options=dict(quick, **(redis_options or {})))
        self.hosts = Hosts(*DATA, *applications)

    def __enter__(self) -> "NetBed":
        self.hosts.__enter__()
        super().__enter__()
        return self

    def close(self) -> None:
        """Kill every process, remove the directory, let the hosts go."""
        super().close()
        self.hosts.close()

    def place(self, node: Node) -> str:
        """Return the name of the host that a node is on."""
        return next(name for name in DATA if self.hosts[name].address == node.host)

    def heal(self) -> None:
        """Undo every fault of the network, continue or restart every process, and wait until all is well."""
        self.hosts.heal()
        for node in self.nodes(NAME) + list(self.sentinels):
            if node.stopped:
                node.cont()
            if not node.answering:
                node.restart()
        self.wait_healthy(NAME)

    @contextlib.contextmanager
    def tunnel(self, application: str, **settings: str) -> t.Iterator[Tunnel]:
        """Run a tunnel on an application's host, with settings as its environment has them."""
        environ = dict(os.environ, **{"SENTINEL_TUNNEL_" + name.upper(): text for name, text in settings.items()})
        with contextlib.ExitStack() as running:
            with self.hosts[application].inside():
                tunnel = running.enter_context(Tunnel(self, environ=environ))
            yield tunnel

    def _new_node(self, index: int, lines: t.List[str]) -> Node:
        return _Placed(self.hosts[DATA[index]], self.directory, lines)

    def _new_sentinel(self, index: int) -> SentinelNode:
        return _PlacedSentinel(self.hosts[DATA[index]], self.directory, self._sentinel_lines())
