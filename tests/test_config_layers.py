"""Which of several values counts, and where passwords come from."""
import os
import pathlib
import typing as t

import pytest

from st.secret import Secret
from tests.configs import HEAD, loaded, problems, settings

TUNNEL = "[tunnel:a]\nport = 1\n"


@pytest.fixture
def password_file(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., str]]:
    """Give a maker of password files."""
    def make(content: bytes, mode: int = 0o600) -> str:
        path = tmp_path / "pass"
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    yield make


def test_the_strongest_layer_wins() -> None:
    """Command line, environment, tunnel section, process section, default: each one wins over all behind it."""
    file, section = HEAD + "hold = 2s\n", TUNNEL + "hold = 3s\n"
    environ, options = {"SENTINEL_TUNNEL_HOLD": "4s"}, {"hold": "5s"}
    results = [
        settings(HEAD + TUNNEL), settings(file + TUNNEL), settings(file + section),
        settings(file + section, environ=environ), settings(file + section, environ=environ, options=options),
    ]
    assert [result.tunnels[0].hold for result in results] == [10.0, 2.0, 3.0, 4.0, 5.0]


def test_a_wrong_value_is_told_also_where_another_hides_it() -> None:
    """A file does not become right because an option wins over it."""
    assert len(problems(HEAD + "poll = x\n", options={"poll": "1s"})) == 1


def test_a_wrong_option_is_told_by_its_name() -> None:
    """Options are named as they are typed."""
    assert problems(HEAD, options={"connect_timeout": "x"})[0].startswith("option --connect-timeout: connect_timeout: ")


@pytest.mark.parametrize("content, password", [
    (b"p", "p"), (b"p\n", "p"), (b"p\r\n", "p"), (b" p %;# \nmore\n", " p %;# "),
    (b"\xef\xbb\xbfp\xc3\xa9\n", "p\u00e9"),
])
def test_a_password_file_holds_it_in_its_first_line(
    password_file: t.Callable[..., str], content: bytes, password: str
) -> None:
    """Only the line end is taken away."""
    result = loaded(HEAD + "sentinel_password_file = %s\n" % password_file(content))
    assert result.settings.sentinel_password == Secret(password) and result.warnings == ()


def test_an_empty_password_file_is_wrong(password_file: t.Callable[..., str]) -> None:
    """An empty first line is no password."""
    path = password_file(b"\np\n")
    assert problems(HEAD + "sentinel_password_file = %s\n" % path) == [
        "f:3: sentinel_password_file: the first line of %s is empty: the password belongs there" % path]


def test_an_unreadable_password_file_is_wrong(password_file: t.Callable[..., str], tmp_path: pathlib.Path) -> None:
    """A missing file and one that is not UTF-8 are told with their reason."""
    text = HEAD + "sentinel_password_file = %s\n"
    assert problems(text % (tmp_path / "none")) == [
        "f:3: sentinel_password_file: %s cannot be read: No such file or directory" % (tmp_path / "none")]
    path = password_file(b"\xff\n")
    assert problems(text % path) == [
        "f:3: sentinel_password_file: %s cannot be read: not UTF-8: byte 0xff in line 1" % path]


def test_a_password_file_for_all_to_read_is_a_warning(password_file: t.Callable[..., str]) -> None:
    """It works, is told once however many tunnels use it, and is told with the command that mends it."""
    path = password_file(b"p\n", 0o640)
    text = HEAD + "redis_password_file = %s\n" % path + TUNNEL + "[tunnel:b]\nport = 2\n"
    assert loaded(text).warnings == (
        "f:3: redis_password_file: %s can be read by other users: chmod 600 it" % path,)


def test_a_password_comes_from_the_variable_that_is_named() -> None:
    """The variable must be there and hold something."""
    text = HEAD + "redis_password_env = P\n" + TUNNEL
    assert settings(text, environ={"P": "p"}).tunnels[0].redis_password == Secret("p")
    for environ in ({}, {"P": ""}):  # type: t.Dict[str, str]
        assert problems(text, environ=environ) == [
            "f:3: redis_password_env: the environment variable P is not set, or empty"]


@pytest.mark.parametrize("ways", [("", "_file"), ("_file", "_env"), ("", "_file", "_env")])
def test_a_password_comes_one_way_only(ways: t.Sequence[str]) -> None:
    """Two ways in one place are a problem, and none of them is taken silently."""
    lines = ["sentinel_password%s = %s\n" % (way, os.devnull) for way in ways]
    names = " and ".join("sentinel_password" + way for way in ways)
    assert "f:4: %s are given together: keep one" % names in problems(HEAD + "".join(lines))


def test_a_stronger_layer_replaces_the_way_of_a_password() -> None:
    """The password of a stronger layer wins in whatever way it is given; the weaker file is not even opened."""
    text = HEAD + "redis_password_file = /none\n" + TUNNEL + "redis_password = section\n"
    assert settings(text).tunnels[0].redis_password == Secret("section")
    environ = {"SENTINEL_TUNNEL_REDIS_PASSWORD_ENV": "P", "P": "environment"}
    assert settings(text, environ=environ, names=["a"]).tunnels[0].redis_password == Secret("environment")


def test_an_empty_value_in_a_section_takes_a_default_away() -> None:
    """A tunnel without a password, where the others have one."""
    text = HEAD + "redis_user = u\nredis_password = p\n" + TUNNEL + "redis_user =\nredis_password =\n"
    tunnel, = settings(text).tunnels
    assert (tunnel.redis_user, tunnel.redis_password) == (None, None)


def test_a_user_needs_a_password() -> None:
    """A user alone cannot log in."""
    text = HEAD + "sentinel_user = u\n" + TUNNEL + "redis_user = u\n"
    assert problems(text) == [
        "f:3: sentinel_user needs sentinel_password_file, sentinel_password_env or sentinel_password",
        "f:6: redis_user needs redis_password_file, redis_password_env or redis_password",
    ]


def test_a_common_user_may_have_a_password_in_each_tunnel() -> None:
    """What no tunnel uses as it stands need not be complete."""
    result = loaded(HEAD + "redis_user = u\nhold = 5s\n" + TUNNEL + "redis_password = p\n")
    tunnel, = result.settings.tunnels
    assert (tunnel.redis_user, tunnel.redis_password) == ("u", Secret("p"))
    assert (result.template.name, result.template.hold, result.template.port) == ("", 5.0, 6379)


def test_a_sentinel_that_stands_twice_is_dropped_with_a_warning() -> None:
    """Each Sentinel counts once, in the order of the file."""
    result = loaded("[sentinel-tunnel]\nsentinels = s1, s2, s1:26379\n")
    assert result.settings.sentinels == (("s1", 26379), ("s2", 26379))
    assert result.warnings == ("f:2: sentinels: s1:26379 is named 2 times",)


def test_no_sentinel_names_the_ways_to_give_one() -> None:
    """Option, variable, file."""
    assert problems("") == [
        "no Sentinel is given: use --sentinel HOST, the environment variable SENTINEL_TUNNEL_SENTINELS, or a "
        "configuration file (-c FILE, or /etc/sentinel-tunnel.ini) with `sentinels = HOST, HOST, HOST`"]


def test_a_minimum_that_can_never_be_met_is_wrong() -> None:
    """More Sentinels than are named can only agree when others are discovered."""
    assert problems(HEAD + "min_sentinels = 2\n") == []
    assert problems(HEAD + "min_sentinels = 1\ndiscover = no\n") == []
    assert problems(HEAD + "min_sentinels = 2\ndiscover = no\n") == [
        "f:3: min_sentinels: 2 is more than the Sentinels named, and discover is off: lower it"]


def test_no_password_is_in_the_problems_or_the_settings() -> None:
    """Whatever is printed of a configuration, the password is not in it."""
    text = HEAD + "sentinel_password = hunter2\nredis_password = hunter2\n" + TUNNEL
    assert "hunter2" not in repr(loaded(text))
    assert "hunter2" not in "".join(problems(text + "poll = x\nredis_password = hunter2\nredis_password_env = hunter2"))
