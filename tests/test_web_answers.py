"""What each path answers, from values alone."""
import json
import time
import typing as t

import pytest

from st.ops.status import ProcessStatus
from st.web.answers import HTML, JSON, METRICS, Answer, Views, answer
from st.web.request import BadRequest, Request
from st.web.samples import Samples, moment
from tests.switches import switch
from tests.test_status import BOTH, CACHE, SILENT, TUNNEL
from tests.web import measures, views

LOST = CACHE._replace(state="no_master", reason="3 of 3 sentinels answer, failover in progress")
FULL = TUNNEL._replace(clients=480)


def asked(path: str, shown: t.Optional[Views] = None, **query: t.Sequence[str]) -> Answer:
    """Return the answer to GET."""
    return answer(Request("GET", path, query), shown or views(), Samples())


def said(path: str, shown: t.Optional[Views] = None, **query: t.Sequence[str]) -> t.Tuple[int, t.Any]:
    """Return code and JSON of an answer, which must be one line of ASCII."""
    given = asked(path, shown, **query)
    assert given.type == JSON and given.body.count("\n") == 1 and given.body.encode("ascii")
    return given.code, json.loads(given.body)


def test_startup() -> None:
    """Whoever gets an answer knows that it has started."""
    assert said("/startup") == (200, {"started": True})


def test_liveness_depends_on_threads_alone() -> None:
    """No Redis, no Sentinel: restarting us would help nobody."""
    nothing_works = BOTH._replace(tunnels=(LOST,), sentinels=(SILENT,))
    assert said("/liveness", views(nothing_works)) == (200, {"alive": True})


def test_a_stalled_thread_is_not_alive() -> None:
    """Thirty seconds without a sign of life; each thread is named."""
    code, body = said("/liveness", views(stalled=lambda seconds: ["watcher", "listen a"] if seconds == 30.0 else []))
    assert code == 503 and body == {"alive": False, "reason": "no sign of life for 30s of: watcher, listen a"}


def test_ready() -> None:
    """All tunnels have a master and room."""
    assert said("/readiness") == (200, {"ready": True})


@pytest.mark.parametrize(
    "shown, reasons",
    [
        (views(BOTH._replace(tunnels=(TUNNEL, LOST))),
         "tunnel cache has no master: 3 of 3 sentinels answer, failover in progress"),
        (views(BOTH._replace(tunnels=(TUNNEL._replace(state="starting", master=None), CACHE))),
         "tunnel sessions has no master: the Sentinels are being asked"),
        (views(BOTH._replace(tunnels=(FULL, LOST))),
         "tunnel sessions has no room: 480 of 480 clients; "
         "tunnel cache has no master: 3 of 3 sentinels answer, failover in progress"),
        (views(BOTH._replace(tunnels=(TUNNEL,)), measures=lambda: measures(BOTH, room=0)),
         "tunnel sessions has no room: the whole process has as many clients as it can take"),
        (views(BOTH._replace(tunnels=())), "no tunnel"),
        (views(stopping=lambda: True), "shutting down"),
    ],
)
def test_not_ready(shown: Views, reasons: str) -> None:
    """503, and why, for each tunnel that cannot take a client."""
    assert said("/readiness", shown) == (503, {"ready": False, "reason": reasons})


def test_readiness_of_one_tunnel() -> None:
    """The others do not count; one that is not there is an error that names those that are."""
    shown = views(BOTH._replace(tunnels=(TUNNEL, LOST)))
    assert said("/readiness", shown, tunnel=["sessions"])[0] == 200
    assert said("/readiness", shown, tunnel=["cache"])[0] == 503
    assert said("/readiness", shown, tunnel=["sessions", "cache"])[0] == 503
    assert said("/readiness", shown, tunnel=["sessions", "nix"]) == (
        404, {"ready": False, "reason": "no tunnel 'nix'; there are: sessions, cache"})


def test_the_status_is_the_one_schema() -> None:
    """The same text as everywhere else."""
    assert asked("/status") == Answer(200, JSON, BOTH.as_json() + "\n")


def test_the_page_for_people() -> None:
    """HTML that shows the switches and the rates too, links the rest, and may load and run nothing of others."""
    shown = views(switches=lambda: [switch(tunnel="flapping")])
    samples = Samples()
    samples.add(moment(time.monotonic() - 30, BOTH, measures(BOTH)))
    page = answer(Request("GET", "/", {}), shown, samples)
    assert page.code == 200 and page.type == HTML and page.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "All is well" in page.body and "flapping" in page.body and page.body.count('class="line"') == 6
    assert all('href="%s"' % path in page.body for path in ("/status", "/metrics", "/liveness", "/readiness"))


@pytest.mark.parametrize("changes, told", [
    ({"stopping": lambda: True}, "shutting down"),
    ({"stalled": lambda seconds: ["watcher"]}, "no sign of life for 30s of: watcher"),
    ({"reload_successful": lambda: False}, "the last reload was refused"),
])
def test_the_page_tells_of_the_process(changes: t.Mapping[str, t.Any], told: str) -> None:
    """What the status does not hold; all is not well then."""
    page = asked("/", views(**changes)).body
    assert told in page and "All is well" not in page


def test_metrics_are_for_prometheus() -> None:
    """The type says the version of the format; a reload that failed is seen."""
    for good in (True, False):
        scraped = asked("/metrics", views(reload_successful=lambda: good))
        assert (scraped.code, scraped.type) == (200, METRICS)
        assert "\nsentinel_tunnel_config_last_reload_successful %d\n" % good in scraped.body


def test_the_status_may_change_between_two_looks() -> None:
    """A reload in between: a tunnel without measures is left out until the next scrape."""
    only: ProcessStatus = BOTH._replace(tunnels=(CACHE,))
    scraped = asked("/metrics", views(measures=lambda: measures(only)))
    assert '_up{tunnel="cache"} 1\n' in scraped.body and '"sessions"' not in scraped.body


@pytest.mark.parametrize("path", ["/nix", "/status/", "//", "/STATUS", "/../etc/passwd"])
def test_an_unknown_path(path: str) -> None:
    """404 with the paths that there are."""
    with pytest.raises(BadRequest) as caught:
        asked(path)
    assert caught.value.code == 404 and "/metrics" in str(caught.value)
