"""The TCP sockets of this host and whose they are, from /proc."""
import ipaddress
import os
import pwd
import sys
import typing as t

from st.address import IP, unmapped
from st.host.kernel import kernel_lines, kernel_text
from st.plain import plain

LISTENING = "0A"  # TCP_LISTEN as /proc/net/tcp prints it

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


class Row(t.NamedTuple):
    """A TCP socket: its end and the other one, the id of the user who made it, its inode (0: no process's any more)."""

    ip: IP
    port: int
    far_ip: IP
    far_port: int
    uid: int
    inode: int


class Owner(t.NamedTuple):
    """A process, as far as it may be known: only its owner and root see more than the user."""

    pid: t.Optional[int]
    program: t.Optional[str]
    user: t.Optional[str]


def tables() -> t.List[t.Iterator[str]]:
    """Return the lines of the kernel's lists of TCP sockets, which are long where many have just been closed."""
    return [kernel_lines(path) for path in _TABLES]


def parse_rows(table: t.Iterable[str], wanted: t.Callable[[str, str], bool]) -> t.List[Row]:
    """Return the sockets in the lines of /proc/net/tcp or tcp6 whose state and port, in hexadecimal, are wanted."""
    found = []
    for line in table:
        words = line.split(None, 4)
        if len(words) > 4 and ":" in words[1] and wanted(words[3], words[1].rpartition(":")[2]):
            found.append(line.split())
    return [_row(row) for row in found if len(row) > 9]


def owners_of(uids: t.Mapping[int, int]) -> t.Dict[int, Owner]:
    """Return the owner of each socket; `uids` are the users' ids by the sockets' inodes. Looks at all once."""
    pids = _pids_of(set(uids))
    users = {uid: _user(uid) for uid in set(uids.values())}
    programs = {pid: _program(pid) for pid in set(pids.values())}
    found = {}
    for inode, uid in uids.items():
        pid = pids.get(inode)
        found[inode] = Owner(pid, programs[pid] if pid is not None else None, users[uid])
    return found


def owner_of(pid: int, uid: int) -> Owner:
    """Return the owner of a process that is known; 0 is one that we cannot see, in another PID namespace."""
    return Owner(pid, _program(pid), _user(uid)) if pid else Owner(None, None, _user(uid))


def _row(row: t.Sequence[str]) -> Row:
    return Row(*_end(row[1]), *_end(row[2]), int(row[7]), int(row[9]))


def _end(text: str) -> t.Tuple[IP, int]:
    words, _, port = text.partition(":")
    # The kernel prints each 32-bit word of the address as a number of this host, so the bytes may be swapped.
    numbers = [int(words[at : at + 8], 16) for at in range(0, len(words), 8)]
    packed = b"".join(number.to_bytes(4, sys.byteorder) for number in numbers)
    return unmapped(ipaddress.ip_address(packed)), int(port, 16)


def _pids_of(inodes: t.Set[int]) -> t.Dict[int, int]:
    """Return the first process that holds each socket, of those that we may see."""
    names = {"socket:[%d]" % inode: inode for inode in inodes}
    found: t.Dict[int, int] = {}
    # Without a /proc nothing is wanted either: the sockets come from there too.
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) if names else ():
        if len(found) == len(names):
            break
        for link in _links(pid):
            if link in names:
                found.setdefault(names[link], pid)
    return found


def _links(pid: int) -> t.Iterator[str]:
    folder = "/proc/%d/fd" % pid
    try:
        descriptors = os.listdir(folder)
    except OSError:  # it has ended, or belongs to another user
        return
    for name in descriptors:
        try:
            yield os.readlink(os.path.join(folder, name))
        except OSError:  # closed since it was listed
            pass


def _program(pid: int) -> t.Optional[str]:
    return plain(kernel_text("/proc/%d/comm" % pid).strip()) or None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
