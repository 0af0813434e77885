"""Reach the master for one client: dial, and ask for its role on that same socket before any client byte."""
import socket
import threading
import time
import typing as t

from st.config.values import TunnelSettings
from st.deadline import Deadline
from st.errors import PeerError
from st.sentinel.masters import Target
from st.tally import Histogram, Tally
from st.wire.conversation import Conversation
from st.wire.dial import connect, dial, set_keepalive, set_user_timeout
from st.wire.role import MASTER, REPLICA, UNKNOWN, Role, ask_role

CONNECT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
MOST_APART = 4  # connections of our own at a time for each tunnel; st.ops.limits keeps descriptors back for them


class NotMaster(PeerError):
    """The node was reached and says that it is no master, or does not tell where that is demanded."""


class Gauges:
    """What is counted while the connections of one tunnel reach for its master, and how many may ask apart."""

    def __init__(self) -> None:
        self.role_checks = Tally("master", "replica", "unknown", "error")
        self.connect_seconds = Histogram(CONNECT_BOUNDS)
        self.apart = threading.BoundedSemaphore(MOST_APART)


def prepare(sock: socket.socket, target: Target, settings: TunnelSettings, patience: Deadline, gauges: Gauges,
            connected: t.Callable[[], None] = lambda: None) -> bytes:
    """Connect a client's leg to the target and check its role; raise PeerError. The caller owns the socket.

    Returns what the master sent by itself, for the client: nothing, as a rule. `patience` bounds the wait for the
    role: a hung master still completes TCP handshakes, and waiting on one socket is kinder to it than dialling again.
    `connected` is called in between and may raise PeerError.
    """
    started = time.monotonic()
    connect(sock, target.endpoint, Deadline(settings.connect_timeout))
    gauges.connect_seconds.observe(time.monotonic() - started)
    connected()
    set_keepalive(sock, settings.keepalive)
    set_user_timeout(sock, settings.user_timeout)
    if settings.role_check == "no":
        return b""
    conversation = Conversation(sock, str(target.address))
    try:
        role = ask_role(conversation, patience)
        if role.name == UNKNOWN and settings.redis_password is not None:
            role = _ask_apart(target, settings, patience, gauges.apart)
    except PeerError:
        gauges.role_checks.count("error")
        raise
    gauges.role_checks.count(_RESULTS.get(role.name, "error"))
    _demand_master(role, target, settings.role_check == "strict")
    return conversation.rest()


_RESULTS = {MASTER: "master", REPLICA: "replica", UNKNOWN: "unknown"}


def _ask_apart(target: Target, settings: TunnelSettings, patience: Deadline, apart: t.Any) -> Role:
    """Ask on a connection of our own: logging in on the client's would make the client that user.

    Nobody can interrupt this one at a switch, and it takes the place of others: so it is never as patient as `hold`.
    """
    patience = Deadline(patience.left(settings.connect_timeout))
    if not apart.acquire(timeout=patience.left() or 0):
        return Role(UNKNOWN, "too many others are being asked")
    try:
        return _ask_with_password(target, settings, patience)
    finally:
        apart.release()


def _ask_with_password(target: Target, settings: TunnelSettings, patience: Deadline) -> Role:
    sock = dial(target.endpoint, Deadline(settings.connect_timeout))
    try:
        conversation = Conversation(sock, str(target.address))
        assert settings.redis_password is not None
        words = ["AUTH", settings.redis_user, settings.redis_password.reveal()]
        conversation.ask([[word for word in words if word is not None]], patience)
        return ask_role(conversation, patience)
    finally:
        sock.close()


def _demand_master(role: Role, target: Target, strict: bool) -> None:
    if role.name == MASTER or (role.name == UNKNOWN and not strict):
        return
    said = "does not tell its role: %s" % role.detail if role.name == UNKNOWN else "says that it is %s" % role.name
    raise NotMaster("%s: %s" % (target.address, said))
