"""Each setting has a variable in the environment, and the environment can be all there is."""
import typing as t

import pytest

from st.config.environment import as_utf8
from tests.configs import HEAD, loaded, problems, settings

ALONE = {"SENTINEL_TUNNEL_SENTINELS": "s1 s2:1", "SENTINEL_TUNNEL_TUNNELS": " sessions=6379, cache=0.0.0.0:6380,"}


def test_the_environment_is_a_full_configuration() -> None:
    """Sentinels and tunnels from variables need no file."""
    result = settings("", environ=ALONE)
    assert result.sentinels == (("s1", 26379), ("s2", 1))
    assert [(tunnel.name, tunnel.listen, tunnel.port) for tunnel in result.tunnels] == [
        ("sessions", ("127.0.0.1",), 6379), ("cache", ("0.0.0.0",), 6380)]


def test_the_environment_wins_over_the_file() -> None:
    """Also over the section of a tunnel."""
    environ = {"SENTINEL_TUNNEL_POLL": " 3s ", "SENTINEL_TUNNEL_HOLD": "4s", "UNRELATED": "x"}
    result = settings(HEAD + "poll = 1s\n[tunnel:a]\nport = 1\nhold = 2s\n", environ=environ)
    assert (result.poll, result.tunnels[0].hold) == (3.0, 4.0)


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_variable_is_none(empty: str) -> None:
    """Empty variables count as unset."""
    environ = {"SENTINEL_TUNNEL_POLL": empty, "SENTINEL_TUNNEL_TUNNELS": empty, "SENTINEL_TUNNEL_SENTINEL_USER": empty}
    result = settings(HEAD + "poll = 3s\n[tunnel:a]\nport = 1\n", environ=environ)
    assert result.poll == 3.0 and len(result.tunnels) == 1


def test_what_is_wrong_names_the_variable() -> None:
    """A wrong value is told with its variable."""
    environ = {"SENTINEL_TUNNEL_POLL": "x", "SENTINEL_TUNNEL_TUNNELS": "a=1,b=x,a=2,=3"}
    forms = "write NAME, NAME=PORT, NAME=HOST:PORT or NAME=/PATH"
    assert problems(HEAD, environ=environ) == [
        "environment SENTINEL_TUNNEL_TUNNELS 'b=x': 'x' is not a port number: " + forms,
        "environment SENTINEL_TUNNEL_TUNNELS 'a=2': tunnel 'a' is named twice: keep one",
        "environment SENTINEL_TUNNEL_TUNNELS '=3': a name is missing: " + forms,
        "environment SENTINEL_TUNNEL_POLL: poll: 'x' is not a time: write seconds (0.5) or a unit (500ms, 2s, 5m, 1h)",
    ]


def test_a_near_miss_is_a_warning() -> None:
    """A variable with our prefix that is nearly one of ours is worth a word, any other is not."""
    environ = {"SENTINEL_TUNNEL_SENTINEL": "s1", "SENTINEL_TUNNEL_poll": "1", "SENTINEL_TUNNEL_SERVICE_HOST": "x",
               "SENTINEL_TUNNEL_CONFIG": "x", "SENTINEL_TUNNEL_REQUIRE_MASTER": "yes", "POLLL": "1"}
    assert loaded(HEAD, environ=environ).warnings == (
        "environment: SENTINEL_TUNNEL_SENTINEL is ignored; did you mean 'SENTINEL_TUNNEL_SENTINELS'?",
        "environment: SENTINEL_TUNNEL_poll is ignored; did you mean 'SENTINEL_TUNNEL_POLL'?",
    )


def test_kubernetes_may_describe_a_service_of_our_name() -> None:
    """SENTINEL_TUNNEL_PORT=tcp://... is set in pods beside a service called sentinel-tunnel."""
    environ = {"SENTINEL_TUNNEL_PORT": "tcp://10.96.0.1:6379", "SENTINEL_TUNNEL_PORT_6379_TCP_PROTO": "tcp"}
    result = loaded(HEAD, environ=environ, names=["a"])
    assert result.settings.tunnels[0].port == 6379
    assert result.warnings == ("environment SENTINEL_TUNNEL_PORT: 'tcp://10.96.0.1:6379' is ignored: "
                               "it describes a service, not a port",)


@pytest.mark.parametrize("more", [
    {"environ": {"SENTINEL_TUNNEL_SENTINEL_PASSWORD": " p "}},
    {"environ": {"SENTINEL_TUNNEL_SENTINEL_PASSWORD_ENV": "P", "P": " p "}},
])
def test_a_password_is_taken_as_it_stands(more: t.Dict[str, t.Any]) -> None:
    """White space in a variable belongs to the password."""
    password = settings(HEAD, **more).sentinel_password
    assert password and password.reveal() == " p "


def test_text_of_the_process_is_utf8() -> None:
    """What an ASCII locale has left undecoded is read as UTF-8; what is not UTF-8 stays as it is."""
    assert as_utf8("caf\udcc3\udca9") == "caf\u00e9"
    assert as_utf8("caf\udce9") == "caf\udce9"
    assert as_utf8("plain") == "plain"
