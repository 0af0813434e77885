"""The command as a package installs it, for tests of what it prints: with a path of its own, in a plain environment."""
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest

from tests.live.node import free_port
from tests.programs import ROOT
from tests.waiting import FACTOR

SCRIPT = "#!%s\nimport sys\nsys.path.insert(0, %r)\nfrom st.cli.main import main\nmain()\n"


class Host:
    """A directory with the installed command, as a package's script, and configurations."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.command = directory / "sentinel-tunnel"
        self.command.write_text(SCRIPT % (sys.executable, ROOT))
        self.command.chmod(0o755)
        self.environ = {"PATH": "%s:%s" % (directory, os.defpath), "HOME": str(directory), "SHELL": "/bin/bash"}

    def write(self, text: str = "", name: str = "c.ini") -> str:
        """Write a configuration with one tunnel, and return its path."""
        path = self.directory / name
        path.write_text("[sentinel-tunnel]\nsentinels = 127.0.0.1:1\n%s\n[tunnel:a]\nport = %d\n" % (text, free_port()))
        return str(path)

    def run(self, *words: str, **environ: str) -> str:
        """Run the command, which must exit 0 and print nothing on standard error; return what it prints."""
        done = self._run(words, environ)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        return done.stdout.decode("utf-8")

    def fail(self, *words: str, **environ: str) -> t.Tuple[int, str]:
        """Run the command, which must print nothing; return its exit code and its error."""
        done = self._run(words, environ)
        assert done.stdout == b""
        return done.returncode, done.stderr.decode("utf-8")

    def _run(self, words: t.Sequence[str], environ: t.Mapping[str, str]) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run([str(self.command), *words], env=dict(self.environ, **environ), cwd=str(self.directory),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60 * FACTOR)


def need(program: str) -> None:
    """Skip the test on a host without a program."""
    if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        pytest.skip("needs %s" % program)
