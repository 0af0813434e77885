"""Settings as Python values: the table of the file, with errors that say what to write."""
import pathlib
import typing as t

import pytest

import st
from st.config.table import SETTINGS, default
from st.embed.settings import OF_A_PROCESS, build, from_file
from tests.fakes import World
from tests.tunnels import ask, connect_to
from tests.waiting import FACTOR, wait_until

PLACE = {"sentinels": "10.0.0.11", "tunnels": ["a"]}


@pytest.mark.parametrize("values, problem", [
    (dict(hodl=3), "settings: unknown setting 'hodl'; did you mean 'hold'?"),
    (dict(hold="soon"), "settings: hold: 'soon' is not a time"),
    (dict(hold=-1), "settings: hold: '-1' is not a time"),
    (dict(hold=object()), "settings: hold: a value of type object: give a text, a number, True or False, or a list"),
    (dict(redis_password=b"s3cret"), "settings: redis_password: a value of type bytes: give a text or a function"),
    (dict(redis_user="joe"), "settings: redis_user needs redis_password_file, redis_password_env or redis_password"),
    (dict(sentinels=[]), "settings: sentinels: no Sentinel is named"),
    (dict(sentinels=["10.0.0.11", 5]), "settings: sentinels: '5' is not an IP address"),
    (dict(http="127.0.0.1:80"), "settings: http: this is no process of its own: ask status()"),
    (dict(port=70000), "settings: port: port 70000 is not between 1 and 65535"),
    (dict(tunnels=[]), "no tunnel: give tunnels = "),
    (dict(tunnels={"a": 6379}), "tunnel 'a': give its settings as {NAME: VALUE}, {} for none"),
    (dict(tunnels={"a": {"poll": 3}}), "tunnel 'a': poll is not a setting of a tunnel but of the process"),
    (dict(tunnels={"a": {"port": 1}, "b": {"port": 1}}), "tunnel 'b': tunnel 'b' listens on 127.0.0.1:1, tunnel 'a'"),
    (dict(tunnels={5: {}}), "tunnel 5: a name of type int: give a text"),
    (dict(tunnels={"": {}}), "tunnel '': a name is missing"),
])
def test_what_is_wrong_is_said(values: t.Dict[str, t.Any], problem: str) -> None:
    """Where it stands, what it is, and what to write instead; a password is never shown."""
    with pytest.raises(st.ConfigError) as caught:
        st.Tunnels(dict(PLACE, **values))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems
    assert "s3cret" not in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    """One try shows all."""
    with pytest.raises(st.ConfigError) as caught:
        st.SentinelTunnel("10.0.0.11:x", "a", hold="soon", hodl=1)
    assert len(caught.value.problems) == 3


def test_values_of_python_are_what_the_file_calls_them() -> None:
    """Numbers are seconds, truth is yes or no, lists and addresses are what they look like, None is not there."""
    made = build({"sentinels": ["a", ("b", 26380), "::1"], "hold": 0.25, "events": False, "poll": 2, "drain": None,
                  "listen": ["127.0.0.1", "::1"], "allow": ("10.0.0.0/8",), "sentinel_tls_verify": False},
                 {"one": {"role_check": True, "port": "7000"}, "two": {}, "three": {"port": 0}})
    assert made.sentinels == (("a", 26379), ("b", 26380), ("::1", 26379))
    assert (made.events, made.poll, made.drain, made.sentinel_tls_verify) == (False, 2.0, default("drain"), "no")
    one, two, three = made.tunnels
    assert (one.hold, one.listen, one.role_check, one.port) == (0.25, ("127.0.0.1", "::1"), "yes", 7000)
    assert [str(network) for network in one.allow] == ["10.0.0.0/8"] and (two.port, three.port) == (0, 0)


def test_a_path_may_be_a_path(tmp_path: pathlib.Path) -> None:
    """Of a file, where the file of the configuration has text."""
    path = tmp_path / "password"
    path.write_text("s3cret\n")
    password = build({"sentinels": "a", "redis_password_file": path}, {"one": {}}).tunnels[0].redis_password
    assert password is not None and password.reveal() == "s3cret" and "s3cret" not in repr(password)


def test_ports_count_up_from_a_first_one() -> None:
    """As in the file, where there is one for all; a tunnel may still have any."""
    made = build({"sentinels": "a", "port": 7000}, {"one": {}, "two": {"port": 7001}, "three": {}, "four": {"port": 0}})
    assert [tunnel.port for tunnel in made.tunnels] == [7000, 7001, 7002, 0]


def test_what_belongs_to_a_process_is_in_the_table() -> None:
    """Each of these is a setting of the process, and in a file it is passed over."""
    assert all(SETTINGS[name].scope == "process" for name in OF_A_PROCESS)


def test_a_file_without_a_tunnel_is_told(tmp_path: pathlib.Path) -> None:
    """Nobody would ask the Sentinels for names here; and a file that is not there is an error like others."""
    path = tmp_path / "c.ini"
    path.write_text("[sentinel-tunnel]\nsentinels = a\n")
    with pytest.raises(st.ConfigError, match=r"c.ini: no tunnel: add a section \[tunnel:NAME\] with its port"):
        from_file(path)
    with pytest.raises(st.ConfigError, match="nowhere.ini: cannot be read as a configuration: No such file"):
        st.Tunnels.from_config(str(tmp_path / "nowhere.ini"))


def test_a_password_of_the_environment_is_found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that the file names is read, also when its name is one of ours."""
    monkeypatch.setenv("SENTINEL_TUNNEL_REDIS_PASSWORD", "s3cret")
    path = tmp_path / "c.ini"
    path.write_text("[sentinel-tunnel]\nsentinels = a\n[tunnel:a]\nport = 1\n"
                    "redis_password_env = SENTINEL_TUNNEL_REDIS_PASSWORD\n")
    password = from_file(path).tunnels[0].redis_password
    assert password is not None and password.reveal() == "s3cret"


def test_passwords_may_change_while_it_runs(world: World) -> None:
    """Functions are asked for each login: after the passwords have changed everywhere, new clients get in."""
    passwords = {"sentinel": "one", "redis": "two"}

    def change() -> None:
        for sentinel in world.sentinels:
            sentinel.password = passwords["sentinel"]
        for node in world.nodes:
            node.password = passwords["redis"]

    change()
    with st.SentinelTunnel(world.seeds, world.name, login=True, redis_password=lambda: passwords["redis"],
                           sentinel_password=lambda: passwords["sentinel"]) as tunnel:
        for sentinel, redis in (("one", "two"), ("three", "four")):
            passwords.update(sentinel=sentinel, redis=redis)
            change()
            world.sentinels[0].drop_all()
            tunnel.wait_ready(20 * FACTOR)
            with connect_to(st.Address(tunnel.host, tunnel.port)) as client:
                assert ask(client, "PING") == b"+PONG\r\n"


def test_a_password_that_cannot_be_had_is_said(world: World) -> None:
    """A function that fails is the reason that status and clients are told; nothing else comes to harm."""
    for node in world.nodes:
        node.password = "s3cret"
    broken = [True]

    def password() -> str:
        if broken:
            raise RuntimeError("vault is sealed")
        return "s3cret"

    with st.SentinelTunnel(world.seeds, world.name, login=True, hold=0.5, redis_password=password) as tunnel:
        wait_until(lambda: "vault is sealed" in tunnel.status()["tunnels"][0]["reason"], "the status tells why")
        with connect_to(st.Address(tunnel.host, tunnel.port)) as client:
            said = client.recv(1000)
            assert said.startswith(b"-LOADING")
            assert b"given as redis_password failed: RuntimeError: vault is sealed" in said
        broken.clear()
        tunnel.wait_ready(20 * FACTOR)
        with connect_to(st.Address(tunnel.host, tunnel.port)) as client:
            assert ask(client, "PING") == b"+PONG\r\n"
