"""Reads the words that name tunnels: NAME, NAME=PORT, NAME=HOST:PORT or NAME=/PATH."""
import typing as t

from st.address import is_path, parse_port
from st.config.findings import Findings
from st.config.kinds import listen as check_listen
from st.config.kinds import name as check_name
from st.config.sheet import Given, Layer


def parse_word(word: str, where: str = "argument") -> t.Tuple[str, Layer]:
    """Return the name and the settings in one word; raise ValueError when it is none."""
    name, equals, rest = word.rpartition("=")
    if not equals:
        return check_name(word.strip()), {}
    if is_path(rest):
        check_listen(rest.strip())
        return check_name(name.strip()), {"listen": Given(rest.strip(), where)}
    host, colon, port = rest.strip().rpartition(":")
    parse_port(port)
    layer = {"port": Given(port, where)}
    if colon:
        check_listen(host)
        layer["listen"] = Given(host, where)
    return check_name(name.strip()), layer


def read_words(words: t.Iterable[str], source: str, findings: Findings) -> t.Dict[str, Layer]:
    """Return the tunnels that `words` name, in their order; everything wrong goes to `findings`."""
    tunnels: t.Dict[str, Layer] = {}
    for word in words:
        where = "%s %r" % (source, word)
        try:
            name, layer = parse_word(word, where)
        except ValueError as error:
            findings.problem(where, "%s: write NAME, NAME=PORT, NAME=HOST:PORT or NAME=/PATH" % error)
            continue
        if tunnels.setdefault(name, layer) is not layer:
            findings.problem(where, "tunnel %r is named twice: keep one" % name)
    return tunnels
