"""Files are found and read, or it is said why not."""
import contextlib
import os
import pathlib
import typing as t

import pytest

from st.config import DEFAULT_FILES, load
from st.errors import ConfigError
from tests.configs import HEAD


def _write(path: pathlib.Path, content: bytes = HEAD.encode(), mode: int = 0o600) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def _problem(path: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})
    return caught.value


@contextlib.contextmanager
def _without_rights() -> t.Iterator[None]:
    """Be a user who may not read what others protect; root would not notice."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_the_default_files_are_those_of_the_contract() -> None:
    """Here, at home, and for the whole host."""
    assert DEFAULT_FILES == ("./sentinel-tunnel.ini", "~/.config/sentinel-tunnel.ini", "/etc/sentinel-tunnel.ini")


def test_the_first_default_file_that_exists_is_read(tmp_path: pathlib.Path) -> None:
    """Without -c the files are tried in their order; `~` is HOME, and without HOME that one is left out."""
    files = [str(tmp_path / "here.ini"), "~/home.ini", str(tmp_path / "etc.ini")]
    last = _write(tmp_path / "etc.ini")
    environ = {"HOME": str(tmp_path / "home")}
    assert load(None, {}, environ, (), files).source == last
    home = _write(tmp_path / "home" / "home.ini")
    assert load(None, {}, environ, (), files).source == home
    assert load(None, {}, {}, (), files).source == last
    first = _write(tmp_path / "here.ini")
    assert load(None, {}, environ, (), files).source == first


def test_the_file_given_wins_over_the_environment_and_the_defaults(tmp_path: pathlib.Path) -> None:
    """-c first, then SENTINEL_TUNNEL_CONFIG, then the default files."""
    one, two, three = [_write(tmp_path / name) for name in ("one", "two", "three")]
    environ = {"SENTINEL_TUNNEL_CONFIG": two}
    assert load(one, {}, environ, (), [three]).source == one
    assert load(None, {}, environ, (), [three]).source == two
    assert load(None, {}, {"SENTINEL_TUNNEL_CONFIG": ""}, (), [three]).source == three


def test_no_file_is_needed(tmp_path: pathlib.Path) -> None:
    """Options alone are a configuration."""
    loaded = load(None, {"sentinels": "s1"}, {}, ["a=1"], [str(tmp_path / "none")])
    assert loaded.source is None and loaded.settings.tunnels[0].name == "a"


def test_a_file_given_must_exist(tmp_path: pathlib.Path) -> None:
    """A missing file is told by its path and the words of the system."""
    path = str(tmp_path / "none.ini")
    assert _problem(path).problems == ("%s: cannot be read as a configuration: No such file or directory" % path,)


def test_a_directory_is_no_configuration(tmp_path: pathlib.Path) -> None:
    """Neither is anything else that cannot be read."""
    assert "Is a directory" in str(_problem(str(tmp_path)))


def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: pathlib.Path) -> None:
    """The byte and its line are named."""
    path = _write(tmp_path / "f", b"[sentinel-tunnel]\nsentinels = caf\xe9\n")
    assert _problem(path).problems == ("%s: cannot be read as a configuration: not UTF-8: byte 0xe9 in line 2" % path,)


def test_a_file_without_end_is_no_configuration() -> None:
    """A device or a huge file given by mistake does not fill the memory."""
    assert "larger than 1048576 bytes: this is no configuration" in str(_problem("/dev/zero"))


def test_a_byte_order_mark_is_no_text(tmp_path: pathlib.Path) -> None:
    """Files from some editors begin with one, INI and JSON."""
    assert load(_write(tmp_path / "f", b"\xef\xbb\xbf" + HEAD.encode()), {}, {}).settings.sentinels
    assert load(_write(tmp_path / "g", b'\xef\xbb\xbf\n {"sentinels": "s1"}'), {}, {}).settings.sentinels


@pytest.mark.parametrize("name", ["f", "password"])
def test_a_missing_right_is_the_cause(tmp_path: pathlib.Path, name: str) -> None:
    """Whoever catches the error can tell a missing right from a wrong configuration."""
    password = _write(tmp_path / "password", b"p\n", 0o644)
    path = _write(tmp_path / "f", (HEAD + "sentinel_password_file = %s\n" % password).encode(), 0o644)
    (tmp_path / name).chmod(0)
    for directory in [tmp_path, *list(tmp_path.parents)[:3]]:
        directory.chmod(0o755)
    with _without_rights():
        error = _problem(path)
    assert isinstance(error.__cause__, PermissionError)
    assert "Permission denied" in str(error) and str(tmp_path / name) in str(error)


@pytest.mark.parametrize("text", [HEAD + "sentinel_password = p\n", '{"sentinels": "s1", "sentinel_password": "p"}',
                                  HEAD + "[tunnel:a]\nport = 1\nredis_password = p\n"])
def test_a_password_that_others_can_read_is_a_warning(tmp_path: pathlib.Path, text: str) -> None:
    """A configuration that holds a password is for its owner's eyes."""
    path = _write(tmp_path / "f", text.encode(), 0o644)
    assert load(path, {}, {}).warnings == (
        "%s: holds a password and can be read by other users: chmod 600 it" % path,)
    os.chmod(path, 0o600)
    assert load(path, {}, {}).warnings == ()


def test_a_file_without_a_password_may_be_read_by_all(tmp_path: pathlib.Path) -> None:
    """Nothing is said of a file that holds no secret, not even of one that leaves it empty."""
    path = _write(tmp_path / "f", (HEAD + "sentinel_password =\n").encode(), 0o644)
    assert load(path, {}, {}).warnings == ()


def test_options_and_words_are_read_as_utf8(tmp_path: pathlib.Path) -> None:
    """What an ASCII locale has left undecoded in the command line is made whole."""
    options = {"sentinels": "s1", "sentinel_user": "caf\udcc3\udca9"}
    environ = {"SENTINEL_TUNNEL_SENTINEL_PASSWORD": "p"}
    loaded = load(None, options, environ, ["caf\udcc3\udca9=1"], [])
    assert loaded.settings.sentinel_user == loaded.settings.tunnels[0].name == "caf\u00e9"
