"""Reach the master for one client: dial, and ask for its role on that same socket before any client byte."""
import logging
import socket
import ssl
import threading
import time
import typing as t

from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.errors import LoginRefused, PeerError, PeerRefused
from st.event import Event
from st.sentinel.masters import Target
from st.tally import Histogram, Tally
from st.wire.conversation import Conversation
from st.wire.dial import connect, dial, set_keepalive, set_user_timeout
from st.wire.login import log_in
from st.wire.role import MASTER, REPLICA, UNKNOWN, Role, ask_role, denial
from st.wire.tls import Leg, secure

logger = logging.getLogger(__name__)

CONNECT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
MOST_APART = 4  # connections of our own at a time for each tunnel; st.host.limits keeps descriptors back for them


class NotMaster(PeerError):
    """The node was reached and says that it is no master (no replica), or does not tell where that is demanded."""


class Prepared(t.NamedTuple):
    """A leg to the master that is ready to carry, and the bytes that are to go to the client first."""

    leg: Leg
    first_reply: bytes


class Gauges:
    """What is counted while the connections of one tunnel reach for its master, and how many may ask apart."""

    def __init__(self) -> None:
        self.role_checks = Tally("master", "replica", "unknown", "error")
        self.connect_seconds = Histogram(CONNECT_BOUNDS)
        self.apart = threading.BoundedSemaphore(MOST_APART)
        self.login_refused = ""  # the words with which the last login for a client was refused


def prepare(sock: socket.socket, target: Target, settings: TunnelSettings, patience: Deadline, gauges: Gauges,
            connected: t.Callable[[], None] = lambda: None, tls: t.Optional[ssl.SSLContext] = None) -> Prepared:
    """Connect a client's leg to the target, log in if that is to be, check its role; raise PeerError.

    The caller owns the socket. Returns the leg to carry on, and what the master sent by itself, for the client:
    nothing, as a rule. `patience` bounds the wait for TLS, login and role: a hung master still completes TCP
    handshakes, and waiting on one socket is kinder to it than dialling again. `connected` is called in between and
    may raise PeerError.
    """
    started = time.monotonic()
    connect(sock, target.endpoint, Deadline(settings.connect_timeout))
    gauges.connect_seconds.observe(time.monotonic() - started)
    connected()
    set_keepalive(sock, settings.keepalive)
    set_user_timeout(sock, settings.user_timeout)
    leg: Leg = sock
    if settings.tls == "yes" and tls is not None:
        leg = secure(sock, tls, target.address.host, patience, str(target.address))
    conversation = Conversation(leg, str(target.address))
    if settings.login and settings.redis_password is not None:
        _log_in(conversation, settings, patience, gauges)
    if settings.role_check == "no":
        return Prepared(leg, conversation.rest())
    try:
        role = _ask(conversation, Apart(target, settings, gauges.apart, tls), patience)
    except PeerError:
        gauges.role_checks.count("error")
        raise
    gauges.role_checks.count(_RESULTS.get(role.name, "error"))
    _demand_role(role, target, settings.role_check == "strict")
    return Prepared(leg, conversation.rest())


def _log_in(conversation: Conversation, settings: TunnelSettings, patience: Deadline, gauges: Gauges) -> None:
    """Make the client the tunnel's user; nobody else would tell the operator when that is refused."""
    assert settings.redis_password is not None
    try:
        log_in(conversation, settings.redis_user, settings.redis_password, patience)
        gauges.login_refused = ""
    except PeerRefused as error:
        gauges.login_refused = str(error) if isinstance(error, LoginRefused) else ""  # else it is full, or loading
        logger.warning(Event("login_refused", tunnel=settings.name, why=error))
        raise


def _ask(conversation: Conversation, apart: "Apart", patience: Deadline) -> Role:
    """Return the role of the node on the client's leg, or where that cannot be, on a connection apart."""
    settings = apart.settings
    if settings.tls == "passthrough":  # on the client's leg a word of ours would break its handshake
        return apart.ask(patience)
    role = ask_role(conversation, patience)
    if role.name == UNKNOWN and settings.redis_password is not None and not settings.login:
        return apart.ask(patience)
    return role


_RESULTS = {MASTER: "master", REPLICA: "replica", UNKNOWN: "unknown"}


class Apart(t.NamedTuple):
    """Asks on a connection of our own: logging in on the client's would make the client that user.

    Nobody can interrupt this one at a switch, and it takes the place of others: so it is never as patient as `hold`.
    """

    target: Target
    settings: TunnelSettings
    places: threading.BoundedSemaphore
    tls: t.Optional[ssl.SSLContext]

    def ask(self, patience: Deadline) -> Role:
        """Return the role; raise PeerError."""
        patience = Deadline(patience.left(self.settings.connect_timeout))
        if not self.places.acquire(timeout=patience.left() or 0):
            return Role(UNKNOWN, "too many others are being asked")
        try:
            sock = dial(self.target.endpoint, Deadline(self.settings.connect_timeout))
            try:
                return self._ask_on(sock, patience)
            finally:
                sock.close()
        finally:
            self.places.release()

    def _ask_on(self, sock: socket.socket, patience: Deadline) -> Role:
        address, password = self.target.address, self.settings.redis_password
        leg: Leg = sock if self.tls is None else secure(sock, self.tls, address.host, patience, str(address))
        conversation = Conversation(leg, str(address))
        if password is not None:
            words = ["AUTH", self.settings.redis_user, password.reveal()]
            conversation.ask([[word for word in words if word is not None]], patience)
        return ask_role(conversation, patience)


def _demand_role(role: Role, target: Target, strict: bool) -> None:
    if role.name == target.role or (role.name == UNKNOWN and not strict):
        return
    raise NotMaster(denial(target.address, role, target.role))
