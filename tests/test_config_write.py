"""A configuration that is written as INI reads back the same."""
import string
import typing as t

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from st.address import Address, is_path
from st.config import Settings, TunnelSettings, to_ini
from st.config.kinds import Command, networks
from st.config.table import SETTINGS
from st.errors import ConfigError
from st.nat import parse_nat_map
from st.secret import Secret
from tests.configs import HEAD, loaded, settings

NAMES = st.text(st.characters(blacklist_categories=("C", "Z"), whitelist_characters=" "), min_size=1, max_size=20)
TEXTS = st.text(string.ascii_letters + string.digits + " %=[]:;#\u00e9", max_size=12)
HOSTS = st.one_of(st.ip_addresses().map(str), st.sampled_from(["s1", "s2.example"]))
ADDRESSES = st.builds(Address, HOSTS, st.integers(1, 65535))
VERIFY = st.sampled_from(["yes", "ca", "no"])
NETWORKS = st.sampled_from(["", "10.0.0.0/8, 192.0.2.1, fd00::/8"]).map(networks)
PLACES = st.sampled_from(["auto", "off", "/a b/c"])
SECRETS = st.one_of(st.none(), st.builds(Secret, TEXTS.filter(bool)))


def _times(name: str) -> st.SearchStrategy[float]:
    """Return times that the setting accepts."""
    def accepted(seconds: float) -> bool:
        try:
            return bool(SETTINGS[name].kind("%.3f" % seconds) == seconds)
        except ValueError:
            return False

    return st.sampled_from([number / 1000 for number in range(100, 10000, 37) if accepted(number / 1000)])


TUNNELS = st.builds(
    TunnelSettings, name=NAMES, master=NAMES, role=st.sampled_from(["master", "replica"]),
    replica_fallback=st.sampled_from(["master", "refuse"]),
    listen=st.sampled_from([("127.0.0.1",), ("::1", "s1", "/x y/z"), ("/a b/c", "/d")]), port=st.integers(1, 65535),
    socket_mode=st.sampled_from(["0660", "0600"]), allow=NETWORKS, login=st.just(False),
    max_connections_per_client=st.integers(0, 9), hold=_times("hold"),
    connect_timeout=_times("connect_timeout"), max_connections=st.one_of(st.none(), st.integers(1, 1000)),
    keepalive=_times("keepalive"), user_timeout=st.just(0.0), role_check=st.sampled_from(["yes", "strict", "no"]),
    redis_user=st.none(), redis_password=SECRETS, tls=st.sampled_from(["no", "yes", "passthrough"]),
    tls_verify=VERIFY, tls_ca=st.none(), tls_cert=st.none(), tls_key=st.none(), listen_tls_cert=st.none(),
    listen_tls_key=st.none()).map(
        lambda tunnel: tunnel._replace(port=None) if all(map(is_path, tunnel.listen)) else tunnel)
PROCESSES = st.builds(
    Settings, sentinels=st.lists(ADDRESSES, min_size=1, max_size=3, unique=True).map(tuple),
    sentinel_user=st.none(), sentinel_password=SECRETS, sentinel_tls=st.booleans(), sentinel_tls_verify=VERIFY,
    sentinel_tls_ca=st.none(), sentinel_tls_cert=st.none(), sentinel_tls_key=st.none(), certificates=st.just(""),
    sentinel_timeout=_times("sentinel_timeout"),
    poll=_times("poll"), events=st.booleans(), discover=st.booleans(), min_sentinels=st.integers(0, 1),
    sentinel_outage=st.sampled_from(["serve", "refuse"]), workers=st.integers(1, 9), drain=_times("drain"),
    nat_map=st.sampled_from(["", "a -> b, [fd00::1]:1 -> c:2"]).map(parse_nat_map),
    http=st.one_of(st.none(), ADDRESSES), control=PLACES, lock=PLACES, history_file=PLACES,
    pid_file=st.one_of(st.none(), NAMES), syslog=st.booleans(),
    on_failover=st.one_of(st.none(), st.builds(Command, st.lists(NAMES, min_size=1).map(tuple))),
    log_file=st.one_of(st.none(), NAMES), log_format=st.sampled_from(["text", "json"]),
    log_level=st.sampled_from(["debug", "info", "warning", "error"]),
    tunnels=st.lists(TUNNELS, max_size=3, unique_by=(
        lambda tunnel: tunnel.name, lambda tunnel: tunnel.port or tunnel.listen,
        lambda tunnel: tunnel.listen if any(map(is_path, tunnel.listen)) else tunnel.name)).map(tuple)).filter(
            lambda made: made.http is None or made.http.port not in [each.port for each in made.tunnels])


@given(PROCESSES)
def test_what_is_written_reads_back(original: Settings) -> None:
    """Either the text loads to equal settings, or it is said that INI cannot hold them."""
    try:
        text = to_ini(original)
    except ConfigError:
        assume(False)
    assert settings(text) == original


@pytest.mark.parametrize("name", [" a", "a ", "a ;b", "a] #b"])
def test_a_name_that_ini_cannot_hold_is_told(name: str) -> None:
    """White space at the ends and comments would change the name."""
    original = settings(HEAD, names=["x"])
    with pytest.raises(ConfigError, match="name '.*' cannot be written as INI"):
        to_ini(original._replace(tunnels=(original.tunnels[0]._replace(name=name),)))


def test_only_what_differs_from_the_defaults_is_written() -> None:
    """The file that `convert` prints is short."""
    result = loaded('{"Sentinels_addresses_list":["s1:8001","s2"],"poll":"1s","hold":0.25,'
                    '"sentinel_user":"u","sentinel_password":"p;q",'
                    '"Databases":[{"Name":"a","Local_port":"1"},{"name":"b","master":"m","port":"[::1]:2"}]}')
    assert to_ini(result.settings) == (
        "[sentinel-tunnel]\nsentinels = s1:8001, s2:26379\nsentinel_user = u\nsentinel_password = p;q\n\n"
        "[tunnel:a]\nport = 1\nhold = 250ms\n\n"
        "[tunnel:b]\nmaster = m\nlisten = ::1\nport = 2\nhold = 250ms\n")


@pytest.mark.parametrize("changes, message", [
    ({"log_file": "/tmp/my #1.log"}, "log_file '/tmp/my #1.log' cannot be written as INI"),
    ({"log_file": "; x"}, "log_file '; x' cannot be written as INI"),
    ({"sentinel_user": " u"}, "sentinel_user ' u' cannot be written as INI"),
    ({"sentinel_password": Secret("hunter2 ")}, "sentinel_password cannot be written as INI"),
    ({"sentinel_password": Secret("hunter2\nx")}, "sentinel_password cannot be written as INI"),
    ({"sentinel_password": Secret("hunter2\r")}, "sentinel_password cannot be written as INI"),
])
def test_what_ini_cannot_hold_is_told(changes: t.Dict[str, t.Any], message: str) -> None:
    """Nothing is written that would read back as something else, and no password is shown."""
    with pytest.raises(ConfigError) as caught:
        to_ini(settings(HEAD)._replace(**changes))
    assert str(caught.value) == message + ": it would not read back the same"
