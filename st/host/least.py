"""What a process needs at the least, and whether this host gives it: one that cannot work must not start."""
import os
import threading
import typing as t

from st.errors import LocalError

# Standard streams, log, lock, history, signals, control socket, web page, each with a client, and a look-up of names.
_DESCRIPTORS = 20
_THREADS = 8  # main, watcher, history, command, control socket, web page, each with a client
_FOR_TUNNEL = 1  # the question for the role of its master
_FOR_PLACE = 1  # a listener
_FOR_SENTINEL = 2  # one to ask it, one to hear its events
_FOR_WORKER = 2  # a process and the thread that hears it; the channel between them, at both ends while it starts
_FOR_CLIENT = 2  # sockets
_END = 1.0  # seconds for a thread that has nothing to do


class Needs(t.NamedTuple):
    """How many descriptors and threads are needed, and what for, in words."""

    descriptors: int
    threads: int
    what: str


def needs(tunnels: int, places: int, sentinels: int, workers: int = 0) -> Needs:
    """Return what tunnels that listen in so many places, with Sentinels and workers, need to serve one client."""
    both = _FOR_TUNNEL * tunnels + _FOR_PLACE * places + _FOR_SENTINEL * sentinels + _FOR_WORKER * workers
    what = "%d tunnel%s and %d Sentinel%s" % (tunnels, "s" * (tunnels != 1), sentinels, "s" * (sentinels != 1))
    return Needs(_DESCRIPTORS + both + _FOR_CLIENT, _THREADS + both + 1, what)


def check(least: Needs, descriptors: int) -> None:
    """Raise LocalError when the limit of descriptors, or this host just now, does not give what is needed."""
    if descriptors < least.descriptors:
        raise LocalError(
            "too few open files: the limit is %d (ulimit -n), and %s need at least %d: raise the hard limit, such as "
            "ulimit -n 4096, or LimitNOFILE=4096 in the unit" % (descriptors, least.what, least.descriptors))
    threads = startable(least.threads - 1)  # one runs this
    if threads < least.threads - 1:
        raise LocalError(
            "too few threads: %d more can be started here, and %s need at least %d: raise the limit of processes "
            "(ulimit -u, TasksMax= in the unit, a container's limit of pids)"
            % (threads, least.what, least.threads - 1))


def startable(most: int) -> int:
    """Return how many threads can be started just now, `most` at the most. Limits are not all to be read: try it."""
    go, made = threading.Event(), []  # type: t.Tuple[threading.Event, t.List[threading.Thread]]
    try:
        for _ in range(most):
            thread = threading.Thread(target=go.wait, name="tries whether it can", daemon=True)
            thread.start()
            made.append(thread)
    except RuntimeError:
        pass  # can't start new thread: that is what we want to know
    finally:
        go.set()
    for thread in made:
        thread.join(_END)
    return len(made)


def shortage() -> str:
    """Return what the next client would need and there is none of just now; "" when there is all of it."""
    try:
        with open(os.devnull, "rb"), open(os.devnull, "rb"):  # as many as a client needs
            pass
    except OSError as error:
        return "%s (ulimit -n)" % error.strerror
    return "" if startable(1) else "no thread can be started (ulimit -u, TasksMax=, a container's limit of pids)"
