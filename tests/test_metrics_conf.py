"""The alerts and the dashboard in conf/: only metrics and labels that exist, and alerts that fire when they should."""
import json
import pathlib
import re
import typing as t

import pytest
import yaml

from tests.prometheus import check_rules, families, needs_promtool, promtool
from tests.test_metrics import shown

CONF = pathlib.Path(__file__).resolve().parent.parent / "conf"
ALERTS = CONF / "prometheus-alerts.yml"
ADDED = {"job", "instance"}  # labels that Prometheus itself adds

SELECTOR = re.compile(r"\b((?:sentinel_tunnel|process)_\w+|up)\b(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def exposed() -> t.Dict[str, t.Set[str]]:
    """Return every name that can be queried with the labels of its samples."""
    found = {"up": set(ADDED)}
    for family in families(shown()).values():
        for name, labels in family.samples:
            found[name] = {label for label, _ in labels} | ADDED
    return found


def rules() -> t.List[t.Dict[str, t.Any]]:
    """Return the alerts."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> t.Dict[str, t.Any]:
    """Return the dashboard."""
    return t.cast(t.Dict[str, t.Any], json.loads((CONF / "grafana-dashboard.json").read_text()))


def queries() -> t.List[t.Tuple[str, str]]:
    """Return each query of alerts and dashboard, and the text that shows its labels."""
    board = dashboard()
    shown_with = [(rule["expr"], " ".join(rule["annotations"].values())) for rule in rules()]
    shown_with += [(each["expr"], each["textFormat"]) for each in board["annotations"]["list"]]
    shown_with += [(target["expr"], target["legendFormat"]) for panel in board["panels"] for target in panel["targets"]]
    listed = [each["definition"] for each in board["templating"]["list"] if each["type"] == "query"]
    assert all(re.match(r"label_values\(.*, \w+\)\Z", each) for each in listed)
    asked = [each[len("label_values(") : -1].rpartition(", ") for each in listed]
    return shown_with + [(expr, "{{%s}}" % label) for expr, _, label in asked]


@pytest.mark.parametrize("expr, text", queries())
def test_only_what_exists_is_asked_for(expr: str, text: str) -> None:
    """Each name and each label, in the query and in what is shown of it."""
    there = exposed()
    found = SELECTOR.findall(expr)
    assert found, expr
    for name, selected in found:
        assert name in there, name
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected)) <= there[name], name
    labels = {label for name, _ in found for label in there[name]}
    grouped = [each.split(",") for each in GROUPING.findall(expr)]
    assert {label.strip() for group in grouped for label in group} - {""} <= labels
    assert set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text)) <= labels


def test_every_alert_says_what_to_do() -> None:
    """For whoever it wakes: a name, a severity, one line of summary, a description that names a command."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) >= 9
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning") and rule["alert"].startswith("SentinelTunnel")
        summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
        assert "\n" not in summary and "instance" in summary and "`" in description and description.endswith(".")
        assert description.encode("ascii")


def test_the_dashboard_is_one() -> None:
    """Panels with an id of their own that do not lie on each other, each with a query of the chosen data source."""
    board = dashboard()
    assert board["schemaVersion"] >= 36 and board["title"] == "sentinel-tunnel" and board["uid"]
    assert [each["name"] for each in board["templating"]["list"]] == ["datasource", "instance", "tunnel"]
    cells: t.Set[t.Tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"])
               for y in range(place["y"], place["y"] + place["h"])}
        assert not own & cells and max(x for x, _ in own) < 24, panel["title"]
        cells |= own
        assert panel["title"] and panel["description"] and panel["targets"]
        for each in [panel] + panel["targets"]:
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@needs_promtool
def test_promtool_reads_every_query(tmp_path: pathlib.Path) -> None:
    """The alerts as they are, and the queries of the dashboard with its variables filled in."""
    code, output = promtool("check", "rules", str(ALERTS))
    assert code == 0 and "%d rules found" % len(rules()) in output, output
    filled = [expr.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$tunnel", ".*")
              for expr, _ in queries()]
    recorded = [{"record": "query:%d" % number, "expr": expr} for number, expr in enumerate(filled)]
    code, output = check_rules(yaml.safe_dump({"groups": [{"name": "all", "rules": recorded}]}), tmp_path)
    assert code == 0 and "%d rules found" % len(filled) in output, output


SERIES = 'job="sentinel-tunnel",instance="h"'

# What is scraped each minute (a value, or Prometheus' notation for several), at what minute one looks, what fires.
CASES = [
    ("all is well", {"up": "1x30", "master_up": "1x30", "sentinels_agreeing": "3x30", "sentinel_up": "1x30 1x30 1x30",
                     "switches_total": "0 0 1 1 2x26", "client_connections": "80x30", "client_connections_limit":
                     "100x30", "client_connections_refused_total": "5x30", "process_start_time_seconds": "7x30",
                     "config_last_reload_successful": "1x30"}, 20, set()),
    ("it is gone", {"up": "1 1 0x30"}, 5, {"Down"}),
    ("it was never there", {"master_up": "1x30"}, 5, {"Down"}),
    ("a failover", {"up": "1x30", "master_up": "1 0 1x30"}, 1, set()),
    ("no master", {"up": "1x30", "master_up": "1 0x30"}, 3, {"NoMaster"}),
    ("one disagrees", {"up": "1x30", "sentinels_agreeing": "2x30", "sentinel_up": "1x30 1x30 1x30"}, 9,
     {"SentinelsDisagree"}),
    ("one agrees of three", {"up": "1x30", "sentinels_agreeing": "1x30", "sentinel_up": "1x30 1x30 1x30"}, 9,
     {"SentinelsDisagree", "NoMajority"}),
    ("half of them", {"up": "1x30", "sentinels_agreeing": "1x30", "sentinel_up": "1x30 0x30"}, 4, {"NoMajority"}),
    ("one is down", {"up": "1x30", "sentinels_agreeing": "2x30", "sentinel_up": "1x30 1x30 0x30"}, 9,
     {"SentinelDown"}),
    ("one Sentinel alone", {"up": "1x30", "sentinels_agreeing": "1x30", "sentinel_up": "1x30"}, 9, set()),
    ("many switches", {"up": "1x30", "switches_total": "0 1 2 3 4 5x25"}, 9, {"ManySwitches"}),
    ("refused", {"up": "1x30", "client_connections_refused_total": "0 0 0 1x27"}, 5, {"ClientsRefused"}),
    ("nearly full", {"up": "1x30", "client_connections": "81x30", "client_connections_limit": "100x30"}, 9,
     {"NearLimit"}),
    ("a restart", {"up": "1x30", "process_start_time_seconds": "7 7 8x27"}, 5, {"Restarted"}),
    ("a reload", {"up": "1x30", "config_last_reload_successful": "1 0x29"}, 5, {"ReloadFailed"}),
]  # type: t.List[t.Tuple[str, t.Dict[str, str], int, t.Set[str]]]


@needs_promtool
@pytest.mark.parametrize("series, minute, firing", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_fires(series: t.Dict[str, str], minute: int, firing: t.Set[str], tmp_path: pathlib.Path) -> None:
    """Promtool evaluates the alerts on series as they would be scraped."""
    given = [each for name, text in series.items() for each in scraped(name, text)]
    names = sorted("SentinelTunnel" + name for name in firing)
    tests = [{"interval": "1m", "input_series": given, "promql_expr_test": [
        {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "%dm" % minute,
         "exp_samples": [{"labels": '{alertname="%s"}' % name, "value": 1} for name in names]}]}]
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "30s", "tests": tests}))
    code, output = promtool("test", "rules", str(path))
    assert code == 0, output


def scraped(name: str, text: str) -> t.List[t.Dict[str, str]]:
    """Return series for a name; several of "VALUExTIMES" alone are Sentinels."""
    whole = name if name == "up" or name.startswith("process_") else "sentinel_tunnel_" + name
    if name == "sentinel_up":
        return [{"series": '%s{%s,sentinel="s%d"}' % (whole, SERIES, number), "values": each}
                for number, each in enumerate(text.split())]
    own = ',tunnel="t"' if whole.startswith("sentinel_tunnel_") and not name.startswith("config") else ""
    own += ',reason="limit"' if name.endswith("refused_total") else ""
    return [{"series": "%s{%s%s}" % (whole, SERIES, own), "values": text}]
