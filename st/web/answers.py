"""Which path shows what: requests in, answers out; what is shown comes from the views."""
import html
import json
import time
import typing as t

from st.ops.measures import Measures
from st.ops.status import UP, ProcessStatus, TunnelStatus
from st.ops.usage import usage
from st.web.metrics import exposition
from st.web.request import BadRequest, Request

STALLED_AFTER = 30.0  # seconds without a sign of life of a thread

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
METRICS = "text/plain; version=0.0.4; charset=utf-8"

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>sentinel-tunnel: %s</title></head>
<body><pre>%s</pre><p>%s</p></body></html>
"""


class Views(t.NamedTuple):
    """Where the answers come from; each is called by the thread of the server and must not block."""

    status: t.Callable[[], ProcessStatus]
    measures: t.Callable[[], Measures]
    stalled: t.Callable[[float], t.List[str]]  # the threads without a sign of life for so many seconds
    stopping: t.Callable[[], bool]
    reload_successful: t.Callable[[], bool]  # of the last one; True when there was none


class Answer(t.NamedTuple):
    """What is sent: the status of HTTP, the type of the body, the body."""

    code: int
    type: str
    body: str


def answer(request: Request, views: Views) -> Answer:
    """Return the answer to a request; raise BadRequest for a path that is not there."""
    page = _PAGES.get(request.path)
    if page is None:
        raise BadRequest(404, "no such page; there are %s" % ", ".join(_PAGES))
    return page(request, views)


def refusal(error: BadRequest) -> Answer:
    """Return the answer that says why a request is not served."""
    return Answer(error.code, TEXT, "error: %s\n" % error)


def unready(status: ProcessStatus, room: int, names: t.Sequence[str]) -> t.List[str]:
    """Return why these tunnels, all when none is named, cannot take a client, a reason for each that cannot."""
    if not status.tunnels:
        return ["no tunnel"]
    chosen = [tunnel for tunnel in status.tunnels if not names or tunnel.name in names]
    return [why for why in (_unready(tunnel, room) for tunnel in chosen) if why]


def _unready(tunnel: TunnelStatus, room: int) -> str:
    if tunnel.state != UP:
        return "tunnel %s has no %s: %s" % (tunnel.name, tunnel.wanted,
                                            tunnel.reason or "the Sentinels are being asked")
    if tunnel.clients >= tunnel.max_connections:
        return "tunnel %s has no room: %d of %d clients" % (tunnel.name, tunnel.clients, tunnel.max_connections)
    if room <= 0:
        return "tunnel %s has no room: the whole process has as many clients as it can take" % tunnel.name
    return ""


def _startup(request: Request, views: Views) -> Answer:
    return _json(200, {"started": True})  # nobody is answered before every tunnel listens


def _liveness(request: Request, views: Views) -> Answer:
    stalled = views.stalled(STALLED_AFTER)
    if stalled:
        reason = "no sign of life for %gs of: %s" % (STALLED_AFTER, ", ".join(stalled))
        return _json(503, {"alive": False, "reason": reason})
    return _json(200, {"alive": True})


def _readiness(request: Request, views: Views) -> Answer:
    status, names = views.status(), request.query.get("tunnel", ())
    there = [tunnel.name for tunnel in status.tunnels]
    unknown = [name for name in names if name not in there]
    if unknown:
        return _json(404, {"ready": False, "reason": "no tunnel %r; there are: %s" % (unknown[0], ", ".join(there))})
    why = ["shutting down"] if views.stopping() else unready(status, views.measures().room, names)
    return _json(503, {"ready": False, "reason": "; ".join(why)}) if why else _json(200, {"ready": True})


def _status(request: Request, views: Views) -> Answer:
    return Answer(200, JSON, views.status().as_json() + "\n")


def _metrics(request: Request, views: Views) -> Answer:
    return Answer(200, METRICS, exposition(views.status(), views.measures(), usage(), views.reload_successful()))


def _home(request: Request, views: Views) -> Answer:
    status = views.status()
    links = " ".join('<a href="%s">%s</a>' % (path, path) for path in _PAGES if path != "/")
    return Answer(200, HTML, _PAGE % (status.state, html.escape(status.as_text(time.time())), links))


def _json(code: int, value: t.Mapping[str, t.Any]) -> Answer:
    return Answer(code, JSON, json.dumps(value) + "\n")


_PAGES = {"/": _home, "/startup": _startup, "/liveness": _liveness, "/readiness": _readiness, "/status": _status,
          "/metrics": _metrics}  # type: t.Dict[str, t.Callable[[Request, Views], Answer]]
