"""Reads JSON: the file of the original tool, and our own settings beside its keys."""
import json
import typing as t

from st.config.findings import Findings, did_you_mean
from st.config.kinds import name as check_name
from st.config.sheet import Given, Layer, Sheet, is_secret, wrong_key
from st.config.table import SETTINGS, TUNNEL

_ORIGINAL_SENTINELS = "sentinels_addresses_list"
_ALIASES = {_ORIGINAL_SENTINELS: "sentinels", "local_port": "port"}
_LISTS = ("sentinels", "nat_map", "listen", "allow")
_NEAR_MISS = 0.75  # keys that are not ours are allowed here, so only a close likeness is worth a word


class _Object(t.List[t.Tuple[str, t.Any]]):
    """A JSON object with its keys in order, doubled ones included."""


class _Fields(t.NamedTuple):
    names: t.Set[str]  # as written, without case
    values: t.Dict[str, t.Any]


def read_json(text: str, source: str, findings: Findings) -> Sheet:
    """Return what the JSON object in `text` says; everything wrong in it goes to `findings`."""
    document = _parse(text, source, findings)
    fields = _fields(document, source, ("databases",), findings)
    sheet = Sheet({}, {}, {}, original=_ORIGINAL_SENTINELS in fields.names)
    databases = fields.values.pop("databases", [])
    sheet.process.update(_layer(fields.values, source, findings))
    if not isinstance(databases, list) or isinstance(databases, _Object):
        findings.problem(source, "Databases is not a list: write [{...}, {...}]")
        databases = []
    for index, database in enumerate(databases):
        _add_tunnel(sheet, database, "%s: Databases[%d]" % (source, index), findings)
    return sheet


def _parse(text: str, source: str, findings: Findings) -> _Object:
    try:
        # Numbers stay the text that stands there: `Local_port` may be either.
        document = json.loads(text, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str)
        return t.cast(_Object, document)  # an object, since the text begins with a brace
    except json.JSONDecodeError as error:
        where = "%s:%d" % (source, error.lineno)
        findings.problem(where, "not JSON: %s (column %d)" % (error.msg, error.colno))
    except RecursionError:
        findings.problem(source, "not a configuration: lists or objects stand too deep in each other")
    return _Object()


def _fields(document: _Object, where: str, own: t.Sequence[str], findings: Findings) -> _Fields:
    """Return the values by the names of our settings; `own` are the names that only JSON has here."""
    fields = _Fields(set(), {})
    in_tunnel = "name" in own
    known = [name for name, row in SETTINGS.items() if row.scope == TUNNEL or not in_tunnel]
    for written, value in document:
        key = _ALIASES.get(written.lower(), written.lower())
        if key not in own and key not in SETTINGS:
            near = did_you_mean(key, [*known, *own, *_ALIASES], _NEAR_MISS)
            if near:
                findings.warning(where, "%r is ignored%s" % (written, near))
        elif key not in own and wrong_key(key, in_tunnel):
            findings.problem(where, str(wrong_key(key, in_tunnel)))
        elif key in fields.values:
            findings.problem(where, "%s is given twice: keep one" % written)
        elif value is not None:
            fields.names.add(written.lower())
            fields.values[key] = value
    return fields


def _layer(values: t.Dict[str, t.Any], where: str, findings: Findings) -> Layer:
    layer = {}
    for key, value in values.items():
        text = _text(value, key in _LISTS)
        if text is None:
            findings.problem(where, "%s is neither a text, a number nor true or false" % key)
        else:
            layer[key] = Given(text if is_secret(key) else text.strip(), where)
    return layer


def _text(value: t.Any, may_be_list: bool) -> t.Optional[str]:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not isinstance(value, _Object) and may_be_list:
        texts = [_text(item, False) for item in value]
        return None if None in texts else ", ".join(map(str, texts))
    return value if isinstance(value, str) else None


def _add_tunnel(sheet: Sheet, database: t.Any, where: str, findings: Findings) -> None:
    if not isinstance(database, _Object):
        findings.problem(where, 'expected {"Name": "...", "Local_port": "..."}')
        return
    layer = _layer(_fields(database, where, ("name",), findings).values, where, findings)
    _split_port(layer)
    given = layer.pop("name", Given("", where))
    try:
        name = check_name(given.text)
    except ValueError as error:
        findings.problem(where, "Name: %s" % error)
        return
    if name in sheet.tunnels and "port" in layer:  # the original allows this: two ports to one master
        layer.setdefault("master", given)
        name = "%s-%s" % (name, layer["port"].text)
    if sheet.tunnels.setdefault(name, layer) is not layer:
        findings.problem(where, "tunnel %r is given twice: keep one" % name)
    sheet.places[name] = where


def _split_port(layer: Layer) -> None:
    """Make `host:port` in `port` two settings; a listen of its own stays, and the host then fails as a port."""
    given = layer.get("port", Given("", ""))
    host, colon, port = given.text.rpartition(":")
    if colon and "listen" not in layer:
        layer["listen"] = Given(host, given.where)
        layer["port"] = Given(port, given.where)
