"""What a child of os.fork finds of the tunnels of its parent: nothing, so that it holds nothing up.

The threads are not there; the descriptors are, and would keep ports and connections of the parent alive.
"""
import os
import typing as t

from st.forks import close_copies
from st.tunnel.registry import forget_cuts

_following: t.List[bool] = []  # True once: what is registered stays so for as long as the process lives


def follow_forks() -> None:
    """Let each child close its copies at once. Before Python 3.7 it does so when it first uses the tunnels."""
    if not _following and hasattr(os, "register_at_fork"):
        _following.append(True)
        os.register_at_fork(after_in_child=leave_to_parent)


def leave_to_parent() -> None:
    """Let go of what belongs to the parent; nothing in a process that is no child."""
    if close_copies():
        forget_cuts()
