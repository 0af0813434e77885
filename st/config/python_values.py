"""Reads settings that a program gives as Python values: texts, numbers, truth, lists."""
import os
import typing as t

from st.address import Address
from st.config.findings import Findings
from st.config.kinds import name as check_name
from st.config.kinds import show
from st.config.sheet import Given, Layer, Sheet, is_secret, wrong_key

_PROCESS = "settings"  # where a setting stands that belongs to no tunnel


def read_values(process: t.Mapping[str, t.Any], tunnels: t.Mapping[str, t.Mapping[str, t.Any]],
                findings: Findings) -> Sheet:
    """Return what the values say; everything wrong in them goes to `findings`.

    A tunnel whose port is 0, or that nobody gives one, takes any free port.
    """
    sheet = Sheet(_layer(process, _PROCESS, False, findings), {}, {}, original=False)
    first = sheet.process.pop("port", Given("0", _PROCESS))
    if first.text != "0":
        sheet.process["port"] = first
    any_port = set()
    for name, values in tunnels.items():
        where = "tunnel %r" % (name,)
        wrong = "give its settings as {NAME: VALUE}, {} for none" if not isinstance(values, t.Mapping) else ""
        wrong = wrong if isinstance(name, str) else "a name of type %s: give a text" % type(name).__name__
        if wrong:
            findings.problem(where, wrong)
            continue
        layer = _layer(values, where, True, findings)
        if layer.get("port", first).text == "0":
            layer.pop("port", None)
            any_port.add(name)
        try:
            sheet.tunnels[check_name(name)] = layer
            sheet.places[name] = where
        except ValueError as error:
            findings.problem(where, str(error))
    return sheet._replace(any_port=frozenset(any_port & set(sheet.tunnels)))


def _layer(values: t.Mapping[str, t.Any], where: str, in_tunnel: bool, findings: Findings) -> Layer:
    layer = {}
    for key, value in values.items():
        wrong = wrong_key(str(key), in_tunnel)
        if wrong:
            findings.problem(where, wrong)
        elif value is None:
            continue  # as if it were not there
        elif is_secret(key) and isinstance(value, str):
            layer[key] = Given(value, where)
        elif not is_secret(key) and _text(value) is not None:
            layer[key] = Given(str(_text(value)).strip(), where)
        else:
            wanted = "a text or a function" if is_secret(key) else "a text, a number, True or False, or a list of them"
            findings.problem(where, "%s: a value of type %s: give %s" % (key, type(value).__name__, wanted))
    return layer


def _text(value: t.Any) -> t.Optional[str]:
    """Return the text that reads back as the value; None when there is none."""
    if isinstance(value, (str, os.PathLike)):
        return os.fsdecode(value)
    if isinstance(value, (bool, int, float)):
        return show(value)
    if isinstance(value, tuple) and list(map(type, value)) == [str, int]:  # an address, as sockets have it
        return str(Address(*value))
    if isinstance(value, (list, tuple)):
        texts = [_text(item) for item in value]
        return None if None in texts else ", ".join(map(str, texts))
    return None
