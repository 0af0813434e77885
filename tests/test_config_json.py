"""JSON: the original tool's file works unchanged, and our own settings may stand beside its keys."""
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.config.table import SETTINGS
from tests.configs import loaded, problems, settings

ORIGINAL = """{"Sentinels_addresses_list":["node1.local:8001","node2.local:8001"],
 "Databases":[{"Name":"db1","Local_port":"12345"},{"Name":"db2","Local_port":"12346"}]}"""


def _databases(*databases: t.Dict[str, t.Any], **more: t.Any) -> str:
    return json.dumps(dict(more, sentinels="s1", Databases=databases))


def test_the_original_file_works_unchanged() -> None:
    """Its Sentinels and databases become ours; the one difference is a note, no warning."""
    result = loaded(ORIGINAL)
    assert result.settings.sentinels == (("node1.local", 8001), ("node2.local", 8001))
    assert [(tunnel.name, tunnel.master, tunnel.listen, tunnel.port) for tunnel in result.settings.tunnels] == [
        ("db1", "db1", ("127.0.0.1",), 12345), ("db2", "db2", ("127.0.0.1",), 12346)]
    assert result.warnings == ()
    assert result.notes == ("f: tunnels listen on 127.0.0.1, where the original tool listened on every interface; "
                            "--listen 0.0.0.0 brings that back",)


@pytest.mark.parametrize("more", [
    {"options": {"listen": "0.0.0.0"}},
    {"environ": {"SENTINEL_TUNNEL_LISTEN": "0.0.0.0"}},
    {"environ": {"SENTINEL_TUNNEL_TUNNELS": "db1=0.0.0.0:1"}},
    {"names": ["db1=0.0.0.0:1"]},
])
def test_no_note_when_it_is_said_where_to_listen(more: t.Dict[str, t.Any]) -> None:
    """Who says where to listen knows of the difference."""
    result = loaded(ORIGINAL, **more)
    assert result.notes == () and result.settings.tunnels[0].listen == ("0.0.0.0",)


def test_no_note_when_the_file_says_where_to_listen_or_is_ours() -> None:
    """A listen in the file, or our own `sentinels`, is not the original's form."""
    assert loaded(ORIGINAL.replace("{", '{"listen": "::1",', 1)).notes == ()
    assert loaded(ORIGINAL.replace('"12345"', '"127.0.0.1:12345"')).notes == ()
    assert loaded(_databases({"Name": "a", "port": 1})).notes == ()


def test_keys_have_no_case() -> None:
    """As in Go, keys match without case."""
    assert settings(ORIGINAL.lower()).tunnels == settings(ORIGINAL).tunnels == settings(
        ORIGINAL.replace("Local_port", "LOCAL_PORT").replace("Name", "nAME")).tunnels


@pytest.mark.parametrize("port, listen", [
    ("1", "127.0.0.1"), (1, "127.0.0.1"), ("0.0.0.0:1", "0.0.0.0"), ("[::1]:1", "::1"), (" 1 ", "127.0.0.1"),
])
def test_a_local_port_has_many_forms(port: t.Any, listen: str) -> None:
    """A text, a number, or an address with a port."""
    tunnel, = settings(_databases({"Name": "a", "Local_port": port})).tunnels
    assert (tunnel.listen, tunnel.port) == ((listen,), 1)


def test_our_own_settings_are_understood() -> None:
    """Settings of the process stand at the top, those of a tunnel there or beside its name."""
    text = _databases({"Name": "a", "port": 1, "hold": 0.5, "master": "m"}, poll="2s", events=False, hold=3,
                      nat_map=["a -> b", "c -> d"], sentinel_password=123, drain=None)
    result = settings(text)
    assert (result.poll, result.events, str(result.nat_map), result.drain) == (2.0, False, "a -> b, c -> d", 3.0)
    assert (result.tunnels[0].hold, result.tunnels[0].master) == (0.5, "m")
    assert result.sentinel_password and result.sentinel_password.reveal() == "123"


def test_a_password_is_taken_as_it_stands() -> None:
    """White space at the ends of a password belongs to it; the ends of other texts are trimmed."""
    password = settings(_databases(sentinel_password=" a ", sentinel_user=" b ")).sentinel_password
    assert password and password.reveal() == " a "


def test_unknown_keys_are_ignored_with_a_warning_for_a_near_miss() -> None:
    """The original ignores unknown keys; a slip of the pen is worth a word."""
    result = loaded(_databases({"Name": "a", "port": 1, "Local_prot": 2, "color": "red"}, comment="x", polll=1))
    assert result.warnings == ("f: 'polll' is ignored; did you mean 'poll'?",
                               "f: Databases[0]: 'Local_prot' is ignored; did you mean 'local_port'?")


def test_the_original_allows_two_ports_to_one_master() -> None:
    """The second tunnel of one name is called after its port too."""
    tunnels = settings(_databases({"Name": "a", "Local_port": 1}, {"Name": "a", "Local_port": 2})).tunnels
    assert [(tunnel.name, tunnel.master, tunnel.port) for tunnel in tunnels] == [("a", "a", 1), ("a-2", "a", 2)]


@pytest.mark.parametrize("text, expected", [
    ('{"sentinels": ["s1"],\n "poll": }', ["f:2: not JSON: Expecting value (column 10)"]),
    ('{"sentinels": "s1"} x', ["f:1: not JSON: Extra data (column 21)"]),
    ("{" + '"a":{' * 100000, ["f: not a configuration: lists or objects stand too deep in each other"]),
    (_databases(poll=[1]), ["f: poll is neither a text, a number nor true or false"]),
    (_databases(nat_map=[{}]), ["f: nat_map is neither a text, a number nor true or false"]),
    (_databases(poll={}), ["f: poll is neither a text, a number nor true or false"]),
    (_databases(poll=float("nan")), ["f: poll: 'NaN' is not a time: write seconds (0.5) or a unit "
                                     "(500ms, 2s, 5m, 1h)"]),
    ('{"sentinels": "s1", "Sentinels": "s2"}', ["f: Sentinels is given twice: keep one"]),
    ('{"sentinels": "s1", "Databases": {}}', ["f: Databases is not a list: write [{...}, {...}]"]),
    ('{"sentinels": "s1", "Databases": 1}', ["f: Databases is not a list: write [{...}, {...}]"]),
    ('{"sentinels": "s1", "Databases": [1]}', ['f: Databases[0]: expected {"Name": "...", "Local_port": "..."}']),
    (_databases({"Local_port": 1}), ["f: Databases[0]: Name: a name is missing"]),
    (_databases({"Name": "a"}), ["f: Databases[0]: tunnel 'a' has no port: write one, such as port = 6379"]),
    (_databases({"Name": "a", "port": 1}, {"Name": "a"}), ["f: Databases[1]: tunnel 'a' is given twice: keep one"]),
    (_databases({"Name": "a", "port": 1, "poll": 2}),
     ["f: Databases[0]: poll is not a setting of a tunnel but of the process: move it there"]),
    (_databases({"Name": "a", "Local_port": "b:c"}), ["f: Databases[0]: port: 'c' is not a port number"]),
    (_databases({"Name": "a", "Local_port": "b:1", "listen": "c"}),
     ["f: Databases[0]: port: 'b:1' is not a port number"]),
    (_databases({"Name": "a", "Local_port": 7}).replace("7", "1" + "0" * 4999),
     ["f: Databases[0]: port: '1%s' is not a port number" % ("0" * 4999)]),
    (_databases({"Name": "\ud800", "port": 1}), [
        r"f: Databases[0]: Name: '\ud800' has control characters or is not UTF-8: use printable text"]),
])
def test_what_is_wrong_is_told_with_its_place(text: str, expected: t.List[str]) -> None:
    """A syntax error has its line, anything else its entry."""
    assert [problem for problem in problems(text) if not problem.startswith("no Sentinel")] == expected


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(
        st.one_of(st.sampled_from(["Name", "Local_port", "port", "listen", "master"]), st.text()), inner)),
    max_leaves=10)
KEYS = st.one_of(st.sampled_from([*SETTINGS, "Databases", "Sentinels_addresses_list"]), st.text())


@given(st.dictionaries(KEYS, VALUES))
def test_any_object_is_told_not_raised(document: t.Dict[str, t.Any]) -> None:
    """Whatever the values are, they are settings or a list of problems."""
    for name in ("sentinel_password_file", "redis_password_file"):  # these would be opened
        document.pop(name, None)
    problems(json.dumps(document))


@given(st.text(alphabet='{}[]":,\\ nulltrue01.eE-\n'))
def test_garbage_is_told_not_raised(text: str) -> None:
    """Whatever stands behind the first brace, it is settings or a list of problems."""
    problems("{" + text)
