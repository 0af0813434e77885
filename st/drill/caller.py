"""A client of the tunnel that asks again and again, and notes how each attempt went."""
import socket
import threading
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError, PeerRefused
from st.secret import Secret
from st.wire.conversation import Conversation
from st.wire.dial import Endpoint, dial
from st.wire.keeper import Keeper
from st.wire.login import log_in
from st.wire.resp import Command, Reply, ReplyError, text

PACE = 0.01  # seconds between two attempts: an outage is measured as exactly as this
PATIENCE = 600.0  # seconds for a reply: a client without a time-out notices only what the tunnel does
CONNECT_WAIT = 5.0  # seconds for a connection to a port of this host
_GRACE = 0.5  # seconds for the attempt that goes on at the end
_LOOK = 0.05  # seconds between two looks whether the thread has ended


class Attempt(t.NamedTuple):
    """One command; times are monotonic."""

    number: int
    began: float
    ended: float
    error: str = ""  # "": it was acknowledged


class Login(t.NamedTuple):
    """Who our clients are; without a password they do not say."""

    user: t.Optional[str]
    password: t.Optional[Secret]


def converse(place: Address, login: Login, deadline: Deadline) -> Conversation:
    """Return a conversation through a tunnel of this host, logged in; raise PeerError."""
    conversation = _reach(place)
    try:
        _identify(conversation, login, deadline)
    except PeerError:
        conversation.close()
        raise
    return conversation


def _reach(place: Address) -> Conversation:
    sock = dial(Endpoint(socket.AF_INET, (place.host, place.port)), Deadline(CONNECT_WAIT))
    return Conversation(sock, "the tunnel")


def _identify(conversation: Conversation, login: Login, deadline: Deadline) -> None:
    if login.password is not None:
        log_in(conversation, login.user, login.password, deadline)


def demand(conversation: Conversation, command: Command, deadline: Deadline) -> Reply:
    """Return the reply to a command; raise PeerError, also for an error reply."""
    [reply] = conversation.ask([command], deadline)
    if isinstance(reply, ReplyError):
        raise PeerRefused("%s: %s" % (text(command[0]), reply), str(reply).encode())
    return reply


class Caller(Keeper):
    """Sends `command(number)` at a steady pace, on one connection, and on a new one after each failure."""

    def __init__(self, name: str, place: Address, login: Login, command: t.Callable[[int], Command]) -> None:
        super().__init__()
        self.attempts: t.List[Attempt] = []  # its thread adds to it, others read
        self._place = place
        self._login = login
        self._command = command
        self.begun = 0  # attempts; written by its thread
        self._stopping = threading.Event()
        self._cut = False  # written once, by stop(): the attempt that goes on tells nothing
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, deadline: Deadline) -> None:
        """End, whatever it waits for after a moment; returns at the deadline at the latest."""
        self._stopping.set()
        if self._thread.ident is None:  # interrupted before it was started
            return
        self._thread.join(deadline.left(_GRACE))
        self._cut = True
        while self._thread.is_alive() and not deadline.passed():
            self.interrupt()  # again: it may have opened its connection after the last time
            self._thread.join(deadline.left(_LOOK))

    def good_since(self, moment: float) -> int:
        """Return how many attempts that began after a moment went well."""
        return sum(1 for attempt in self.attempts if attempt.began > moment and not attempt.error)

    @property
    def last_error(self) -> str:
        """What the last attempt said that failed, or ""."""
        return next((attempt.error for attempt in reversed(self.attempts) if attempt.error), "")

    def _run(self) -> None:
        while not self._stopping.wait(PACE):
            number, began, error = self.begun, time.monotonic(), ""
            self.begun += 1
            try:
                self._attempt(number)
            except PeerError as failure:
                error = str(failure)
                self.close()
            if not self._cut:
                self.attempts.append(Attempt(number, began, time.monotonic(), error))
        self.close()

    def _attempt(self, number: int) -> None:
        deadline = Deadline(PATIENCE)
        if self._kept is None:
            self._kept = _reach(self._place)  # from here on it can be interrupted
            _identify(self._kept, self._login, deadline)
        demand(self._kept, self._command(number), deadline)
