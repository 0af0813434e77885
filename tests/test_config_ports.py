"""Ports: words choose tunnels, ports are counted up, and no two tunnels may claim one address."""
import typing as t

import pytest

from st.config import with_tunnels
from st.errors import ConfigError
from tests.configs import HEAD, loaded, problems, settings

FILE = HEAD + "[tunnel:a]\nport = 6380\nhold = 5s\n[tunnel:b]\nport = 6390\n"


def _ports(text: str, **more: t.Any) -> t.List[t.Tuple[str, str, int]]:
    found = settings(text, **more).tunnels
    assert all(tunnel.port is not None and len(tunnel.listen) == 1 for tunnel in found)
    return [(tunnel.name, tunnel.listen[0], tunnel.port or 0) for tunnel in found]


def test_without_words_the_file_decides() -> None:
    """Every section runs."""
    assert [name for name, _, _ in _ports(FILE)] == ["a", "b"]


def test_words_choose_what_runs() -> None:
    """A word keeps what the file says, a port or an address in it wins, others of the file do not run."""
    assert _ports(FILE, names=["b"]) == [("b", "127.0.0.1", 6390)]
    assert _ports(FILE, names=["a=1"]) == [("a", "127.0.0.1", 1)]
    assert settings(FILE, names=["a=1"]).tunnels[0].hold == 5.0
    assert _ports(FILE, names=["a=[::1]:1"], options={"listen": "0.0.0.0"}) == [("a", "::1", 1)]


def test_words_of_the_command_line_win_over_the_environment() -> None:
    """The command line chooses; what the environment says of a chosen tunnel still holds."""
    environ = {"SENTINEL_TUNNEL_TUNNELS": "a=10.0.0.1:7,c=8", "SENTINEL_TUNNEL_LISTEN": "10.0.0.2"}
    assert _ports(FILE, environ=environ) == [("a", "10.0.0.1", 7), ("c", "10.0.0.2", 8)]
    assert _ports(FILE, environ=environ, names=["c"]) == [("c", "10.0.0.2", 8)]
    assert _ports(FILE, environ=environ, names=["a=9"]) == [("a", "10.0.0.1", 9)]
    assert _ports(FILE, environ=environ, options={"listen": "10.0.0.3"})[0] == ("a", "10.0.0.3", 7)


def test_new_names_count_ports_up() -> None:
    """In the order given, from 6379 or from --port, past the ports that others have."""
    names = ["x", "a", "y=6382", "z", "w"]
    assert [port for _, _, port in _ports(FILE, names=names)] == [6379, 6380, 6382, 6381, 6383]
    assert [port for _, _, port in _ports(FILE, names=["x", "y"], options={"port": "1"})] == [1, 2]


def test_the_first_port_may_stand_in_the_file() -> None:
    """With a port in the process section, sections without one count up from it."""
    assert _ports(HEAD + "port = 7000\n[tunnel:a]\n[tunnel:b]\nport = 7000\n") == [
        ("a", "127.0.0.1", 7001), ("b", "127.0.0.1", 7000)]


def test_ports_run_out() -> None:
    """The tunnel that gets none is named."""
    assert problems(HEAD, names=["x", "y"], options={"port": "65535"}) == [
        "tunnel 'y': no port is left for tunnel 'y' above 65535: name one"]


@pytest.mark.parametrize("one, other", [
    ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("localhost", "LOCALHOST"),
    ("::1", "0:0:0:0:0:0:0:1"), ("::", "::1"), ("::", "127.0.0.1"), ("0.0.0.0", "localhost"),
])
def test_two_tunnels_on_one_address_are_wrong(one: str, other: str) -> None:
    """A wildcard covers every address of its port."""
    text = HEAD + "[tunnel:a]\nport = 1\nlisten = %s\n[tunnel:b]\nlisten = %s\nport = 1\n" % (one, other)
    found, = problems(text)
    assert found.startswith("f:8: tunnel 'b' listens on ")
    assert "tunnel 'a' already on " in found and found.endswith(" (f:4): choose another port")


@pytest.mark.parametrize("one, other", [("127.0.0.1", "127.0.0.2"), ("::1", "127.0.0.1"), ("0.0.0.0", "::1")])
def test_one_port_on_two_addresses_is_right(one: str, other: str) -> None:
    """Tunnels on different addresses may share a port."""
    assert problems(HEAD, names=["a=[%s]:1" % one, "b=[%s]:1" % other]) == []


@pytest.mark.parametrize("listen", ["127.0.0.1, 127.0.0.1", "127.0.0.1, 0.0.0.0", "::, 127.0.0.1", "/a, /b, //a/../a"])
def test_a_tunnel_is_not_in_its_own_way(listen: str) -> None:
    """Two of its places that overlap: the kernel would take one of them only."""
    found = problems(HEAD + "[tunnel:a]\nport = 1\nlisten = %s\n" % listen)
    assert len(found) == 1 and "f:" in found[0]
    assert "tunnel 'a' listens on " in found[0] and found[0].endswith(", which overlap: keep one")


def test_two_tunnels_on_one_path_are_wrong() -> None:
    """With the lines where the paths stand."""
    text = HEAD + "[tunnel:a]\nlisten = /run/x\n[tunnel:b]\nport = 1\nlisten = 127.0.0.1, /run/../run/x\n"
    assert problems(text) == [
        "f:7: tunnel 'b' listens on /run/x, tunnel 'a' already on /run/x (f:4): choose another path"]


def test_a_port_is_for_tcp_alone() -> None:
    """A tunnel with paths alone needs none and counts none up; its own port, if it has one, is told as useless."""
    made = loaded(HEAD + "port = 7000\n[tunnel:a]\n[tunnel:b]\nlisten = /b\n[tunnel:c]\nlisten = /c, ::1\n")
    assert [(tunnel.name, tunnel.port) for tunnel in made.settings.tunnels] == [("a", 7000), ("b", None), ("c", 7001)]
    assert made.warnings == () and made.settings.tunnels[2].places == ("/c", ("::1", 7001))
    made = loaded(HEAD + "[tunnel:a]\nlisten = /a\nport = 1\n")
    assert made.warnings == ("f:5: port: tunnel 'a' listens on unix sockets alone, and has no port",)
    assert made.settings.tunnels[0].port is None


def test_a_word_may_name_a_path() -> None:
    """Whatever the file says, it listens there and nowhere else."""
    tunnel, = settings(FILE, names=["a=/run/a.sock"]).tunnels
    assert (tunnel.listen, tunnel.port, tunnel.hold) == (("/run/a.sock",), None, 5.0)
    made = settings(HEAD, environ={"SENTINEL_TUNNEL_TUNNELS": "a=/run/a.sock, b=7"})
    assert [tunnel.places for tunnel in made.tunnels] == [("/run/a.sock",), (("127.0.0.1", 7),)]


def test_names_that_sentinels_know_cannot_share_a_path() -> None:
    """One can have it; more are told what to do."""
    result = loaded(HEAD, options={"listen": "/run/x.sock"})
    tunnel, = with_tunnels(result, ["a"]).tunnels
    assert (tunnel.places, tunnel.port) == (("/run/x.sock",), None)
    with pytest.raises(ConfigError, match="listen: is one place, and there are 2 master names .a, b.: write a "):
        with_tunnels(result, ["b", "a"])


def test_a_tunnel_that_does_not_run_claims_nothing() -> None:
    """Words may choose one of two tunnels that could not run together."""
    assert problems(HEAD + "[tunnel:a]\nport = 1\n[tunnel:b]\nport = 1\n", names=["b"]) == []


def test_wrong_values_do_not_hide_other_problems() -> None:
    """A port or an address that is wrong is told once and claims nothing."""
    assert problems(HEAD + "[tunnel:a]\nport = x\n[tunnel:b]\nlisten = *\nport = 1\n[tunnel:c]\nport = 1\n") == [
        "f:4: port: 'x' is not a port number",
        "f:6: listen: '*' is not an address: write 0.0.0.0 to listen on every interface",
    ]


@pytest.mark.parametrize("word, message", [
    ("a=", "'' is not a port number"), ("a=b:x", "'x' is not a port number"), ("=1", "a name is missing"),
    ("a=:1", "'' has no host"), ("a=x/y", "'x/y' is not a whole path"), ("", "a name is missing"),
])
def test_a_wrong_word_is_told(word: str, message: str) -> None:
    """The word is shown with what is wrong and the forms that are right."""
    found, = problems(HEAD, names=[word])
    assert found.startswith("argument %r: %s" % (word, message))
    assert found.endswith(": write NAME, NAME=PORT, NAME=HOST:PORT or NAME=/PATH")


def test_a_word_may_name_what_holds_an_equals_sign() -> None:
    """Only the last equals sign separates the port."""
    assert _ports(HEAD, names=["a=b=1"]) == [("a=b", "127.0.0.1", 1)]


def test_names_that_sentinels_know_become_tunnels() -> None:
    """Sorted, on ports counted up from the first, with the settings of a tunnel that nobody wrote anything about."""
    result = loaded(HEAD + "hold = 5s\n", options={"port": "7000", "listen": "0.0.0.0"})
    assert result.settings.tunnels == ()
    tunnels = with_tunnels(result, ["b", "a"]).tunnels
    assert [(tunnel.name, tunnel.master, tunnel.listen, tunnel.port, tunnel.hold) for tunnel in tunnels] == [
        ("a", "a", ("0.0.0.0",), 7000, 5.0), ("b", "b", ("0.0.0.0",), 7001, 5.0)]


def test_names_that_sentinels_know_change_nothing_beside_tunnels() -> None:
    """A configuration that has tunnels is complete."""
    result = loaded(FILE)
    assert with_tunnels(result, ["x"]) is result.settings


def test_a_name_keeps_its_counted_port() -> None:
    """Whatever comes and goes beside it; a port is never given to another name."""
    ports: t.Dict[str, int] = {}
    result = loaded(HEAD, options={"port": "7000"})
    seen = [[(each.name, each.port) for each in with_tunnels(result, names, ports).tunnels]
            for names in (["m"], ["m", "a"], ["a"], ["z", "m"])]
    assert seen == [[("m", 7000)], [("a", 7001), ("m", 7000)], [("a", 7001)], [("m", 7000), ("z", 7002)]]


def test_names_that_cannot_be_tunnels_are_told() -> None:
    """A name that cannot be printed, and one for which no port is left."""
    with pytest.raises(ConfigError, match="master name .*: no tunnel: .*control characters"):
        with_tunnels(loaded(HEAD), ["a\n"])
    with pytest.raises(ConfigError, match="master name 'b': no tunnel: port 65536 is not"):
        with_tunnels(loaded(HEAD, options={"port": "65535"}), ["a", "b"])


@pytest.mark.parametrize("http, wrong", [
    ("6379", True), ("0.0.0.0:6379", True), ("127.0.0.2:6379", False), ("6380", False), ("off", False)])
def test_http_on_a_tunnels_port(http: str, wrong: bool) -> None:
    """It is told with both places, not found out at the start."""
    found = problems("[sentinel-tunnel]\nsentinels = s1\nhttp = %s\n[tunnel:a]\nport = 6379\n" % http)
    told = "f:3: http: tunnel 'a' listens on 127.0.0.1:6379 (f:5): choose another port"
    assert found == ([told] if wrong else [])
