"""What is wrong with a configuration, gathered so that all of it is told at once."""
import difflib
import re
import typing as t

from st.errors import ConfigError


class Findings:
    """Problems (nothing may start), warnings and notes of one reading of the configuration, in order."""

    def __init__(self) -> None:
        # Keys of dictionaries: in order, and each only once (a default is looked at again for every tunnel).
        self.problems: t.Dict[str, None] = {}
        self.warnings: t.Dict[str, None] = {}
        self.notes: t.Dict[str, None] = {}
        self._denied: t.Optional[PermissionError] = None

    def problem(self, where: str, text: str, cause: t.Optional[Exception] = None) -> None:
        """Add a problem at `where`; a `cause` that is a missing permission decides the exit code."""
        self.problems[one_line(where, text)] = None
        if isinstance(cause, PermissionError):
            self._denied = cause

    def warning(self, where: str, text: str) -> None:
        """Add something that works but is hardly meant."""
        self.warnings[one_line(where, text)] = None

    def note(self, where: str, text: str) -> None:
        """Add something that is right and yet worth knowing."""
        self.notes[one_line(where, text)] = None

    def raise_problems(self) -> None:
        """Raise a ConfigError with every problem; its cause is a PermissionError where that was one of them."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=_line_number)) from self._denied


def _line_number(problem: str) -> int:
    match = re.match(r".*?:([0-9]+): ", problem)
    return int(match.group(1)) if match else 0


def one_line(where: str, text: str) -> str:
    """Return `where: text` as one line of ASCII, whatever it holds: it goes to terminals, logs and cron mail."""
    return re.sub(r"[^ -~]", lambda match: ascii(match.group())[1:-1], "%s: %s" % (where, text))


def did_you_mean(word: str, known: t.Iterable[str], likeness: float = 0.6) -> str:
    """Return `; did you mean '...'?` for the known word nearest to `word`, or an empty text."""
    near = difflib.get_close_matches(word, list(known), 1, likeness)
    return "; did you mean %r?" % near[0] if near else ""
