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
from st.wire.keeper import Keeper
from st.wire.resp import Reply

logger = logging.getLogger(__name__)

PING_AFTER = 5.0  # seconds of silence; a Sentinel host that vanished is found after two of them
REFUSED_PAUSE = 60.0  # seconds; a user without the right to subscribe is asked seldom
PAUSES = (0.25, 5.0)  # seconds after an end, doubled from the first to the last while connections end soon
SOON = 30.0  # seconds


class Subscription(Keeper):
    """The events of one Sentinel. One thread runs `listen`; any may call `interrupt`."""

    def __init__(self, sentinel: Address, credentials: Credentials, names: t.Sequence[str], timeout: float,
                 heard: t.Callable[[str], None]) -> None:
        super().__init__()
        self._sentinel = sentinel
        self._credentials = credentials
        self._names = names
        self._timeout = timeout  # seconds, to connect and subscribe
        self._heard = heard
        self._not_before = 0.0  # monotonic time of the next try
        self._pause = PAUSES[0]
        self._refused = False
        self.connected = False  # read by status

    def listen(self) -> None:
        """Subscribe once and pass events on until the connection ends; do nothing when it ended a moment ago."""
        started = time.monotonic()
        if started < self._not_before:
            return
        try:
            deadline = Deadline(self._timeout)
            self._kept = connect(self._sentinel, deadline, self._credentials.tls)
            subscribe(self._kept, self._credentials, deadline)
            self.connected, self._refused = True, False
            self._heard("subscribed")  # what happened before is not sent again
            self._pass_on(self._kept)
        except PeerRefused as error:
            if not self._refused:
                logger.info(Event("no_events", sentinel=self._sentinel, error=error, means="polling only"))
            self._refused = True
        except PeerError as error:
            logger.debug(Event("events_ended", sentinel=self._sentinel, error=error))
        finally:
            self.connected = False
            self.close()
            self._rest(time.monotonic() - started)

    def _rest(self, lasted: float) -> None:
        self._pause = PAUSES[0] if lasted > SOON else min(2 * self._pause, PAUSES[1])
        self._not_before = time.monotonic() + (REFUSED_PAUSE if self._refused else self._pause)

    def _pass_on(self, conversation: Conversation) -> None:
        while True:
            channel = concerns(next_message(conversation), self._names)
            if channel:
                self._heard(channel)


def next_message(conversation: Conversation) -> Reply:
    """Return what a Sentinel pushes next; raise PeerError when it is gone, which silence alone does not tell."""
    try:
        return conversation.receive(Deadline(PING_AFTER))
    except PeerSilent:
        conversation.send([["PING"]], Deadline(PING_AFTER))
        return conversation.receive(Deadline(PING_AFTER))
