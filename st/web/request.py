"""The head of an HTTP request: bytes in, values out."""
import re
import typing as t
import urllib.parse

LONGEST_HEAD = 8192  # bytes
LONGEST_LINE = 4096  # bytes of the request line
METHODS = ("GET", "HEAD")

_END = re.compile(br"\r?\n\r?\n")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_FIELD = re.compile(br"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\Z")
_GZIP = re.compile(r"(x-)?gzip[\t ]*(;[\t ]*q=(?P<weight>[0-9.]+)[\t ]*)?\Z", re.IGNORECASE)


class BadRequest(Exception):
    """The request cannot be served; `code` is the status of the reply, the text is for who sent it."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Request(t.NamedTuple):
    """What is asked for: the path and the values of each name in the query, percent signs resolved."""

    method: str
    path: str
    query: t.Mapping[str, t.Sequence[str]]
    gzip: bool = False  # the client takes a compressed reply


def parse(received: bytes) -> t.Optional[Request]:
    """Return the request once its head is complete, None before; raise BadRequest. A body is nobody's concern."""
    text = received.lstrip(b"\r\n")  # some clients send an empty line after their last request
    end = _END.search(text)
    lines = text[: end.start() if end else None].split(b"\n")
    if len(lines[0]) > LONGEST_LINE:
        raise BadRequest(414, "the request line is longer than %d bytes" % LONGEST_LINE)
    if len(received) - len(text) + (end.end() if end else len(text)) > LONGEST_HEAD:
        raise BadRequest(431, "the head of the request is longer than %d bytes" % LONGEST_HEAD)
    if len(lines) > 1 or end:  # a wrong first line is told at once: no more lines may follow it
        request = _request(lines[0].rstrip(b"\r"))
    if end is None:
        return None
    fields = [line.rstrip(b"\r") for line in lines[1:]]
    _check_fields(fields, modern=not lines[0].rstrip(b"\r").endswith(b"/1.0"))
    return request._replace(gzip=_takes_gzip(fields))


def _request(line: bytes) -> Request:
    method, target, version = _words(line)
    if not re.match(r"HTTP/[0-9]\.[0-9]\Z", version):
        raise BadRequest(400, "the request line does not end in HTTP/1.1 or HTTP/1.0")
    if not version.startswith("HTTP/1."):
        raise BadRequest(505, "%s is not spoken here: use HTTP/1.1" % version)
    if method not in METHODS:
        raise BadRequest(405, "%s is not served: everything here can be read only, with GET or HEAD" % method[:20])
    path, _, query = _origin(target).partition("?")
    return Request(method, urllib.parse.unquote(path), urllib.parse.parse_qs(query, keep_blank_values=True))


def _words(line: bytes) -> t.Sequence[str]:
    words = line.decode("ascii", "replace").split(" ")
    if len(words) != 3 or not _METHOD.match(words[0]) or not re.match(r"[!-~]+\Z", words[1]):
        raise BadRequest(400, "the first line is not a request of HTTP/1.1 or HTTP/1.0")
    return words


def _origin(target: str) -> str:
    """Return path and query of a target; clients that take us for a proxy put http://HOST before them."""
    absolute = re.match(r"https?://[^/?]*", target, re.IGNORECASE)
    rest = target[absolute.end() :] if absolute else target
    if absolute and not rest.startswith("/"):
        rest = "/" + rest
    if not rest.startswith("/"):
        raise BadRequest(400, "the path does not begin with a slash")
    return rest


def _check_fields(fields: t.Sequence[bytes], modern: bool) -> None:
    if not all(map(_FIELD.match, fields)):
        raise BadRequest(400, "a header is not NAME: VALUE")
    hosts = sum(field.lower().startswith(b"host:") for field in fields)
    if hosts > 1 or (modern and not hosts):
        raise BadRequest(400, "HTTP/1.1 needs one Host header, this request has %d" % hosts)


def _takes_gzip(fields: t.Sequence[bytes]) -> bool:
    """Tell whether gzip is named as an encoding that the client takes; a weight of 0 says that it does not."""
    codings = [coding.strip() for field in fields if field.lower().startswith(b"accept-encoding:")
               for coding in field.decode("ascii", "replace").partition(":")[2].split(",")]
    named = [match for match in map(_GZIP.match, codings) if match]
    return bool(named) and (named[0].group("weight") or "1").strip("0.") != ""
