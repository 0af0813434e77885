"""Text from outside, made safe to print: names of programs, of masters, and errors."""
import codecs

codecs.lookup("unicode_escape")  # is a module to be read: now, and not when no descriptor is left for its file


def plain(text: str) -> str:
    """Return `text` as one line of printable ASCII; everything else is escaped."""
    return text.encode("unicode_escape").decode("ascii")
