"""The schema of status and its text for people, from values alone."""
import json
import typing as t

import pytest

from st.log.lines import local_time
from st.ops.status import NOT_ASKED, ProcessStatus, SentinelStatus, TunnelStatus

TUNNEL = TunnelStatus(
    name="sessions",
    master_name="sessions",
    role="master",
    listen="127.0.0.1:6379",
    state="up",
    master="10.0.0.22:6379",
    epoch=7,
    since=1763774000.0,
    verified=True,
    sentinels_agreeing=3,
    clients=41,
    held=0,
    max_connections=480,
    accepted=51234,
    refused={"no_master": 3},
    closed={"switch": 41},
    switches=1,
    bytes_to_master=1,
    bytes_to_client=1,
    reason="",
)
CACHE = TUNNEL._replace(name="cache", listen="127.0.0.1:6380", master="10.0.0.21:6379", clients=0, switches=0)

SENTINELS = tuple(
    SentinelStatus("10.0.0.1%d:26379" % number, seed=True, up=True, events=True, latency=0.0004, error="")
    for number in (1, 2, 3)
)
SILENT = SENTINELS[1]._replace(up=False, events=False, latency=None, error="connection refused")

OK = ProcessStatus("1.0.0", 2231, 1763770000.1, (TUNNEL,), SENTINELS[:1])
BOTH = OK._replace(tunnels=(TUNNEL, CACHE), sentinels=SENTINELS)

STARTED = OK.started

# As other programs were promised it; one of the three Sentinels stands for all.
SCHEMA = """
{"version": "1.0.0", "pid": 2231, "started": 1763770000.1, "state": "ok",
 "tunnels": [{"name": "sessions", "master_name": "sessions", "role": "master", "listen": "127.0.0.1:6379",
   "state": "up", "master": "10.0.0.22:6379", "epoch": 7, "since": 1763774000.0, "verified": true,
   "sentinels_agreeing": 3, "clients": 41, "held": 0, "max_connections": 480,
   "accepted": 51234, "refused": {"no_master": 3}, "closed": {"switch": 41}, "switches": 1,
   "bytes_to_master": 1, "bytes_to_client": 1, "reason": ""}],
 "sentinels": [{"address": "10.0.0.11:26379", "seed": true, "up": true, "events": true, "latency": 0.0004,
   "error": ""}]}
"""


def test_the_schema_is_the_promised_one() -> None:
    """The JSON has the names, the order and the values that other programs rely on, on one line of ASCII."""
    text = OK.as_json()
    assert text == json.dumps(json.loads(SCHEMA)) and "\n" not in text
    assert json.loads(text) == OK.as_dict()


def test_a_status_is_the_callers_to_change() -> None:
    """The dictionaries are copies: who changes one changes no counter."""
    values = OK.as_dict()
    values["tunnels"][0]["refused"].clear()
    values["tunnels"][0]["closed"].clear()
    values["sentinels"][0].clear()
    assert OK.as_json() == json.dumps(json.loads(SCHEMA))


def test_what_is_not_known_is_null() -> None:
    """Without a master, its address, epoch and time are null, and so is the latency of a silent Sentinel."""
    tunnel = TUNNEL._replace(state="no_master", master=None, epoch=None, since=None)
    values = json.loads(OK._replace(tunnels=(tunnel,), sentinels=(SILENT,)).as_json())
    assert [values["tunnels"][0][key] for key in ("master", "epoch", "since")] == [None] * 3
    assert values["sentinels"][0]["latency"] is None


def test_a_tunnel_to_replicas() -> None:
    """It lacks a replica, not a master; and somebody is to hear that the master stands in."""
    reading = TUNNEL._replace(role="replica", reason="no replica is listed")
    stands_in = OK._replace(tunnels=(reading,))
    assert stands_in.state == "degraded"
    assert stands_in.troubles() == ["tunnel sessions has no replica, its clients get the master: no replica is listed"]
    refuses = OK._replace(tunnels=(reading._replace(state="no_master", master=None),))
    assert refuses.state == "down" and refuses.troubles() == ["tunnel sessions has no replica: no replica is listed"]
    assert OK._replace(tunnels=(reading._replace(reason=""),)).state == "ok"


LOST = TUNNEL._replace(state="no_master", master=None, reason="failover in progress")
STARTING = CACHE._replace(state="starting", master=None)


@pytest.mark.parametrize(
    "tunnels, sentinels, state, first",
    [
        ((TUNNEL, CACHE), SENTINELS, "ok", "every tunnel has a master, 3 of 3 Sentinels answer"),
        ((LOST, CACHE), SENTINELS, "degraded", "tunnel sessions has no master: failover in progress"),
        ((TUNNEL, STARTING), SENTINELS, "degraded", "tunnel cache is starting"),
        ((TUNNEL,), (SENTINELS[0], SILENT), "degraded", "1 of 2 Sentinels down: 10.0.0.12:26379"),
        (
            (TUNNEL, CACHE._replace(sentinels_agreeing=2)),
            SENTINELS,
            "degraded",
            "2 of 3 Sentinels agree on the master of cache",
        ),
        ((LOST, STARTING), SENTINELS, "down", "tunnel sessions has no master: failover in progress"),
    ],
)
def test_the_answer_comes_first_and_says_why(
    tunnels: t.Tuple[TunnelStatus, ...], sentinels: t.Tuple[SentinelStatus, ...], state: str, first: str
) -> None:
    """The state is ok, degraded or down, and the first line of the text gives it with the worst reason."""
    status = BOTH._replace(tunnels=tunnels, sentinels=sentinels)
    assert status.state == state == status.as_dict()["state"]
    assert status.as_text(STARTED).splitlines()[0] == "%s: %s" % (state, first)


def test_who_was_not_asked_yet_is_not_down() -> None:
    """In the first moments nothing is known, and nobody is to be blamed."""
    fresh = SILENT._replace(error=NOT_ASKED)
    starting = TUNNEL._replace(state="starting", master=None, sentinels_agreeing=0)
    status = OK._replace(tunnels=(starting,), sentinels=(fresh, fresh))
    assert status.troubles() == ["tunnel sessions is starting"]
    assert "next: wait a moment: the Sentinels are being asked" in status.as_text(STARTED)
    assert "next: no Sentinel answers" in status._replace(sentinels=(fresh, SILENT)).as_text(STARTED)


def test_a_silent_sentinel_is_no_disagreement() -> None:
    """Of the Sentinels that answer all agree: the one that does not answer is one trouble, not two."""
    status = OK._replace(tunnels=(TUNNEL._replace(sentinels_agreeing=1),), sentinels=(SENTINELS[0], SILENT))
    assert status.troubles() == ["1 of 2 Sentinels down: 10.0.0.12:26379"]


def test_the_text_is_a_page_for_people() -> None:
    """The answer, further troubles, the process, a line per tunnel, a line per Sentinel."""
    status = BOTH._replace(tunnels=(LOST, CACHE), sentinels=SENTINELS[:1] + (SILENT,) + SENTINELS[2:])
    status = status._replace(tunnels=(LOST._replace(held=2), CACHE))
    assert status.as_text(STARTED + 7999.5, "/etc/st.ini") == """\
degraded: tunnel sessions has no master (2 held): failover in progress
  next: wait some seconds; if it lasts, look at `sentinel-tunnel masters`
  also: 1 of 3 Sentinels down: 10.0.0.12:26379
  next: see that it runs there, and check address and port
sentinel-tunnel 1.0.0, pid 2231, up 2h 13m
started %s, configuration /etc/st.ini

TUNNEL    LISTEN          STATE      MASTER          SINCE  CLIENTS  HELD
sessions  127.0.0.1:6379  no_master  -               -      41/480   2
cache     127.0.0.1:6380  up         10.0.0.21:6379  1h 6m  0/480    0
since the start, sessions: switches 1, refused 3 (no_master)
since the start, cache: refused 3 (no_master)

SENTINEL         STATE  EVENTS  LATENCY  ERROR
10.0.0.11:26379  up     yes     0.4ms
10.0.0.12:26379  down   no      -        connection refused
10.0.0.13:26379  up     yes     0.4ms
""" % local_time(STARTED, "seconds")


@pytest.mark.parametrize(
    "seconds, text",
    [(-5, "0s"), (0.9, "0s"), (59, "59s"), (61, "1m 1s"), (3600, "1h"), (7999, "2h 13m"), (90061, "1d 1h")],
)
def test_how_long_it_has_run(seconds: float, text: str) -> None:
    """The age is told in its two largest units; a clock set back gives 0."""
    assert ", up %s\n" % text in OK.as_text(STARTED + seconds)


def test_long_values_stay_whole_within_80_columns() -> None:
    """Long names and IPv6 addresses are wrapped, not cut, and leave the other rows in their columns."""
    address = "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:6379"
    long = CACHE._replace(name="x" * 30, listen=address, master=address, state="no_master", reason="why " * 40)
    text = OK._replace(tunnels=(TUNNEL, long)).as_text(STARTED)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count(address) == 2 and text.count("x" * 30) == 3
    assert [line.split() for line in text.splitlines() if line.startswith("sessions ")] == [
        ["sessions", "127.0.0.1:6379", "up", "10.0.0.22:6379", "0s", "41/480", "0"]
    ]


def test_the_text_is_printable_ascii_whatever_comes() -> None:
    """Names and errors from outside cannot move the cursor or forge a line."""
    bad = "e\n\x1b[2J\x7f\u00e9\udc80"
    tunnels = (LOST._replace(name=bad, reason=bad), CACHE._replace(name=bad, sentinels_agreeing=0))
    text = BOTH._replace(tunnels=tunnels, sentinels=(SILENT._replace(address=bad, error=bad),) + SENTINELS).as_text(0)
    assert all(" " <= char <= "~" for char in text.replace("\n", ""))
    assert len([line for line in text.splitlines() if not line.startswith("    ")]) == 19


def test_a_process_without_tunnels_is_down() -> None:
    """No tunnel has a master when there is no tunnel, and the text is still a page."""
    empty = OK._replace(tunnels=(), sentinels=())
    assert empty.state == "down" and empty.as_text(STARTED).startswith("down: no tunnel\n")
