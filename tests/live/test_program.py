"""The program as it is installed, and where nothing is set up for it."""
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest

import st
from tests.live.bed import Bed
from tests.live.node import free_port
from tests.live.talk import Talk
from tests.live.tunnel import Tunnel, run_once, sentinel_words
from tests.waiting import FACTOR

ROOT = pathlib.Path(__file__).parent.parent.parent
NAME = "sessions"
BARE = {"PATH": "/usr/bin:/bin"}  # as cron has it: no HOME, no locale
OFFLINE = re.compile("connection broken|Failed to establish|Temporary failure in name resolution|Network is unreach")


@pytest.fixture(scope="module")
def bed() -> t.Iterator[Bed]:
    """A master and a Sentinel."""
    with Bed(replicas=0, sentinels=1) as bed:
        yield bed


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command in a new virtual environment, installed from a copy of the source with what it depends on."""
    directory = tmp_path_factory.mktemp("installed")
    (directory / "source").mkdir()
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(str(ROOT / name), str(directory / "source"))
    shutil.copytree(str(ROOT / "st"), str(directory / "source" / "st"), ignore=shutil.ignore_patterns("__pycache__"))
    venv = directory / "venv"
    _succeed(sys.executable, "-m", "venv", str(venv))
    _succeed(str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install",
             str(directory / "source"))
    return str(venv / "bin" / "sentinel-tunnel")


def _succeed(*words: str) -> None:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, timeout=200 * FACTOR)
    if done.returncode and OFFLINE.search(done.stdout):
        pytest.skip("no package index to install from: " + done.stdout[-500:])
    assert done.returncode == 0, done.stdout


def _print(*words: str, program: t.Sequence[str]) -> str:
    """Return what a command prints that succeeds and complains of nothing."""
    done = run_once(*words, program=program)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_installed_command(installed: str, bed: Bed, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command works as it was installed, without the source."""
    monkeypatch.chdir(tmp_path)
    program, sentinels, master = [installed], sentinel_words(bed), str(bed.master(NAME).address)
    assert _print("--version", program=program) == "sentinel-tunnel %s\n" % st.__version__
    assert _print("resolve", NAME, "--verify", *sentinels, program=program) == master + "\n"
    assert re.search(r"^sessions +%s +ok " % re.escape(master), _print("masters", *sentinels, program=program), re.M)
    assert _print("check", *sentinels, program=program) == "ok: 0 tunnels, 1 sentinel\n"
    with Tunnel(bed, program=program) as tunnel:
        with Talk(tunnel.addresses[NAME]) as talk:
            assert talk.call("ROLE")[0] == "master"
        assert tunnel.terminate() == 0


def test_everything_is_installed(installed: str) -> None:
    """Each module, what `print` prints, the mark for mypy, and the entry point by which pytest finds our fixture."""
    site, = pathlib.Path(installed).parent.parent.glob("lib/python*/site-packages")
    here, there = ({str(path.relative_to(top)) for path in (top / "st").rglob("*")
                    if path.is_file() and path.suffix != ".pyc"} for top in (ROOT, site))
    assert there == here
    points, = site.glob("sentinel_tunnel-*/entry_points.txt")
    assert re.search(r"^\[pytest11\]\nsentinel-tunnel = st\.testing\.plugin$", points.read_text(), re.MULTILINE)


def test_installed_command_converts(installed: str, bed: Bed, tmp_path: pathlib.Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the original tool runs as it is, and what `convert` makes of it is right."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("old.json").write_text(
        '{"Sentinels_addresses_list": ["%s"], "Databases": [{"Name": "sessions", "Local_port": "%d"}]}'
        % (bed.sentinels[0].address, free_port()))
    pathlib.Path("new.ini").write_text(_print("convert", "old.json", program=[installed]))
    assert _print("check", "-c", "new.ini", program=[installed]).endswith("ok: 1 tunnel, 1 sentinel\n")


def test_bare_environment(bed: Bed) -> None:
    """With nothing in its environment but a PATH the program tells its version, and serves."""
    assert run_once("--version", environ=BARE).stdout == "sentinel-tunnel %s\n" % st.__version__
    with Tunnel(bed, environ=BARE) as tunnel:
        with Talk(tunnel.addresses[NAME]) as talk:
            assert talk.call("SET", "key", "caf\u00e9 \udcff") == "OK"
            assert talk.call("GET", "key") == "caf\u00e9 \udcff"
        assert tunnel.terminate() == 0
        assert "Traceback" not in tunnel.log() and " ERROR " not in tunnel.log()
