"""Tunnels for tests: two connected sockets, a tunnel whose table the test writes, and an App on a World."""
import contextlib
import resource
import select
import socket
import struct
import threading
import time
import typing as t

from st.address import Address, Place, parse_address
from st.app import App
from st.config.values import Settings, TunnelSettings
from st.deadline import Deadline
from st.ops.status import TunnelStatus
from st.sentinel.masters import MasterRow, Target
from st.tunnel.server import Seats, TunnelServer
from st.tunnel.shared import Legs, MakeRelay
from st.wire.dial import Endpoint
from tests.configs import settings
from tests.fakes import FakeRedis, World
from tests.waiting import FACTOR, wait_until

ROOM = 200  # clients


@contextlib.contextmanager
def tcp_pair(buffers: int = 0) -> t.Iterator[t.Tuple[socket.socket, socket.socket]]:
    """Give the two ends of one TCP connection; `buffers` makes those of the kernel small, in bytes."""
    with socket.socket() as listener, socket.socket() as far:
        if buffers:  # before connecting: the window is agreed on then
            for sock in (listener, far):  # or the window would never have room for one segment of loopback's 64 KiB
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1024)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        far.settimeout(20 * FACTOR)
        far.connect(listener.getsockname())
        near, _ = listener.accept()
        with near:
            if buffers:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
            yield far, near


def reset(sock: socket.socket) -> None:
    """Close a socket so that the other side gets RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def be_busy(seconds: float) -> None:
    """Let a peer do nothing for a while; only where this very length of time is what is tested."""
    time.sleep(seconds)


def silent_for(sock: socket.socket, seconds: float) -> bool:
    """Tell whether nothing, not even an end, came within `seconds`."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return not poller.poll(seconds * 1000)


def until_ended(sock: socket.socket) -> bytes:
    """Return what comes until the other side ends, in whatever way; fail after 20 seconds of silence."""
    data = b""
    with contextlib.suppress(ConnectionError):
        for piece in iter(lambda: sock.recv(65536), b""):
            data += piece
    return data


def tunnel_settings(**changes: t.Any) -> TunnelSettings:
    """Return the default settings of a tunnel `mymaster` on any free port, with changes."""
    text = "[sentinel-tunnel]\nsentinels = 127.0.0.1\n[tunnel:mymaster]\nport = 1\n"
    return settings(text).tunnels[0]._replace(**dict({"port": 0}, **changes))


def target_at(address: t.Tuple[str, int]) -> Target:
    """Return what the table holds when the master is at an address."""
    return Target(Address(*address), Endpoint(socket.AF_INET, address))


def target_of(node: FakeRedis) -> Target:
    """Return what the table holds when a node is the master."""
    return target_at(node.address)


@contextlib.contextmanager
def no_threads_left() -> t.Iterator[None]:
    """Let the kernel refuse every new thread of this process."""
    size = threading.stack_size(1 << 47)  # bytes: more than a process can address
    try:
        yield
    finally:
        threading.stack_size(size)


@contextlib.contextmanager
def descriptors(limit: int) -> t.Iterator[None]:
    """Let this process open no file with this number or a higher one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class OneTunnel:
    """A listening tunnel without a watcher: the test itself says who is master; a context manager."""

    def __init__(self, node: t.Optional[FakeRedis] = None, room: int = ROOM, row: t.Optional[MasterRow] = None,
                 legs: Legs = Legs(), relay: t.Optional[MakeRelay] = None, **changes: t.Any) -> None:
        self.row = row or MasterRow("mymaster", "mymaster")
        self.hints: t.List[str] = []
        self.server = TunnelServer(tunnel_settings(**changes), self.row, Seats(room), self.hints.append, legs=legs,
                                   relay=relay)
        self.registry = self.server.registry
        addresses = [place for place in self.server.places if isinstance(place, Address)]
        self.address: t.Tuple[str, int] = tuple(addresses[0]) if addresses else ("", 0)  # type: ignore[assignment]
        if node is not None:
            self.switch(node)

    def __enter__(self) -> "OneTunnel":
        self.server.start()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.server.stop(Deadline(10 * FACTOR))
        self.registry.cut_all("shutdown")
        wait_until(lambda: not len(self.registry), "every connection has left the registry")

    def switch(self, node: FakeRedis) -> int:
        """Make a node the master as the watcher does; return how many connections were cut."""
        self.row.adopt(target_of(node))
        return self.registry.cut_stale(self.row.is_current)

    def closed(self, why: str) -> int:
        """Return how many connections have ended for this reason."""
        return self.registry.counts().closed.get(why, 0)

    def connect(self) -> socket.socket:
        """Return a client's socket on which nothing takes longer than 20 seconds."""
        return socket.create_connection(self.address, timeout=20 * FACTOR)


def world_settings(world: World, names: t.Sequence[str] = (), **changes: t.Any) -> Settings:
    """Return settings for tunnels to the masters of a world, each on any free port; changes go where they belong."""
    text = "[sentinel-tunnel]\nsentinels = %s\n" % ", ".join("%s:%d" % seed for seed in world.seeds)
    for port, name in enumerate(names or [world.name], 1):
        text += "[tunnel:%s]\nport = %d\n" % (name, port)
    tunnel = {key: value for key, value in dict({"port": 0}, **changes).items() if key in TunnelSettings._fields}
    made = settings(text)._replace(**{key: value for key, value in changes.items() if key not in tunnel})
    return made._replace(tunnels=tuple(each._replace(**tunnel) for each in made.tunnels))


class Running:
    """An App in this process; a context manager that stops it at once."""

    def __init__(self, made: Settings, room: int = ROOM, **options: t.Any) -> None:
        self.app = App(made, room, **options)

    def __enter__(self) -> "Running":
        self.app.start()
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.app.stop(0)

    def tunnel(self, name: str = "mymaster") -> TunnelStatus:
        """Return the status of one tunnel."""
        return {tunnel.name: tunnel for tunnel in self.app.status().tunnels}[name]

    def address(self, name: str = "mymaster") -> t.Tuple[str, int]:
        """Return where a tunnel listens."""
        return tuple(parse_address(self.tunnel(name).listen))  # type: ignore[return-value]

    def connect(self, name: str = "mymaster") -> socket.socket:
        """Return a client's socket on which nothing takes longer than 20 seconds."""
        return socket.create_connection(self.address(name), timeout=20 * FACTOR)

    def wait_master(self, node: FakeRedis, name: str = "mymaster") -> None:
        """Wait until a node is the verified master of a tunnel."""
        wanted = "%s:%d" % node.address
        wait_until(lambda: self.tunnel(name).master == wanted and self.tunnel(name).state == "up",
                   "%s is the master of %s" % (wanted, name))


@contextlib.contextmanager
def running(world: World, *names: str, **changes: t.Any) -> t.Iterator[Running]:
    """Give an App on a World whose first master has been found."""
    with Running(world_settings(world, names, **changes)) as made:
        made.wait_master(world.master)
        yield made


def connect_to(place: Place) -> socket.socket:
    """Return a client of an address or a unix socket, on which nothing takes longer than 20 seconds."""
    if isinstance(place, Address):
        return socket.create_connection(place, timeout=20 * FACTOR)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20 * FACTOR)
    try:
        sock.connect(place)
    except OSError:
        sock.close()
        raise
    return sock


def ask(sock: socket.socket, *words: t.Union[str, bytes]) -> bytes:
    """Send one command and return the first piece of the reply, which is all of it for a short one."""
    sock.sendall(command(*words))
    return sock.recv(65536)


def command(*words: t.Union[str, bytes]) -> bytes:
    """Return one command in RESP."""
    encoded = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
