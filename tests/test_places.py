"""Where a process keeps its files when nobody says where."""
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from st.config import parse
from st.host.places import NAME, Places, instance, make_directory, places
from tests.programs import ROOT

HOME = {"HOME": "/home/someone"}


def places_of(source: t.Optional[str] = None, **settings: str) -> Places:
    """Return the places with these settings."""
    return places(parse("", None, dict(settings, sentinels="s1")).settings, source, HOME)


@pytest.mark.parametrize("control, lock", [
    ("/run/x/a.sock", "/run/x/a.lock"), ("/run/x/a", "/run/x/a.lock"), ("/run/x/a.b", "/run/x/a.b.lock"),
    ("/run/x/a.sock2", "/run/x/a.sock2.lock")])
def test_the_lock_lies_beside_the_control_socket(control: str, lock: str) -> None:
    """Two sockets never share a lock, however alike their names are."""
    assert places_of(control=control).lock == lock
    assert places_of(control=control).chosen == {"control"}


def test_a_place_may_be_named_or_off() -> None:
    """Each for itself."""
    named = places_of(control="/a.sock", lock="/b", history_file="/c")
    assert named == Places("/a.sock", "/b", "/c", frozenset(["control", "lock", "history_file"]))
    assert places_of(control="off", lock="off", history_file="off") == Places(None, None, None, frozenset())


def test_without_a_control_socket_there_is_a_lock() -> None:
    """Where it would be with one."""
    assert places_of(control="off").lock == places_of().lock


def test_each_configuration_has_places_of_its_own() -> None:
    """But the usual files are one process's: it is the same whichever of them is used."""
    usual = ["/etc/sentinel-tunnel.ini", "/home/someone/.config/sentinel-tunnel.ini", None]
    assert {instance(source, HOME) for source in usual} == {NAME}
    others = [instance(source, HOME) for source in ("/a/x.ini", "/b/x.ini", "./sentinel-tunnel.ini")]
    assert len(set(others)) == 3 and all(name.startswith(("x-", NAME + "-")) for name in others)
    assert instance(os.path.relpath("/a/x.ini"), HOME) == others[0]
    assert places_of("/a/x.ini").lock != places_of("/b/x.ini").lock


def test_a_long_name_leaves_room_for_a_directory() -> None:
    """The path of a unix socket is short; the names stay different."""
    names = [instance("/etc/" + "x" * 200 + end, HOME) for end in ("a.ini", "b.ini")]
    assert len(set(names)) == 2 and all(len(name) < 40 for name in names)


def test_a_directory_that_is_gone(tmp_path: pathlib.Path) -> None:
    """Where the caller is, no file can be: that is told elsewhere, and no reason to fail here."""
    code = "from st.host.places import *; os.rmdir(os.getcwd()); print(instance('x.ini', {}))"
    told = subprocess.check_output([sys.executable, "-c", code], cwd=str(tmp_path), env={"PYTHONPATH": ROOT})
    assert told.startswith(b"x-")


@pytest.mark.parametrize("given, used", [("x", "/home/someone/.cache"), ("", "/home/someone/.cache"), ("/x", "/x")])
def test_a_relative_directory_is_ignored(given: str, used: str) -> None:
    """A detached process would take it for another one than those that ask; seen by a user other than root."""
    code = ("import os; from st.config import parse; from st.host.places import *;"
            "settings = parse('', None, {'sentinels': 's1'}).settings; os.geteuid() or os.setuid(4711);"
            "print(places(settings, None, os.environ).control)")
    environ = dict(HOME, PYTHONPATH=ROOT, XDG_CACHE_HOME=given, PYTHONDONTWRITEBYTECODE="1")
    assert used in subprocess.check_output([sys.executable, "-c", code], env=environ, cwd="/").decode("ascii")


def test_a_directory_is_made_once(tmp_path: pathlib.Path) -> None:
    """With all above it; one that is there is left as it is."""
    file = str(tmp_path / "a" / "b" / "file")
    make_directory(file)
    make_directory(file)
    assert os.listdir(str(tmp_path / "a" / "b")) == []
