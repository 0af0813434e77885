"""The systemd unit that `print unit` prints, for this host and for others."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import typing as t
import zipfile

import pytest

from st.printed.host import OLDEST, parse_systemd_version
from st.printed.unit import Service, systemd_word, unit
from tests.installed import Host, need
from tests.programs import ROOT
from tests.waiting import FACTOR

SERVICE = Service(command=("/opt/st/bin/sentinel-tunnel",), config="/etc/st.ini", user="st", has_user=True,
                  systemd=OLDEST, drain=3.0, control=True, log_file=None, reads=(), writes=())


def test_the_unit_passes_systemd(tmp_path: pathlib.Path) -> None:
    """systemd itself finds nothing wrong in the unit for this host, nor in the socket unit beside it."""
    need("systemd-analyze")
    host = Host(tmp_path)
    unit_file = host.directory / "sentinel-tunnel.service"
    unit_file.write_text(host.run("print", "unit", "-c", host.write("drain = 2m"), "--user", "root"))
    socket_file = host.directory / "sentinel-tunnel.socket"
    shutil.copy(os.path.join(ROOT, "conf", "sentinel-tunnel.socket"), str(socket_file))
    done = subprocess.run(["systemd-analyze", "verify", str(unit_file), str(socket_file)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * FACTOR)
    if b"Failed to initialize manager" in done.stdout or b"Operation not permitted" in done.stdout:
        pytest.skip("systemd-analyze verify does not work here")
    assert (done.returncode, done.stdout.decode()) == (0, "")
    text = unit_file.read_text()
    assert "\nExecStart=%s run -c %s/c.ini\n" % (host.command, host.directory) in text
    assert "\nExecReload=%s reload -c %s/c.ini\n" % (host.command, host.directory) in text
    assert "\nUser=root\n" in text and "\nTimeoutStopSec=135\n" in text


def test_the_user_of_the_unit(tmp_path: pathlib.Path) -> None:
    """Who asks; but root needs not run it."""
    host = Host(tmp_path)
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "sentinel-tunnel"
    assert "\nUser=%s\n" % user in host.run("print", "unit", "-c", host.write())
    assert "\nUser=nobody-st\n" in host.run("print", "unit", "--user", "nobody-st", "-c", host.write())


def test_what_a_systemd_does_not_know_is_left_out() -> None:
    """219 gets a way to a history without StateDirectory=; nothing is lost from one version to the next."""
    oldest, later = unit(SERVICE), unit(SERVICE._replace(systemd=235))
    assert "StateDirectory=" not in oldest.replace("knows no StateDirectory=", "") and "TasksMax" not in oldest
    assert "install -d -o st -m 0750 /var/lib/sentinel-tunnel" in oldest
    assert "\nStateDirectory=sentinel-tunnel\n" in later and "\nTasksMax=infinity\n" in later
    assert "ProtectHostname" not in later and "ProtectHostname" in unit(SERVICE._replace(systemd=242))
    settings = [{line.split("=")[0] for line in text.splitlines() if re.match(r"[A-Z]\w+=", line)}
                for text in (oldest, later)]
    assert settings[0] < settings[1]


def test_one_file_unpacks_itself_where_the_service_may_write(tmp_path: pathlib.Path) -> None:
    """Its user has no home; what the file has unpacked for us is none of the service's."""
    host = Host(tmp_path)
    usual, (first, rest) = host.run("print", "unit", "-c", host.write()), host.command.read_bytes().split(b"\n", 1)
    with zipfile.ZipFile(str(host.command), "w") as file:
        file.writestr("__main__.py", rest)
    host.command.write_bytes(first + b"\n" + host.command.read_bytes())
    line = "\nEnvironment=SHIV_ROOT=/var/lib/sentinel-tunnel\n"
    assert line in host.run("print", "unit", "-c", host.write()) and line not in usual
    assert "StateDirectory=sentinel-tunnel" in unit(SERVICE._replace(systemd=235, bundle=True))


def test_the_unit_protects_what_is_not_in_use() -> None:
    """A command in a home must be reachable, a log there writable, a socket in /tmp visible to others."""
    def lines(**changes: t.Any) -> t.List[str]:
        return re.findall(r"^(?:ProtectHome|PrivateTmp)=.*$", unit(SERVICE._replace(**changes)), re.MULTILINE)

    assert lines() == ["ProtectHome=yes", "PrivateTmp=yes"]
    assert lines(config="/home/me/st.ini") == ["ProtectHome=read-only", "PrivateTmp=yes"]
    assert lines(writes=("/home/me/log",)) == ["ProtectHome=no", "PrivateTmp=yes"]
    assert lines(reads=("/var/tmp/venv",)) == ["ProtectHome=yes", "PrivateTmp=no"]


def test_the_unit_reloads_and_names_its_user() -> None:
    """By a signal when there is no control socket; a user that is not there is to be made."""
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in unit(SERVICE._replace(control=False))
    assert "useradd" not in unit(SERVICE)
    assert "#   useradd --system --shell /usr/sbin/nologin st\n" in unit(SERVICE._replace(has_user=False))
    assert "and write /var/log/a.log" in unit(SERVICE._replace(log_file="/var/log/a.log"))


@pytest.mark.parametrize("word, written", [
    ("/etc/a.ini", "/etc/a.ini"), ("/a b", '"/a b"'), ("/50%", "/50%%"), ("/$x", "/$$x"), ('/"\\', '"/\\"\\\\"'),
    ("/a;b", '"/a;b"'), ("", '""')])
def test_words_of_a_unit(word: str, written: str) -> None:
    """Specifiers and variables are not expanded, blanks do not split."""
    assert systemd_word(word) == written


@pytest.mark.parametrize("text, version", [
    ("systemd 252 (252.38-1~deb12u1)\n+PAM", 252), ("systemd 219\n+PAM +AUDIT", 219), ("systemd 208\n", OLDEST),
    ("", OLDEST), ("nonsense", OLDEST), ("systemd 257~rc1 (257~rc1-1)", 257)])
def test_versions_of_systemd(text: str, version: int) -> None:
    """The oldest that will do when it cannot be told."""
    assert parse_systemd_version(text) == version
