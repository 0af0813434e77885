"""INI text is read line by line, and every problem is told with its line."""
import configparser
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.config.findings import Findings
from st.config.ini import read_ini
from st.config.sheet import Layer
from st.config.table import SETTINGS
from tests.configs import HEAD, loaded, problems, settings

EVERYTHING_WRONG = """\
pol = 1
[sentinel-tunnel]
sentinels = s1, s:x
pol = 1
poll = 5 parsecs
poll = 1s
nonsense with hunter2
= 3
[tunnel:a]
port = 6379
drain = 3s
Port = 6380
[tunnel:b]
[tunnel:a]
hodl = 3
[tunel:c]
whatever = 1
[tunnel: ]
[oops
[sentinel-tunnel] ; again
"""


def test_every_problem_is_told_with_its_line() -> None:
    """One reading tells all that is wrong, in the order of the lines."""
    assert problems(EVERYTHING_WRONG) == [
        "f:1: 'pol' stands before any section: begin with [sentinel-tunnel]",
        "f:3: sentinels: 'x' is not a port number",
        "f:4: unknown setting 'pol'; did you mean 'poll'?",
        "f:5: poll: '5 parsecs' is not a time: write seconds (0.5) or a unit (500ms, 2s, 5m, 1h)",
        "f:6: poll is given again, first at f:5: keep one",
        "f:7: 'nonsense'...: expected KEY = VALUE",
        "f:8: '='...: expected KEY = VALUE",
        "f:11: drain is not a setting of a tunnel but of the process: move it there",
        "f:12: port is given again, first at f:10: keep one",
        "f:13: tunnel 'b' has no port: write one, such as port = 6379",
        "f:14: section [tunnel:a] stands here again, first at f:9: make them one",
        "f:15: unknown setting 'hodl'; did you mean 'hold'?",
        "f:16: unknown section [tunel:c]; did you mean 'tunnel:c'?",
        "f:18: section [tunnel:]: a name is missing: write [tunnel:NAME]",
        "f:19: '[oops' is not a section: write [sentinel-tunnel] or [tunnel:NAME]",
        "f:20: section [sentinel-tunnel] stands here again, first at f:2: make them one",
    ]


def test_comments_and_blank_lines_are_skipped() -> None:
    """Comments stand on lines of their own or, after white space, behind a value or a section."""
    text = "; c\n# c\n\n[sentinel-tunnel]  ; c\n  ; c\nsentinels = s1;x.example ; c\nlog_file = a#b # c\n"
    assert problems(text) == ["f:6: sentinels: 's1;x.example' has a character that no host has"]
    assert settings(text.replace("s1;x", "s1")).log_file == "a#b"


def test_a_password_holds_anything() -> None:
    """No comment and no interpolation is looked for in a password; white space at its ends is dropped."""
    password = settings(HEAD + "sentinel_password =  a %s ;b #c = \"d\" \n").sentinel_password
    assert password and password.reveal() == 'a %s ;b #c = "d"'


def test_a_deeper_indented_line_continues_a_value() -> None:
    """Lists may take several lines, with comments and blank lines between them."""
    text = "[sentinel-tunnel]\nsentinels =\n  s1 ; first\n\n  ; c\n  s2\n  poll = 2s\npoll = 3s\n"
    assert problems(text) == ["f:2: sentinels: '=' has a character that no host has"]
    text = text.replace("  poll = 2s\n", "")
    assert [address.host for address in settings(text).sentinels] == ["s1", "s2"] and settings(text).poll == 3.0


def test_what_continues_a_wrong_key_is_not_told_again() -> None:
    """One line for one slip."""
    assert problems(HEAD + "pol = 1\n  2\n[tunl]\nx = 1\n  2\n") == [
        "f:3: unknown setting 'pol'; did you mean 'poll'?",
        "f:5: unknown section [tunl]: write [sentinel-tunnel] or [tunnel:NAME]"]


def test_a_section_ends_the_one_before() -> None:
    """An indented line behind a section continues nothing, and what stands in a wrong section belongs to none."""
    text = HEAD + "[tunnel:a]\n  port = 1\n"
    assert settings(text).tunnels[0].port == 1
    assert problems(text + "[oops\n  port = 2\n") == [
        "f:5: '[oops' is not a section: write [sentinel-tunnel] or [tunnel:NAME]"]
    assert problems(text + "[tunnel:a]\n  port = 2\n") == [
        "f:5: section [tunnel:a] stands here again, first at f:3: make them one"]


def test_lines_before_any_section_are_told_once() -> None:
    """The first of them is enough."""
    assert problems("poll = 1\ndrain = 1\n" + HEAD) == ["f:1: 'poll' stands before any section: begin with "
                                                        "[sentinel-tunnel]"]


def test_an_indented_section_is_no_continuation() -> None:
    """A file that is indented as a whole reads as if it were not."""
    assert settings("  [sentinel-tunnel]\n    sentinels = s1\n    poll = 2s\n").poll == 2.0


def test_a_password_is_one_line() -> None:
    """An indented line after a password is a slip, and is not shown."""
    text = HEAD + "sentinel_password = a\n  hunter2\n"
    assert problems(text) == ["f:4: an indented line continues sentinel_password, but a password is one line"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(end: str) -> None:
    """Files from other systems count their lines in the same way, behind a byte order mark too."""
    text = "\ufeff" + (HEAD + "poll = x\n").replace("\n", end)
    assert problems(text) == [
        "f:3: poll: 'x' is not a time: write seconds (0.5) or a unit (500ms, 2s, 5m, 1h)"
    ]


@pytest.mark.parametrize("name", ["a", "a b", "a]b", "a:b", "tunnel:a", "caf\u00e9", "a=b", "a;b", "[a]"])
def test_a_tunnel_may_have_any_name(name: str) -> None:
    """What stands behind `tunnel:` is the name, and the Sentinels' name too unless `master` says otherwise."""
    tunnel, = settings(HEAD + "[tunnel:%s] ; comment ]\nport = 1\n" % name).tunnels
    assert (tunnel.name, tunnel.master) == (name, name)


def test_a_name_with_control_characters_is_refused() -> None:
    """The message shows it without letting it reach the terminal."""
    assert problems(HEAD + "[tunnel:a\x1b[2J]\nport = 1\n") == [
        r"f:3: section [tunnel:]: 'a\x1b[2J' has control characters or is not UTF-8: use printable text: "
        "write [tunnel:NAME]"
    ]


def test_keys_have_no_case() -> None:
    """As with configparser, Poll is poll."""
    assert settings(HEAD + "Poll = 2s\n").poll == 2.0


KEYS = st.sampled_from(sorted(set(SETTINGS) - {"sentinel_password", "redis_password"}))
VALUES = st.text(alphabet="abc:,.%=[]1", min_size=1, max_size=8)
SECTIONS = st.dictionaries(st.sampled_from(["sentinel-tunnel", "tunnel:a", "tunnel:b c"]),
                           st.dictionaries(KEYS, VALUES, max_size=4), max_size=3)


@given(SECTIONS)
def test_plain_files_read_as_with_configparser(sections: t.Dict[str, t.Dict[str, str]]) -> None:
    """On what both understand, this reader and configparser agree."""
    text = "".join("[%s]\n%s" % (title, "".join("%s = %s\n" % item for item in section.items()))
                   for title, section in sections.items())
    parser = configparser.RawConfigParser(delimiters=("=",))
    parser.read_string(text)
    sheet = read_ini(text, "f", Findings())
    layers = dict(sheet.tunnels, **{"sentinel-tunnel": sheet.process})
    for title, section in sections.items():
        layer = layers[title.replace("tunnel:", "", 1)]
        assert _texts(layer) == {key: parser[title][key] for key in section if key in layer}


def _texts(layer: Layer) -> t.Dict[str, str]:
    return {name: given.text for name, given in layer.items()}


@given(st.text(alphabet=st.sampled_from("[]tunnel:sentinel-poll = ;#\n\r\t 1\x00\ufeff{}\",")))
def test_garbage_is_told_not_raised(text: str) -> None:
    """Whatever stands in a file, it is settings or a list of problems."""
    for problem in problems(text):
        assert problem.isprintable()


@given(st.lists(st.sampled_from(EVERYTHING_WRONG.splitlines() + HEAD.splitlines())))
def test_any_order_of_lines_is_told_not_raised(lines: t.List[str]) -> None:
    """Lines in any order are settings or a list of problems."""
    problems("\n".join(lines))


def test_a_file_that_is_right_has_no_warnings() -> None:
    """Nothing is said about nothing."""
    result = loaded(HEAD + "[tunnel:a]\nport = 1\n")
    assert (result.source, result.warnings, result.notes) == ("f", (), ())
