"""The commands resolve and masters: what they print, and how they exit."""
import typing as t

import pytest
from click.testing import CliRunner, Result

from st.cli.main import program
from tests.fakes import Error, FakeRedis, FakeSentinel, Monitored, World, refused_address

MakeSentinel = t.Callable[..., FakeSentinel]
MakeRedis = t.Callable[..., FakeRedis]


def run(*words: str, **environ: t.Optional[str]) -> Result:
    """Run the command line."""
    return CliRunner().invoke(program, list(words), prog_name="sentinel-tunnel", env=environ)


def asking(world: World) -> t.List[str]:
    """Return the options that name the Sentinels."""
    return [word for seed in world.seeds for word in ("-s", "%s:%d" % seed)]


def test_resolve_prints_the_address(world: World) -> None:
    """One line that a script can use, nothing else."""
    result = run("resolve", "mymaster", *asking(world))
    assert (result.exit_code, result.output) == (0, "%s:%d\n" % world.master.address)
    assert not world.master.accepted


def test_resolve_verify_asks_the_master(world: World) -> None:
    """An address that says it is a replica is not printed."""
    result = run("resolve", "--verify", "mymaster", *asking(world))
    assert (result.exit_code, result.output) == (0, "%s:%d\n" % world.master.address)
    assert world.master.count("ROLE") == 1
    world.master.role = "slave"
    result = run("resolve", "mymaster", "--verify", *asking(world))
    assert result.exit_code == 69 and "says that it is a replica, not master" in result.output


def test_resolve_verify_finds_nobody(world: World) -> None:
    """The kernel's word is in the error."""
    with refused_address() as nobody:
        for sentinel in world.sentinels:
            sentinel.masters["mymaster"] = Monitored(nobody, 1)
        result = run("resolve", "mymaster", "--verify", *asking(world))
    assert result.exit_code == 69 and "Connection refused" in result.output


def test_resolve_takes_the_newest_epoch(world: World, fake_redis: MakeRedis) -> None:
    """One Sentinel that knows of a later failover outweighs two that do not yet."""
    world.sentinels[2].masters["mymaster"] = Monitored(world.replicas[0].address, 9)
    assert run("resolve", "mymaster", *asking(world)).output == "%s:%d\n" % world.replicas[0].address


def test_resolve_an_unknown_name(world: World) -> None:
    """Exit 69, and the names that there are, if the Sentinels tell them."""
    result = run("resolve", "mymasters", *asking(world))
    assert result.exit_code == 69
    assert result.output == ("error: mymasters: not monitored by the sentinels that answer (3 of 3): "
                             "they monitor mymaster; did you mean 'mymaster'?\n")
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL MASTERS"] = Error("NOPERM this user has no permissions")
    result = run("resolve", "nosuch", *asking(world))
    assert result.output == "error: nosuch: not monitored by the sentinels that answer (3 of 3)\n"


def test_resolve_without_a_sentinel_that_answers() -> None:
    """Each of them is named with its error."""
    with refused_address() as one, refused_address() as other:
        result = run("resolve", "mymaster", "-s", "%s:%d" % one, "-s", "%s:%d" % other)
    assert result.exit_code == 69 and result.output.startswith("error: mymaster: no sentinel answers: ")
    assert all("%s:%d: Connection refused" % each in result.output for each in (one, other))


def test_resolve_with_one_hung_sentinel(world: World) -> None:
    """The others are enough."""
    world.sentinels[0].fault = "silence"
    result = run("resolve", "mymaster", *asking(world), SENTINEL_TUNNEL_SENTINEL_TIMEOUT="300ms")
    assert (result.exit_code, result.output) == (0, "%s:%d\n" % world.master.address)


def test_resolve_a_tunnel_by_its_own_name(world: World, tmp_path: t.Any) -> None:
    """A tunnel of the configuration may have another name than its master."""
    (tmp_path / "f.ini").write_text("[sentinel-tunnel]\nsentinels = %s:%d\n[tunnel:sessions]\nmaster = mymaster\n"
                                    "port = 1\n" % world.seeds[0])
    result = run("resolve", "-c", str(tmp_path / "f.ini"), "sessions")
    assert (result.exit_code, result.output) == (0, "%s:%d\n" % world.master.address)


def test_resolve_needs_a_name() -> None:
    """Wrong usage."""
    assert run("resolve", "-s", "s1").exit_code == 2
    assert run("resolve", "mymaster").exit_code == 78  # no Sentinel is given


def test_resolve_with_the_password_of_the_sentinels(world: World) -> None:
    """From the environment; a wrong one is told, but never shown."""
    for sentinel in world.sentinels:
        sentinel.password = "right-secret"
    good = run("resolve", "mymaster", *asking(world), SENTINEL_TUNNEL_SENTINEL_PASSWORD="right-secret")
    assert (good.exit_code, good.output) == (0, "%s:%d\n" % world.master.address)
    bad = run("resolve", "mymaster", *asking(world), SENTINEL_TUNNEL_SENTINEL_PASSWORD="wrong-secret")
    assert bad.exit_code == 69 and "WRONGPASS" in bad.output and "secret" not in bad.output


def test_masters_lists_them(world: World) -> None:
    """A line each: name, address, state, and how many look after it."""
    for sentinel in world.sentinels:
        sentinel.masters["cache"] = Monitored(("10.9.9.9", 6380), 12, "master,s_down,o_down")
    result = run("masters", *asking(world))
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert rows == [["NAME", "MASTER", "STATE", "REPLICAS", "SENTINELS", "QUORUM", "EPOCH"],
                    ["cache", "10.9.9.9:6380", "s_down,o_down", "0", "3", "2", "12"],
                    ["mymaster", "%s:%d" % world.master.address, "ok", "2", "3", "2", "0"]]


def test_masters_shows_the_promoted_one_during_a_failover(world: World) -> None:
    """SENTINEL MASTERS prints the old address until the failover is over: the right question is asked besides."""
    promoted = world.replicas[0].address
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL GET-MASTER-ADDR-BY-NAME"] = [promoted[0], str(promoted[1])]
    assert "%s:%d" % promoted in run("masters", *asking(world)).output


def test_masters_of_sentinels_that_refuse(world: World) -> None:
    """The right to list them may be missing."""
    for sentinel in world.sentinels:
        sentinel.replies["SENTINEL MASTERS"] = Error("NOPERM this user has no permissions")
    result = run("masters", *asking(world))
    assert result.exit_code == 69 and "NOPERM" in result.output


def test_masters_of_something_else(fake_redis: MakeRedis) -> None:
    """A plain Redis named as a Sentinel by mistake is found out."""
    node = fake_redis()
    result = run("masters", "-s", "%s:%d" % node.address)
    assert result.exit_code == 69 and "is no Sentinel (a plain Redis?)" in result.output


@pytest.mark.parametrize("name", ["evil\x1b[31m", "line\nbreak"])
def test_no_name_can_write_to_the_terminal(fake_sentinel: MakeSentinel, name: str) -> None:
    """What a Sentinel says is shown without control characters."""
    sentinel = fake_sentinel()
    sentinel.masters[name] = Monitored(("10.0.0.1", 6379), 1)
    output = run("masters", "-s", "%s:%d" % sentinel.address).output
    assert "\x1b" not in output and len(output.splitlines()) == 2


def test_a_fault_in_the_words_is_wrong_usage() -> None:
    """Exit 2 for what can be seen on the command line alone."""
    assert run("masters", "surplus").exit_code == 2
    assert run("resolve", "a", "b").exit_code == 2


def test_resolve_verify_says_when_it_could_not(world: World) -> None:
    """A master that wants a password tells no role: its address is printed, with the reason on standard error."""
    world.master.password = "secret"
    result = run("resolve", "mymaster", "--verify", *asking(world))
    assert result.exit_code == 0 and "warning: not verified: it does not tell its role: NOAUTH" in result.output
    assert result.output.rstrip().endswith("%s:%d" % world.master.address)
