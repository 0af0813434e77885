"""What every thread is doing right now, for a process that seems to hang."""
import itertools
import os
import sys
import threading
import traceback
import typing as t

from st.event import Event

_DEEPEST = 30  # calls shown of one thread, the innermost


def thread_stacks() -> t.List[Event]:
    """Return an event for every thread: its name, and its calls with the innermost first.

    Not for the inside of a signal handler: the thread it interrupts may hold the lock of threading's list.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()  # a copy: a thread that ends now keeps its frame here
    stacks = [(names.get(ident, "unknown-%d" % ident), _calls(frame)) for ident, frame in frames.items()]
    return [Event("stack", thread=name, calls=calls) for name, calls in sorted(stacks)]


def _calls(frame: t.Any) -> str:
    calls = itertools.islice(traceback.walk_stack(frame), _DEEPEST)
    return " < ".join("%s:%s %s" % (_place(f.f_code.co_filename), line, f.f_code.co_name) for f, line in calls)


def _place(path: str) -> str:
    return os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path))
