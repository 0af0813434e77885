"""Bytes between two sockets, both directions in one thread. The hot path.

Both sockets are non-blocking. A direction receives only when it holds nothing, so a slow receiver stops its
sender (back-pressure) and memory is bounded. Nothing times out while both sides are open.
"""
import errno
import functools
import select
import socket
import typing as t

from st.tunnel.convoy import Convoy, Member

CHUNK = 65536  # bytes; the most that one direction holds
SMALL = 16384  # bytes; larger pieces are carried by the connection's own thread, beside all others
STEADY = 8  # small pieces in a row, after which a connection joins the convoy
SILENT = 1.0  # seconds without any, after which it does so too: a cut then wakes few threads at a time
AFTER_MASTER_ENDED = 2.0  # seconds of silence; Redis never half-closes: when it ends, nothing can be of use to it
AFTER_CLIENT_ENDED = 60.0  # seconds of silence for the rest of a reply, or a hung master would keep us for ever
READ, WRITE = select.POLLIN, select.POLLOUT
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
NOTHING = memoryview(b"")


class Flow:
    """One direction: what was received from `source` and not yet taken by `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._receive = source.recv
        self._send = sink.send
        self._sink = sink
        self.pending = NOTHING
        self.ended = False  # the source has sent its last byte, or the sink takes no more
        self.carried = 0  # bytes

    def receive(self) -> bytes:
        """Take what has come; b"" when nothing has or at the end. A broken source has ended."""
        try:
            data = self._receive(CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self.ended = not data
        return data

    def send(self, data: t.Union[bytes, memoryview]) -> None:
        """Pass on what the sink takes now and keep the rest. A broken sink ends the flow: nothing can arrive."""
        try:
            size = self._send(data)
        except BlockingIOError:
            size = 0
        except OSError:
            self.ended, self.pending = True, NOTHING
            return
        self.carried += size
        self.pending = memoryview(data)[size:] if size < len(data) else NOTHING

    @property
    def done(self) -> bool:
        """Everything that will ever arrive has been passed on."""
        return self.ended and not self.held

    @property
    def held(self) -> bool:
        """Bytes were received that the kernel has not taken for the sink."""
        return bool(self.pending)

    def pass_end_on(self) -> None:
        """Tell the sink that nothing more will come; it can still send."""
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise


class Relay:
    """The two flows of one connection, until both have ended."""

    flow = Flow

    def __init__(self, client: socket.socket, master: socket.socket, on_readonly: t.Callable[[], None],
                 convoy: t.Optional[Convoy] = None, after_client: float = AFTER_CLIENT_ENDED,
                 after_master: float = AFTER_MASTER_ENDED) -> None:
        self.to_master = self.flow(client, master)
        self.to_client = self.flow(master, client)
        self.asked = False  # the client's bytes were the last that moved: a reply may be on its way
        self._on_readonly = on_readonly  # -READONLY is a hint that this master is none any more
        self._after = {"client": after_client, "master": after_master}  # seconds of silence after the end of one
        # By descriptor: the flow that comes from there, and the flow that goes there.
        self._flows = {client.fileno(): (self.to_master, self.to_client),
                       master.fileno(): (self.to_client, self.to_master)}
        self._convoy = convoy
        self._travelled_as: t.Optional[Member] = None
        self._steady = 0  # small pieces in a row that the other side took at once
        self._poll = select.poll()
        self._first_end = ""
        self._cut = False  # written once, by another thread
        self.deaf = False  # one socket is gone and no longer polled: shutting that down wakes nobody

    def cut(self) -> None:
        """End it from another thread, which then shuts the client's socket down to wake this one; both if `deaf`."""
        self._cut = True

    def quiet(self) -> bool:
        """Tell whether nothing is on its way: no reply that the client waits for, nothing that waits for a receiver."""
        return not (self.asked or self.to_master.held or self.to_client.held)

    def run(self, first_reply: bytes = b"") -> str:
        """Carry until the end; return who ended it first: client or master. The sockets stay open."""
        self._pass_on(self.to_client, first_reply)
        self._watch()
        while not self._cut and not (self.to_master.done and self.to_client.done):
            if self._steady >= STEADY and self._travelled():
                continue
            ready = self._poll.poll(self._patience())
            if not ready and not self._moved_unpolled():
                if self._first_end:
                    break  # one side has ended, and the other is silent
                self._steady = STEADY
            for descriptor, events in ready:
                if not self._cut:  # what waits in the socket was not carried yet: a stale master must not get it
                    self._serve(descriptor, events)
        return self._first_end

    def closed(self) -> None:
        """Let others that were cut at the same time finish too; to be called when the sockets are closed."""
        if self._convoy is not None and self._travelled_as is not None:
            self._convoy.done(self._travelled_as)

    def _travelled(self) -> bool:
        """Let the convoy carry while nothing but small pieces comes; False when that cannot be."""
        self._steady = 0
        if self._convoy is None or self._first_end or self.to_master.held or self.to_client.held:
            return False
        self._travelled_as = self._convoy.travel({descriptor: functools.partial(self._move, inward)
                                                  for descriptor, (inward, _) in self._flows.items()})
        if not self._cut:
            self.closed()  # what is to be done now may take its time
        return self._travelled_as is not None

    def _move(self, flow: Flow) -> bool:
        """Carry what has come, in the leader's thread; False when this connection's own must go on."""
        if self._cut:
            return False
        self._steady = 1
        self._take(flow)
        return self._steady > 0 and not flow.ended

    def _patience(self) -> t.Optional[float]:
        """Return in milliseconds how long poll may wait: silence has a limit only after an end of file."""
        if self._first_end:
            return self._after[self._first_end] * 1000
        return SILENT * 1000 if self._convoy is not None and not (self.to_master.held or self.to_client.held) else None

    def _moved_unpolled(self) -> bool:
        """Move what poll does not know of; False when there is nothing of the kind."""
        return False

    def _serve(self, descriptor: int, events: int) -> None:
        """Act on what poll said of one socket."""
        inward, outward = self._flows[descriptor]
        if events & (WRITE | GONE) and outward.pending:
            self._pass_on(outward, outward.pending)
            self._watch()
        if inward.held or inward.ended:
            if events & GONE and not outward.held:
                self._poll.unregister(descriptor)  # nothing to be done with it now: do not spin
                self.deaf = True
                self._note_end(inward is self.to_master)
        elif events & (READ | GONE):
            self._take(inward)

    def _take(self, flow: Flow) -> None:
        """Receive and send on at once: mostly the other side takes all, and poll is asked once a message."""
        data = flow.receive()
        if data:
            self.asked = flow is self.to_master
            if data[:9] == b"-READONLY" and flow is self.to_client:
                self._on_readonly()
            self._pass_on(flow, data)
            self._steady = self._steady + 1 if len(data) <= SMALL else 0
            if flow.pending or flow.ended:
                self._steady = 0
                self._watch()
        elif flow.ended:
            self._note_end(flow is self.to_master)
            flow.pass_end_on()
            self._watch()

    def _pass_on(self, flow: Flow, data: t.Union[bytes, memoryview]) -> None:
        had_ended = flow.ended
        flow.send(data)
        if flow.ended and not had_ended:  # the sink broke
            self._note_end(flow is self.to_client)

    def _note_end(self, by_client: bool) -> None:
        self._first_end = self._first_end or ("client" if by_client else "master")

    def _watch(self) -> None:
        """Let poll look for what each socket can do for us now. This is no system call."""
        for descriptor, (inward, outward) in self._flows.items():
            wanted = (0 if inward.pending or inward.ended else READ) | (WRITE if outward.pending else 0)
            self._poll.register(descriptor, wanted)
