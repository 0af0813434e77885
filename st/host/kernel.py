"""What the kernel tells in small files below /proc and /sys."""
import typing as t


def kernel_lines(path: str) -> t.Iterator[str]:
    """Yield the lines of `path`, which may be many megabytes; none when the kernel does not tell."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            yield from file
    except OSError:
        return


def kernel_text(path: str) -> str:
    """Return the text of `path`, or "" when the kernel does not tell: not Linux, hidden, or gone by now."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid: t.Union[int, str]) -> t.List[str]:
    """Return the fields of /proc/PID/stat behind the name of the program, which may have blanks and brackets in it."""
    return kernel_text("/proc/%s/stat" % pid).rpartition(")")[2].split()
