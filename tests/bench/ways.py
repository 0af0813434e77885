"""Which ways this host has, and which were asked for."""
import os
import shutil
import sys
import typing as t

from tests.bench.peers import Command, HAProxy, Maker, Original, Peer, Socat, TunnelPeer


class Wanted(t.NamedTuple):
    """Which ways there may be beside those that the host has."""

    options: t.Sequence[t.Sequence[str]] = ()  # for each: a tunnel with these words more
    against: str = ""  # another checkout of this project
    original: str = ""  # the program of the original tool


def makers(wanted: Wanted) -> t.Dict[str, Maker]:
    """Return what makes each way that this host has, by its name."""
    found: t.Dict[str, Maker] = {"direct": lambda bed: Peer("direct", bed)}
    if wanted.against:
        program = ("env", "-C", wanted.against, sys.executable, "-m", "st")
        found["other"] = lambda bed: TunnelPeer("other", bed, program)
    found["tunnel"] = lambda bed: TunnelPeer("tunnel", bed)
    for words in wanted.options:
        found["tunnel " + " ".join(words)] = _with_options(words)
    if wanted.original:
        found["original"] = lambda bed: Original("original", bed, os.path.abspath(wanted.original))
    for name, kind in (("haproxy", HAProxy), ("socat", Socat)):
        if shutil.which(name):
            found[name] = _of_kind(kind, name)
    return found


def _with_options(words: t.Sequence[str]) -> Maker:
    name = "tunnel " + " ".join(words)
    return lambda bed: TunnelPeer(name, bed, options=words)


def _of_kind(kind: t.Type[Command], name: str) -> Maker:
    return lambda bed: kind(name, bed)
