"""A text that no traceback and no log ever prints."""
import typing as t

from st.errors import PasswordError


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


class AskedSecret(Secret):
    """A password that a function of the embedding program returns, asked anew for each login, by any thread."""

    __slots__ = ("_ask",)

    def __init__(self, name: str, ask: t.Callable[[], str]) -> None:
        super().__init__(name)
        self._ask = ask

    def reveal(self) -> str:
        """Return the password of now; raise PasswordError when the function fails."""
        try:
            password = self._ask()
        except Exception as error:  # a stranger's code: whoever logs in is told
            raise PasswordError("the function given as %s failed: %s: %s"
                                % (self._value, type(error).__name__, error)) from error
        if not isinstance(password, str):
            raise PasswordError("the function given as %s returned %s, and no text"
                                % (self._value, type(password).__name__))
        return password

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AskedSecret) and self._ask == other._ask

    def __hash__(self) -> int:
        return hash(self._ask)
