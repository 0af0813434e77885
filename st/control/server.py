"""The control socket of a running process: takes a few clients at a time, none of which can hold up another."""
import logging
import select
import socket
import threading
import typing as t

from st.control import protocol
from st.control.commands import Answer, answer
from st.control.place import ControlError, Place
from st.control.steering import Steering
from st.control.talk import Talk
from st.deadline import Deadline
from st.event import Event
from st.host.spare import Spare

logger = logging.getLogger(__name__)

MOST = 16  # clients at a time
LOOK = 0.5  # seconds between two looks whether to stop
ROOM_WAIT = 1.0  # seconds for the client that makes room
PAUSE = 0.1  # seconds without accepting when descriptors have run out
FULL = "ERR max number of clients reached"
ALONE = 1.0  # seconds that a client may take for its request when it is served without a thread of its own


class ControlServer:
    """Listens from its making on; `start` and `stop` are for its owner, `stop` as often as you like."""

    def __init__(self, path: str, steering: Steering) -> None:
        """Make the socket; raise ControlError."""
        self._steering = steering
        self._place = Place(path)
        self._spare = Spare()  # of the listening thread
        self._changed = threading.Condition()  # guards the talks
        self._talks: t.Dict[Talk, threading.Thread] = {}
        self._numbers = 0  # of the clients so far; of the listening thread
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self, deadline: Deadline) -> None:
        """Take no more clients, remove the socket, end the clients that are there."""
        self._stopping.set()
        if self._thread.ident is not None:
            try:
                self._place.listener.shutdown(socket.SHUT_RDWR)  # wakes the listening thread at once
            except OSError:
                pass  # stopped before
            self._thread.join(deadline.left())
        self._place.close()
        self._spare.close()
        with self._changed:
            talks = dict(self._talks)
        for talk in talks:
            talk.end()
        for thread in talks.values():
            if thread is not threading.current_thread():
                thread.join(deadline.left())

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._spare.renew()
            if not _await_client(self._place.listener) or self._stopping.is_set():
                self._renew()
                continue
            try:
                client = self._spare.accept(self._place.listener)
            except OSError as error:
                if not self._stopping.is_set():
                    logger.error(Event("control_paused", error=error.strerror or error))
                self._stopping.wait(PAUSE)
                continue
            self._welcome(client)

    def _renew(self) -> None:
        """Listen anew if the file was removed, by a cleaner or by hand: the process must stay within reach."""
        if self._stopping.is_set() or not self._place.is_gone():
            return
        try:
            stale, self._place = self._place, Place(self._place.path)
        except ControlError:  # the next look tries again
            return
        stale.close()
        logger.warning(Event("control_renewed", file=self._place.path, why="something removed the file"))

    def _welcome(self, client: socket.socket) -> None:
        if not self._make_room():
            _refuse(client, FULL)
            return
        self._numbers += 1
        talk = Talk(self._numbers, client, self._answer)
        thread = threading.Thread(target=self._run, args=(talk,), name="control #%d" % talk.number, daemon=True)
        with self._changed:
            self._talks[talk] = thread
        try:
            thread.start()
        except RuntimeError as error:  # can't start new thread: all the more somebody wants to know, or to stop it
            logger.error(Event("no_thread", control=talk.number, error=error, means="one client at a time is served"))
            with self._changed:
                self._talks[talk] = self._thread  # the other cannot be joined
            talk.hurry(ALONE)
            self._run(talk)

    def _make_room(self) -> bool:
        """End the client that has asked nothing for the longest time when there are too many: a person must get in.

        One that has no answer yet comes last: it may have to wait for it, as for that to RELOAD, before it can end.
        """
        with self._changed:
            if len(self._talks) < MOST:
                return True
            min(self._talks, key=lambda talk: (talk.busy, talk.asked_at)).end()
            return self._changed.wait_for(lambda: len(self._talks) < MOST, ROOM_WAIT)

    def _run(self, talk: Talk) -> None:
        try:
            talk.run()
        finally:
            self._leave(talk)

    def _leave(self, talk: Talk) -> None:
        with self._changed:
            self._talks.pop(talk, None)
            self._changed.notify_all()

    def _answer(self, words: t.Sequence[str], talk: Talk) -> Answer:
        return answer(self._steering, words, talk.gone, talk.number, talk.who())


def _await_client(listener: socket.socket) -> bool:
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    return bool(poller.poll(LOOK * 1000))


def _refuse(client: socket.socket, why: str) -> None:
    with client:
        try:
            client.setblocking(False)
            client.send(protocol.failure(why))
        except OSError:
            pass  # it has gone already
