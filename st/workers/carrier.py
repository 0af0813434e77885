"""A worker: carries bytes between the sockets that it is given, a thread for each connection. It decides nothing."""
import contextlib
import os
import socket
import threading
import traceback
import typing as t

from st.host.limits import prepare_thread_ends
from st.tunnel.convoy import Convoy
from st.tunnel.relay import Flow, Relay
from st.workers.channel import CARRY, ENDED, FAILED, PING, PONG, READONLY, Message, receive, send
from st.workers.slots import ASKED, TO_CLIENT, TO_MASTER, Slots

STACK = 256 * 1024  # bytes for each thread


_convoy = Convoy()


class SharedFlow(Flow):
    """A direction whose counters the other process sees."""

    slot: t.Any
    at: int

    def send(self, data: t.Union[bytes, memoryview]) -> None:
        """Pass on what the sink takes now."""
        super().send(data)
        self.slot[self.at] = self.carried
        self.slot[self.at + 1] = len(self.pending)


class SharedRelay(Relay):
    """A relay whose state the other process sees."""

    flow = SharedFlow
    to_master: SharedFlow
    to_client: SharedFlow

    def share(self, slot: t.Any) -> None:
        """Say where the state goes to; before `run`."""
        self._slot = self.to_master.slot = self.to_client.slot = slot
        self.to_master.at, self.to_client.at = TO_MASTER, TO_CLIENT

    def _take(self, flow: Flow) -> None:
        super()._take(flow)
        self._slot[ASKED] = self.asked


def _serve(channel: socket.socket, slots: Slots) -> None:
    """Carry until the other end of the channel is gone, and all connections with it."""
    while True:
        message = receive(channel)
        if message is None:
            return
        if message.kind == PING:
            send(channel, Message(PONG, message.number))
        elif message.kind == CARRY:
            _begin(channel, slots, message)


def _begin(channel: socket.socket, slots: Slots, message: Message) -> None:
    sockets = [socket.socket(fileno=descriptor) for descriptor in message.descriptors]
    try:
        if len(sockets) < 2:
            raise OSError("no descriptors left in the worker: raise the limit of open files")
        threading.Thread(target=_carry, args=(channel, slots, message, sockets), daemon=True).start()
    except (OSError, RuntimeError) as error:
        _end(channel, message.number, sockets, FAILED, str(error))


def _carry(channel: socket.socket, slots: Slots, message: Message, sockets: t.Sequence[socket.socket]) -> None:
    client, master = sockets
    for sock in sockets:
        sock.setblocking(False)
    relay = SharedRelay(client, master, lambda: send(channel, Message(READONLY, message.number)), _convoy)
    relay.share(slots.of(message.number))
    try:
        _end(channel, message.number, sockets, ENDED, relay.run(message.data))
    except Exception:
        _end(channel, message.number, sockets, FAILED, traceback.format_exc())
    finally:
        relay.closed()


def _end(channel: socket.socket, number: int, sockets: t.Sequence[socket.socket], kind: bytes, text: str) -> None:
    for sock in sockets:
        sock.close()
    with contextlib.suppress(BrokenPipeError):  # the other process has ended, and this one is about to
        send(channel, Message(kind, number, text.encode("utf-8", "backslashreplace")))


def run(channel_number: str, memory_number: str) -> None:
    """Serve on the descriptors with these numbers; the top of the process."""
    threading.stack_size(STACK)
    prepare_thread_ends()
    slots = Slots(int(memory_number))
    os.close(int(memory_number))
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=int(channel_number))
    try:
        _serve(channel, slots)
    finally:
        os._exit(0)  # threads still carry: nobody is left who could end them
