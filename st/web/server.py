"""The web server: one thread that waits for all its clients at once, so that none can hold up another."""
import errno
import functools
import logging
import os
import select
import socket
import threading
import time
import typing as t

from st.address import Address
from st.deadline import Deadline
from st.errors import ListenError
from st.event import Event
from st.host.blame import blame_holder
from st.host.spare import NONE_LEFT, Spare
from st.web.answers import Views, answer
from st.web.exchange import Exchange
from st.web.samples import Samples, moment

logger = logging.getLogger(__name__)

MOST = 32  # clients at a time
DESCRIPTORS = MOST + 3  # that it uses at the most: the listener too, a client on its way in, and the spare one
BACKLOG = 128
LOOK = 0.5  # seconds between two looks for clients that take too long
PAUSE = 0.5  # seconds without accepting when descriptors or memory have run out
STARVED_AGAIN = 60.0  # seconds without a shortage after which the next one is told again


class WebServer:
    """Listens from its making on, and answers from `start` to `stop`; raises ListenError."""

    def __init__(self, address: Address, views: Views) -> None:
        self._listener = _listen(address)
        self._address = Address(*self._listener.getsockname()[:2])
        self._spare = Spare()  # the thread's own
        self._views = views
        self._samples = Samples()  # the thread's own
        self._answer = functools.partial(answer, views=views, samples=self._samples)
        self._exchanges: t.List[Exchange] = []  # the thread's own, the oldest first
        self._stopping = threading.Event()
        self._accept_from = 0.0  # monotonic time before which nobody is accepted
        self._starved_at = -STARVED_AGAIN  # monotonic time of the last want of descriptors
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def address(self) -> Address:
        """The address that it really listens on, or did."""
        return self._address

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        logger.info(Event("http", listen=self._address))

    def stop(self, deadline: Deadline) -> None:
        """Stop answering and close everything. Twice is fine."""
        self._stopping.set()
        if self._thread.ident is None:
            self._close()
            return
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread at once; close() would not
        except OSError:
            pass  # closed already
        self._thread.join(deadline.left())

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._sample(time.monotonic())
                self._go_round()
        except Exception:  # nothing answers from here on, so that a probe of liveness sees it
            logger.exception("the web server failed")
        finally:
            self._close()
            for exchange in self._exchanges:
                exchange.close()

    def _close(self) -> None:
        self._listener.close()
        self._spare.close()

    def _sample(self, now: float) -> None:
        """Note the counts of this moment, twice a minute, for the plots of the page."""
        if not self._samples.due(now):
            return
        try:
            self._samples.add(moment(now, self._views.status(), self._views.measures()))
        except Exception:  # a fault of ours costs this sample, and no probe
            logger.exception("a sample for the status page failed")

    def _go_round(self) -> None:
        """Wait for something to do, or a moment, and do all of it that can be done at once."""
        self._spare.renew()
        poller = select.poll()
        accepting = time.monotonic() >= self._accept_from
        if accepting:
            poller.register(self._listener, select.POLLIN)
        for exchange in self._exchanges:
            poller.register(exchange, exchange.wanted)
        ready = {number for number, _ in poller.poll(LOOK * 1000)}
        for exchange in list(self._exchanges):
            if exchange.overdue or (exchange.fileno() in ready and not exchange.go_on()):
                self._end(exchange)
        if accepting and self._listener.fileno() in ready:
            self._accept()

    def _accept(self) -> None:
        try:
            client = self._spare.accept(self._listener)
        except OSError as error:
            return self._not_accepted(error)
        if len(self._exchanges) >= MOST:
            # The oldest has had the most time to send its request: under a flood the newest gets its reply.
            self._end(self._exchanges[0])
        exchange = Exchange(client, self._answer)
        self._exchanges.append(exchange)
        if not exchange.go_on():  # the request is here already, as a rule
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        self._exchanges.remove(exchange)
        exchange.close()

    def _not_accepted(self, error: OSError) -> None:
        """Pause, or `poll` would report the same client for ever; one that is gone already is nothing to tell."""
        if self._stopping.is_set() or error.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR):
            return
        now, makes_room = time.monotonic(), bool(self._exchanges) and error.errno in NONE_LEFT
        if now - self._starved_at > STARVED_AGAIN:
            logger.error(Event("accept_paused", http=self._address, error=os.strerror(error.errno or 0),
                               means="the oldest client makes room for the newest" if makes_room
                               else "probes and scrapes wait until descriptors are freed"))
        self._starved_at = now
        if makes_room:
            self._end(self._exchanges[0])
        else:
            self._accept_from = now + PAUSE


def _listen(address: Address) -> socket.socket:
    """Return a socket that listens on `address`; raise ListenError."""
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, place = found[0][0], found[0][4]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ListenError("http %s: cannot listen: %s" % (address, error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        failed = ListenError("http %s: cannot listen: %s" % (address, error.strerror or error), error.errno)
        raise blame_holder(failed, address) from error
    return listener
