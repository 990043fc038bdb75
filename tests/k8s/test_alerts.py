"""Alerts: what they read exists, each fires and is silent in promtool's tests, each has its runbook (OPS-45).

Where promtool is on the PATH it checks and runs everything. Where it is not, the structure is checked alone, and the
run says so.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.routes import Table, contract
from tests.k8s import promql

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "k8s" / "alerts"
RUNBOOKS = ROOT / "k8s" / "runbooks"
FILES = sorted(path for path in ALERTS.glob("*.yaml") if not path.name.endswith("_test.yaml"))
SEVERITIES = {"page", "ticket"}
LEFT_OUT = frozenset(
    {
        "SagaOverdue", "InvariantViolation", "AuditBroken", "AuditBehind", "RestoreUnproved", "CertificateExpiring",
        "DevicesBehind",
    }
)  # fmt: skip
"""Alerts of parts that nothing feeds yet; the one that comes first brings its metric, its test and its runbook."""
SCANNER_RPCS = {
    "ResolveScan", "BatchCreateMovements", "BatchAddReceiptLines", "PostReceipt", "IssueReservation", "ReturnIssue",
    "ConfirmPutAway",
}  # fmt: skip


def rules(path: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(path.read_text())["groups"]:
        yield from group["rules"]


def alerts() -> list[tuple[Path, dict[str, Any]]]:
    return [(path, rule) for path in FILES for rule in rules(path) if "alert" in rule]


def recorded() -> dict[str, frozenset[str]]:
    """Recorded series with the labels that they may have."""
    found: dict[str, frozenset[str]] = {}
    for path in FILES:
        for rule in rules(path):
            if "record" in rule:
                labels = frozenset({*rule.get("labels", {}), *promql.reads(rule["expr"]).grouped})
                found[rule["record"]] = found.get(rule["record"], frozenset()) | labels
    return found


def checks_of(path: Path) -> list[tuple[str, list[dict[str, Any]]]]:
    """Alert and what is expected of it, for each check of a file of rules."""
    content = yaml.safe_load(path.with_name(f"{path.stem}_test.yaml").read_text())
    return [
        (check["alertname"], check.get("exp_alerts") or [])
        for test in content["tests"]
        for check in test.get("alert_rule_test", [])
    ]


@pytest.mark.rule("OPS-41", "OPS-45")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rules_read_what_exists(path: Path) -> None:
    known = recorded()
    for rule in rules(path):
        name = rule.get("alert") or rule["record"]
        assert not list(promql.wrong(rule["expr"], known)), name
        for bucket, le in re.findall(r"(plantops_\w+_bucket)\{[^}]*le=\"([^\"]+)\"", rule["expr"]):
            assert le in promql.buckets(bucket), f"{name}: {bucket} has no bucket {le}"


@pytest.mark.rule("OPS-45")
def test_every_alert_says_how_urgent_it_is_and_what_it_means() -> None:
    for path, rule in alerts():
        name = rule["alert"]
        assert rule["labels"]["severity"] in SEVERITIES, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"k8s/runbooks/{name}.md", name
        labels = set(rule["labels"]) | promql.TARGET
        for series, matched in promql.reads(rule["expr"]).series.items():
            labels |= matched | {**promql.declared(), **promql.FOREIGN, **recorded()}[series]
        for text in rule["annotations"].values():
            used = set(re.findall(r"\$labels\.(\w+)", text))
            assert used <= labels, f"{path.name}: {name} speaks of {used - labels}"


@pytest.mark.rule("OPS-45")
def test_every_alert_has_a_test_at_which_it_fires_and_one_at_which_it_is_silent() -> None:
    for path in FILES:
        checks = checks_of(path)
        wanted = {(rule["alert"], rule["labels"]["severity"]) for rule in rules(path) if "alert" in rule}
        firing = {(name, one["exp_labels"]["severity"]) for name, expected in checks for one in expected}
        silent = {name for name, expected in checks if not expected}
        assert wanted == firing, path.name
        assert {name for name, _ in wanted} == silent, path.name


@pytest.mark.rule("OPS-45")
def test_alerts_and_runbooks_match_in_both_directions() -> None:
    names = {rule["alert"] for _, rule in alerts()}
    assert names == {path.stem for path in RUNBOOKS.glob("*.md")}
    assert not names & LEFT_OUT


@pytest.mark.rule("OPS-44")
def test_the_service_level_of_scans_counts_what_scanners_send() -> None:
    patterns = {
        pattern
        for rule in rules(ALERTS / "slo.yaml")
        if rule.get("labels", {}).get("slo") == "scans"
        for pattern in re.findall(r'route=~"([^"]+)"', rule["expr"])
    }
    (pattern,) = patterns
    counted = {route.rpc.name for route in Table(contract()).routes if re.fullmatch(pattern, route.template)}
    assert counted == SCANNER_RPCS


@pytest.mark.rule("OPS-44")
def test_budgets_and_burn_rates_are_those_of_the_service_levels() -> None:
    content = list(rules(ALERTS / "slo.yaml"))
    budgets = {
        rule["labels"]["slo"]: rule["expr"] for rule in content if rule.get("record", "").endswith("budget:ratio")
    }
    assert budgets == {"requests": "vector(0.001)", "scans": "vector(0.01)", "events": "vector(0.001)"}
    burn = {
        rule["labels"]["window"]: (
            rule["labels"]["severity"],
            sorted(re.findall(r"ratio_rate(\w+)", rule["expr"])),
            sorted(set(re.findall(r"> on \(slo\) ([\d.]+) \*", rule["expr"]))),
        )
        for rule in content
        if "alert" in rule
    }
    assert burn == {
        "1h": ("page", ["1h", "5m"], ["14.4"]),
        "6h": ("page", ["30m", "6h"], ["6"]),
        "3d": ("ticket", ["3d"], []),
    }


@pytest.mark.rule("OPS-44", "OPS-45")
def test_promtool_accepts_the_rules_and_its_tests_pass() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH: structure was checked, no expression was evaluated")
    files = [str(path) for path in FILES]
    tests = [str(path.with_name(f"{path.stem}_test.yaml")) for path in FILES]
    for command in ([promtool, "check", "rules", *files], [promtool, "test", "rules", *tests]):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("expression", "complaints"),
    [
        ("max by (job) (plantops_outbox_oldest_seconds) > 60", []),
        ("plantops_outbox_oldest > 60", ["nobody has the series plantops_outbox_oldest"]),
        ('rate(plantops_shed_total{site="x"}[5m])', ["plantops_shed_total has no label site"]),
        ("sum by (actor) (plantops_shed_total)", ["no series here has the label actor"]),
        ("histogram_quantile(0.99, sum by (le, job) (rate(plantops_loop_lag_seconds_bucket[5m]))) > 0.2", []),
        ("plantops_loop_lag_seconds > 1", ["nobody has the series plantops_loop_lag_seconds"]),
        ('count(up == 0) < 2 or absent(up{job="a"} offset 10m) unless on (job) up', []),
    ],
)
def test_the_reader_of_expressions_finds_what_is_wrong(expression: str, complaints: list[str]) -> None:
    assert list(promql.wrong(expression, {})) == complaints
