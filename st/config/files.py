"""Reads the small text files of a configuration: it, and the passwords beside it."""
import os
import stat
import typing as t

_LIMIT = 1 << 20  # bytes; a device or a log given by mistake must not fill the memory


class FileText(t.NamedTuple):
    """The text of a file, and whether users other than its owner may read it."""

    text: str
    exposed: bool


def read_file(path: str) -> FileText:
    """Return the UTF-8 text of the file, without a byte order mark; raise OSError or ValueError."""
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise ValueError("larger than %d bytes: this is no configuration" % _LIMIT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError("not UTF-8: byte 0x%02x in line %d" % (content[error.start], line)) from error
    return FileText(text, bool(mode & (stat.S_IRGRP | stat.S_IROTH)))


def reason(error: Exception) -> str:
    """Return why a file cannot be used, in the words of the operating system where they are its."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
