"""One accepted connection of a fake, and the thread that serves it."""
import select
import socket
import struct
import threading
import time
import traceback
import typing as t

from st.testing.wire import Command, ProtocolError, RequestParser

if t.TYPE_CHECKING:
    from st.testing.server import FakeServer

READ_SIZE = 65536  # bytes


class Connection:
    """What one client sent, and the ways to push to it and to end it.

    Its own thread reads, answers and closes the socket; other threads only ask it to, through close() and reset().
    """

    def __init__(self, server: "FakeServer", sock: socket.socket, number: int) -> None:
        self.server = server
        self.number = number  # counts from 1, in the order of accepting
        self.peer: t.Tuple[str, int] = sock.getpeername()[:2]
        self.commands: t.List[Command] = []
        self.received = 0  # bytes
        self.protocol = 2  # HELLO changes it
        self.authenticated = False
        self.masters: t.Dict[str, t.Any] = {}  # a Sentinel's, as the commands that came together see them
        self.channels: t.Set[bytes] = set()
        self.patterns: t.Set[bytes] = set()
        self.queue: t.Optional[t.List[Command]] = None  # commands since MULTI; None: there was none
        self._sock = sock
        self._ending = threading.Event()
        self._abort = False
        self._sending = threading.Lock()  # keeps the bytes of one send() together, and the socket open during it
        self.thread = threading.Thread(target=self._run, name="%s-%d" % (server.name, number), daemon=True)

    @property
    def ended(self) -> bool:
        """Tell whether the connection is closed or about to be."""
        return self._ending.is_set()

    def close(self) -> None:
        """Close the connection from any thread: the peer reads end of file."""
        self._ending.set()
        try:
            # Wakes the thread in poll(), and sends nothing: a reset must not have a FIN before it.
            self._sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # the peer was faster, or it is closed already

    def reset(self) -> None:
        """Close the connection so that the peer gets RST."""
        self._abort = True
        self.close()

    def send(self, data: bytes) -> None:
        """Send `data`; nothing once the connection is ended."""
        with self._sending:
            if data and not self.ended:
                self._deliver(data)

    def wait_while(self, condition: t.Callable[[float], bool]) -> None:
        """Wait while `condition`, given the seconds waited so far, holds and the connection is not ended."""
        start = time.monotonic()
        while condition(time.monotonic() - start) and not self._ending.wait(0.003):
            pass

    def _run(self) -> None:
        try:
            self._serve()
        except ConnectionError:
            pass  # the client went first
        except Exception:
            self.server.failures.append(traceback.format_exc())
        finally:
            self._finish()

    def _serve(self) -> None:
        parser = RequestParser()
        for data in self._chunks():
            self._obey(parser, data)

    def _obey(self, parser: RequestParser, data: bytes) -> None:
        try:
            batch = list(parser.feed(data))
            self.server.begin_batch(self)
            for command in batch:
                self.commands.append(command)
                self._reply(self.server.respond(self, command))
                if self.ended:
                    return
            self._end_batch()
        except ProtocolError as problem:
            self.send(b"-ERR Protocol error: %s\r\n" % str(problem).encode())
            self.close()

    def _reply(self, reply: bytes) -> None:
        self.send(reply)

    def _end_batch(self) -> None:
        """Called when the commands that came together have been executed."""

    def _deliver(self, data: bytes) -> None:
        self._write(data)

    def _chunks(self) -> t.Iterator[bytes]:
        readable = select.poll()
        readable.register(self._sock, select.POLLIN)
        while True:
            readable.poll()
            self.wait_while(lambda _: self.server.is_frozen())
            data = b"" if self.ended else self._sock.recv(READ_SIZE)
            if not data:
                return
            self.received += len(data)
            yield data

    def _write(self, data: bytes) -> None:
        writable = select.poll()
        writable.register(self._sock, select.POLLOUT)
        rest = memoryview(data)
        while rest and not self.ended:
            try:
                rest = rest[self._sock.send(rest, socket.MSG_DONTWAIT):]
            except BlockingIOError:
                writable.poll(20)  # milliseconds; then look again whether close() was called

    def _finish(self) -> None:
        self._ending.set()
        with self._sending:  # a publish() of another thread may be under way
            if self._abort:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._sock.close()
        self.server.forget(self)
