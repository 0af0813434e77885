"""What happened, as a name and fields: the log prints it as text or JSON."""
import json
import typing as t


class Event:
    """One thing that happened; as text `name key=value ...`, made only when a log wants it.

    Values from outside (names, error texts) are quoted and escaped, so that no line of a log can be forged.
    """

    __slots__ = ("name", "fields")

    def __init__(self, _event: str, **fields: t.Any) -> None:  # a field may well be called "name"
        self.name = _event
        self.fields = fields

    def __str__(self) -> str:
        return " ".join([self.name] + ["%s=%s" % (key, _quoted(value)) for key, value in self.fields.items()])


def _quoted(value: t.Any) -> str:
    text = str(value)
    plain = text.isalnum() or not any(char.isspace() or char in '"\\=' or not char.isprintable() for char in text)
    return text if text and plain and _is_ascii(text) else json.dumps(text)


def _is_ascii(text: str) -> bool:
    return all(char < "\x7f" for char in text)
