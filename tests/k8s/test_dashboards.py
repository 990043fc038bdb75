"""Dashboards: they read what exists, and Grafana can load and draw them (OPS-46)."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.chassis.metrics import DECLARED
from tests.k8s import promql
from tests.k8s.test_alerts import recorded

FOLDER = Path(__file__).parents[2] / "k8s" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "short", "s", "d", "bytes", "percentunit", "ops", "reqps"}


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return found


def drawn(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in panels(path) if panel["type"] != "row"]


def expression(text: str) -> str:
    """The query as Prometheus gets it."""
    return text.replace("$__rate_interval", "5m")


@pytest.mark.rule("OPS-46")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_query_reads_what_exists(path: Path) -> None:
    known = recorded()
    for panel in drawn(path):
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            text = expression(target["expr"])
            assert not list(promql.wrong(text, known)), panel["title"]
            assert "$" not in re.sub(r'"\$(job|stream)"', "", text), panel["title"]
            names = {*promql.reads(text).grouped, *promql.TARGET}
            for series in promql.reads(text).series:
                names |= {**promql.declared(), **promql.FOREIGN, **known}[series]
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert legend <= names, f"{panel['title']}: the legend speaks of {legend - names}"
    content = json.loads(path.read_text())
    for variable in content["templating"]["list"]:
        if variable["type"] == "query":
            name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert label in promql.declared()[name] | promql.TARGET


@pytest.mark.rule("OPS-46")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_have_their_place_their_unit_and_a_word_of_explanation(path: Path) -> None:
    found = panels(path)
    assert len({panel["id"] for panel in found}) == len(found)
    for panel in found:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= 24 - place["w"], panel["title"]
    for one, other in combinations(found, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], f"{one['title']} / {other['title']}"
    for panel in drawn(path):
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["description"].endswith("."), panel["title"]


@pytest.mark.rule("OPS-46")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_datasource_is_chosen_by_who_looks(path: Path) -> None:
    content = json.loads(path.read_text())
    assert content["templating"]["list"][0]["type"] == "datasource"
    assert content["uid"] == f"plantops-{'events' if path.stem == 'event-flow' else path.stem}"
    for panel in drawn(path):
        assert panel["datasource"] == DATASOURCE, panel["title"]
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"]), panel["title"]
    assert all(one.get("datasource", DATASOURCE) == DATASOURCE for one in content["templating"]["list"])


@pytest.mark.rule("OPS-46")
def test_the_way_of_an_event_is_shown_whole() -> None:
    """From outbox to effect and dead letter, each declared measure of the way has its panel."""
    shown = {
        re.sub(r"_(bucket|count|sum)$", "", series)
        for panel in drawn(FOLDER / "event-flow.json")
        for target in panel["targets"]
        for series in promql.reads(expression(target["expr"])).series
    }
    ways = ("plantops_outbox_", "plantops_relay_", "plantops_consumer_", "plantops_event", "plantops_dead_letter")
    assert {name for name in DECLARED if name.startswith(ways)} <= shown


def test_promtool_reads_every_query(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on the PATH: names were checked, no query was parsed")
    queries = [expression(target["expr"]) for path in FILES for panel in drawn(path) for target in panel["targets"]]
    rules = [{"record": f"dashboard:query:{number}", "expr": text} for number, text in enumerate(queries)]
    place = tmp_path / "queries.yaml"
    place.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    ended = subprocess.run([promtool, "check", "rules", str(place)], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
