"""The command doctor: whom it looks at, what it sends, its formats and exit codes."""
import json
import os
import pathlib
import re
import socket
import typing as t

import pytest
from click.testing import CliRunner, Result

from st.cli.main import program
from st.testing.wire import Command
from tests.fakes import Connection, Error, Monitored, World
from tests.programs import own_places
from tests.waiting import FACTOR

READING = {"AUTH", "PING", "INFO", "ROLE", "CONFIG GET", "SENTINEL MASTERS", "SENTINEL MASTER", "SENTINEL MYID",
           "SENTINEL GET-MASTER-ADDR-BY-NAME", "SENTINEL REPLICAS", "SENTINEL SENTINELS", "SENTINEL CKQUORUM",
           "SENTINEL INFO-CACHE"}


@pytest.fixture
def run(tmp_path: pathlib.Path) -> t.Callable[..., Result]:
    """Run doctor with these words, in places of its own."""
    def run_doctor(*words: str, **environ: t.Optional[str]) -> Result:
        own = dict(own_places(str(tmp_path)), **t.cast(t.Dict[str, str], environ))
        return CliRunner().invoke(program, ["doctor", *words], prog_name="sentinel-tunnel", env=own)

    return run_doctor


def asking(world: World) -> t.List[str]:
    """Return the options that name the Sentinels."""
    return [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]


def sent(world: World) -> t.Set[str]:
    """Return the commands that any node was sent, those that have subcommands in two words."""
    words = [command for server in [*world.sentinels, *world.nodes] for command in server.commands]
    return {b" ".join(command[:2 if command[0] in (b"SENTINEL", b"CONFIG") else 1]).decode() for command in words}


def test_all_is_well(world: World, run: t.Callable[..., Result]) -> None:
    """The summary first, exit code 0, and nothing was sent that changes anything."""
    result = run(*asking(world))
    assert result.exit_code == 0, result.output
    first = result.output.splitlines()[0]
    assert first.startswith("0 problems, 0 warnings, ") and first.endswith(" s   (exit 0)")
    assert "3 sentinels, 1 name" in first and "not checked: D10 (writes; add --write-test)" in result.output
    assert sent(world) <= READING


def test_writing_must_be_asked_for(world: World, run: t.Callable[..., Result]) -> None:
    """--write-test lets each Sentinel write, and that is all."""
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL FLUSHCONFIG"] = Error("ERR Failed to save config file: No space left on device")
        sentinel.replies["INFO"] = "redis_version:7.0.15\r\nsentinel_tilt:0\r\n"
    result = run("--write-test", *asking(world))
    assert result.exit_code == 1 and result.output.count("PROBLEM D10") == 3
    assert "No space left on device" in " ".join(result.output.split())
    assert sent(world) - READING == {"SENTINEL FLUSHCONFIG"}


def test_which_names(world: World, run: t.Callable[..., Result], tmp_path: pathlib.Path) -> None:
    """Those of the configuration, else all; a word is the name of a tunnel, or of a master."""
    for sentinel in world.sentinels:
        sentinel.masters["other"] = Monitored(world.master.address, 1)
    assert "3 sentinels, 2 names" in run(*asking(world)).output
    assert "D02  nosuch: no Sentinel monitors this name" in run("nosuch", *asking(world)).output
    (tmp_path / "f.ini").write_text("[sentinel-tunnel]\nsentinels = %s:%d\n[tunnel:web]\nmaster = mymaster\n"
                                    "listen = %s\n" % (world.seeds[0] + (tmp_path / "s",)))
    for words in ([], ["web"], ["mymaster"]):
        output = run("-c", str(tmp_path / "f.ini"), "--json", *words).output
        assert json.loads(output)["names"] == ["mymaster"]


def test_exit_codes(world: World, run: t.Callable[..., Result]) -> None:
    """Warnings count with --strict; a broken configuration and wrong usage are what they are elsewhere."""
    for sentinel in world.sentinels:
        sentinel.quorum = 3
    assert run(*asking(world)).exit_code == 0
    assert run("--strict", *asking(world)).exit_code == 1
    assert run("-s", "s1", "--hold", "x").exit_code == 2
    assert run().exit_code == 78
    assert run("--nagios", "--json", *asking(world)).exit_code == 2


def test_nagios(world: World, run: t.Callable[..., Result]) -> None:
    """One line, and the exit codes 0 to 3 of a plugin."""
    good = run("--nagios", *asking(world))
    assert (good.exit_code, good.output.count("\n")) == (0, 1) and good.output.startswith("SENTINEL OK - 0 problems")
    for sentinel in world.sentinels:
        sentinel.quorum = 3
    assert run("--nagios", *asking(world)).exit_code == 1
    world.sentinels[0].password = "secret"
    bad = run("--nagios", *asking(world))
    assert bad.exit_code == 2 and "D01 %s:%d: wants a password" % world.seeds[0] in bad.output
    unknown = run("--nagios")
    assert unknown.exit_code == 3 and unknown.output.startswith("SENTINEL UNKNOWN - no Sentinel is given: ")


def test_nagios_in_time(world: World, run: t.Callable[..., Result]) -> None:
    """A second look comes early enough for a plugin, to which Nagios gives 10 s."""
    for replica in world.replicas:
        replica.replies["INFO"] = "redis_version:7.0.15\r\nmaster_link_status:down\r\n"
    for sentinel in world.sentinels:
        sentinel.replicas["mymaster"] = [each._replace(link="err") for each in sentinel.replicas["mymaster"]]
    result = run("--nagios", *asking(world))
    assert result.exit_code == 2 and "cannot follow the master (link down)" in result.output
    seconds = float(re.findall(r" time=([0-9.]+)s", result.output)[0])
    assert 1 < seconds < 9 * FACTOR


def test_no_password_is_shown(world: World, run: t.Callable[..., Result]) -> None:
    """Neither ours nor one that Redis tells, in any format."""
    for server in (*world.sentinels, *world.nodes):
        server.password = "right-secret"
    for node in world.nodes:
        node.replies["CONFIG"] = _config
    words = asking(world)
    for option in ([], ["--json"], ["--nagios"]):
        for given in ("right-secret", "wrong-secret"):
            result = run(*words, *option, SENTINEL_TUNNEL_SENTINEL_PASSWORD="right-secret",
                         SENTINEL_TUNNEL_REDIS_PASSWORD=given)
            assert "secret" not in result.output, result.output
            assert ("D11" if given.startswith("right") else "problem") in result.output


def _config(connection: Connection, command: Command) -> t.List[str]:
    passwords = {b"requirepass": "right-secret", b"masterauth": "other-secret"}
    return [command[2].decode(), passwords.get(command[2], "")]


def test_a_port_that_is_taken(world: World, run: t.Callable[..., Result]) -> None:
    """D19: with the process that holds it; a port that is free is not listened on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        result = run(*asking(world), SENTINEL_TUNNEL_TUNNELS="mymaster=%d" % port)
    assert result.exit_code == 1 and "PROBLEM D19  mymaster: tunnel mymaster cannot listen" in result.output
    assert "pid %d" % os.getpid() in result.output
    assert run(*asking(world), SENTINEL_TUNNEL_TUNNELS="mymaster=%d" % port).exit_code == 0


def test_a_master_under_two_tunnels_is_one_name(world: World, run: t.Callable[..., Result],
                                                tmp_path: pathlib.Path) -> None:
    """Also a tunnel to its replicas."""
    (tmp_path / "f.ini").write_text("[sentinel-tunnel]\nsentinels = %s:%d\nlisten = %s\n[tunnel:mymaster]\n"
                                    "[tunnel:ro]\nmaster = mymaster\nrole = replica\nlisten = %s\n"
                                    % (world.seeds[0] + (tmp_path / "a", tmp_path / "b")))
    assert json.loads(run("-c", str(tmp_path / "f.ini"), "--json").output)["names"] == ["mymaster"]
