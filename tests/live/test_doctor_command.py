"""The command doctor, as its users run it: on a host where the program itself could not work."""
import json
import pathlib

from tests.live.bed import Bed
from tests.live.tunnel import PROGRAM, run_once


def test_this_host(tmp_path: pathlib.Path) -> None:
    """D19: a port of another process, a file that cannot be written, too many clients, a program that is missing."""
    few_files = ("sh", "-c", 'ulimit -n 500; exec "$@"', "sh") + PROGRAM
    conf = tmp_path / "f.ini"
    with Bed(replicas=0, sentinels=1) as bed:
        master, [sentinel] = bed.master("sessions"), bed.sentinels
        conf.write_text("[sentinel-tunnel]\nsentinels = %s\nlog_file = %s/no/log\non_failover = %s/no/program\n"
                        "[tunnel:sessions]\nlisten = %s\nport = %d\nmax_connections = 1000\n"
                        % ((sentinel.address, tmp_path, tmp_path) + master.address))
        done = run_once("doctor", "-c", str(conf), "--json", program=few_files)
        plugin = run_once("doctor", "-c", str(conf), "--nagios")
    told = {each["title"]: each["seen"] for each in json.loads(done.stdout)["findings"] if each["id"] == "D19"}
    file, warning, room, port = sorted(told)
    assert (file, warning) == ("a file of ours cannot be written", "the configuration has a warning")
    assert room.startswith("this host has room for ") and port == "tunnel sessions cannot listen"
    assert "pid %d" % master.pid in told[port] and "no/program" in told[warning]
    assert done.returncode == 1 and plugin.returncode == 2
    assert plugin.stdout.startswith("SENTINEL CRITICAL - ") and plugin.stdout.count("\n") == 1
