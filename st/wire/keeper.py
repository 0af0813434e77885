"""Whoever keeps a conversation from one question to the next."""
import typing as t

from st.wire.conversation import Conversation


class Keeper:
    """Keeps at most one conversation. Its one thread opens and closes it; any may interrupt it."""

    def __init__(self) -> None:
        self._kept: t.Optional[Conversation] = None

    def interrupt(self) -> None:
        """End the conversation from another thread: a blocked call in it returns at once with an error."""
        kept = self._kept
        if kept is not None:
            kept.interrupt()

    def close(self) -> None:
        """Close the conversation; the next question opens another."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
