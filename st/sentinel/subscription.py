"""Listen to the events of one Sentinel. An event is only ever a reason to ask again."""
import logging
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError, PeerRefused, PeerSilent
from st.event import Event
from st.sentinel.answers import Credentials
from st.sentinel.client import concerns, connect, subscribe
from st.wire.conversation import Conversation
from st.wire.resp import Reply

logger = logging.getLogger(__name__)

PING_AFTER = 5.0  # seconds of silence; a Sentinel host that vanished is found after two of them
REFUSED_PAUSE = 60.0  # seconds; a user without the right to subscribe is asked seldom


class Subscription:
    """The events of one Sentinel. One thread runs `listen`; any may call `interrupt`."""

    def __init__(self, sentinel: Address, credentials: Credentials, names: t.Sequence[str], timeout: float,
                 heard: t.Callable[[str], None]) -> None:
        self._sentinel = sentinel
        self._credentials = credentials
        self._names = names
        self._timeout = timeout  # seconds, to connect and subscribe
        self._heard = heard
        self._conversation = None  # type: t.Optional[Conversation]
        self._refused_at = None  # type: t.Optional[float]
        self.connected = False  # read by status

    def listen(self) -> None:
        """Subscribe once and pass events on until the connection ends."""
        if self._refused_at is not None and time.monotonic() - self._refused_at < REFUSED_PAUSE:
            return
        try:
            deadline = Deadline(self._timeout)
            self._conversation = connect(self._sentinel, deadline)
            subscribe(self._conversation, self._credentials, deadline)
            self.connected, self._refused_at = True, None
            self._heard("subscribed")  # what happened before is not sent again
            self._pass_on(self._conversation)
        except PeerRefused as error:
            if self._refused_at is None:
                logger.info(Event("no_events", sentinel=self._sentinel, error=error, means="polling only"))
            self._refused_at = time.monotonic()
        except PeerError as error:
            logger.debug(Event("events_ended", sentinel=self._sentinel, error=error))
        finally:
            self.connected = False
            self.close()

    def interrupt(self) -> None:
        """End the connection from another thread."""
        conversation = self._conversation
        if conversation is not None:
            conversation.interrupt()

    def close(self) -> None:
        """Close the connection."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.close()

    def _pass_on(self, conversation: Conversation) -> None:
        while True:
            channel = concerns(self._next(conversation), self._names)
            if channel:
                self._heard(channel)

    def _next(self, conversation: Conversation) -> Reply:
        try:
            return conversation.receive(Deadline(PING_AFTER))
        except PeerSilent:
            conversation.send([["PING"]], Deadline(PING_AFTER))
            return conversation.receive(Deadline(PING_AFTER))
