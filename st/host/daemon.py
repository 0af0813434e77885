"""A process of its own: detached from whoever starts it, who waits until it is ready or has failed."""
import contextlib
import os
import select
import signal
import sys
import typing as t

from st.deadline import Deadline
from st.errors import LocalError

_END = b"\0"  # behind it comes the exit code, before it what was printed
_KILLED = b"error: the process was killed before it was ready: see the kernel's log (dmesg)\n"
_STANDARD = (0, 1, 2)


class Outcome(t.NamedTuple):
    """What came of a detached process: 0 is ready, None is neither ready nor failed so far; and what it printed."""

    code: t.Optional[int]
    text: str


def detach(body: t.Callable[[t.Callable[[], None]], int], patience: float, own_errors: bool = False) -> Outcome:
    """Run `body` in a detached process; return when it is ready, has failed, or after `patience` seconds.

    `body` gets a function to call when it is ready, and returns its exit code. What it prints until then comes back
    with the outcome, what it prints afterwards goes nowhere; with `own_errors` its standard error stays ours. To be
    called before there is any thread.
    """
    sys.stdout.flush()  # else the other process would print it too
    sys.stderr.flush()
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise LocalError("cannot start a process: %s: see ulimit -u, and the memory" % error.strerror) from error
    if not child:
        os.close(reader)
        _leave(_Birth(writer, (1,) if own_errors else (1, 2)), body)
    os.close(writer)
    try:
        return _outcome(_read(reader, Deadline(patience)))
    finally:
        os.close(reader)
        _reap(child)


class _Birth:
    """The end of the pipe to the one that waits: until `report`, all that is printed goes there."""

    def __init__(self, writer: int, streams: t.Sequence[int]) -> None:
        self._writer = writer
        self._streams = streams
        for descriptor in streams:
            os.dup2(writer, descriptor)

    def report(self, code: int) -> None:
        """Tell how it went, once; from now on all that is printed goes nowhere."""
        writer, self._writer = self._writer, -1  # the number may soon be that of a client's socket
        if writer < 0:
            return
        with contextlib.suppress(OSError):  # nobody waits any more
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(writer, b"%s%d\n" % (_END, code))
        os.close(writer)
        _connect_to_nothing(*self._streams)


def _read(reader: int, deadline: Deadline) -> bytes:
    """Return what comes until an end is in it, nobody can write any more, or the deadline has passed."""
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    content = b""
    while not _is_complete(content) and poller.poll((deadline.left() or 0) * 1000):
        piece = os.read(reader, select.PIPE_BUF)
        if not piece:
            return content + b"%s%s1\n" % (_KILLED, _END)
        content += piece
    return content


def _is_complete(content: bytes) -> bool:
    return _END in content and content.endswith(b"\n")


def _outcome(content: bytes) -> Outcome:
    text, _, code = content.partition(_END)
    return Outcome(int(code) if _is_complete(content) else None, text.decode("ascii", "backslashreplace").rstrip("\n"))


def _reap(child: int) -> None:
    try:
        os.waitpid(child, 0)  # it ends at once
    except ChildProcessError:
        pass  # whoever started us ignores SIGCHLD, and we with it


def _leave(birth: _Birth, body: t.Callable[[t.Callable[[], None]], int]) -> None:
    """Become a process that nothing ties to the one that started it, run `body` there, and end; never return."""
    code = 1
    try:
        os.setsid()
        for descriptor in _inherited():
            os.close(descriptor)
        _connect_to_nothing(0)
        if os.fork():  # the one that leads the session ends: the other can never get a terminal
            os._exit(0)
        _settle()
        code = body(lambda: birth.report(0))
    except BaseException:
        sys.excepthook(*t.cast(t.Any, sys.exc_info()))  # nobody above could tell it
    finally:
        try:
            birth.report(code)
        finally:
            os._exit(code)  # whatever happens: above are the functions of the one that started us


def _inherited() -> t.List[int]:
    """Return the descriptors that came with the start: such as the file that a script has locked meanwhile."""
    numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    return [number for number in numbers if number not in _STANDARD and _is_inheritable(number)]


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)  # Python makes its own otherwise
    except OSError:  # that of the list itself
        return False


def _settle() -> None:
    """Put right what the one that started us may have set otherwise."""
    os.chdir("/")  # no file system is kept from being unmounted
    os.umask(os.umask(0o022) | 0o022)  # nobody else writes our files; who is stricter stays so
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _connect_to_nothing(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
    os.close(null)
