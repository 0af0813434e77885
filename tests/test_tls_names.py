"""Whoever speaks TLS to a Sentinel or a node checks the name that was announced, not merely who signed."""
import socket
import typing as t
from pathlib import Path

import pytest

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError
from st.secret import Secret
from st.sentinel.answers import Credentials
from st.sentinel.client import SentinelClient, ask_masters
from st.sentinel.prober import Prober
from st.tls import Terms, client_context
from st.tunnel.upstream import Gauges, prepare
from tests.certificates import stored
from tests.tls_ends import authority, presenting, served
from tests.tunnels import target_at, tunnel_settings
from tests.waiting import FACTOR

SECONDS = 20 * FACTOR
Asked = t.Callable[[t.Tuple[str, int], Credentials], str]


def _sentinel(address: t.Tuple[str, int], credentials: Credentials) -> str:
    return SentinelClient(Address(*address), credentials).report(["sessions"], SECONDS).error


def _masters(address: t.Tuple[str, int], credentials: Credentials) -> str:
    with pytest.raises(PeerError) as caught:
        ask_masters(Address(*address), credentials, SECONDS)
    return str(caught.value)


def _prober(address: t.Tuple[str, int], credentials: Credentials) -> str:
    prober = Prober("sessions", Address(*address), credentials, SECONDS)
    said = prober.probe().role.detail
    prober.close()
    return said


def _upstream(address: t.Tuple[str, int], credentials: Credentials) -> str:
    settings = tunnel_settings(tls="yes", connect_timeout=SECONDS)
    with socket.socket() as sock, pytest.raises(PeerError) as caught:
        prepare(sock, target_at(address), settings, Deadline(SECONDS), Gauges(), tls=credentials.tls)
    return str(caught.value)


def _serve(names: t.Sequence[str]) -> t.Callable[[socket.socket], None]:
    def behave(sock: socket.socket) -> None:
        with presenting(authority().issue(*names)).wrap_socket(sock, server_side=True) as made:
            made.recv(1000)
            made.sendall(b"-ERR this is garbage\r\n$5\r\n")

    return behave


@pytest.mark.parametrize("ask", [_sentinel, _masters, _prober, _upstream],
                         ids=["sentinel", "masters", "prober", "upstream"])
def test_the_announced_address_is_checked(tmp_path: Path, ask: Asked) -> None:
    """A certificate of our authority for another host is refused before a word, a password say, goes there."""
    context = client_context(Terms(stored(tmp_path, "ca.pem", authority().cert), None, None, "yes"))
    with served(_serve(["redis.example", "10.0.0.1"])) as address:
        said = ask(address, Credentials(None, Secret("p"), context))
    assert said.startswith("%s:%d: TLS: wrong name in the certificate: " % address) and "127.0.0.1" in said
    with served(_serve(["127.0.0.1"])) as address:
        assert "wrong name" not in ask(address, Credentials(None, Secret("p"), context))
