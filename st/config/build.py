"""Puts the layers together: command line, environment, file, default."""
import collections
import typing as t

from st.address import REDIS_PORT, Address
from st.config.certificates import check_certificates
from st.config.findings import Findings
from st.config.layers import Value, Values, check_layer, pick, pick_all, pick_secret
from st.config.login import check_login
from st.config.ports import Claim, check_claims, check_http, free_ports, needs_port
from st.config.sheet import Layer, Sheet
from st.config.table import SETTINGS
from st.config.values import Settings, TunnelSettings


class Sources(t.NamedTuple):
    """All that was written, the strongest first; words name tunnels."""

    words: t.Dict[str, Layer]
    options: Layer
    environment_words: t.Dict[str, Layer]
    environment: Layer
    sheet: Sheet


class Built(t.NamedTuple):
    """The settings, and what a tunnel has that nobody wrote anything about."""

    settings: Settings
    template: TunnelSettings


def build(sources: Sources, environ: t.Mapping[str, str], findings: Findings) -> Built:
    """Return the settings that `sources` make; they are of use only when `findings` has no problem."""
    builder = _Builder(sources, environ, findings)
    settings = builder.settings()
    # Beside tunnels, a default that each of them replaces may be incomplete: such as a user whose passwords differ.
    judge = _Builder(sources, environ, Findings()) if settings.tunnels else builder
    return Built(settings, judge.template())


class _Builder:
    """All layers as values; `sections` are the tunnels of the file."""

    def __init__(self, sources: Sources, environ: t.Mapping[str, str], findings: Findings) -> None:
        self._environ = environ
        self._findings = findings
        self._places = sources.sheet.places
        self._any_port = sources.sheet.any_port
        self._words = self._checked(sources.words)
        self._options = check_layer(sources.options, findings)
        self._environment_words = self._checked(sources.environment_words)
        self._environment = check_layer(sources.environment, findings)
        self._sections = self._checked(sources.sheet.tunnels)
        self._process = [self._options, self._environment, check_layer(sources.sheet.process, findings)]

    def _checked(self, layers: t.Dict[str, Layer]) -> t.Dict[str, Values]:
        return {name: check_layer(layer, self._findings) for name, layer in layers.items()}

    def settings(self) -> Settings:
        """Return the settings of the process with its tunnels."""
        values = pick_all(_plain_fields(Settings), self._process)
        values.update(self._credentials("sentinel", self._process))
        values["sentinels"] = self._sentinels()
        minimum = pick("min_sentinels", self._process)
        if minimum and minimum.value and not values["discover"] and minimum.value > len(values["sentinels"]):
            text = "min_sentinels: %d is more than the Sentinels named, and discover is off: lower it"
            self._findings.problem(minimum.where, text % minimum.value)
        tunnels = tuple(self._tunnels())
        made = Settings(tunnels=tunnels, certificates="", **values)
        return made._replace(certificates=check_certificates(made, self._findings))

    def template(self) -> TunnelSettings:
        """Return what a tunnel has that nobody wrote anything about."""
        listens = needs_port(pick_all(["listen"], self._process)["listen"])
        return self._tunnel("", (self._first_port() or REDIS_PORT) if listens else None, self._process)

    def _sentinels(self) -> t.Tuple[Address, ...]:
        given = pick("sentinels", self._process)
        if given is None:
            text = ("use --sentinel HOST, the environment variable SENTINEL_TUNNEL_SENTINELS, or a configuration file "
                    "(-c FILE, or /etc/sentinel-tunnel.ini) with `sentinels = HOST, HOST, HOST`")
            self._findings.problem("no Sentinel is given", text)
        addresses = (given and given.value) or ()
        for address, times in collections.Counter(addresses).items():
            if given and times > 1:
                self._findings.warning(given.where, "sentinels: %s is named %d times" % (address, times))
        return tuple(dict.fromkeys(addresses))

    def _credentials(self, prefix: str, layers: t.Sequence[Values]) -> t.Dict[str, t.Any]:
        user, password = prefix + "_user", prefix + "_password"
        secret = pick_secret(password, layers, self._environ, self._findings)
        given = pick(user, layers)
        if given and given.value and secret is None:
            self._findings.problem(given.where, "%s needs %s_file, %s_env or %s" % (user, password, password, password))
        return {user: given and given.value, password: secret}

    def _tunnels(self) -> t.Iterator[TunnelSettings]:
        claims: t.List[Claim] = []
        for name, port in self._ports().items():
            layers = self._layers(name)
            tunnel = self._tunnel(name, port.value, layers)
            listen = pick("listen", layers)
            for place in tunnel.places if tunnel.listen else ():
                if not isinstance(place, Address):
                    claims.append(Claim(name, place, listen.where if listen else port.where))
                elif place.port:
                    claims.append(Claim(name, place, port.where))
            yield tunnel
        check_claims(claims, self._findings)
        http = pick("http", self._process)
        if http and http.value:
            check_http(http.where, http.value, claims, self._findings)

    def _layers(self, name: str) -> t.List[Values]:
        """Return all that is said of a tunnel."""
        words = (self._words.get(name, {}), self._environment_words.get(name, {}))
        return [words[0], self._options, words[1], self._environment, self._sections.get(name, {}), self._process[-1]]

    def _tunnel(self, name: str, port: t.Optional[int], layers: t.Sequence[Values]) -> TunnelSettings:
        values = pick_all(_plain_fields(TunnelSettings), layers)
        values.update(self._credentials("redis", layers), port=port, master=values["master"] or name)
        tunnel = TunnelSettings(name=name, **values)
        login = pick("login", layers)
        if login and login.value:
            check_login(tunnel, login.where, self._findings)
        return tunnel

    def _first_port(self) -> t.Optional[int]:
        first = pick("port", self._process)
        return first and first.value

    def _ports(self) -> t.Dict[str, Value]:
        """Return the port of every tunnel that shall run: its own, or the next free one."""
        layers = (self._words, self._environment_words, self._sections)
        names = next((layer for layer in layers if layer), {})
        own = {name: self._any(name) or pick("port", [layer.get(name, {}) for layer in layers]) for name in names}
        first = self._first_port() or (None if names is self._sections else REDIS_PORT)
        free = free_ports(first or REDIS_PORT, [port.value for port in own.values() if port])
        return {name: port or self._count(name, first, free) if self._listens_on_tcp(name) else self._none(name, port)
                for name, port in own.items()}

    def _any(self, name: str) -> t.Optional[Value]:
        return Value(0, self._places[name]) if name in self._any_port else None

    def _listens_on_tcp(self, name: str) -> bool:
        return needs_port(pick_all(["listen"], self._layers(name))["listen"])

    def _none(self, name: str, port: t.Optional[Value]) -> Value:
        if port and port.value:
            self._findings.warning(port.where, "port: tunnel %r listens on unix sockets alone, and has no port" % name)
        return Value(None, port.where if port else self._places.get(name, "tunnel %r" % name))

    def _count(self, name: str, first: t.Optional[int], free: t.Iterator[int]) -> Value:
        where = self._places.get(name, "tunnel %r" % name)
        port = next(free, None) if first else None
        if first is None:
            self._findings.problem(where, "tunnel %r has no port: write one, such as port = %d" % (name, REDIS_PORT))
        elif port is None:
            self._findings.problem(where, "no port is left for tunnel %r above %d: name one" % (name, first))
        return Value(port, where)


def _plain_fields(values: t.Any) -> t.List[str]:
    """Return the fields that are settings and whose value is read from one text alone."""
    special = ("sentinels", "sentinel_user", "sentinel_password", "redis_user", "redis_password", "port")
    return [name for name in values._fields if name in SETTINGS and name not in special]
