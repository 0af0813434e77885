"""The files that `print` prints, given to those that they are for: bash, logrotate, and sh as cron runs it."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import typing as t

import pytest

from st.printed.completion import CompletionError, completion
from st.printed.crontab import crontab
from st.printed.host import own_command
from st.printed.rotation import directory_owner, rotation
from tests.installed import Host, need
from tests.programs import ROOT, Program
from tests.waiting import FACTOR


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    """Give a directory with the installed command."""
    return Host(tmp_path)


def test_the_command_as_installed(host: Host) -> None:
    """Absolute, however it was called; a module stays one; a link is not followed, for it may outlive its target."""
    assert own_command("/usr/lib/python3/st/__main__.py", "/usr/bin/python3") == ("/usr/bin/python3", "-m", "st")
    assert own_command("no-such-command-st", "/usr/bin/python3") == ("/usr/bin/python3", "-m", "st")
    assert own_command("bin/x", "p") == (os.path.abspath("bin/x"),)
    link = host.directory / "link"
    link.symlink_to(host.command)
    config = host.write()
    output = subprocess.check_output([str(link), "print", "cron", "-c", "c.ini"], env=host.environ,
                                     cwd=str(host.directory), timeout=60 * FACTOR)
    assert "* * * * * %s ensure -c %s\n" % (link, config) in output.decode()


def test_the_crontab_line_keeps_a_process_up(host: Host) -> None:
    """As cron runs it: the bare % undone, by sh, without an environment; then it runs, and once only."""
    control = tempfile.mkdtemp(prefix="st-")
    path = host.write("control = %s/c.sock\nhistory_file = off" % control, "a b%d.ini")
    lines = host.run("print", "cron", "-c", path).splitlines()
    command, = [line[len("* * * * * "):] for line in lines if line.startswith("* * * * * ")]
    assert "@reboot   " + command in lines and "%" not in command.replace("\\%", "")
    try:
        for _ in range(2):
            assert subprocess.check_output(["sh", "-c", command.replace("\\%", "%")], env={"PATH": "/usr/bin:/bin"},
                                           cwd="/", stderr=subprocess.STDOUT, timeout=60 * FACTOR) == b""
        assert "pid" in host.run("status", "-c", path)
    finally:
        host.run("stop", "-c", path)
        shutil.rmtree(control)


def test_cron_accepts_the_lines(host: Host) -> None:
    """crontab(1) itself finds nothing wrong."""
    need("crontab")
    path = host.directory / "crontab"
    path.write_text(crontab(["/opt/a b/sentinel-tunnel"], "/etc/50%.ini"))
    done = subprocess.run(["crontab", "-n", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60 * FACTOR)
    if b"invalid option" in done.stdout:
        pytest.skip("this crontab cannot check a file")
    assert done.returncode == 0, done.stdout


def test_logrotate_moves_the_log_of_a_running_process(host: Host) -> None:
    """No signal, no restart: what comes next is in the new file, what was there in the old one."""
    need("logrotate")
    log = host.directory / "my log.txt"
    path = host.write("log_file = %s\ncontrol = off\nlock = off\nhistory_file = off" % log)
    rules = host.directory / "rules"
    rules.write_text(host.run("print", "logrotate", "-c", path))
    rules.chmod(0o644)
    with Program(host.directory, "run", "-c", path) as program:
        program.wait_for(" start ", lambda: log.read_text() if log.exists() else "")
        rotate = [shutil.which("logrotate", path="/usr/sbin:/sbin:" + os.environ["PATH"]) or "", "--force", "--state",
                  str(host.directory / "state"), str(rules)]
        done = subprocess.run(rotate, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * FACTOR)
        assert (done.returncode, done.stdout) == (0, b"")
        program.send(signal.SIGUSR1)
        program.wait_for(" stack ", log.read_text)
        old = host.directory / "my log.txt.1"
        assert " start " in old.read_text() and " start " not in log.read_text()
        assert program.end() == 0


def test_rotation_of_a_shared_directory(host: Host) -> None:
    """logrotate refuses one that others may write to, unless it becomes its owner."""
    log = str(host.directory / "log")
    assert directory_owner(log) is None and directory_owner("/no/such/directory/log") is None
    host.directory.chmod(0o777)
    owner = directory_owner(log)
    assert owner and "\n    su %s %s\n" % owner in rotation(log, owner)
    assert " su " not in rotation(log, None) and rotation('/a[1]*"', None).count('\n"/a\\[1\\]\\*\\"" {\n') == 1


def test_logrotate_needs_a_log_file(host: Host) -> None:
    """Nothing to rotate, or nobody knows where: a wrong configuration."""
    assert host.fail("print", "logrotate", "-c", host.write()) == (
        78, "%s/c.ini: no log_file: the log goes to standard error, and there is nothing to rotate\n" % host.directory)
    code, error = host.fail("print", "logrotate", "-c", host.write("log_file = a.log"))
    assert code == 78 and "log_file = a.log: write a path from / on" in error


def test_a_service_may_write_where_its_unix_sockets_are(host: Host) -> None:
    """A path below /home, which the unit hides otherwise."""
    assert "ProtectHome=no\n" not in host.run("print", "unit", "-c", host.write(""))
    assert "ProtectHome=no\n" in host.run("print", "unit", "-c", host.write("listen = 127.0.0.1, /home/me/s.sock"))


def test_print_needs_a_file_and_no_settings(host: Host) -> None:
    """What is printed names the file alone: settings of the command line would be lost."""
    assert host.fail("print", "cron", "-c", host.write(), "--hold", "3s")[0] == 2
    environ = {"SENTINEL_TUNNEL_SENTINELS": "s1", "SENTINEL_TUNNEL_TUNNELS": "a=1"}
    code, error = host.fail("print", "cron", **environ)
    assert code == 78 and "give it with -c FILE" in error
    assert host.fail("print", "unit", "-c", host.write(), "--user", "a b")[0] == 2


def test_print_alone_and_print_nonsense(host: Host) -> None:
    """Wrong usage, with what there is."""
    code, error = host.fail("print")
    assert code == 2 and "logrotate" in error
    code, error = host.fail("print", "crontab")
    assert code == 2 and "did you mean 'cron'?" in error


@pytest.mark.parametrize("name, path", [
    ("alerts", "prometheus-alerts.yml"), ("dashboard", "grafana-dashboard.json")])
def test_packed_files_are_printed_as_they_are(host: Host, name: str, path: str) -> None:
    """The bytes of conf/."""
    with open(os.path.join(ROOT, "conf", path), encoding="utf-8") as file:
        assert host.run("print", name) == file.read()


def complete(host: Host, line: str) -> t.List[str]:
    """Return what a real bash proposes at the end of a line, by the script that we print."""
    script = host.directory / "completion"
    script.write_text(host.run("print", "completion"))
    words = line.split(" ")
    ask = ('source completion; COMP_WORDS=(%s); COMP_CWORD=%d;'
           '_sentinel_tunnel_completion sentinel-tunnel; printf "%%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", ask % (" ".join("'%s'" % word for word in words), len(words) - 1)],
                          env=host.environ, cwd=str(host.directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60 * FACTOR)
    assert done.stderr == b""  # it would stand in the middle of the line
    return done.stdout.decode().split()


def test_bash_completes_commands_and_options(host: Host) -> None:
    """By the script that the installed click makes, also those below a command and half lines with a mistake."""
    need("bash")
    assert complete(host, "sentinel-tunnel st") == ["status", "stop"]
    assert complete(host, "sentinel-tunnel print c") == ["cron", "completion"] or \
        complete(host, "sentinel-tunnel print c") == ["completion", "cron"]
    assert "--require-master" in complete(host, "sentinel-tunnel run --re")
    assert complete(host, "sentinel-tunnel nonsense x") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_script(host: Host, shell: str) -> None:
    """Syntax only: they have no way to complete without a terminal."""
    need(shell)
    script = host.directory / "completion"
    try:
        script.write_text(completion([str(host.command)], shell, host.environ))
    except CompletionError:
        pytest.skip("this click is too old for %s" % shell)
    subprocess.check_call([shell, "-n", str(script)], env=host.environ, timeout=60 * FACTOR)


def test_completion_for_an_unknown_shell(host: Host) -> None:
    """The shell is to be named."""
    code, error = host.fail("print", "completion", SHELL="/bin/dash")
    assert code == 2 and "$SHELL is '/bin/dash': name one of bash, zsh, fish" in error
