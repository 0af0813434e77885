"""The head of an HTTP request, from bytes alone."""
import typing as t

import pytest
from hypothesis import given, strategies

from st.web.request import LONGEST_HEAD, LONGEST_LINE, BadRequest, Request, parse

GET = b"GET /readiness?tunnel=a HTTP/1.1\r\nHost: h\r\n\r\n"
READINESS = Request("GET", "/readiness", {"tunnel": ["a"]})


def code_of(received: bytes) -> int:
    """Return the status of HTTP with which a request is refused."""
    with pytest.raises(BadRequest) as caught:
        parse(received)
    assert str(caught.value).isprintable()
    return caught.value.code


@pytest.mark.parametrize(
    "received",
    [
        GET,
        b"\r\n" + GET,
        GET.replace(b"\r\n", b"\n"),
        b"GET /readiness?tunnel=a HTTP/1.0\r\n\r\n",
        b"GET http://h:1/readiness?tunnel=a HTTP/1.1\r\nhost:h\r\n\r\n",
        b"GET /%72eadiness?tunnel=%61 HTTP/1.1\r\nHost: h\r\nAccept:\t*/*\r\nX-Name: \xc3\xa9\r\n\r\n",
        GET + b"a body, or another request",
    ],
)
def test_a_request(received: bytes) -> None:
    """The same request, however a client writes it; what follows the head is ignored."""
    assert parse(received) == READINESS


@pytest.mark.parametrize("received", [GET, GET.replace(b"\r\n", b"\n"), b"HEAD / HTTP/1.0\r\n\r\n"])
def test_a_head_that_comes_in_pieces(received: bytes) -> None:
    """Nothing is wrong and nothing is answered before its end."""
    assert [parse(received[:size]) for size in range(len(received))] == [None] * len(received)
    assert parse(received) is not None


@pytest.mark.parametrize("header, gzip", [
    (b"", False), (b"Accept-Encoding: gzip\r\n", True), (b"accept-encoding:deflate, GZIP;q=1.0, *;q=0.5\r\n", True),
    (b"Accept-Encoding: br\r\nAccept-Encoding: x-gzip ; q=0.3\r\n", True), (b"Accept-Encoding: identity\r\n", False),
    (b"Accept-Encoding: gzip;q=0\r\n", False), (b"Accept-Encoding: gzip; q=0.000, br\r\n", False),
    (b"Accept-Encoding: *\r\n", False), (b"Accept-Encoding: gzipped, \xff;q=\r\n", False), (b"X: gzip\r\n", False),
])
def test_who_takes_compressed_replies(header: bytes, gzip: bool) -> None:
    """Who names gzip, in whatever way, unless its weight is 0."""
    request = parse(b"GET / HTTP/1.0\r\n" + header + b"\r\n")
    assert request is not None and request.gzip is gzip


def test_names_in_the_query() -> None:
    """Names of tunnels may have any characters; more than one may be named."""
    request = parse(b"GET /readiness?tunnel=a+b%20%C3%BC%26&tunnel=&x HTTP/1.0\n\n")
    assert request == Request("GET", "/readiness", {"tunnel": ["a b \u00fc&", ""], "x": [""]})


def test_a_proxy_s_way_to_ask_for_the_root() -> None:
    """http://HOST has no path: that is /."""
    assert parse(b"HEAD http://h HTTP/1.0\r\n\r\n") == Request("HEAD", "/", {})


@pytest.mark.parametrize(
    "received, code",
    [
        (b"GET /\r\n\r\n", 400),  # HTTP/0.9
        (b"hello\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),  # TLS
        (b"*1\r\n$4\r\nPING\r\n", 400),  # Redis
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTPS/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET liveness HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded: line\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nx=1", 405),
        (b"DELETE / HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"GET /" + b"a" * LONGEST_LINE, 414),
        (b"GET /" + b"a" * LONGEST_LINE + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.0\r\nX: " + b"a" * LONGEST_HEAD, 431),
        (b"GET / HTTP/1.0\r\nX: " + b"a" * LONGEST_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.0\r\n" + b"X: a\r\n" * LONGEST_HEAD, 431),
        (b"\r\n" * LONGEST_HEAD, 431),
    ],
)
def test_a_bad_request(received: bytes, code: int) -> None:
    """Refused with the status that says what is wrong, at the latest when its head is too long."""
    assert code_of(received) == code


def test_the_longest_head() -> None:
    """One byte less than too much is served."""
    head = b"GET / HTTP/1.0\r\nX: %s\r\n\r\n"
    room = LONGEST_HEAD - len(head % b"")
    assert parse(head % (b"a" * room)) is not None
    assert code_of(head % (b"a" * (room + 1))) == 431


PIECES = strategies.sampled_from([b"GET", b"HEAD", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"Host: h", b":", b"%zz",
                                  b"?", b"http://", b"\xff", b"\x00", b"a=b&&=", b"#"])


@given(strategies.lists(strategies.one_of(PIECES, strategies.binary(max_size=4)), max_size=30))
def test_any_bytes(pieces: t.List[bytes]) -> None:
    """A request, more to come, or refused: nothing else can happen."""
    try:
        found = parse(b"".join(pieces))
    except BadRequest:
        return
    assert found is None or found.path.startswith("/")
