"""The watch for what tests leave behind, tried on tests that do."""
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from tests.waiting import FACTOR, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent

CASES = {
    "thread": ("threading.Thread(target=time.sleep, args=(60,), name='lazy', daemon=True).start()", "thread lazy"),
    "descriptor": ("os.open('/dev/null', os.O_RDONLY)", "-> /dev/null"),
    "error": ("logging.getLogger('st.x').error('it broke')", "unexpected: it broke"),
    "missing": ("expect_error('it broke')", "expected, not logged: it broke"),
    "expected": ("expect_error('it broke'); logging.getLogger('st.x').error('oh, it broke')", "1 passed"),
    "warning": ("logging.getLogger('st').warning('it bent')", "1 passed"),
    "late": ("threading.Thread(target=time.sleep, args=(0.05,)).start()", "1 passed"),
}


@pytest.mark.parametrize("body, shown", list(CASES.values()), ids=list(CASES))
def test_watch(tmp_path: pathlib.Path, body: str, shown: str) -> None:
    """A leak or an unexpected ERROR fails the test that made it and is named; the rest passes."""
    (tmp_path / "test_it.py").write_text(
        "import logging, os, threading, time\n\ndef test_it(expect_error):\n    %s\n" % body)
    status, output = run_pytest(tmp_path)
    assert shown in output
    assert status == (0 if shown == "1 passed" else 1)


def run_pytest(directory: pathlib.Path) -> t.Tuple[int, str]:
    """Run the tests of a directory with the fixtures of this one, and return exit status and output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", ".", "."],
        cwd=str(directory), env=dict(os.environ, PYTHONPATH=str(ROOT), TEST_TIME_FACTOR=str(FACTOR / 5)),
        universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def test_wait_until() -> None:
    """It returns the first true value, and fails with the message and the last value."""
    values = iter([0, "", 7])
    assert wait_until(lambda: next(values), "a true value comes") == 7
    with pytest.raises(AssertionError, match=r"^it comes: not so within 0.\d+ s; last value: \[\]$"):
        wait_until(lambda: [], "it comes", 0.01)
