"""A text that no traceback and no log ever prints."""


class Secret:
    """A password; only `reveal()` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the password itself, to be sent and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "***"  # str() falls back to this one

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)
