"""Memory that a process shares with its workers: how many bytes each connection has carried, as it goes on."""
import mmap
import os
import tempfile
import typing as t

TO_MASTER, TO_CLIENT, ASKED = 0, 2, 4  # positions in a slot; behind each of the first two: how many bytes are held
_WORDS = 8  # of a slot: a line of a processor's cache
_WORD = 8  # bytes


class Slots:
    """One for each connection, by number. Whoever carries it writes, the other side reads."""

    def __init__(self, descriptor: int) -> None:
        """Map the file, which the caller may close."""
        self._words = memoryview(mmap.mmap(descriptor, 0)).cast("Q")

    def of(self, number: int) -> t.Any:
        """Return a slot, a memoryview of numbers."""
        return self._words[number * _WORDS:(number + 1) * _WORDS]

    def begin(self, number: int) -> t.Any:
        """Return a slot that is all 0, for another connection."""
        slot = self.of(number)
        for position in range(_WORDS):
            slot[position] = 0
        return slot


def shared_file(slots: int) -> int:
    """Return the descriptor of a file without a name, with room for slots; it takes memory as they are used."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("sentinel-tunnel")
    else:  # before CPython 3.8
        with tempfile.TemporaryFile(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, slots * _WORDS * _WORD)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
