"""Reads INI text. Not with configparser: that one stops at the first duplicate and forgets the lines."""
import re
import typing as t

from st.config.findings import Findings, did_you_mean
from st.config.kinds import name as check_name
from st.config.sheet import Given, Layer, Sheet, is_secret, wrong_key

MAIN = "sentinel-tunnel"
TUNNEL_PREFIX = "tunnel:"
_HEADER = re.compile(r"\[(.*?)\]\s*((?<=\s)[;#].*)?\Z")
_COMMENT = re.compile(r"(\A|(?<=\s))[;#].*", re.DOTALL)


def plain_value(text: str, secret: bool) -> str:
    """Return what INI keeps of the text after a `=`; only secrets may hold ` ;` and ` #`."""
    return text.strip() if secret else _COMMENT.sub("", text).strip()


def read_ini(text: str, source: str, findings: Findings) -> Sheet:
    """Return what the INI `text` says; everything wrong in it goes to `findings`."""
    reader = _Reader(source, findings)
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip() and line.strip()[0] not in "#;":
            reader.take(line, "%s:%d" % (source, number))
    return reader.sheet


class _Reader:
    """Takes one line after the other; what stands in a section that is wrong goes to a layer that is dropped."""

    def __init__(self, source: str, findings: Findings) -> None:
        self.sheet = Sheet({}, {}, {}, original=False)
        self._findings = findings
        self._layer: t.Optional[Layer] = None  # of the current section, None before the first
        self._title = ""
        self._titles: t.Dict[str, str] = {}  # where each section begins
        self._key: t.Optional[str] = None  # the one that a deeper indented line continues
        self._indent = 0

    def take(self, line: str, where: str) -> None:
        """Take a line that is neither empty nor a comment."""
        indent = len(line) - len(line.lstrip())
        if self._key is not None and indent > self._indent:
            self._continue(self._key, line, where)
        elif line.lstrip().startswith("["):
            self._open(line.strip(), where)
        else:
            self._indent = indent
            self._set(line, where)

    def _open(self, line: str, where: str) -> None:
        self._key = None
        self._layer = {}
        self._title = ""
        match = _HEADER.match(line)
        if not match:
            self._findings.problem(where, "%s is not a section: write [%s] or [tunnel:NAME]" % (repr(line), MAIN))
            return
        prefix, colon, name = match.group(1).strip().partition(":")
        self._title = prefix.strip() + colon + name.strip()
        first = self._titles.setdefault(self._title, where)
        if first != where:
            text = "section [%s] stands here again, first at %s: make them one" % (self._title, first)
            self._findings.problem(where, text)
        elif self._title == MAIN:
            self._layer = self.sheet.process
        else:
            self._open_tunnel(where)

    def _open_tunnel(self, where: str) -> None:
        name = self._title[len(TUNNEL_PREFIX):]
        if not self._title.startswith(TUNNEL_PREFIX):
            known = (MAIN, TUNNEL_PREFIX + (self._title.partition(":")[2] or "NAME"))
            hint = did_you_mean(self._title, known) or ": write [%s] or [%sNAME]" % (MAIN, TUNNEL_PREFIX)
            self._findings.problem(where, "unknown section [%s]%s" % (self._title, hint))
            self._title = ""
            return
        try:
            self._layer = self.sheet.tunnels.setdefault(check_name(name), {})
            self.sheet.places[name] = where
        except ValueError as error:
            self._findings.problem(where, "section [%s]: %s: write [tunnel:NAME]" % (TUNNEL_PREFIX, error))

    def _set(self, line: str, where: str) -> None:
        key, equals, text = line.partition("=")
        key = key.strip().lower()
        self._key = key
        if not equals or not re.match(r"[^\W\d][\w.-]*\Z", key):
            # Only the first word is shown, as in `password: x`: the rest may be a password.
            shown = re.findall(r"[\w.-]+|.", line.strip())[0]
            self._findings.problem(where, "%s...: expected KEY = VALUE" % repr(shown))
        elif self._layer is None:
            self._findings.problem(where, "%s stands before any section: begin with [%s]" % (repr(key), MAIN))
            self._layer = {}  # one such line is enough
        elif self._title:
            self._add(self._layer, key, Given(plain_value(text, is_secret(key)), where))

    def _add(self, layer: Layer, key: str, given: Given) -> None:
        wrong = wrong_key(key, in_tunnel=self._title != MAIN)
        if wrong:
            self._findings.problem(given.where, wrong)
        elif key in layer:
            self._findings.problem(given.where, "%s is given again, first at %s: keep one" % (key, layer[key].where))
        else:
            layer[key] = given

    def _continue(self, key: str, line: str, where: str) -> None:
        if is_secret(key):
            self._findings.problem(where, "an indented line continues %s, but a password is one line" % key)
        elif self._layer is not None and key in self._layer:
            text, begin = self._layer[key]
            self._layer[key] = Given(text + "\n" + plain_value(line, secret=False), begin)
