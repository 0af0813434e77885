"""A connection to a Redis, a Sentinel or a tunnel, as any client has it."""
import socket
import ssl
import typing as t

import hiredis

from tests.waiting import FACTOR

Word = t.Union[str, int]


class Talk:
    """One connection, with TLS where there is a context; a context manager. Raises OSError: not made, or ended.

    Replies are str, int, list or None, on every Python. (What redis-py makes of a reply differs from version to
    version, and it connects and tries again by itself.)
    """

    def __init__(self, address: t.Tuple[str, int], password: t.Optional[str] = None, timeout: float = 5,
                 tls: t.Optional[ssl.SSLContext] = None) -> None:
        self._socket = socket.create_connection(address, timeout * FACTOR)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=address[0])  # closes it when it fails
        self._reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape")
        if password:
            self._log_in(password)

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *exc: t.Any) -> None:
        self.close()

    def _log_in(self, password: str) -> None:
        try:
            self.call("AUTH", password)
        except (OSError, hiredis.ReplyError):  # nobody has this object yet, who could close it
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def call(self, *words: Word) -> t.Any:
        """Send one command and return its reply; raise hiredis.ReplyError for an error reply."""
        encoded = [str(word).encode("utf-8", "surrogateescape") for word in words]
        self._socket.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in encoded))
        reply = self._reader.gets()
        while reply is False:  # hiredis's word for "not all of it is here yet"
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionError("closed by the other side")
            self._reader.feed(received)
            reply = self._reader.gets()
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply
