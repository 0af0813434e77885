"""Every command in the pages for users, run one after the other as a reader would, with real servers."""
import pathlib
import re
import shlex
import signal
import subprocess
import typing as t

import pytest

from tests.installed import Host, need
from tests.live.bed import Bed
from tests.live.node import free_port
from tests.programs import ROOT, own_places
from tests.test_docs_sentinel import existing_tests
from tests.waiting import FACTOR, wait_until

Step = t.Tuple[str, str]  # a configuration that a page shows ("ini"), or a line to be typed ("sh")

# In blocks of code with three marks; in indented ones (which show output too) by the first word.
CODE = re.compile(r"^```(\w+)\n(.*?)^```$|"
                  r"^ {4}(?:\$ )?((?:sentinel-tunnel(?! \d)|scripts/|redis-cli|python3|\(crontab)[^\n]*)$",
                  re.MULTILINE | re.DOTALL)


def steps_of(page: str) -> t.List[Step]:
    """Return what a page wants its reader to write and to type, in its order, without remarks."""
    found = []  # type: t.List[Step]
    for kind, block, line in CODE.findall(pathlib.Path(ROOT, page).read_text("utf-8")):
        if kind == "ini":
            found.append((kind, block))
        lines = [line] if line else block.splitlines() if kind == "sh" else []
        found += [("sh", re.sub(r"\s+# .*$", "", each)) for each in lines]
    return found


def commands_of(page: str) -> t.List[str]:
    """Return the lines of a page that are to be typed."""
    return [text for kind, text in steps_of(page) if kind == "sh"]


# But the page of the benchmarks, which is for those who change the program.
PAGES = [page for page in ["README.md", *sorted(str(path.relative_to(ROOT)) for path in
                                                pathlib.Path(ROOT, "docs").rglob("*.md"))]
         if commands_of(page) and "benchmarks" not in page]
NOT_OURS = {"redis-cli", "curl"}  # programs that a host may be without
# Commands whose own tests run them: they take long, move a master, or need the source.
ELSEWHERE = {
    "python3 -m venv ./tunnel && . ./tunnel/bin/activate && pip install .":
        "tests/live/test_program.py::test_installed_command",
    "python3 -m venv ./tunnel": "tests/live/test_program.py::test_installed_command",
    "./tunnel/bin/pip install .": "tests/live/test_program.py::test_installed_command",
    "./tunnel/bin/sentinel-tunnel --version": "tests/live/test_program.py::test_installed_command",
    "redis-cli -h 10.0.0.11 -p 26379 SENTINEL FAILOVER sessions":
        "tests/live/test_failover.py::test_names_side_by_side",
    "sentinel-tunnel watch sessions": "tests/live/test_drill.py::test_drill",
    "sentinel-tunnel drill sessions": "tests/live/test_drill.py::test_nothing_is_done_unasked",
    "sentinel-tunnel drill sessions --yes": "tests/live/test_drill.py::test_drill",
    "sentinel-tunnel drill sessions --yes --plot failover.svg": "tests/live/test_drill.py::test_drill",
    "scripts/test": "tests/live/test_docs_commands.py::test_every_command_of_a_page_works",  # by running this
    "scripts/bundle": "tests/live/test_bundle.py::test_one_file_is_enough",
    "scripts/deb": "tests/test_deb.py::test_the_package_runs",
}
CONFIGURATION = """\
[sentinel-tunnel]
sentinels = 10.0.0.11, 10.0.0.12, 10.0.0.13
http = 127.0.0.1:9479
[tunnel:cache]
port = 6380
[tunnel:sessions]
port = 6379
"""
ORIGINAL = """\
{"Sentinels_addresses_list": ["10.0.0.11", "10.0.0.12"],
 "Databases": [{"Name": "sessions", "Local_port": "6379"}, {"Name": "cache", "Local_port": "6380"}]}
"""
# What a reader has of his own: a job, and cron, which runs at once what it is to run each minute.
PROGRAMS = {
    "nightly-job": '#!/bin/sh\nexec redis-cli -u "$REDIS_URL" PING\n',
    "crontab": '#!/bin/sh\n[ "$1" = -l ] || sed -n "s/^\\* \\* \\* \\* \\* //p" | exec sh -e\n',
}


class Reader:
    """Somebody who types what a page says, on a host where its addresses are those of a real deployment."""

    def __init__(self, directory: pathlib.Path, bed: Bed) -> None:
        self._directory = directory
        self._host = Host(directory)
        sentinels = {"10.0.0.1%d" % number: each.address for number, each in enumerate(bed.sentinels, 1)}
        self._replaced = {"-h %s -p 26379" % name: "-h %s -p %d" % address for name, address in sentinels.items()}
        self._replaced.update((name, str(address)) for name, address in sentinels.items())
        self._replaced.update({port: str(free_port()) for port in ("6379", "6380", "9479")})
        self._replaced["/etc/systemd/system"] = str(directory)
        self._environ = dict(self._host.environ, **own_places(str(directory)))
        for name, text in PROGRAMS.items():
            self.write(name, text)
            (directory / name).chmod(0o755)
        self.write("sentinel-tunnel.ini", CONFIGURATION)
        self.write("config.json", ORIGINAL)

    def write(self, name: str, text: str) -> None:
        """Write a file that a page shows."""
        (self._directory / name).write_text(self._here(text))

    def type(self, line: str) -> None:
        """Run a command, which must succeed; what stays in the foreground is ended once it has a master."""
        words = shlex.split(self._here(line))
        for program in NOT_OURS.intersection(re.findall(r"[\w-]+", line)):
            need(program)
        if words[:2] == ["sentinel-tunnel", "run"] or "config.json" in words[1:2]:
            return self._in_the_foreground(words)
        done = subprocess.run(["bash", "-c", self._here(line)], env=self._environ, cwd=str(self._directory),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=90 * FACTOR)
        told = done.stdout.decode("ascii")
        assert done.returncode == 0 and not re.search("^(error|ERR|NOAUTH)", told, re.MULTILINE), line + "\n" + told

    def stop(self) -> None:
        """End what runs in the background."""
        subprocess.check_call(["sentinel-tunnel", "stop"], env=self._environ, cwd=str(self._directory),
                              timeout=60 * FACTOR)

    def _in_the_foreground(self, words: t.Sequence[str]) -> None:
        environ = dict(self._environ, SENTINEL_TUNNEL_PORT=str(free_port()))  # others have 6379
        with open(str(self._directory / "output"), "w+") as output:
            process = subprocess.Popen(words, env=environ, cwd=str(self._directory), stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT)
            try:
                wait_until(lambda: _text(output).count("  ready\n") >= 2 or process.poll() is not None, "no master")
                process.send_signal(signal.SIGTERM)
                assert process.wait(60 * FACTOR) == 0, _text(output)
            finally:
                process.kill()
                process.wait()

    def _here(self, text: str) -> str:
        known = "|".join(map(re.escape, self._replaced))
        return re.sub(r"(?<![\d.])(?:%s)(?!\d)" % known, lambda found: self._replaced[found.group()], text)


def _text(file: t.TextIO) -> str:
    file.seek(0)
    return file.read()


@pytest.fixture(scope="module")
def bed() -> t.Iterator[Bed]:
    """The deployment of which the pages tell."""
    with Bed(names=("cache", "sessions"), replicas=1) as bed:
        yield bed


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_works(bed: Bed, tmp_path: pathlib.Path, name: str) -> None:
    """In their order, with the configuration that the page shows before them, if it shows one."""
    reader = Reader(tmp_path, bed)
    try:
        for kind, text in steps_of(name):
            if kind == "ini":
                reader.write("sentinel-tunnel.ini", text)
            elif text not in ELSEWHERE:
                reader.type(text)
    finally:
        reader.stop()


def test_what_is_run_elsewhere_is_run_there() -> None:
    """The tests that are named exist, and no command is excused that no page has."""
    there = {"%s::%s" % (path, name) for path, names in existing_tests().items() for name in names}
    assert set(ELSEWHERE.values()) <= there
    assert set(ELSEWHERE) <= {line for name in PAGES for line in commands_of(name)}
