"""Which path shows what: requests in, answers out; what is shown comes from the views."""
import json
import os
import time
import typing as t

from st.host.least import shortage
from st.host.usage import usage
from st.ops.measures import Measures
from st.ops.status import UP, Finding, ProcessStatus, TunnelStatus
from st.plain import plain
from st.switch import Switch
from st.web.metrics import exposition
from st.web.page import POLICY, Seen, page
from st.web.request import BadRequest, Request
from st.web.samples import Samples, moment

STALLED_AFTER = 30.0  # seconds without a sign of life of a thread

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Views(t.NamedTuple):
    """Where the answers come from; each is called by the thread of the server and must not block."""

    status: t.Callable[[], ProcessStatus]
    measures: t.Callable[[], Measures]
    stalled: t.Callable[[float], t.List[str]]  # the threads without a sign of life for so many seconds
    stopping: t.Callable[[], bool]
    reload_successful: t.Callable[[], bool]  # of the last one; True when there was none
    switches: t.Callable[[], t.Sequence[Switch]]  # the newest last


class Answer(t.NamedTuple):
    """What is sent: the status of HTTP, the type of the body, the body, and what a browser may do with it."""

    code: int
    type: str
    body: str
    policy: str = "default-src 'none'; frame-ancestors 'none'"


class Asked(t.NamedTuple):
    """A request, and what it can be answered from."""

    request: Request
    views: Views
    samples: Samples


def answer(request: Request, views: Views, samples: Samples) -> Answer:
    """Return the answer to a request; raise BadRequest for a path that is not there."""
    answered = _PAGES.get(request.path)
    if answered is None:
        raise BadRequest(404, "no such page; there are %s" % ", ".join(_PAGES))
    return answered(Asked(request, views, samples))


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


def _startup(asked: Asked) -> Answer:
    return _json(200, {"started": True})  # nobody is answered before every tunnel listens


def _liveness(asked: Asked) -> Answer:
    stalled = _stalled(asked.views)
    return _json(503, {"alive": False, "reason": stalled}) if stalled else _json(200, {"alive": True})


def _readiness(asked: Asked) -> Answer:
    views, names = asked.views, asked.request.query.get("tunnel", ())
    status = views.status()
    there = [tunnel.name for tunnel in status.tunnels]
    unknown = [name for name in names if name not in there]
    if unknown:
        return _json(404, {"ready": False, "reason": "no tunnel %r; there are: %s" % (unknown[0], ", ".join(there))})
    why = ["shutting down"] if views.stopping() else unready(status, views.measures().room, names)
    short = "" if why else shortage()
    why += ["no room for another client: " + short] if short else []
    return _json(503, {"ready": False, "reason": "; ".join(why)}) if why else _json(200, {"ready": True})


def _status(asked: Asked) -> Answer:
    return Answer(200, JSON, asked.views.status().as_json() + "\n")


def _metrics(asked: Asked) -> Answer:
    views = asked.views
    return Answer(200, METRICS, exposition(views.status(), views.measures(), usage(), views.reload_successful()))


def _home(asked: Asked) -> Answer:
    views, status = asked.views, asked.views.status()
    hour = asked.samples.hour(moment(time.monotonic(), status, views.measures()))
    seen = Seen(time.time(), os.uname().nodename, status, _notices(views), hour, views.switches())
    return Answer(200, HTML, page(seen, [path for path in _PAGES if path != "/"]), POLICY)


def _notices(views: Views) -> t.List[Finding]:
    """Return what is wrong with the process itself."""
    found = []
    if views.stopping():
        found.append(Finding("shutting down: no new clients, open connections are drained", ""))
    stalled = _stalled(views)
    if stalled:
        found.append(Finding(plain(stalled), "kill -USR1 %d writes what each thread does to the log; then restart"
                             % os.getpid()))
    if not views.reload_successful():
        found.append(Finding("the last reload was refused: the configuration from before it serves on",
                             "the log says why (reload_refused); `sentinel-tunnel check` too"))
    return found


def _stalled(views: Views) -> str:
    """Return which threads have stalled, in words; "" when none has."""
    stalled = views.stalled(STALLED_AFTER)
    return "no sign of life for %gs of: %s" % (STALLED_AFTER, ", ".join(stalled)) if stalled else ""


def _json(code: int, value: t.Mapping[str, t.Any]) -> Answer:
    return Answer(code, JSON, json.dumps(value) + "\n")


_PAGES = {"/": _home, "/startup": _startup, "/liveness": _liveness, "/readiness": _readiness, "/status": _status,
          "/metrics": _metrics}  # type: t.Dict[str, t.Callable[[Asked], Answer]]
