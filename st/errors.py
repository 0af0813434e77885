"""The exceptions of this package: one base, and whose fault each one is."""
import typing as t

from st.address import Address


class SentinelTunnelError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(SentinelTunnelError):
    """The configuration is wrong: the user's to mend. Holds every problem that was found, a line each."""

    def __init__(self, problems: t.Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class LocalError(SentinelTunnelError):
    """This host refuses what we need of it; `errno` tells a missing permission from the rest."""

    def __init__(self, message: str, errno: t.Optional[int] = None) -> None:
        super().__init__(message)
        self.errno = errno


class ListenError(LocalError):
    """A tunnel cannot listen somewhere: taken, not ours, or not allowed. `address` is where, if not a unix socket."""

    def __init__(self, message: str, errno: t.Optional[int] = None, address: t.Optional[Address] = None) -> None:
        super().__init__(message, errno)
        self.address = address


class LogFileError(LocalError):
    """The log file cannot be opened at the start."""


class LockError(LocalError):
    """The file to lock cannot be had."""


class AlreadyRunning(SentinelTunnelError):
    """Another process holds the lock; `pid` is None when it cannot be told which."""

    def __init__(self, message: str, pid: t.Optional[int]) -> None:
        super().__init__(message)
        self.pid = pid


class PeerError(SentinelTunnelError):
    """One Sentinel or Redis node gave no usable reply; another may. `kind` is the reason in one word."""

    kind = "error"


class PeerUnreachable(PeerError):
    """A node cannot be reached, or closed the connection."""

    kind = "timeout"


class PeerSilent(PeerUnreachable):
    """A node is connected, but did not reply in time."""


class PeerRefused(PeerError):
    """A node replied, but refuses us: password, user, rights, protected mode or its limit of clients.

    `line` is what it said before closing, as an error reply without its end of line, or b"".
    """

    kind = "noauth"

    def __init__(self, message: str, line: bytes = b"") -> None:
        super().__init__(message)
        self.line = line


class LoginRefused(PeerRefused):
    """A node does not take the user or the password with which the tunnel logs in for its clients."""

    words = "refuses the login"  # part of the message: a status has no more than words


class PeerTlsError(PeerError):
    """A node was reached, and no TLS came about: its certificate, ours, or no TLS there at all."""


class PasswordError(PeerError):
    """A function that was to tell a password has failed, so that nobody can log in."""

    kind = "noauth"


class PeerGarbage(PeerError):
    """Something replied that is not what it should be: not Sentinel, or not Redis at all."""


class NoMasterError(SentinelTunnelError):
    """No master is known for a name; the message says why."""


class UnknownMasterError(NoMasterError):
    """Every Sentinel that replied says that it does not monitor this name; `name` is which."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class NoSentinelError(NoMasterError):
    """Not one Sentinel replied."""


class NotListeningError(SentinelTunnelError):
    """An embedded tunnel was asked for what it has only while it listens: `start` was not called, or `stop` was."""


class UnknownTunnelError(SentinelTunnelError, KeyError):
    """No tunnel has this name."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would put it in quotes
