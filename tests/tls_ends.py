"""The other end of TLS, for tests: a machine of the standard library whose bytes the test moves, and its contexts."""
import contextlib
import functools
import pathlib
import select
import socket
import ssl
import tempfile
import threading
import typing as t

from st.tls import notice_cuts
from tests.certificates import Authority, Pair, stored
from tests.waiting import FACTOR

VERSIONS = ("1.2", "1.3")


@functools.lru_cache(maxsize=None)
def authority() -> Authority:
    """Return the authority that all tests trust."""
    return Authority()


@functools.lru_cache(maxsize=None)
def usual_pair() -> Pair:
    """Return the certificate of a node as it should be."""
    return authority().issue()


def presenting(pair: t.Optional[Pair] = None, version: str = "", demanding: bool = False) -> ssl.SSLContext:
    """Return the context of a server with a certificate, which may demand one of its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(stored(pathlib.Path(directory), "pair", *(pair or usual_pair())))
    if demanding:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority().cert.decode())
    return limited(context, version)


def trusting(version: str = "") -> ssl.SSLContext:
    """Return the context of a client that trusts the authority of tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority().cert.decode())
    return limited(context, version)


def limited(context: ssl.SSLContext, version: str) -> ssl.SSLContext:
    """Let a context speak this version of TLS alone; "": any."""
    notice_cuts(context)
    if version and hasattr(ssl, "TLSVersion"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]
    elif version:  # CPython 3.6
        others = {"TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"} - {"TLSv" + version.replace(".", "_")}
        for other in others:
            context.options |= getattr(ssl, "OP_NO_" + other)
    return context


class PlainCoding:
    """No TLS at all: what is sent is what is meant."""

    over = False

    def seal(self, data: bytes) -> bytes:
        """Return the bytes to send for these."""
        return data

    def opened(self, data: bytes) -> bytes:
        """Return what the bytes that came mean; none came at the end of the stream."""
        self.over = not data
        return data

    def farewell(self) -> bytes:
        """Return the bytes that tell the end."""
        return b""


class TlsCoding:
    """Bytes to TLS records and back. No I/O."""

    def __init__(self, context: ssl.SSLContext, name: t.Optional[str]) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=name is None, server_hostname=name)
        self.over = False  # the other side has told the end

    def seal(self, data: bytes) -> bytes:
        """Return the records for these bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.tls.write(rest):]
        return self.outgoing.read()

    def opened(self, data: bytes) -> bytes:
        """Return what is in the records that came; no records came at the end of the stream."""
        self.incoming.write(data) if data else self.incoming.write_eof()
        plain = b""
        try:
            while not self.over:
                piece = self.tls.read(65536)
                plain, self.over = plain + piece, not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.over = True
        return plain

    def farewell(self) -> bytes:
        """Return the close_notify."""
        with contextlib.suppress(ssl.SSLError):  # it waits for the other's
            self.tls.unwrap()
        return self.outgoing.read()


class Far:
    """The far end of a connection, plain or with TLS."""

    def __init__(self, sock: socket.socket, context: t.Optional[ssl.SSLContext] = None,
                 name: t.Optional[str] = None) -> None:
        self.sock = sock
        self.coding: t.Union[PlainCoding, TlsCoding] = TlsCoding(context, name) if context else PlainCoding()
        self._early = b""

    def handshake(self) -> None:
        """Agree on keys."""
        assert isinstance(self.coding, TlsCoding)
        while True:
            try:
                self.coding.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.sock.sendall(self.coding.outgoing.read())
                self.coding.incoming.write(self.sock.recv(65536))
            finally:
                self.sock.sendall(self.coding.outgoing.read())

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(self.coding.seal(data))

    def end(self) -> None:
        """Say that no more will come; the other direction stays open."""
        self.sock.sendall(self.coding.farewell())
        if isinstance(self.coding, PlainCoding):
            self.sock.shutdown(socket.SHUT_WR)

    def recv(self) -> bytes:
        """Return what comes next; b"" at the end of the stream, told or not."""
        data, self._early = self._early, b""
        while not data and not self.coding.over:
            came = self.sock.recv(65536)
            try:
                data = self.coding.opened(came)
            except ssl.SSLError:
                assert not came
                self.coding.over = True
        return data

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer at the end."""
        pieces, left = [], size
        for piece in iter(self.recv, b""):
            pieces.append(piece[:left])
            self._early, left = piece[left:], left - len(pieces[-1])
            if not left:
                break
        return b"".join(pieces)

    def read_all(self) -> bytes:
        """Return all that comes until the end."""
        return b"".join(iter(self.recv, b""))

    def exchange(self, data: t.Iterable[bytes], take: t.Callable[[bytes], t.Any]) -> None:
        """Send pieces, then the end, and at the same time give to `take` what comes until the other's end."""
        pieces, poller, sealed, told = iter(data), select.poll(), memoryview(b""), False
        while sealed or not (told and self.coding.over):
            if not sealed and not told:
                piece = next(pieces, None)
                told = piece is None
                sealed = memoryview(self.coding.farewell() if piece is None else self.coding.seal(piece))
                if told and isinstance(self.coding, PlainCoding):
                    self.sock.shutdown(socket.SHUT_WR)
                continue
            wanted = (0 if self.coding.over else select.POLLIN) | (select.POLLOUT if sealed else 0)
            poller.register(self.sock, wanted)
            events = sum(event for _, event in poller.poll(20000 * FACTOR))
            assert events, "nothing moves any more"
            if events & ~select.POLLIN and sealed:
                sealed = sealed[self.sock.send(sealed, socket.MSG_DONTWAIT):]
            if events & ~select.POLLOUT and not self.coding.over:
                take(self.coding.opened(self.sock.recv(65536)))


@contextlib.contextmanager
def served(behave: t.Callable[[socket.socket], t.Any]) -> t.Iterator[t.Tuple[str, int]]:
    """Give the address of a server that does this to its one client, and may find it gone."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.settimeout(20 * FACTOR)

        def serve() -> None:
            with listener.accept()[0] as client, contextlib.suppress(OSError):
                client.settimeout(20 * FACTOR)
                behave(client)

        thread = threading.Thread(target=serve, name="served")
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            thread.join()
