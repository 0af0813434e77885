"""The exceptions of this package: one base, and whose fault each one is."""
import typing as t


class SentinelTunnelError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(SentinelTunnelError):
    """The configuration is wrong: the user's to mend. Holds every problem that was found, a line each."""

    def __init__(self, problems: t.Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class ListenError(SentinelTunnelError):
    """A local address cannot be listened on: taken, not ours, or not allowed."""

    def __init__(self, message: str, errno: t.Optional[int] = None) -> None:
        super().__init__(message)
        self.errno = errno


class SentinelError(SentinelTunnelError):
    """One Sentinel gave no usable reply; the others may. `kind` names the reason in a word for counters."""

    kind = "error"


class SentinelUnreachable(SentinelError):
    """A Sentinel cannot be reached, closed the connection or did not reply in time."""

    kind = "timeout"


class SentinelRefused(SentinelError):
    """A Sentinel replied, but refuses us: password, user, rights, protected mode or its limit of clients."""

    kind = "noauth"


class SentinelGarbage(SentinelError):
    """Something replied that is not Redis Sentinel, or not Redis at all."""


class NoMasterError(SentinelTunnelError):
    """No master is known for a name; the message says why."""


class UnknownMasterError(NoMasterError):
    """Every Sentinel that replied says that it does not monitor this name."""


class NoSentinelError(NoMasterError):
    """Not one Sentinel replied."""


class UpstreamError(SentinelTunnelError):
    """A Redis node cannot be reached or does not reply as Redis does."""
