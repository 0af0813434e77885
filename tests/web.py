"""The web server for tests: on a free port, with views that the test writes, and short ways to ask it."""
import contextlib
import http.client
import socket
import typing as t

from st.address import Address
from st.app import App
from st.deadline import Deadline
from st.ops.measures import Measures, SentinelMeasures, TunnelMeasures
from st.ops.status import ProcessStatus
from st.tally import Distribution
from st.web import Views, WebServer
from tests.test_status import BOTH
from tests.waiting import FACTOR

SEEN = Distribution(((0.5, 1), (1.0, 3)), 4.5, 4)
ROOM = 5  # clients
GET = b"GET /liveness HTTP/1.1\r\nHost: h\r\n\r\n"


class Reply(t.NamedTuple):
    """What came back; `headers` by their lower-case names."""

    code: int
    headers: t.Mapping[str, str]
    body: str


def measures(status: ProcessStatus, room: int = ROOM) -> Measures:
    """Return measures for all that is in a status."""
    tunnel = TunnelMeasures({"master": 7, "replica": 0, "unknown": 0, "error": 1}, SEEN, SEEN, 2.5)
    sentinel = SentinelMeasures({"ok": 9, "unknown_name": 0, "noauth": 0, "timeout": 1, "error": 0}, SEEN)
    return Measures({each.name: tunnel for each in status.tunnels},
                    {each.address: sentinel for each in status.sentinels}, room)


def views(of: ProcessStatus = BOTH, **changes: t.Any) -> Views:
    """Return views of a status, with changes of views."""
    made = Views(lambda: of, lambda: measures(of), lambda seconds: [], lambda: False, lambda: True, lambda: [])
    return made._replace(**changes)


def views_of(app: App) -> Views:
    """Return views of an App, as the process has them."""
    return Views(app.status, app.measures, app.stalled, lambda: app.stopping, lambda: True, lambda: [])


@contextlib.contextmanager
def served(shown: t.Optional[Views] = None, host: str = "127.0.0.1") -> t.Iterator[WebServer]:
    """Give a server that answers."""
    server = WebServer(Address(host, 0), shown or views())
    server.start()
    try:
        yield server
    finally:
        server.stop(Deadline(20 * FACTOR))


def connect(server: WebServer) -> socket.socket:
    """Return a client's socket on which nothing takes longer than 20 seconds."""
    return socket.create_connection(server.address, timeout=20 * FACTOR)


def fetch(address: t.Tuple[str, int], path: str, method: str = "GET", body: t.Optional[bytes] = None) -> Reply:
    """Return the reply to a request, made by the client of the standard library."""
    client = http.client.HTTPConnection(*address, timeout=20 * FACTOR)
    try:
        client.request(method, path, body)
        response = client.getresponse()
        text = response.read().decode("utf-8")
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
    finally:
        client.close()


def get(port: int, path: str) -> Reply:
    """Return what a probe on this host gets."""
    return fetch(("127.0.0.1", port), path)


def is_alive(server: WebServer) -> bool:
    """Tell whether a probe gets its reply."""
    return fetch(server.address, "/liveness").code == 200
