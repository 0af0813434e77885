"""TLS over one socket: made trustworthy by a context, and carried so that one thread can serve both directions.

`ssl.SSLSocket` hides too much for that: what it holds back when the kernel takes no more, and it cannot end one
direction alone. Here the TLS machine works on memory, and this module alone moves its bytes.
"""
import errno
import select
import socket
import ssl
import typing as t

from st.deadline import Deadline
from st.errors import PeerError, PeerSilent, PeerTlsError, PeerUnreachable
from st.tls import reason

CHUNK = 65536  # bytes; the most ciphertext that is held back
NO_SIGNAL = socket.MSG_NOSIGNAL  # a program that embeds us may let SIGPIPE end it, as tools do below `| head`
RECORD = 16384  # bytes of plain text in one TLS record (RFC 8446, 5.1)


class TlsSocket:
    """Does as a connected socket does, over one; the bytes on it are encrypted. One thread uses it.

    Any thread may end it with `shutdown(SHUT_RDWR)`, which touches nothing but the kernel's socket.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: t.Optional[str]) -> None:
        """Wrap a connected socket: `name` is the server's, to be checked; None: we are the server."""
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=name is None, server_hostname=name)
        self.ready = True  # `recv` may have something that poll does not know of
        self._early = b""  # plain text that was read before anybody asked for it
        self._unsent = b""  # ciphertext that the kernel did not take yet
        self._timeout = sock.gettimeout()
        self._no_more = False  # we have sent our close_notify, or are about to
        sock.setblocking(False)

    def handshake(self, deadline: Deadline, peer: str) -> None:
        """Agree on keys and check certificates; raise PeerTlsError, PeerUnreachable, PeerSilent naming `peer`."""
        try:
            self._until(self._tls.do_handshake, deadline.left())
        except ssl.SSLError as error:
            self._tell()
            raise PeerTlsError("%s: %s" % (peer, explain(error))) from error
        except ssl.CertificateError as error:  # the name, before CPython 3.7
            raise PeerTlsError("%s: TLS: wrong name in the certificate: %s" % (peer, error)) from error
        except (socket.timeout, BlockingIOError) as error:  # the latter when there was no time from the beginning
            raise PeerSilent("%s: no TLS handshake in time" % peer) from error
        except OSError as error:
            raise PeerUnreachable("%s: TLS handshake: %s" % (peer, error.strerror or error)) from error

    @property
    def unsent(self) -> bool:
        """Tell whether bytes that were taken wait for the kernel: poll for writing, then `flush`."""
        return bool(self._unsent or self._outgoing.pending)

    @property
    def inside(self) -> bool:
        """Tell whether bytes have come that nobody has read, though the kernel has none any more."""
        self._read_early()
        return bool(self._early)

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" at the end of the stream."""
        if self._early:
            early, self._early = self._early[:size], self._early[size:]
            return early
        try:
            data = t.cast(bytes, self._until(lambda: self._read(size), self._timeout))
        except OSError:
            self.ready = False
            raise
        self.ready = bool(data)
        return data

    def send(self, data: t.Union[bytes, memoryview], flags: int = 0) -> int:
        """Take bytes as far as they need not be held back; raise BlockingIOError while earlier ones still are.

        `flags` are those of a plain socket; here they are always NO_SIGNAL.
        """
        self.flush()
        if self.unsent:
            if self._timeout == 0:
                raise BlockingIOError
            self._wait(select.POLLOUT, self._timeout)
            return 0
        taken = 0
        while taken < len(data) and not self.unsent:
            taken += self._tls.write(data[taken:taken + RECORD])
            self.flush()
        return taken

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send all of it within the timeout; `flags` as with `send`."""
        deadline = Deadline(self._timeout)
        rest = memoryview(data)
        try:
            while rest or self.unsent:
                if rest and not self.unsent:
                    rest = rest[self._tls.write(rest[:RECORD]):]
                self.flush()
                if self.unsent:
                    self._wait(select.POLLOUT, deadline.left())
        except ConnectionError:
            self._raise_alert()
            raise

    def flush(self) -> None:
        """Give the kernel what it takes of the bytes that wait."""
        while True:
            self._unsent = self._unsent or self._outgoing.read(CHUNK)
            if not self._unsent:
                return
            try:
                self._unsent = self._unsent[self._sock.send(self._unsent, NO_SIGNAL):]
            except BlockingIOError:
                return

    def drop(self) -> None:
        """Forget what waits for the kernel: the other side is gone."""
        self._outgoing.read()
        self._unsent = b""

    def shutdown(self, how: int) -> None:
        """End one direction with a close_notify (SHUT_WR), or all of it at once (SHUT_RDWR), as any thread may."""
        if how != socket.SHUT_WR:
            self._sock.shutdown(how)
            return
        if not self._no_more:
            self._no_more = True
            self._read_early()  # unwrap() would take it for a fault of the other side, and nothing could be read then
            try:
                self._tls.unwrap()
            except (ssl.SSLError, ValueError):
                pass  # it waits for the other's close_notify, which may never come, or the stream is broken
        self._tell()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def settimeout(self, seconds: t.Optional[float]) -> None:
        """Let calls wait for so long; None: for ever, 0: not at all."""
        self._timeout = seconds

    def setblocking(self, blocking: bool) -> None:
        """Let calls wait for ever, or not at all."""
        self._timeout = None if blocking else 0.0

    def getsockopt(self, level: int, option: int) -> int:
        """Return an option of the socket."""
        return self._sock.getsockopt(level, option)

    def setsockopt(self, level: int, option: int, value: t.Union[int, bytes]) -> None:
        """Set an option of the socket."""
        self._sock.setsockopt(level, option, value)

    def _read(self, size: int) -> bytes:
        try:
            return self._tls.read(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLZeroReturnError) and self._no_more:
                return b""  # a close_notify, told so after ours; before it `read` returns b"" by itself
            if "eof" in str(error).lower():  # SSLEOFError; before CPython 3.10, on OpenSSL 3, also two others
                # Somebody may have cut the stream short.
                raise ConnectionResetError(errno.ECONNRESET, "closed the connection without a close_notify") from error
            raise ConnectionAbortedError(errno.ECONNABORTED, explain(error)) from error

    def _read_early(self) -> None:
        """Read what is inside, which is bounded by what was taken from the kernel at a time."""
        try:
            for piece in iter(lambda: self._tls.read(RECORD), b""):
                self._early += piece
        except ssl.SSLError:
            pass  # no more of it, or an end that `recv` meets again
        self.ready = self.ready or bool(self._early)

    def _raise_alert(self) -> None:
        """Raise ConnectionAbortedError when the other side has said why it ended: a reset comes right behind it."""
        try:
            while self._until(lambda: self._read(RECORD), 0):
                pass  # it was meant for somebody who is gone
        except ConnectionAbortedError:
            raise
        except OSError:
            pass  # it has not

    def _until(self, step: t.Callable[[], t.Any], seconds: t.Optional[float]) -> t.Any:
        """Do a step of the TLS machine, moving bytes, until it is done; raise socket.timeout or BlockingIOError."""
        deadline = Deadline(seconds)
        while True:
            try:
                result = step()
                self._tell()
                return result
            except ssl.SSLWantReadError:
                self._tell()  # where that fails, what the other side said before it broke is worth reading
            if not self._fill():
                if seconds == 0:
                    raise BlockingIOError
                self._wait(select.POLLIN | (select.POLLOUT if self.unsent else 0), deadline.left())

    def _fill(self) -> bool:
        """Take what the kernel has; False when it has nothing yet."""
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def _wait(self, events: int, seconds: t.Optional[float]) -> None:
        poller = select.poll()
        poller.register(self._sock.fileno(), events)
        if seconds == 0 or not poller.poll(None if seconds is None else seconds * 1000):
            raise socket.timeout("timed out")

    def _tell(self) -> None:
        """Send what says why or that it ends, if it can be sent now; what is left goes with `flush`."""
        try:
            self.flush()
        except OSError:
            pass  # gone already


Leg = t.Union[socket.socket, TlsSocket]


def secure(sock: socket.socket, context: ssl.SSLContext, name: t.Optional[str], deadline: Deadline,
           peer: str) -> TlsSocket:
    """Return the socket with TLS on it; raise PeerTlsError, PeerUnreachable or PeerSilent. The caller owns it still."""
    made = TlsSocket(sock, context, name)
    made.handshake(deadline, peer)
    made.setblocking(True)
    return made


def secure_own(sock: socket.socket, context: t.Optional[ssl.SSLContext], host: str, deadline: Deadline,
               peer: str) -> Leg:
    """Do as `secure` where there is a context, with a socket that nobody else knows: a failure closes it."""
    if context is None:
        return sock
    try:
        return secure(sock, context, host, deadline, peer)
    except PeerError:
        sock.close()
        raise


_REASONS = (
    # What OpenSSL says, in lower case, and what that means; the first that fits.
    ("certificate has expired", "its certificate has expired: renew it there"),
    ("certificate is not yet valid", "its certificate is not valid yet: compare the clocks"),
    ("hostname mismatch", "wrong name in the certificate: %s"),
    ("ip address mismatch", "wrong name in the certificate: %s"),
    ("self signed", "its certificate is signed by nobody we trust: name the authority's file (_ca)"),
    ("self-signed", "its certificate is signed by nobody we trust: name the authority's file (_ca)"),
    ("unable to get", "its certificate is signed by nobody we trust: name the authority's file (_ca)"),
    ("certificate verify failed", "its certificate is not trusted or has expired: %s"),
    ("wrong version number", "does not speak TLS here: a plain port, or a plain client?"),
    ("wrong_version_number", "does not speak TLS here: a plain port, or a plain client?"),
    ("record layer failure", "does not speak TLS here: a plain port, or a plain client?"),
    ("unknown protocol", "does not speak TLS here: a plain port, or a plain client?"),
    ("http request", "somebody speaks plain text to a TLS port"),
    ("protocol version", "speaks no TLS that we accept: 1.2 is the least"),
    ("unsupported protocol", "speaks no TLS that we accept: 1.2 is the least"),
    ("unsupported_protocol", "speaks no TLS that we accept: 1.2 is the least"),
    ("certificate required", "wants a certificate of ours: name its file (_cert)"),
    ("alert handshake failure", "refuses the handshake: it may want a certificate of ours (_cert), or other ciphers"),
    ("alert unknown ca", "does not trust our certificate: %s"),
    ("alert bad certificate", "does not accept our certificate: %s"),
    ("alert certificate", "does not accept our certificate: %s"),
    ("unexpected eof", "closed the connection during the TLS handshake: is it the plain port?"),
    ("eof occurred", "closed the connection during the TLS handshake: is it the plain port?"),
    ("closed (eof)", "closed the connection during the TLS handshake: is it the plain port?"),
)


def explain(error: ssl.SSLError) -> str:
    """Return in words why TLS failed."""
    detail = getattr(error, "verify_message", "") or reason(error)
    lower = ("%s %s" % (error, detail)).lower()
    for part, words in _REASONS:
        if part in lower:
            return "TLS: " + (words % detail if "%s" in words else words)
    return "TLS: %s" % detail
