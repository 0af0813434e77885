"""The Debian package: what is in it fits together, and runs."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest

import st
from tests.installed import need
from tests.programs import ROOT
from tests.waiting import FACTOR


def _output(*words: str, **environ: str) -> str:
    return subprocess.check_output(words, env=dict(os.environ, **environ), timeout=60 * FACTOR).decode("utf-8")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> t.Tuple[str, pathlib.Path]:
    """The package, and a directory with what is in it."""
    need("dpkg-deb")
    directory = tmp_path_factory.mktemp("package")
    path = _output(os.path.join(ROOT, "scripts", "deb"), sys.executable).strip()
    _output("dpkg-deb", "-x", path, str(directory))
    return path, directory


def test_the_package_runs(package: t.Tuple[str, pathlib.Path], tmp_path: pathlib.Path) -> None:
    """Its command finds its modules, and the files that `print` reads; the unit starts this command."""
    path, directory = package
    assert _output("dpkg-deb", "-f", path, "Version").strip() == st.__version__
    script, library = directory / "usr/bin/sentinel-tunnel", str(directory / "usr/lib/python3/dist-packages")
    assert script.read_text().startswith("#!/usr/bin/python3\n") and os.access(str(script), os.X_OK)
    for words in (["--version"], ["print", "alerts"], ["print", "dashboard"]):
        theirs = subprocess.check_output([sys.executable, "-m", "st", *words], cwd=ROOT, timeout=60 * FACTOR)
        ours = subprocess.check_output([sys.executable, str(script), *words], cwd=str(tmp_path), timeout=60 * FACTOR,
                                       env=dict(os.environ, PYTHONPATH=library))
        assert ours == theirs and ours
    unit = (directory / "lib/systemd/system/sentinel-tunnel.service").read_text("ascii")
    assert set(re.findall(r"=(/\S+/sentinel-tunnel) ", unit)) == {"/usr/bin/sentinel-tunnel"}


def test_the_package_has_every_module(package: t.Tuple[str, pathlib.Path]) -> None:
    """No module is forgotten, and nothing but the source."""
    library = package[1] / "usr/lib/python3/dist-packages"
    here = {str(path.relative_to(ROOT)) for path in pathlib.Path(ROOT, "st").rglob("*")
            if path.is_file() and path.suffix != ".pyc"}
    assert {str(path.relative_to(library)) for path in library.rglob("*") if path.is_file()} == here


def test_the_scripts_of_the_package_are_right(package: t.Tuple[str, pathlib.Path], tmp_path: pathlib.Path) -> None:
    """sh reads them, and the documents are those of this version."""
    path, directory = package
    _output("dpkg-deb", "-e", path, str(tmp_path))
    for name in ("postinst", "prerm"):
        _output("sh", "-n", str(tmp_path / name))
    assert "sentinel\\-tunnel %s" % st.__version__ in _output("zcat", *map(str, directory.rglob("*.1.gz")))
    assert "sentinel-tunnel (%s) " % st.__version__ in _output("zcat", *map(str, directory.rglob("changelog.gz")))


def test_the_package_has_the_pages(package: t.Tuple[str, pathlib.Path]) -> None:
    """Those that the README links to can be read without the source."""
    documents = package[1] / "usr/share/doc/sentinel-tunnel"
    links = re.findall(r"\]\(([^)#:]+)", (documents / "README.md").read_text("utf-8"))
    assert "docs/troubleshooting.md" in links
    assert [link for link in links if not (documents / link).exists()] == ["LICENSE"]  # it is called copyright there


def test_each_shell_reads_its_completion(package: t.Tuple[str, pathlib.Path]) -> None:
    """The files that they look for; what the command prints for them has its own tests."""
    share = package[1] / "usr/share"
    for shell, name in (("bash", "bash-completion/completions/sentinel-tunnel"),
                        ("zsh", "zsh/vendor-completions/_sentinel-tunnel"),
                        ("fish", "fish/vendor_completions.d/sentinel-tunnel.fish")):
        assert "sentinel-tunnel print completion %s" % shell in (share / name).read_text()
        if shutil.which(shell):
            _output(shell, "-n", str(share / name))
