"""The ways to a configuration: from a file and what surrounds the process, or from a text."""
import os
import typing as t

from st.address import is_path, parse_port
from st.config.build import Sources, build
from st.config.environment import CONFIG, TUNNELS, as_utf8, read_environment, read_tunnels
from st.config.files import FileText, read_file, reason
from st.config.findings import Findings, one_line
from st.config.ini import read_ini
from st.config.json_file import read_json
from st.config.kinds import name as check_name
from st.config.python_values import read_values
from st.config.sheet import Given, Sheet, is_secret
from st.config.values import Loaded, Settings
from st.config.words import read_words
from st.errors import ConfigError

DEFAULT_FILES = ("./sentinel-tunnel.ini", "~/.config/sentinel-tunnel.ini", "/etc/sentinel-tunnel.ini")


def load(
    path: t.Optional[str],
    options: t.Mapping[str, str],
    environ: t.Mapping[str, str],
    names: t.Sequence[str] = (),
    default_files: t.Sequence[str] = DEFAULT_FILES,
) -> Loaded:
    """Return the configuration of a process; raise ConfigError with every problem in it.

    `path` is the file given (None: the one in SENTINEL_TUNNEL_CONFIG, or the first default file that exists, or none),
    `options` are texts by the names of their settings, `names` are the words NAME[=[HOST:]PORT].
    """
    source = find_source(path, environ, default_files)
    if source is None:
        return parse("", None, options, environ, names)
    return _parse(_read(source), source, options, environ, names)


def load_alone(path: str, environ: t.Mapping[str, str]) -> Loaded:
    """Return the configuration in a file, whatever surrounds it: `environ` is only for passwords that it finds there.

    Raise ConfigError with every problem.
    """
    findings, file = Findings(), _read(path)
    return _judge(Sources({}, {}, {}, {}, _read_sheet(file, path, findings)), path, environ, findings)


def build_values(process: t.Mapping[str, t.Any], tunnels: t.Mapping[str, t.Mapping[str, t.Any]],
                 environ: t.Mapping[str, str]) -> Loaded:
    """Return the configuration in Python values, by the names of their settings; else as `load_alone`."""
    findings = Findings()
    return _judge(Sources({}, {}, {}, {}, read_values(process, tunnels, findings)), None, environ, findings)


def find_source(path: t.Optional[str], environ: t.Mapping[str, str],
                default_files: t.Sequence[str] = DEFAULT_FILES) -> t.Optional[str]:
    """Return the file that `load` reads, or None when it reads none."""
    return path or environ.get(CONFIG) or _first_file(default_files, environ)


def parse(
    text: str,
    source: t.Optional[str] = None,
    options: t.Optional[t.Mapping[str, str]] = None,
    environ: t.Optional[t.Mapping[str, str]] = None,
    names: t.Sequence[str] = (),
) -> Loaded:
    """Return the configuration in `text`, as `load` does with the text of a file; only password files are opened."""
    return _parse(FileText(text, False), source, options or {}, environ or {}, names)


def with_tunnels(loaded: Loaded, names: t.Iterable[str],
                 ports: t.Optional[t.MutableMapping[str, int]] = None) -> Settings:
    """Return the settings; when they have no tunnels, with one for each master name, sorted, on ports counted up.

    Names that are in `ports` have those; the others are added to it, behind all that are.
    """
    if loaded.settings.tunnels:
        return loaded.settings
    template, ports, names = loaded.template, {} if ports is None else ports, sorted(names)
    if len(names) > 1 and any(map(is_path, template.listen)):
        text = "is one place, and there are %d master names (%s): write a [tunnel:NAME] for each, or listen on TCP"
        raise ConfigError([one_line("listen", text % (len(names), ", ".join(names)))])
    tunnels = []
    for name in names:
        try:
            tunnel = template._replace(name=check_name(name), master=name)
            if template.port is not None:
                port = ports.get(name) or max([template.port - 1, *ports.values()]) + 1
                tunnel = tunnel._replace(port=parse_port(str(port)))
                ports[name] = port
            tunnels.append(tunnel)
        except ValueError as error:
            raise ConfigError([one_line("master name %r" % name, "no tunnel: %s" % error)]) from error
    return loaded.settings._replace(tunnels=tuple(tunnels))


def _first_file(candidates: t.Sequence[str], environ: t.Mapping[str, str]) -> t.Optional[str]:
    paths = [_at_home(path, environ) for path in candidates]
    return next((path for path in paths if path and os.path.exists(path)), None)


def _at_home(path: str, environ: t.Mapping[str, str]) -> t.Optional[str]:
    if not path.startswith("~"):
        return path
    home = environ.get("HOME")
    return home + path[1:] if home else None


def _parse(
    file: FileText,
    source: t.Optional[str],
    options: t.Mapping[str, str],
    environ: t.Mapping[str, str],
    names: t.Sequence[str],
) -> Loaded:
    findings = Findings()
    place = source or "configuration"
    sheet = _read_sheet(file, place, findings)
    sources = Sources(
        words=read_words(map(as_utf8, names), "argument", findings),
        options={name: Given(as_utf8(text), "option --%s" % name.replace("_", "-")) for name, text in options.items()},
        environment_words=read_words(read_tunnels(environ), "environment " + TUNNELS, findings),
        environment=read_environment(environ, findings),
        sheet=sheet,
    )
    if sheet.original and not _says_where_to_listen(sources):
        findings.note(place, "tunnels listen on 127.0.0.1, where the original tool listened on every interface; "
                      "--listen 0.0.0.0 brings that back")
    return _judge(sources, source, environ, findings)


def _judge(sources: Sources, source: t.Optional[str], environ: t.Mapping[str, str], findings: Findings) -> Loaded:
    built = build(sources, environ, findings)
    findings.raise_problems()
    return Loaded(built.settings, source, tuple(findings.warnings), tuple(findings.notes), built.template)


def _read(path: str) -> FileText:
    try:
        return read_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError([one_line(path, "cannot be read as a configuration: %s" % reason(error))]) from error


def _read_sheet(file: FileText, place: str, findings: Findings) -> Sheet:
    text = file.text[1:] if file.text.startswith("\ufeff") else file.text
    sheet = (read_json if text.lstrip().startswith("{") else read_ini)(text, place, findings)
    if file.exposed and _has_password(sheet):
        findings.warning(place, "holds a password and can be read by other users: chmod 600 it")
    return sheet


def _has_password(sheet: Sheet) -> bool:
    layers = (sheet.process, *sheet.tunnels.values())
    return any(is_secret(name) and given.text for layer in layers for name, given in layer.items())


def _says_where_to_listen(sources: Sources) -> bool:
    many = (sources.words, sources.environment_words, sources.sheet.tunnels)
    layers = [layer for tunnels in many for layer in tunnels.values()]
    return any("listen" in layer for layer in (sources.options, sources.environment, sources.sheet.process, *layers))
