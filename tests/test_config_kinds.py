"""Each kind of setting reads its texts and refuses the others in words that help."""
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.address import Address
from st.config import kinds

seconds = kinds.duration(0.1, 86400.0)
seconds_or_off = kinds.duration(1.0, 60.0, zero_is_off=True)


@pytest.mark.parametrize("text, value", [
    ("2", 2.0), ("0.5", 0.5), (".5", 0.5), ("500ms", 0.5), ("2s", 2.0), ("1.5 s", 1.5), ("5m", 300.0), ("1h", 3600.0),
])
def test_a_time_is_seconds_unless_it_has_a_unit(text: str, value: float) -> None:
    """Bare numbers are seconds; ms, s, m and h are known."""
    assert seconds(text) == value and isinstance(seconds(text), float)


@pytest.mark.parametrize("text", [
    "", "x", "-1", "-1s", "nan", "inf", "1e3", "1d", "1 2", "\u0661", ".", "5M", "1s\n2s",
])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Negative numbers, NaN, infinity, unknown units and anything else are no times."""
    with pytest.raises(ValueError, match="is not a time: write seconds"):
        seconds(text)


@pytest.mark.parametrize("text", ["0", "99ms", "86400.1", "25h", "9" * 400])
def test_a_time_out_of_its_bounds_is_refused(text: str) -> None:
    """The message tells the bounds."""
    with pytest.raises(ValueError, match="out of range: write a time from 100ms to 24h$"):
        seconds(text)


def test_zero_is_off_where_that_is_said() -> None:
    """A time that can be off takes 0 below its lowest value, and says so."""
    assert seconds_or_off("0") == 0.0
    with pytest.raises(ValueError, match="from 1s to 60s, or 0 for off"):
        seconds_or_off("500ms")


@given(st.floats(0.0, 86400.0))
def test_a_time_reads_back_exactly(value: float) -> None:
    """What show() prints is the same number of seconds again."""
    assert kinds.duration(0.0, 86400.0)(kinds.show(value)) == value


@given(st.text(alphabet="0123456789.smh -+einfa"))
def test_garbage_is_a_value_error_or_a_time(text: str) -> None:
    """No text gives a time outside its bounds."""
    try:
        assert 0.1 <= seconds(text) <= 86400.0
    except ValueError:
        pass


def test_a_whole_number_has_bounds() -> None:
    """Digits between the bounds, and nothing else."""
    kind = kinds.number(1, 10)
    assert [kind("1"), kind("10")] == [1, 10]
    for text in ("0", "11", "-1", "1.5", "", "x", "9" * 5000):
        with pytest.raises(ValueError, match="is not a whole number from 1 to 10"):
            kind(text)


def test_yes_and_no_have_many_names() -> None:
    """yes/no, true/false, on/off and 1/0 in any case."""
    assert [kinds.yes_no(text) for text in ("yes", "True", "ON", "1")] == [True] * 4
    assert [kinds.yes_no(text) for text in ("no", "FALSE", "off", "0")] == [False] * 4
    with pytest.raises(ValueError, match="'maybe' is neither yes nor no"):
        kinds.yes_no("maybe")


def test_a_choice_is_one_of_its_words() -> None:
    """Case does not matter, other words are refused with the list."""
    assert kinds.choice("serve", "refuse")("Serve") == "serve"
    with pytest.raises(ValueError, match="'x' is none of serve, refuse"):
        kinds.choice("serve", "refuse")("x")


def test_a_role_check_is_yes_strict_or_no() -> None:
    """The words for yes and no count, and strict."""
    assert [kinds.yes_no_or("strict")(text) for text in ("on", "Strict", "0")] == ["yes", "strict", "no"]
    with pytest.raises(ValueError, match="'x' is none of yes, strict, no"):
        kinds.yes_no_or("strict")("x")


def test_a_name_can_be_printed() -> None:
    """Names may hold anything but control characters and broken UTF-8."""
    assert kinds.name("caf\u00e9 [1]/x:y") == "caf\u00e9 [1]/x:y"
    assert kinds.optional_name("") is None and kinds.optional_name("a") == "a"
    for text in ("a\x00", "a\nb", "\udcc3"):
        with pytest.raises(ValueError, match="has control characters or is not UTF-8"):
            kinds.name(text)
    with pytest.raises(ValueError, match="a name is missing"):
        kinds.name("")


def test_a_path_may_hold_any_byte() -> None:
    """A path need not be UTF-8, but a control character in one is a slip."""
    assert kinds.path("/tmp/caf\udce9") == "/tmp/caf\udce9"
    assert kinds.path("") is None
    with pytest.raises(ValueError, match="control characters"):
        kinds.path("/tmp/a\n/tmp/b")


def test_a_password_is_never_in_the_message() -> None:
    """A password that cannot be sent is refused without showing it."""
    assert kinds.password("p %;#= w") == "p %;#= w"
    with pytest.raises(ValueError) as caught:
        kinds.password("hunter2\udcc3")
    assert str(caught.value) == "the password is not UTF-8"


@pytest.mark.parametrize("text, host", [
    ("127.0.0.1", "127.0.0.1"), ("::", "::"), ("[::1]", "::1"), ("localhost", "localhost"), ("0.0.0.0", "0.0.0.0"),
])
def test_a_tunnel_listens_on_an_address_or_a_name(text: str, host: str) -> None:
    """IPv4, IPv6 with or without brackets, and host names."""
    assert kinds.listen(text) == (host,)


@pytest.mark.parametrize("text, message", [
    ("run/x.sock", "not a whole path: begin with /"),
    ("*", "write 0.0.0.0"),
    ("localhost:6379", "write the port as `port`"),
    ("", "no host"),
    ("a b", "no host has"),
    ("10.0.0.300", "not an IP address"),
])
def test_what_cannot_be_listened_on_is_refused(text: str, message: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(ValueError, match=message):
        kinds.listen(text)


def test_a_tunnel_listens_in_several_places() -> None:
    """With commas or line ends between; paths are whole, without detours."""
    assert kinds.listen("127.0.0.1, [::1],, a.example,\n/run//x y/../t.sock") == (
        "127.0.0.1", "::1", "a.example", "/run/t.sock")
    assert kinds.show(kinds.listen("::1,/a")) == "::1, /a"


def test_a_path_fits_a_unix_socket() -> None:
    """107 bytes, which is not so many characters."""
    assert kinds.listen("/" + "x" * 106) == ("/" + "x" * 106,)
    for text in ("/" + "x" * 107, "/" + "\u00e9" * 60):
        with pytest.raises(ValueError, match="longer than 107 bytes"):
            kinds.listen(text)


def test_a_mode_is_octal() -> None:
    """Three digits, with or without a leading 0."""
    assert [kinds.mode("660"), kinds.mode("0600"), kinds.mode("0007")] == ["0660", "0600", "0007"]
    for text in ("", "u=rw", "0o660", "888", "66", "1777", "-660"):
        with pytest.raises(ValueError, match="is not a mode: write three digits in octal, such as 0660"):
            kinds.mode(text)


def test_networks_stand_between_commas_or_white_space() -> None:
    """Single addresses are networks too; none is everybody."""
    assert kinds.show(kinds.networks("10.0.0.0/8, 192.0.2.1\n::1 fd00::/8")) == (
        "10.0.0.0/8, 192.0.2.1/32, ::1/128, fd00::/8")
    assert kinds.networks("10.0.0.0/255.0.0.0") == kinds.networks("10.0.0.0/8")
    assert kinds.networks("") == ()


@pytest.mark.parametrize("text, message", [
    ("10.0.0.300", "neither an address nor a network"), ("localhost", "neither an address nor a network"),
    ("10.0.0.0/33", "neither an address nor a network"), ("10.0.0.0/", "neither an address nor a network"),
    ("10.0.0.7/8", "'10.0.0.7/8' is one address of a network: write 10.0.0.0/8, or 10.0.0.7 alone"),
    ("::ffff:10.0.0.0/104", "holds IPv4 addresses: write 10.0.0.0/8"),
    ("::ffff:10.0.0.1", "holds IPv4 addresses: write 10.0.0.1/32")])
def test_what_is_no_network_is_refused(text: str, message: str) -> None:
    """The message says what to write; a network that could never match is none."""
    with pytest.raises(ValueError, match=message):
        kinds.networks(text)


def test_sentinels_stand_between_commas_or_white_space() -> None:
    """The default port is 26379; one that stands twice is kept for whoever warns of it."""
    assert kinds.addresses(" a, b:1\n[::1]:2,,a ") == (("a", 26379), ("b", 1), ("::1", 2), ("a", 26379))
    for text in ("", " , "):
        with pytest.raises(ValueError, match="no Sentinel is named"):
            kinds.addresses(text)


@pytest.mark.parametrize("value, text", [
    (True, "yes"), (False, "no"), (5, "5"), (0.5, "500ms"), (90.0, "90s"), (7200.0, "2h"), (0.0, "0s"),
    ((Address("a", 1), Address("::1", 2)), "a:1, [::1]:2"), (kinds.nat_map("a -> b"), "a -> b"),
])
def test_values_are_shown_as_they_are_written(value: t.Any, text: str) -> None:
    """show() is the other direction of a kind."""
    assert kinds.show(value) == text
