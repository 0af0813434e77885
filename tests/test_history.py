"""The history of switches: kept over restarts, whatever the file holds, and shown to people and programs."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

import pytest

from st.address import Address
from st.ops.history import History, as_json, as_text
from st.ops.ledger import KEPT
from st.switch import Switch
from tests.programs import ROOT
from tests.switches import switch


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Give the path of a history that does not exist, in a directory that does not."""
    return tmp_path / "state" / "history"


def history(path: t.Optional[pathlib.Path]) -> History:
    """Return a history that is loaded."""
    made = History(str(path) if path else None)
    made.load()
    return made


@pytest.mark.parametrize("changes", [
    {}, {"epoch": None}, {"old": Address("fe80::1%eth0", 6379), "new": Address("redis-1.internal", 1)},
    {"tunnel": "na\u00efve \udc80 \x7f\u2028", "heard": "hint"}, {"closed": 0, "gap": 0.0, "took": 0.0},
    {"gap": 86400.5, "epoch": 2 ** 63}])
def test_a_switch_survives_a_restart(path: pathlib.Path, changes: t.Any) -> None:
    """All its fields come back as they were."""
    history(path).keep(switch(**changes))
    loaded = history(path).switches()
    assert loaded == [switch(**changes)] and isinstance(loaded[0].old, Address)


def test_the_newest_are_last(path: pathlib.Path) -> None:
    """Those of earlier processes come before those of this one; a name picks those of one tunnel."""
    first = history(path)
    first.keep(switch(at=1.0, tunnel="a"))
    first.keep(switch(at=2.0, tunnel="b"))
    second = history(path)
    second.keep(switch(at=3.0, tunnel="a"))
    assert [each.at for each in second.switches()] == [1, 2, 3]
    assert [each.at for each in second.switches("a")] == [1, 3]
    assert second.switches("c") == []


def test_memory_and_file_are_bounded(path: pathlib.Path) -> None:
    """The newest 1,000 are told, of this process or of all; the file never has 2,000 lines."""
    kept = history(path)
    for number in range(2500):
        kept.keep(switch(at=float(number)))
        assert number % 500 or len(path.read_text().splitlines()) < 2000
    newest = [float(number) for number in range(1500, 2500)]
    assert [each.at for each in kept.switches()] == newest and len(newest) == KEPT
    assert [each.at for each in history(path).switches()] == newest


def test_without_a_file_it_is_kept_in_memory() -> None:
    """history_file = off."""
    kept = history(None)
    kept.keep(switch())
    assert kept.switches() == [switch()]


GOOD = json.loads(as_json([switch()]))[0]
HOSTILE: t.List[t.Dict[str, t.Any]] = [
    {"tunnel": 5}, {"tunnel": None}, {"old": "nonsense"}, {"old": ["10.0.0.1", 6379]}, {"new": "10.0.0.1:99999"},
    {"epoch": "7"}, {"epoch": True}, {"epoch": 7.5}, {"epoch": -1}, {"at": "now"}, {"at": float("nan")},
    {"at": float("inf")}, {"at": -1}, {"at": 1e300}, {"at": 10 ** 400}, {"at": True}, {"gap": None}, {"gap": -0.1},
    {"gap": [1]}, {"closed": 1.0}, {"closed": "many"}, {"closed": -1}, {"took": {}}, {"heard": 1}, {"sentinels": 2}]
GARBAGE = ["", "{}", "[]", "null", "7", '"text"', "[" * 100000, "{" * 100000, '{"tunnel":', "\x00" * 100, "9" * 5000]


def test_wrong_entries_are_skipped(path: pathlib.Path) -> None:
    """Whoever wrote the file: what is no switch is passed over, and what is one is kept."""
    lines = [json.dumps(dict(GOOD, **wrong)) for wrong in HOSTILE]
    lines += [json.dumps({name: value for name, value in GOOD.items() if name != missing}) for missing in GOOD]
    path.parent.mkdir()
    path.write_text("\n".join(lines + GARBAGE + [json.dumps(dict(GOOD, later_versions="may add"))]))
    kept = history(path)
    assert kept.switches() == [switch()]
    kept.keep(switch(at=5.0))
    assert history(path).switches() == [switch(), switch(at=5.0)]


def test_no_place_is_told_once_and_tried_again(path: pathlib.Path, caplog: t.Any) -> None:
    """One warning at the start; what happens meanwhile is kept in memory, and written as soon as there is a place."""
    path.parent.write_text("in the way")
    kept = history(path)
    kept.keep(switch(at=1.0))
    kept.keep(switch(at=2.0))
    warnings = [str(record.msg) for record in caplog.records]
    assert len(warnings) == 1 and warnings[0].startswith("history_not_written file=%s why=" % path)
    assert [each.at for each in kept.switches()] == [1, 2]
    path.parent.unlink()
    kept.keep(switch(at=3.0))
    assert [each.at for each in history(path).switches()] == [1, 2, 3]
    assert len(caplog.records) == 1


def test_a_full_disk_is_told_once_each_time(path: pathlib.Path, caplog: t.Any) -> None:
    """It says so again only after it was well in between."""
    kept = history(path)
    for _ in range(2):
        path.unlink()
        path.mkdir()
        kept.keep(switch())
        kept.keep(switch())
        path.rmdir()
        kept.keep(switch())
    assert ["history_not_written" in str(record.msg) for record in caplog.records] == [True, True]
    assert len(history(path).switches()) == 3


def test_who_may_not_write_still_reads(caplog: t.Any) -> None:
    """A file of another user is shown, with one warning that the rest stays in memory."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as directory:  # pytest's own cannot be entered by others
        path = pathlib.Path(directory) / "history"
        history(path).keep(switch())
        path.chmod(0o444)
        os.chmod(directory, 0o755)
        if user == 0:
            os.seteuid(65534)
        try:
            assert history(path).switches() == [switch()]
        finally:
            os.seteuid(user)
    assert ["Permission denied" in str(record.msg) for record in caplog.records] == [True]


NOW = switch().at + 3600
TABLE = """\
2 switches, 1 in the last 24 hours

TIME                       TUNNEL                      GAP   CLOSED  HEARD
                           OLD -> NEW
2025-11-19T01:13:20+00:00  cache                     31.0s        0  poll
                           10.0.0.21:6379 -> 10.0.0.22:6380
2025-11-22T01:13:20+00:00  sessions                   7.2s       41  event
                           10.0.0.21:6379 -> 10.0.0.22:6380
"""


def test_the_table(utc: None) -> None:
    """The answer first, then two lines a switch, the newest last, within 80 columns of ASCII."""
    earlier = switch(at=switch().at - 3 * 86400, tunnel="cache", gap=31.04, closed=0, heard="poll")
    assert as_text([earlier, switch()], NOW) == TABLE
    assert all(len(line) <= 80 for line in TABLE.splitlines())


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """Make UTC the local time."""
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_table_of_one_and_of_none(utc: None) -> None:
    """In words, too."""
    assert as_text([], NOW) == "no switch so far\n"
    assert as_text([switch()], NOW).startswith("1 switch, 1 in the last 24 hours\n")


def test_the_table_is_ascii_whatever_the_names() -> None:
    """Names from outside cannot steer the terminal."""
    odd = switch(tunnel="\x1b[31m\u00e9\n", heard="\x07", old=Address("\u202e", 1))
    text = as_text([odd], NOW)
    assert all(" " <= char <= "~" or char == "\n" for char in text) and text.count("\n") == 6


def test_json_is_a_list_of_objects() -> None:
    """The fields of a switch, addresses as text, numbers as numbers."""
    assert json.loads(as_json([])) == []
    (only,) = json.loads(as_json([switch()]))
    assert list(only) == list(Switch._fields)
    assert (only["old"], only["new"], only["epoch"], only["gap"]) == ("10.0.0.21:6379", "10.0.0.22:6380", 7, 7.2)


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_lines_of_brackets_are_no_danger(tmp_path: pathlib.Path, bracket: str) -> None:
    """In a thread with a stack as small as that of the process's threads."""
    (tmp_path / "history").write_text(bracket * 100000 + "\n")
    code = ("import sys, threading; from st.ops.history import read_file; from st.process.start import STACK;"
            "threading.stack_size(STACK); thread = threading.Thread(target=lambda: print(read_file(sys.argv[1])));"
            "thread.start(); thread.join()")
    words = [sys.executable, "-c", code, str(tmp_path / "history")]
    assert subprocess.check_output(words, cwd=ROOT) == b"[]\n"
