"""The files of a new deployment: which, for whom, and never over others. tests/live starts them."""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import typing as t

import pytest

from st.ops.hook import told
from st.printed.deployment import DeploymentError, deployment_files
from tests.installed import Host, need
from tests.programs import ROOT
from tests.switches import switch
from tests.waiting import FACTOR

HOSTS = ("192.168.1.10", "192.168.1.11", "192.168.1.12")
Files = t.Dict[str, str]


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    """Give a directory with the installed command."""
    return Host(tmp_path)


def written(directory: pathlib.Path) -> Files:
    """Return the texts of all files below a directory by their paths, which are for their owner alone."""
    found = {}
    for path in (directory, *sorted(directory.rglob("*"))):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        if path.is_file():
            found[str(path.relative_to(directory))] = path.read_text("ascii")
    return found


def test_one_master_and_one_password(host: Host) -> None:
    """All nodes share a password that is new each time; all but the first follow the first."""
    output = host.run("init", "--deployment", *HOSTS)
    files = written(host.directory / "redis-deployment")
    assert files == deployment_files(HOSTS, files["application/sentinel-tunnel.pass"].strip())
    password, = set(re.findall("[0-9a-f]{64}", "".join(files.values())))
    assert password not in output and max(map(len, output.splitlines())) <= 80
    assert "wrote %d files" % len(files) in output
    for each in HOSTS:
        redis, sentinel = (files["%s/%s.conf" % (each, name)] for name in ("redis", "sentinel"))
        assert "\nrequirepass %s\nmasterauth %s\n" % (password, password) in redis
        assert ("\nreplicaof 192.168.1.10 6379\n" in redis) == (each != HOSTS[0])
        assert "\nsentinel monitor mymaster 192.168.1.10 6379 2\n" in sentinel
        assert "\nsentinel announce-ip %s\n" % each in sentinel and "\nbind %s " % each in redis
    host.run("init", "--deployment", *HOSTS, "--directory", "b/other")
    assert password not in "".join(written(host.directory / "b" / "other").values())


def test_the_tunnel_of_a_deployment(host: Host) -> None:
    """`check` accepts its configuration; five servers, IPv6 too, need three votes."""
    servers = ["2001:db8::%d" % number for number in range(1, 6)]
    host.run("init", "--deployment", *servers)
    files = written(host.directory / "redis-deployment")
    assert files["2001:db8::1/sentinel.conf"].count(" 2001:db8::1 6379 3\n") == 1
    made = host.directory / "redis-deployment" / "application"
    config = files["application/sentinel-tunnel.ini"].replace("/etc/", "%s/" % made)
    (host.directory / "sentinel-tunnel.ini").write_text(config)
    assert host.run("check") == "ok: 1 tunnel, 5 sentinels\n"


@pytest.mark.parametrize("hosts, problem", [
    (HOSTS[:2], "2 addresses: .* give the addresses of three servers"),
    ((), "0 addresses: .* give the addresses of three servers"),
    ((*HOSTS, "10.0.0.1"), "4 addresses: "),
    ((*HOSTS[:2], HOSTS[0]), "192.168.1.10 is given twice"),
    ((*HOSTS[:2], "redis-3"), "'redis-3' is not an IP address"),
    ((*HOSTS[:2], "10.0.0.1:6379"), "'10.0.0.1:6379' is not an IP address"),
    ((*HOSTS[:2], "../a"), "'../a' is not an IP address"),
    ((*HOSTS[:2], "0.0.0.0"), "0.0.0.0 is no address of a server"),
])
def test_servers_that_make_no_deployment(hosts: t.Sequence[str], problem: str) -> None:
    """Fewer than three, an even number, one twice, a name, no address."""
    with pytest.raises(DeploymentError, match=problem):
        deployment_files(hosts, "x")


def test_nothing_is_overwritten(host: Host) -> None:
    """One file that is there is enough to write none."""
    there = host.directory / "redis-deployment" / HOSTS[2] / "redis.conf"
    there.parent.mkdir(parents=True)
    there.symlink_to("nowhere")
    code, error = host.fail("init", "--deployment", *HOSTS)
    assert code == 1 and re.match(r"error: redis-deployment/192\.168\.1\.12/redis\.conf is there already", error)
    assert os.listdir(str(host.directory / "redis-deployment")) == [HOSTS[2]]


def test_a_directory_that_cannot_be(host: Host) -> None:
    """The path and the reason, nothing else."""
    (host.directory / "file").write_text("")
    assert host.fail("init", "--deployment", *HOSTS, "--directory", "file") == (
        1, "error: file: File exists\n")


def test_words_without_their_option(host: Host) -> None:
    """Addresses alone are wrong usage."""
    code, error = host.fail("init", *HOSTS)
    assert code == 2 and "belong to --deployment" in error


def test_the_units_pass_systemd(tmp_path: pathlib.Path) -> None:
    """systemd itself finds nothing wrong."""
    for program in ("systemd-analyze", "redis-server", "redis-sentinel"):
        need(program)
    paths = []
    for name, text in deployment_files(HOSTS, "x").items():
        if name.startswith(HOSTS[0]) and name.endswith(".service"):
            paths.append(tmp_path / os.path.basename(name))
            found = shutil.which(re.findall(r"^ExecStart=/usr/bin/(\S+)", text, re.MULTILINE)[0])
            paths[-1].write_text(re.sub(r"^ExecStart=\S+", "ExecStart=%s" % found, text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", *map(str, paths)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * FACTOR)
    if b"Failed to initialize manager" in done.stdout or b"Operation not permitted" in done.stdout:
        pytest.skip("systemd-analyze verify does not work here")
    assert len(paths) == 2 and (done.returncode, done.stdout.decode()) == (0, "")


def test_the_mail_about_a_failover(tmp_path: pathlib.Path) -> None:
    """on_failover has the example mail who was and who is the master, to whom its word says."""
    (tmp_path / "mail").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat\n')
    (tmp_path / "mail").chmod(0o755)
    environ = dict(told(switch()), PATH="%s:/usr/bin:/bin" % tmp_path)
    done = subprocess.run([os.path.join(ROOT, "conf", "mail-on-failover"), "you@example.org"], env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * FACTOR)
    mail = done.stdout.decode("ascii").splitlines()
    assert done.returncode == 0
    assert mail[:3] == ["-s", "Redis sessions: 10.0.0.22:6380 is the master now", "you@example.org"]
    assert "was:         10.0.0.21:6379" in mail and "  redis-cli -h 10.0.0.21 -p 6379 ROLE" in mail
