"""The address map: the first rule that matches decides."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st.address import Address, parse_address
from st.nat import NatMap, parse_nat_map

RULES = "172.18.0.2:6379 -> host:16379, 172.18.0.3 -> other:1, 172.18.0.0/16 -> 203.0.113.5\n[fd00::1]:1 -> [::1]:2," \
        " fd00::/8 -> six, Redis.local -> 10.0.0.1"


@pytest.mark.parametrize("announced, reachable", [
    ("172.18.0.2:6379", "host:16379"),
    ("172.18.0.2:6380", "203.0.113.5:6380"),  # the port does not match, the network does
    ("172.18.0.3:7777", "other:1"),
    ("172.18.9.9:6379", "203.0.113.5:6379"),
    ("172.19.0.1:6379", "172.19.0.1:6379"),
    ("[fd00::1]:1", "[::1]:2"),
    ("[fd00:0::1]:1", "[::1]:2"),  # the same address, written otherwise
    ("[fd00::2]:5", "six:5"),
    ("redis.LOCAL:5", "10.0.0.1:5"),
    ("unknown:5", "unknown:5"),
])
def test_the_first_rule_that_matches_wins(announced: str, reachable: str) -> None:
    """A rule matches by host and port, by host, or by network; without a port on the right the port is kept."""
    assert parse_nat_map(RULES).apply(parse_address(announced)) == parse_address(reachable)


def test_an_empty_map_changes_nothing() -> None:
    """No rules, or nothing but separators, leave every address alone."""
    assert parse_nat_map(" ,\n ") == NatMap() == parse_nat_map("")
    assert NatMap().apply(Address("a", 1)) == Address("a", 1)


def test_a_map_reads_back() -> None:
    """What str() prints, parse_nat_map() reads."""
    assert parse_nat_map(str(parse_nat_map(RULES))) == parse_nat_map(RULES)


@pytest.mark.parametrize("text, message", [
    ("a:1", "'a:1' is not a rule: write HOST:PORT -> HOST:PORT"),
    ("a -> b -> c", "is not a rule"),
    (" -> b", "no host"),
    ("a -> ", "no host"),
    ("a -> b:0", "port 0"),
    ("a -> 10.0.0.0/8", "not HOST or HOST:PORT"),
    ("10.0.0.1/8 -> b", "'10.0.0.1/8' is not a network such as 172.18.0.0/16.*host bits"),
])
def test_a_wrong_rule_is_refused(text: str, message: str) -> None:
    """The message names the rule or the address that is wrong."""
    with pytest.raises(ValueError, match=message):
        parse_nat_map(text)


@given(st.text(alphabet=st.sampled_from("a1.:/[]->, \n\x00")))
def test_garbage_is_a_value_error_or_a_map(text: str) -> None:
    """No text makes the parser fail otherwise, and a map that is read can be applied."""
    try:
        parse_nat_map(text).apply(Address("10.0.0.1", 1))
    except ValueError:
        pass
