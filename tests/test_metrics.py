"""What Prometheus reads, from values alone: names, types, labels, and any text from outside."""
import math
import re
import typing as t

import pytest
from hypothesis import given, strategies

from st import __version__
from st.host.usage import Usage, usage
from st.ops.measures import Measures
from st.ops.status import ProcessStatus
from st.tally import Distribution
from st.web.exposition import COUNTER, GAUGE, HISTOGRAM, Family, Sample, distribution, text
from st.web.metrics import CLOSED, PREFIX, exposition
from tests.prometheus import families, needs_promtool, promtool, value, values
from tests.test_status import BOTH, CACHE, SENTINELS, SILENT, TUNNEL
from tests.web import measures

USED = Usage(started=1763770000.12, cpu=1.25, resident=34000000, open_descriptors=17, most_descriptors=1024, threads=9)
TUNNELS = {"tunnel"}
SENTINEL = {"sentinel"}

# As people were promised it: type, labels, and for histograms the bounds.
PROMISED = {
    "build_info": (GAUGE, {"version", "python"}),
    "master_up": (GAUGE, TUNNELS),
    "master_info": (GAUGE, {"tunnel", "address"}),
    "master_since_timestamp_seconds": (GAUGE, TUNNELS),
    "master_unavailable_seconds_total": (COUNTER, TUNNELS),
    "switches_total": (COUNTER, TUNNELS),
    "failover_gap_seconds": (HISTOGRAM, TUNNELS),
    "client_connections": (GAUGE, TUNNELS),
    "client_connections_limit": (GAUGE, TUNNELS),
    "client_connections_held": (GAUGE, TUNNELS),
    "client_connections_total": (COUNTER, TUNNELS),
    "client_connections_refused_total": (COUNTER, {"tunnel", "reason"}),
    "client_connections_closed_total": (COUNTER, {"tunnel", "reason"}),
    "transferred_bytes_total": (COUNTER, {"tunnel", "direction"}),
    "master_connect_seconds": (HISTOGRAM, TUNNELS),
    "role_checks_total": (COUNTER, {"tunnel", "result"}),
    "sentinels_agreeing": (GAUGE, TUNNELS),
    "sentinels_configured": (GAUGE, set()),
    "sentinel_up": (GAUGE, SENTINEL),
    "sentinel_events_connected": (GAUGE, SENTINEL),
    "sentinel_queries_total": (COUNTER, {"sentinel", "result"}),
    "sentinel_query_seconds": (HISTOGRAM, SENTINEL),
    "config_last_reload_successful": (GAUGE, set()),
    "threads": (GAUGE, set()),
}
HOST = {"process_start_time_seconds": GAUGE, "process_cpu_seconds_total": COUNTER,
        "process_resident_memory_bytes": GAUGE, "process_open_fds": GAUGE, "process_max_fds": GAUGE}


def shown(status: ProcessStatus = BOTH, made: t.Optional[Measures] = None) -> str:
    """Return what is exposed for a status."""
    return exposition(status, made or measures(status), USED, True)


def test_every_name_is_the_promised_one() -> None:
    """Names, types and labels; no more and no fewer."""
    wanted = {PREFIX + name: kind for name, (kind, _) in PROMISED.items()}
    found = families(shown())
    assert {name: family.kind for name, family in found.items()} == dict(wanted, **HOST)
    for name, (kind, labels) in PROMISED.items():
        for sample, pairs in found[PREFIX + name].samples:
            bucket = {"le"} if sample.endswith("_bucket") else set()
            assert {label for label, _ in pairs} == labels | bucket, name


def test_the_rules_of_naming() -> None:
    """Those of promtool and of the guide: base units, `_total` on counters alone, a sentence of help."""
    for name, family in families(shown()).items():
        assert re.match(r"[a-z]+(_[a-z]+)*\Z", name)
        assert name.endswith("_total") == (family.kind == COUNTER)
        assert not name.endswith(("_count", "_sum", "_bucket")) and not set(name.split("_")) & {
            "ms", "milliseconds", "minutes", "kilobytes", "gauge", "counter", "histogram"}
        assert re.match(r"[A-Z0-9].*[^.]\.\Z", family.help), name


def test_the_values() -> None:
    """Each comes from its own field."""
    lost = CACHE._replace(state="no_master", held=3)
    status = BOTH._replace(tunnels=(TUNNEL, lost), sentinels=(SENTINELS[0], SILENT))
    text = shown(status)
    sessions, cache, down = {"tunnel": "sessions"}, {"tunnel": "cache"}, {"sentinel": SILENT.address}
    wanted = [
        ("master_up", 1, sessions), ("master_up", 0, cache), ("master_since_timestamp_seconds", 1763774000, sessions),
        ("master_info", 1, dict(sessions, address="10.0.0.22:6379")), ("master_unavailable_seconds_total", 2.5, cache),
        ("switches_total", 1, sessions), ("client_connections", 41, sessions),
        ("client_connections_limit", 480, sessions), ("client_connections_held", 3, cache),
        ("client_connections_total", 51234, sessions),
        ("client_connections_refused_total", 3, dict(sessions, reason="no_master")),
        ("client_connections_closed_total", 41, dict(sessions, reason="switch")),
        ("transferred_bytes_total", 1, dict(sessions, direction="to_client")),
        ("role_checks_total", 7, dict(sessions, result="master")), ("sentinels_agreeing", 3, sessions),
        ("master_connect_seconds_count", 4, sessions), ("failover_gap_seconds_sum", 4.5, sessions),
        ("failover_gap_seconds_bucket", 3, dict(sessions, le="1")), ("sentinels_configured", 2, {}),
        ("sentinel_up", 0, down), ("sentinel_events_connected", 0, down), ("sentinel_query_seconds_count", 4, down),
        ("sentinel_queries_total", 1, dict(down, result="timeout")), ("threads", 9, {}),
        ("config_last_reload_successful", 1, {}),
    ]
    for name, number, labels in wanted:
        assert value(text, PREFIX + name, **labels) == number, (name, labels)
    own = [value(text, name) for name in HOST]
    assert own == [1763770000.12, 1.25, 34000000, 17, 1024]
    build, = [dict(labels) for name, labels in values(text) if name == PREFIX + "build_info"]
    assert build["version"] == "1.0.0" != __version__ and re.match(r"3\.[0-9]+\.[0-9]+", build["python"])


def test_everything_is_there_from_the_start() -> None:
    """An alert on a rate needs a first value: no reason, result or direction appears with its first event."""
    fresh = TUNNEL._replace(state="starting", master=None, since=None, refused={}, closed={})
    text = shown(BOTH._replace(tunnels=(fresh,)))
    counted = families(text)
    for name, label, kinds in (
            ("client_connections_closed_total", "reason",
             {"client", "master", "switch", "limit", "no_master", "connect_failed", "admin", "reload", "shutdown",
              "error"}),
            ("client_connections_refused_total", "reason", {"no_master", "limit", "no_thread", "not_allowed"}),
            ("transferred_bytes_total", "direction", {"to_master", "to_client"})):
        samples = counted[PREFIX + name].samples
        assert {dict(labels)[label] for _, labels in samples} == kinds
    assert value(text, PREFIX + "master_since_timestamp_seconds", tunnel="sessions") == 0
    assert value(text, PREFIX + "master_info", tunnel="sessions", address="") == 1
    closed = counted[PREFIX + "client_connections_closed_total"].samples
    assert set(closed.values()) == {0} and len(closed) == len(CLOSED)


def test_a_reason_that_nobody_knew_is_shown() -> None:
    """Nothing that was counted is lost."""
    text = shown(BOTH._replace(tunnels=(TUNNEL._replace(closed={"flood": 2}),)))
    assert value(text, PREFIX + "client_connections_closed_total", tunnel="sessions", reason="flood") == 2


@given(strategies.text())
def test_any_name(name: str) -> None:
    """Names and addresses from outside are in the labels as they are, whatever is in them."""
    evil = BOTH._replace(tunnels=(TUNNEL._replace(name=name, master=name),),
                         sentinels=(SENTINELS[0]._replace(address=name),))
    text = shown(evil)
    assert value(text, PREFIX + "master_info", tunnel=name, address=name) == 1
    assert value(text, PREFIX + "sentinel_up", sentinel=name) == 1
    assert set(families(text)) == set(families(shown()))


def test_what_the_kernel_does_not_tell_is_left_out() -> None:
    """No invented zero: a start in 1970 would be an alarm."""
    unknown = USED._replace(started=None, resident=None, open_descriptors=None, most_descriptors=math.inf)
    found = values(exposition(BOTH, measures(BOTH), unknown, True))
    assert [name for name in HOST if (name, ()) in found] == ["process_cpu_seconds_total", "process_max_fds"]
    assert found["process_max_fds", ()] == math.inf


def test_the_text_itself() -> None:
    """Help, type, then the samples; numbers that Prometheus reads back without a loss."""
    samples = [Sample((), 1e-07), Sample((("a", 'x\\y"z\n'), ("b", "")), 2 ** 63), Sample((), -math.inf)]
    assert text([Family("f", GAUGE, "Says.", samples), Family("g", COUNTER, "None.", [])]) == (
        '# HELP f Says.\n# TYPE f gauge\nf 1e-07\nf{a="x\\\\y\\"z\\n",b=""} 9223372036854775808\nf -Inf\n'
        "# HELP g None.\n# TYPE g counter\n")
    histogram = Family("h", HISTOGRAM, "H.", distribution((("a", "b"),), Distribution(((0.5, 1), (2.0, 1)), 7.25, 3)))
    assert text([histogram]).splitlines()[2:] == [
        'h_bucket{a="b",le="0.5"} 1', 'h_bucket{a="b",le="2"} 1', 'h_bucket{a="b",le="+Inf"} 3', 'h_sum{a="b"} 7.25',
        'h_count{a="b"} 3']


def test_our_own_use_of_the_host() -> None:
    """What the kernel says of this very process."""
    used = usage()
    assert used.started and TUNNEL.since and TUNNEL.since < used.started
    assert used.cpu > 0 and used.resident and used.resident > 1 << 20 and used.threads >= 1
    assert used.open_descriptors and 3 <= used.open_descriptors < used.most_descriptors


@needs_promtool
@pytest.mark.parametrize("name", ["plain", "\u00fc \\ \" \n {}"])
def test_promtool_finds_nothing(name: str) -> None:
    """Neither the parser of Prometheus nor its rules for names."""
    assert promtool("check", "metrics", given=shown(BOTH._replace(tunnels=(TUNNEL._replace(name=name),)))) == (0, "")
