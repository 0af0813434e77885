"""Replies made to fill the memory: what one conversation holds stays small, whatever a peer announces or sends."""
import subprocess
import sys
import typing as t

import pytest

from st.wire.resp import LONGEST_ERROR, MORE, MalformedReply, ReplyReader
from tests.programs import ROOT
from tests.waiting import FACTOR

MOST_GROWTH = 40 << 10  # kB of resident memory; 4 MiB of bytes may be held three times over

# What comes first, and what then comes again and again.
BOMBS = {
    "1 GB announced": (b"$1073741824\r\n", b"x" * 65536),
    "a line without an end": (b"+", b"x" * 65536),
    "nested without an end": (b"", b"*1\r\n" * 16384),
    "two of each": (b"", b"*2\r\n" * 16384),
    "large and nested": (b"", b"*99999\r\n" * 8192),
    "pushes nested": (b"", b">99999\r\n" * 8192),
    "many small in a large one": (b"*90000\r\n", b"*1\r\n:1\r\n" * 8192),
    "many that are empty": (b"*90000\r\n", b"*0\r\n" * 16384),
    "signs and zeros": (b"", b"*+0099999\r\n*000099999\r\n" * 4096),
    "texts without a text": (b"*90000\r\n", b"$0\r\n\r\n" * 10922),
    "endless replies": (b"", b":1\r\n" * 16384),
}

HARMLESS = ("endless replies", "texts without a text")  # each is complete, and gone with the next

CHILD = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from st.wire.resp import MORE, MalformedReply, ReplyReader
head, piece = eval(sys.argv[2])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader, before = ReplyReader(), peak()
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    reader.feed(head)
    for _ in range(200):
        reader.feed(piece)
        while reader.take() is not MORE:
            pass
    print("all taken", peak() - before)
except MalformedReply:
    print("refused", peak() - before)
"""


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_is_refused_while_it_is_small(name: str) -> None:
    """Measured in a process of its own, which has 1 GB at the most: it holds little more than what was received."""
    done = subprocess.run([sys.executable, "-c", CHILD, ROOT, repr(BOMBS[name])], stdout=subprocess.PIPE,
                          timeout=100 * FACTOR, check=True)
    how, _, growth = done.stdout.decode().strip().rpartition(" ")
    assert how == ("all taken" if name in HARMLESS else "refused")
    assert int(growth) < MOST_GROWTH


def test_the_most_that_a_sentinel_needs_to_say_is_taken() -> None:
    """SENTINEL MASTERS of 4,000 names, with 45 words each, in pieces that cut headers in two."""
    fields = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in [b"word-%d" % number for number in range(44)])
    reply = b"*4000\r\n" + (b"*44\r\n" + fields) * 4000
    reader = ReplyReader()
    for _ in range(2):
        for start in range(0, len(reply), 9999):
            assert reader.take() is MORE
            reader.feed(reply[start:start + 9999])
        taken: t.Any = reader.take()
        assert len(taken) == 4000


@pytest.mark.parametrize("piece", [1, 7, 100000])
def test_every_header_counts_once(piece: int) -> None:
    """However the bytes are cut: 9,999 arrays are fine, 10,001 are not."""
    for number, fine in ((9999, True), (10001, False)):
        reader, data = ReplyReader(), b"*%d\r\n" % (number - 1) + b"*0\r\n" * (number - 1)
        try:
            taken: t.Any = MORE
            for start in range(0, len(data), piece):
                reader.feed(data[start:start + piece])
                taken = reader.take()
            assert fine and len(taken) == number - 1
        except MalformedReply:
            assert not fine


def test_an_error_is_kept_short() -> None:
    """It goes to the log, the status and to clients: megabytes of it would fill the disk."""
    reader = ReplyReader()
    reader.feed(b"-ERR " + b"x" * 1000000 + b"\r\n")
    assert len(str(reader.take())) == LONGEST_ERROR + len("...")
