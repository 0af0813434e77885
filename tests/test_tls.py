"""Whom TLS lets through, and the words for everybody else: as they are in the log at night."""
import select
import socket
import ssl
import sys
import typing as t
from pathlib import Path

import pytest

from st.address import Address
from st.deadline import Deadline
from st.errors import PeerError, PeerSilent, PeerTlsError, PeerUnreachable
from st.sentinel.client import connect
from st.tls import Terms, client_context, server_context
from st.wire.conversation import Conversation
from st.wire.tls import secure
from tests.certificates import Authority, Pair, self_signed, stored
from tests.conftest import open_descriptors
from tests.tls_ends import VERSIONS, authority, limited, presenting, served, trusting, usual_pair
from tests.tunnels import reset
from tests.waiting import FACTOR

OLD = sys.version_info < (3, 7)  # OpenSSL's reason for a certificate that it does not trust is not to be had there
Behave = t.Callable[[socket.socket], t.Any]


def _speaking(context: ssl.SSLContext) -> Behave:
    """Serve TLS and answer everything with PONG."""
    def behave(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as made:
            while made.recv(100):
                made.sendall(b"+PONG\r\n")

    return behave


def _answering(answer: bytes) -> Behave:
    """Answer anything with these bytes, and close."""
    def behave(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(answer)

    return behave


def _asked(behave: Behave, terms: Terms, name: str = "localhost", seconds: float = 20 * FACTOR) -> t.Any:
    """Return the reply to PING over TLS."""
    with served(behave) as address, socket.create_connection(address) as sock:
        leg = secure(sock, client_context(terms), name, Deadline(seconds), "redis-1:6379")
        return Conversation(leg, "redis-1:6379").ask([["PING"]], Deadline(seconds))[0]


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    """What is demanded by default, of servers that the authority of tests has signed."""
    return Terms(stored(tmp_path, "ca.pem", authority().cert), None, None, "yes")


def _with_own(terms: Terms, tmp_path: Path, pair: Pair) -> Terms:
    return terms._replace(cert=stored(tmp_path, "own.pem", *pair))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_server_that_is_what_it_says(terms: Terms, name: str, version: str) -> None:
    """A name or an address in the certificate, signed by the authority: let through."""
    assert _asked(_speaking(presenting(version=version)), terms, name) == b"PONG"


def _wrong_servers() -> t.List[t.Tuple[Pair, str, str]]:
    """Certificates, the name that is expected, and the words."""
    distrust = "not trusted or has expired" if OLD else "signed by nobody we trust: name the authority's file"
    late = "not trusted or has expired" if OLD else "has expired: renew it there"
    early = "not trusted or has expired" if OLD else "not valid yet: compare the clocks"
    return [(authority().issue(end=-1), "localhost", late), (authority().issue(start=1), "localhost", early),
            (authority().issue("redis.example"), "localhost", "wrong name in the certificate: .*localhost"),
            (authority().issue("localhost", "10.0.0.1"), "127.0.0.1", "wrong name in the certificate: .*127.0.0.1"),
            (Authority("somebody").issue(), "localhost", distrust), (self_signed(), "localhost", distrust)]


@pytest.mark.parametrize("number", range(6), ids=["expired", "early", "name", "address", "authority", "self-signed"])
def test_a_certificate_that_does_not_fit(terms: Terms, number: int) -> None:
    """By default all of it is checked, and the error names the server and what to do."""
    pair, name, words = _wrong_servers()[number]
    with pytest.raises(PeerTlsError, match="^redis-1:6379: TLS: .*" + words):
        _asked(_speaking(presenting(pair)), terms, name)


def test_the_system_does_not_know_an_authority_of_tests(terms: Terms) -> None:
    """Without a file the authorities of the system are asked, and they are asked indeed."""
    with pytest.raises(PeerTlsError, match="trust"):
        _asked(_speaking(presenting()), terms._replace(ca=None))


def test_ca_checks_who_signed_but_not_the_name(terms: Terms) -> None:
    """verify = ca: for Sentinels that announce addresses where certificates have names."""
    anybody = terms._replace(verify="ca")
    assert _asked(_speaking(presenting(authority().issue("redis.example"))), anybody) == b"PONG"
    with pytest.raises(PeerTlsError, match="trust"):
        _asked(_speaking(presenting(Authority("somebody").issue())), anybody)
    with pytest.raises(PeerTlsError, match="expired"):
        _asked(_speaking(presenting(authority().issue(end=-1))), anybody)


def test_no_checks_nothing(terms: Terms) -> None:
    """verify = no: a stranger's expired certificate for another name will do, with or without an authority."""
    for ca in (terms.ca, None):
        pair = Authority("somebody").issue("redis.example", end=-1)
        assert _asked(_speaking(presenting(pair)), Terms(ca, None, None, "no")) == b"PONG"


@pytest.mark.parametrize("behave, words", [
    (_answering(b"-ERR unknown command\r\n"), "does not speak TLS here: a plain port"),
    (_answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak TLS here: a plain port"),
    (_answering(bytes(range(256)) * 300), "does not speak TLS here: a plain port"),
    (_answering(b""), "closed the connection during the TLS handshake: is it the plain port?"),
    (lambda sock: reset(sock) if sock.recv(65536) else None, "TLS handshake: Connection reset by peer"),
    (lambda sock: sock.sendall(b"-DENIED Redis is running in protected mode\r\n"), "does not speak TLS here")],
    ids=["redis", "http", "garbage", "closing", "reset", "denied"])
def test_something_else_than_tls(terms: Terms, behave: Behave, words: str) -> None:
    """What is said of a port where no TLS is spoken."""
    with pytest.raises(PeerError) as caught:
        _asked(behave, terms)
    assert str(caught.value).startswith("redis-1:6379: TLS") and words in str(caught.value)
    assert isinstance(caught.value, (PeerTlsError, PeerUnreachable))


@pytest.mark.parametrize("seconds", [0.3, 0])
def test_a_silent_server_is_not_waited_for(terms: Terms, seconds: float) -> None:
    """It takes the connection and says nothing: the deadline ends it, also one that has passed before."""
    with pytest.raises(PeerSilent, match="^redis-1:6379: no TLS handshake in time$"):
        _asked(lambda sock: sock.recv(65536) and sock.recv(65536), terms, seconds=seconds)


def test_a_server_that_says_a_byte_at_a_time_is_not_waited_for(terms: Terms) -> None:
    """Bytes alone do not extend the deadline."""
    def dribble(sock: socket.socket) -> None:
        for byte in b"\x16\x03\x03\x3f\xff" + b"\0" * 16000:  # one long record
            sock.sendall(bytes([byte]))
            sock.settimeout(0.002)
            try:
                if not sock.recv(65536):
                    return
            except socket.timeout:
                pass

    with pytest.raises(PeerError, match="^redis-1:6379: .*TLS"):
        _asked(dribble, terms, seconds=0.5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TLS 1.1: that is what it is about
@pytest.mark.parametrize("which", ["server", "client"])
def test_tls_1_1_is_too_old(terms: Terms, which: str, tmp_path: Path) -> None:
    """1.2 is the least on both sides, also where the system's OpenSSL would take less."""
    ours = client_context(terms), server_context(stored(tmp_path, "pair", *usual_pair()), None)
    old = trusting() if which == "client" else presenting()
    for context in (*ours, old):
        context.set_ciphers("ALL:@SECLEVEL=0")
    limited(old, "1.1")

    def talk(sock: socket.socket) -> None:
        old.wrap_socket(sock, server_side=which == "server", server_hostname=None if which == "server" else "localhost")

    with served(talk) as address, socket.create_connection(address) as sock:
        with pytest.raises(PeerTlsError, match="redis-1:6379: TLS: speaks no TLS that we accept: 1.2 is the least"):
            secure(sock, ours[which == "client"], "localhost" if which == "server" else None,
                   Deadline(20 * FACTOR), "redis-1:6379")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_ours(terms: Terms, tmp_path: Path, version: str) -> None:
    """Demanded and shown: let through."""
    mine = _with_own(terms, tmp_path, authority().issue("tunnel"))
    assert _asked(_speaking(presenting(version=version, demanding=True)), mine) == b"PONG"


@pytest.mark.parametrize("version, words", [("1.2", "it may want a certificate of ours"),
                                            ("1.3", "wants a certificate of ours: name its file")])
def test_a_certificate_of_ours_is_demanded(terms: Terms, version: str, words: str) -> None:
    """Not shown: TLS 1.3 tells at the first read only, with a reset right behind; the words are there all the same."""
    for _ in range(5):  # whether the reset comes before our question is a matter of luck
        with pytest.raises(PeerError, match="^redis-1:6379: TLS: .*" + words):
            _asked(_speaking(presenting(version=version, demanding=True)), terms)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_ours_is_not_accepted(terms: Terms, tmp_path: Path, version: str) -> None:
    """One of a stranger, or an old one: the words say which."""
    for pair, words in ((Authority("somebody").issue("tunnel"), "does not trust our certificate"),
                        (authority().issue("tunnel", end=-1), "does not accept our certificate: .*expired")):
        with pytest.raises(PeerError, match="^redis-1:6379: TLS: " + words):
            _asked(_speaking(presenting(version=version, demanding=True)), _with_own(terms, tmp_path, pair))


def test_the_reason_survives_a_reset(terms: Terms) -> None:
    """When our words can no longer be sent, the alert that came before the reset is still read."""
    def refuse(sock: socket.socket) -> None:
        context = presenting(version="1.3", demanding=True)
        with context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as made:
            try:
                made.do_handshake()
            except ssl.SSLError:
                reset(made)

    with served(refuse) as address, socket.create_connection(address) as sock:
        leg = secure(sock, client_context(terms), "localhost", Deadline(20 * FACTOR), "redis-1:6379")
        assert _until_gone(sock)
        with pytest.raises(ConnectionAbortedError, match="wants a certificate of ours"):
            leg.sendall(b"PING\r\n")


def _until_gone(sock: socket.socket) -> bool:
    """Wait until the kernel knows that the other side is gone, without reading."""
    poller = select.poll()
    poller.register(sock, 0)
    return bool(poller.poll(20000 * FACTOR))


def test_a_failed_handshake_leaves_nothing_open(terms: Terms) -> None:
    """The socket is closed at once, not when somebody forgets the error, whose traceback keeps it."""
    before = open_descriptors()
    with served(_answering(b"-ERR no")) as address:
        with pytest.raises(PeerTlsError, match="does not speak TLS here") as caught:
            connect(Address(*address), Deadline(20 * FACTOR), client_context(terms))
    assert open_descriptors() == before and caught.value.__traceback__
