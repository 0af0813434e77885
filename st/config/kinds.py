"""The kinds of settings: functions from a text to a value, which raise ValueError when it is none."""
import decimal
import ipaddress
import os
import re
import shlex
import typing as t

from st.address import SENTINEL_PORT, Address, check_host, is_path, parse_address, parse_port
from st.nat import NatMap, parse_nat_map
from st.unix import LONGEST

Kind = t.Callable[[str], t.Any]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def duration(lowest: float, highest: float, zero_is_off: bool = False) -> Kind:
    """Return the kind for times between two bounds, in seconds; 0 is allowed below `lowest` when it means off."""

    def kind(text: str) -> float:
        seconds = _seconds(text)
        if zero_is_off and seconds == 0:
            return seconds
        if not lowest <= seconds <= highest:
            off = ", or 0 for off" if zero_is_off else ""
            bounds = (show_duration(lowest), show_duration(highest), off)
            raise ValueError("%r is out of range: write a time from %s to %s%s" % ((text,) + bounds))
        return seconds

    return kind


def _seconds(text: str) -> float:
    match = re.match(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(ms|s|m|h|)\Z", text)
    if not match:
        raise ValueError("%r is not a time: write seconds (0.5) or a unit (500ms, 2s, 5m, 1h)" % text)
    number, unit = match.groups()
    return float(number) / 1000 if unit == "ms" else float(number) * _UNITS[unit or "s"]


def show_duration(seconds: float) -> str:
    """Return the text that reads back as exactly these seconds."""
    milliseconds = round(seconds * 1000)
    if 0 < seconds < 1 and milliseconds / 1000 == seconds:
        return "%dms" % milliseconds
    if seconds >= 3600 and seconds % 3600 == 0:
        return "%dh" % (seconds // 3600)
    return "%ss" % (int(seconds) if seconds.is_integer() else format(decimal.Decimal(repr(seconds)), "f"))


def number(lowest: int, highest: int) -> Kind:
    """Return the kind for whole numbers between two bounds."""

    def kind(text: str) -> int:
        if not re.match(r"[0-9]{1,12}\Z", text) or not lowest <= int(text) <= highest:
            raise ValueError("%r is not a whole number from %d to %d" % (text, lowest, highest))
        return int(text)

    return kind


def choice(*words: str) -> Kind:
    """Return the kind for one word out of a few."""

    def kind(text: str) -> str:
        if text.lower() not in words:
            raise ValueError("%r is none of %s" % (text, ", ".join(words)))
        return text.lower()

    return kind


def yes_no(text: str) -> bool:
    """Return the truth of yes/no, true/false, on/off or 1/0."""
    if text.lower() not in _WORDS:
        raise ValueError("%r is neither yes nor no" % text)
    return _WORDS[text.lower()]


def yes_no_or(word: str) -> Kind:
    """Return the kind for yes, no (and their other spellings), or one word more."""

    def kind(text: str) -> str:
        if text.lower() == word:
            return word
        if text.lower() not in _WORDS:
            raise ValueError("%r is none of yes, %s, no" % (text, word))
        return "yes" if _WORDS[text.lower()] else "no"

    return kind


def name(text: str) -> str:
    """Return a name (of a master, a tunnel, a user) that can be printed and sent."""
    if not text:
        raise ValueError("a name is missing")
    if not text.isprintable():
        raise ValueError("%r has control characters or is not UTF-8: use printable text" % text)
    return text


def optional_name(text: str) -> t.Optional[str]:
    """Return a name, or None for an empty text."""
    return name(text) if text else None


def path(text: str) -> t.Optional[str]:
    """Return the path of a file as Python wants it under this locale, or None for an empty text."""
    if any(char < " " for char in text):
        raise ValueError("%r has control characters" % text)
    return os.fsdecode(text.encode("utf-8", "surrogateescape")) or None


def place(text: str) -> str:
    """Return `auto`, `off`, or the path of a file."""
    if text.lower() in ("", "auto"):
        return "auto"
    if text.lower() in ("off", "no"):
        return "off"
    return path(text) or "auto"


class Command(t.NamedTuple):
    """A command that is run without a shell."""

    words: t.Tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(map(shlex.quote, self.words))


def command(text: str) -> t.Optional[Command]:
    """Return the words of a command, quoted as in a shell; None for an empty text."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError("%r cannot be split into words: %s" % (text, error)) from error
    return Command(tuple(words)) if words else None


def http(text: str) -> t.Optional[Address]:
    """Return the address for HTTP, on the loopback interface when only a port is given; None for off."""
    if text.lower() in ("", "off", "no"):
        return None
    if re.match(r"[0-9]+\Z", text):
        return Address("127.0.0.1", parse_port(text))
    if text.startswith(("*:", ":")):
        raise ValueError("%r has no address: write 0.0.0.0:PORT to listen on every interface" % text)
    return parse_address(text)


def password(text: str) -> str:
    """Return a password as it stands; the text is never part of the message."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("the password is not UTF-8") from error
    return text


def listen(text: str) -> t.Tuple[str, ...]:
    """Return where to listen: addresses and host names without brackets and ports, and paths of unix sockets."""
    words = [word.strip() for word in re.split(r"[,\n]", text) if word.strip()]
    return tuple(_socket_path(word) if is_path(word) else _host(word) for word in words or [""])


def _socket_path(text: str) -> str:
    found = os.path.normpath(path(text) or "").replace("//", "/")  # two at the beginning are kept (POSIX)
    if not os.path.isabs(found):
        raise ValueError("%r is not a whole path: begin with / (with commas between several places)" % text)
    if len(os.fsencode(found)) > LONGEST:
        raise ValueError("%r is longer than %d bytes, the most for a unix socket: choose a shorter path"
                         % (text, LONGEST))
    return found


def _host(text: str) -> str:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if host == "*":
        raise ValueError("'*' is not an address: write 0.0.0.0 to listen on every interface")
    if host.count(":") == 1:
        raise ValueError("%r is not a host alone: write the port as `port`" % text)
    check_host(host, text)
    return host


def port(text: str) -> int:
    """Return a port to listen on."""
    return parse_port(text)


def mode(text: str) -> str:
    """Return the permissions of a file, in octal, as four digits."""
    if not re.match(r"0?[0-7]{3}\Z", text):
        raise ValueError("%r is not a mode: write three digits in octal, such as 0660" % text)
    return "%04o" % int(text, 8)


def networks(text: str) -> t.Tuple[Network, ...]:
    """Return the networks and single addresses in `text`, separated by commas or white space."""
    return tuple(_network(word) for word in re.split(r"[\s,]+", text.strip(" \t\r\n,")) if word)


def _network(text: str) -> Network:
    try:
        address, _, length = text.partition("/")
        found = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError("%r is neither an address nor a network such as 10.1.0.0/16" % text) from error
    if length and ipaddress.ip_address(address) != found.network_address:
        raise ValueError("%r is one address of a network: write %s, or %s alone" % (text, found, address))
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped and found.prefixlen >= 96:
        raise ValueError("%r holds IPv4 addresses: write %s/%d" % (text, mapped, found.prefixlen - 96))
    return found


def addresses(text: str) -> t.Tuple[Address, ...]:
    """Return the Sentinels in `text`, separated by commas or white space; the same one may stand there twice."""
    words = re.split(r"[\s,]+", text.strip(" \t\r\n,"))
    if words == [""]:
        raise ValueError("no Sentinel is named: write HOST or HOST:PORT, with commas between them")
    return tuple(parse_address(word, SENTINEL_PORT) for word in words)


def nat_map(text: str) -> NatMap:
    """Return the map of announced addresses to reachable ones."""
    return parse_nat_map(text)


def show(value: t.Any) -> str:
    """Return the text from which its kind makes `value` again; a secret stays hidden."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return show_duration(value)
    if value is None:
        return "off"  # the only default that is written and means nothing: http
    if type(value) is tuple:  # and not one of the values that are named tuples
        return ", ".join(map(str, value))
    return str(value)
