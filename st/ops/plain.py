"""Text from outside, made safe to print: names of programs, of masters, and errors."""


def plain(text: str) -> str:
    """Return `text` as one line of printable ASCII; everything else is escaped."""
    return text.encode("unicode_escape").decode("ascii")
