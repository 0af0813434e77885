"""A descriptor that is kept for when there is none: who looks after a process must get in all the same."""
import errno
import os
import socket
import typing as t

NONE_LEFT = (errno.EMFILE, errno.ENFILE)


class Spare:
    """Kept from its making on, and given up for one client when no other is left; `renew` now and then. For one thread.
    """

    def __init__(self) -> None:
        self._number: t.Optional[int] = None
        self.renew()

    def accept(self, listener: socket.socket) -> socket.socket:
        """Accept a client; raise OSError as `accept` does."""
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno not in NONE_LEFT or self._number is None:
                raise
        self.close()
        return listener.accept()[0]

    def renew(self) -> None:
        """Keep one again, if it was given up and can be had."""
        if self._number is None:
            try:
                self._number = os.open(os.devnull, os.O_RDONLY)
            except OSError:
                pass  # the next round tries again

    def close(self) -> None:
        """Give it up; twice is fine."""
        number, self._number = self._number, None
        if number is not None:
            os.close(number)
