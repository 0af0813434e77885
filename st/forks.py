"""Sockets that a child of os.fork must not keep open: its copies would outlive those of its parent.

A listener would go on to take clients whom nobody serves, a connection would not end at a switch. Whoever opens a
socket for a thread of ours notes it here. Programs that are started are no matter: descriptors are not passed on.
"""
import os
import socket
import weakref


class _Noted:
    """The sockets of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.sockets: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


_noted = _Noted()


def note(sock: socket.socket) -> socket.socket:
    """Note a socket that belongs to this process alone, and return it."""
    _noted.sockets.add(sock)
    return sock


def close_copies() -> bool:
    """Close this process's copies of what its parent has noted, and say nothing on them; False in the parent itself."""
    global _noted
    inherited = _noted
    if inherited.pid == os.getpid():
        return False
    _noted = _Noted()
    for sock in list(inherited.sockets):
        sock.close()  # and no shutdown(), which is of the connection itself, and so would reach the parent
    return True
