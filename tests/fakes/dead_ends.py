"""Addresses where nobody answers: one that drops every SYN, one that refuses."""
import contextlib
import socket
import typing as t

from st.testing.connection import Connection
from st.testing.server import Address, bound_socket
from st.testing.wire import Command


@contextlib.contextmanager
def silent_listener(host: str = "127.0.0.1") -> t.Iterator[Address]:
    """Give an address whose backlog is full: Linux drops each further SYN, so connect() hangs."""
    with bound_socket((host, 0)) as listener:
        listener.listen(0)
        address = listener.getsockname()[:2]
        with socket.create_connection(address):  # a backlog of 0 has room for one
            yield address


@contextlib.contextmanager
def refused_address(host: str = "127.0.0.1") -> t.Iterator[Address]:
    """Give an address where nobody listens, nor can as long as this lasts."""
    with bound_socket((host, 0)) as holder:
        yield holder.getsockname()[:2]


def endless_line(connection: Connection, command: Command) -> None:
    """Write one status line without an end; a value for `replies`."""
    connection.send(b"+")
    while not connection.ended:
        connection.send(b"x" * 65536)
