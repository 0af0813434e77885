"""Socket calls that do not let another thread run meanwhile, for many sockets in a row. None of them can block.

Those of the module socket release the interpreter's lock (GIL), and whoever waits for it takes it: a busy thread keeps
it for 5 ms each time. ctypes.PyDLL keeps it for the few microseconds that these take.
"""
import ctypes
import socket

SIZE = 16384  # bytes
DONTWAIT = socket.MSG_DONTWAIT
QUIETLY = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


_libc = ctypes.PyDLL(None)
_recv, _send = _libc.recv, _libc.send
_recv.argtypes = _send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_recv.restype = _send.restype = ctypes.c_ssize_t


class Buffer:
    """Bytes on their way from one socket to another; for one thread at a time."""

    def __init__(self) -> None:
        self.held = bytearray(SIZE)
        self._memory = (ctypes.c_char * SIZE).from_buffer(self.held)
        self._address = ctypes.addressof(self._memory)

    def receive(self, descriptor: int) -> int:
        """Return how many bytes have come; 0 at the end, and -1 when nothing has come, or for any error."""
        return int(_recv(descriptor, self._address, SIZE, DONTWAIT))

    def send(self, descriptor: int, size: int) -> int:
        """Return how many of the first `size` bytes were taken; -1 when none was, or for any error."""
        return int(_send(descriptor, self._address, size, QUIETLY))
