"""The processes of an `exec`: which are beside the command, and whether its tunnels listen."""
import os
import socket
import typing as t

from tests.proc import stat_fields


def beside(mark: str, command: int) -> t.List[int]:
    """Return the processes other than the command which have this text in their environment."""
    found = []
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != command]:
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                environ = file.read()
        except OSError:  # it has ended meanwhile
            continue
        if os.fsencode(mark) in environ:
            found.append(pid)
    return found


def tunnels_among(pids: t.Sequence[int]) -> int:
    """Return the process with the tunnels of these two: the other one has started it."""
    assert len(pids) == 2, pids
    return next(pid for pid in pids if int(stat_fields(pid)[1]) in pids)


def serves(port: int) -> bool:
    """Tell whether somebody accepts connections there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
