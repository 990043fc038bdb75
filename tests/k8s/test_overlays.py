"""The overlays keep every rule; rendering twice gives the same; the scripts say what they should."""

import json
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import utils as kubernetes

from cli.engines.containers import NATS_IMAGE, POSTGRES_IMAGE
from k8s import dev_secrets, prometheus_rules
from k8s.checks import forms
from k8s.checks.__main__ import MODULES, OVERLAYS, main
from k8s.checks.manifests import K8S, Manifests, render
from k8s.checks.rule import RULES, Rule


def test_all_rules_are_entered() -> None:
    assert len(MODULES) == len({rule.check.__module__ for rule in RULES})
    assert len(RULES) >= 20


@pytest.mark.rule("OPS-12")
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.number}-{rule.check.__name__}")
@pytest.mark.parametrize("name", ["dev", "prod", "prod-all"])
def test_an_overlay_keeps_a_rule(parsed: dict[str, Manifests], name: str, rule: Rule) -> None:
    assert rule.faults(parsed[name]) == []


@pytest.mark.rule("OPS-11", "OPS-12")
def test_rendering_is_the_same_every_time(texts: dict[str, str]) -> None:
    for name, folder in OVERLAYS.items():
        assert render(folder) == texts[name]


@pytest.mark.rule("OPS-11")
def test_what_others_need_is_applied_first(parsed: dict[str, Manifests]) -> None:
    kinds = [document["kind"] for document in parsed["dev"].documents]
    assert kinds[0] == "Namespace"
    for first in ("ServiceAccount", "ConfigMap", "Service"):
        assert max(i for i, kind in enumerate(kinds) if kind == first) < kinds.index("Deployment")


def test_every_component_is_rendered() -> None:
    used = set()
    for overlay in OVERLAYS.values():
        content = yaml.safe_load((overlay / "kustomization.yaml").read_text())
        used |= {Path(item).name for item in content["components"]}
    used |= {"keda", "tracing", "argocd", "nats-values"}
    assert {path.name for path in (K8S / "components").iterdir()} == used


def test_every_schema_is_of_a_kind_that_is_rendered(parsed: dict[str, Manifests]) -> None:
    kinds = {item["kind"].lower() for manifests in parsed.values() for item in manifests.documents}
    for path in (K8S / "schemas").glob("*.json"):
        assert path.name.partition("-")[0] in kinds | {"prometheusrule"}


@pytest.mark.rule("OPS-2")
@pytest.mark.rule("OPS-54")
def test_alerts_are_resources_of_the_operator(parsed: dict[str, Manifests]) -> None:
    documents = list(prometheus_rules.documents())
    names = {path.stem for path in (K8S / "alerts").glob("*.yaml") if not path.name.endswith("_test.yaml")}
    assert {item["metadata"]["name"] for item in documents} == {f"plantops-{name}" for name in names}
    assert list(forms.schemas(Manifests("alerts", documents))) == []
    assert list(forms.names(Manifests("alerts", documents))) == []
    documents[0]["spec"]["groups"][0]["rules"][0]["expresion"] = "up"
    assert any("expresion" in fault for fault in forms.schemas(Manifests("alerts", documents)))


def test_every_dashboard_is_delivered(parsed: dict[str, Manifests]) -> None:
    found = {
        name: json.loads(text)
        for item in parsed["prod"].of("ConfigMap")
        if "grafana_dashboard" in item["metadata"]["labels"]
        for name, text in item["data"].items()
    }
    assert set(found) == {path.name for path in (K8S / "dashboards").glob("*.json")}
    assert all(content["title"] for content in found.values())


def test_development_has_the_engines_that_the_tests_have(parsed: dict[str, Manifests]) -> None:
    images = {
        container["image"]
        for workload in parsed["dev"].workloads
        for container in workload.containers
        if not workload.ours
    }
    assert images == {POSTGRES_IMAGE, NATS_IMAGE}


@pytest.mark.rule("OPS-15")
def test_secrets_of_development_have_the_names_and_keys_of_production(parsed: dict[str, Manifests]) -> None:
    made = dev_secrets.values()
    assert {name: tuple(sorted(content)) for name, content in made.items()} == {
        name: tuple(sorted(keys)) for name, keys in dev_secrets.NAMES.items()
    }
    external = {
        item["spec"]["target"]["name"]: {entry["secretKey"] for entry in item["spec"]["data"]}
        for item in parsed["prod"].of("ExternalSecret")
    }
    for name, keys in external.items():
        if name != "backup-store":
            assert set(made[name]) == keys
    again = dev_secrets.values()
    for name, content in made.items():
        assert all(content[key] != again[name][key] for key in content), name
    for document in yaml.safe_load_all(dev_secrets.manifests(made)):
        kubernetes.validate(document, "1.31", strict=True)


def test_an_overlay_of_ones_own_is_checked_and_faults_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near = Path("/".join([".."] * len(tmp_path.resolve().parts[1:]))) / str(K8S / "overlays" / "prod").lstrip("/")
    (tmp_path / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{near}]\nimages: [{{name: plantops, digest: sha256:{'0' * 64}}}]\n"
        "patches:\n"
        "  - target: {kind: Deployment, name: gateway}\n"
        "    patch: |-\n"
        "      - {op: replace, path: /spec/template/spec/terminationGracePeriodSeconds, value: 20}\n"
    )
    assert main(["--digests", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "ok   OPS-13" in out
    failed = [line for line in out.splitlines() if "FAIL" in line]
    assert len(failed) == 1
    assert "OPS-17" in failed[0]


def test_an_overlay_that_cannot_be_rendered_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("k8s: ")
