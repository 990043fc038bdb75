"""Each rule notices what it is about: a manifest is broken in one place, and the rule says where."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from k8s.checks import capacity, edges, engines, forms, pods, references
from k8s.checks.manifests import VALUES, Manifests
from k8s.checks.rule import Check

Break = Callable[[Manifests], Any]


def deployment(manifests: Manifests, name: str = "materials") -> dict[str, Any]:
    found = manifests.get("Deployment", name)
    assert found is not None
    return found


def pod(manifests: Manifests, name: str = "materials") -> dict[str, Any]:
    return deployment(manifests, name)["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def container(manifests: Manifests, name: str = "materials") -> dict[str, Any]:
    return pod(manifests, name)["containers"][0]  # type: ignore[no-any-return]


def job(manifests: Manifests, name: str = "migrate-materials") -> dict[str, Any]:
    return next(item for item in manifests.of("Job") if item["metadata"]["name"].startswith(name))


def one(manifests: Manifests, kind: str, name: str) -> dict[str, Any]:
    found = manifests.get(kind, name)
    assert found is not None
    return found


def config(manifests: Manifests, name: str) -> dict[str, str]:
    return named(manifests, name)["data"]  # type: ignore[no-any-return]


def named(manifests: Manifests, name: str) -> dict[str, Any]:
    return next(item for item in manifests.of("ConfigMap") if item["metadata"]["name"].startswith(f"{name}-"))


def drop(manifests: Manifests, kind: str, name: str) -> None:
    manifests.documents.remove(one(manifests, kind, name))


def put(target: dict[str, Any], **values: Any) -> None:
    target.update(values)


CASES: list[tuple[Check, Break, str]] = [
    (pods.security, lambda m: pod(m)["securityContext"].pop("runAsNonRoot"), "runAsNonRoot is None"),
    (pods.security, lambda m: put(pod(m)["securityContext"], runAsUser=1000), "runAsUser is 1000"),
    (pods.security, lambda m: put(pod(m)["securityContext"], seccompProfile={"type": "Unconfined"}), "seccompProfile"),
    (pods.security, lambda m: pod(m).pop("automountServiceAccountToken"), "automountServiceAccountToken"),
    (pods.security, lambda m: pod(m).pop("enableServiceLinks"), "enableServiceLinks"),
    (pods.security, lambda m: put(pod(m), hostNetwork=True), "hostNetwork is True"),
    (pods.security, lambda m: pod(m)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}), "path of the host"),
    (pods.security, lambda m: pod(m)["volumes"].append({"name": "e", "emptyDir": {}}), "no sizeLimit"),
    (pods.security, lambda m: put(container(m)["securityContext"], readOnlyRootFilesystem=False), "readOnlyRoot"),
    (pods.security, lambda m: put(container(m)["securityContext"], privileged=True), "is privileged"),
    (pods.security, lambda m: put(container(m)["securityContext"], capabilities={"add": ["NET_RAW"]}), "capabilities"),
    (pods.security, lambda m: put(container(m)["ports"][0], hostPort=50051), "port of the host"),
    (pods.security, lambda m: container(m)["volumeMounts"].clear(), "has no /tmp"),
    (
        pods.security,
        lambda m: job(m)["spec"]["template"]["spec"]["initContainers"][0].pop("securityContext"),
        "container database: allowPrivilegeEscalation is None",
    ),
    (pods.resources, lambda m: container(m)["resources"]["requests"].pop("cpu"), "lacks a request"),
    (pods.resources, lambda m: put(container(m)["resources"]["limits"], memory="128Mi"), "memory ends at 128Mi"),
    (pods.resources, lambda m: put(container(m)["resources"]["limits"], cpu="1"), "CPU limit"),
    (pods.availability, lambda m: put(one(m, "HorizontalPodAutoscaler", "gateway")["spec"], minReplicas=2), "2 pods"),
    (
        pods.availability,
        lambda m: put(one(m, "HorizontalPodAutoscaler", "materials")["spec"], maxReplicas=1),
        "fewest pods 2 above most 1",
    ),
    (pods.availability, lambda m: put(deployment(m)["spec"]["strategy"]["rollingUpdate"], maxUnavailable=1), "add one"),
    (pods.availability, lambda m: deployment(m)["spec"].pop("minReadySeconds"), "minReadySeconds must be 10"),
    (pods.availability, lambda m: put(pod(m), priorityClassName="other"), "no priority class"),
    (pods.availability, lambda m: pod(m)["topologySpreadConstraints"].pop(), "not spread"),
    (pods.availability, lambda m: drop(m, "PodDisruptionBudget", "materials"), "0 disruption budgets"),
    (
        pods.availability,
        lambda m: put(one(m, "PodDisruptionBudget", "materials")["spec"], maxUnavailable=0),
        "must allow one pod away",
    ),
    (pods.probes, lambda m: container(m).pop("startupProbe"), "startupProbe asks the wrong thing"),
    (pods.probes, lambda m: put(container(m)["livenessProbe"]["grpc"], service="ready"), "livenessProbe asks"),
    (pods.probes, lambda m: put(container(m)["readinessProbe"], failureThreshold=3), "failureThreshold is 3"),
    (
        pods.probes,
        lambda m: put(container(m, "gateway")["livenessProbe"]["httpGet"], path="/readyz"),
        "livenessProbe asks the wrong",
    ),
    (
        pods.probes,
        lambda m: put(container(m, "gateway")["readinessProbe"]["httpGet"], path="/readyz"),
        "readinessProbe asks the wrong",
    ),
    (pods.grace, lambda m: container(m).pop("lifecycle"), "preStop sleeps 0 s"),
    (pods.grace, lambda m: put(pod(m), terminationGracePeriodSeconds=30), "pass the 30 s given"),
    (pods.grace, lambda m: put(config(m, "materials"), PLANTOPS_DRAIN_DELAY="10"), "delay 10 s"),
    (
        references.selectors,
        lambda m: put(one(m, "Service", "materials")["spec"]["selector"], **{"app.kubernetes.io/name": "material"}),
        "chooses 0 workloads",
    ),
    (
        references.selectors,
        lambda m: one(m, "Service", "materials")["spec"]["selector"].pop("app.kubernetes.io/name"),
        "chooses 3 workloads",
    ),
    (references.selectors, lambda m: put(container(m)["ports"][0], name="rpc"), "port grpc is none of"),
    (
        references.selectors,
        lambda m: put(deployment(m)["spec"]["selector"]["matchLabels"], **{"app.kubernetes.io/name": "x"}),
        "does not choose its own pods",
    ),
    (
        references.selectors,
        lambda m: put(one(m, "PodDisruptionBudget", "materials")["spec"]["selector"]["matchLabels"], tier="x"),
        "chooses no pod",
    ),
    (references.selectors, lambda m: put(deployment(m)["spec"], replicas=2), "an autoscaler owns it"),
    (references.selectors, lambda m: drop(m, "Deployment", "materials"), "there is no Deployment materials"),
    (references.selectors, lambda m: container(m)["ports"].pop(), "has no port metrics"),
    (
        references.selectors,
        lambda m: put(one(m, "Service", "gateway")["spec"]["ports"][0], name="web"),
        "no such port of a service",
    ),
    (references.configuration, lambda m: put(config(m, "materials"), PLANTOPS_POOLSIZE="9"), "poolsize"),
    (references.configuration, lambda m: put(config(m, "materials"), PLANTOPS_POOL_SIZE="1"), "pool_size"),
    (references.configuration, lambda m: config(m, "plantops").pop("PLANTOPS_ISSUER"), "issuer"),
    (references.configuration, lambda m: put(config(m, "materials"), PLANTOPS_LISTEN="127.0.0.1:50051"), "listen is"),
    (references.configuration, lambda m: put(config(m, "plantops"), PLANTOPS_METRICS_LISTEN=""), "metrics_listen is"),
    (
        references.configuration,
        lambda m: put(config(m, "gateway"), PLANTOPS_DEV_ISSUER_KEY="key.pem"),
        "never for production",
    ),
    (
        references.configuration,
        lambda m: put(config(m, "gateway"), PLANTOPS_GATEWAY_MATERIALS="materials:50051"),
        "dns:/// knows all pods",
    ),
    (
        references.configuration,
        lambda m: put(config(m, "gateway"), PLANTOPS_GATEWAY_MATERIALS="dns:///stock:50051"),
        "no service answers at dns:///stock:50051",
    ),
    (
        references.configuration,
        lambda m: put(config(m, "plantops"), PLANTOPS_NATS_MONITOR_URL="http://nats:8223"),
        "no service answers at http://nats:8223",
    ),
    (
        references.secrets,
        lambda m: put(config(m, "materials"), PLANTOPS_RELAY_URL_FILE="/etc/plantops/secrets/relay"),
        "nothing is mounted at /etc/plantops/secrets/relay",
    ),
    (references.secrets, lambda m: put(config(m, "materials"), PLANTOPS_PAGE_TOKEN_KEY="k"), "a secret in the env"),
    (
        references.secrets,
        lambda m: put(config(m, "materials"), PLANTOPS_X="nats://me:word@nats:4222"),
        "PLANTOPS_X: a secret in the environment",
    ),
    (
        references.secrets,
        lambda m: container(m)["env"].append({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        "A: a secret in the environment",
    ),
    (
        references.secrets,
        lambda m: put(container(m)["envFrom"][0]["configMapRef"], name="plantops"),
        "ConfigMap plantops does not exist",
    ),
    (references.secrets, lambda m: drop(m, "ExternalSecret", "materials-database"), "nobody makes the key"),
    (references.secrets, lambda m: drop(m, "Certificate", "nats-tls"), "nobody makes the key ca.crt"),
    (references.secrets, lambda m: drop(m, "Certificate", "gateway-tls"), "nobody makes Secret gateway-tls"),
    (references.secrets, lambda m: drop(m, "Cluster", "materials-db"), "nobody makes the key uri"),
    (references.secrets, lambda m: drop(m, "ServiceAccount", "materials"), "no service account of its own"),
    (
        references.secrets,
        lambda m: m.documents.append({"kind": "Secret", "metadata": {"name": "s"}}),
        "stands in the manifests",
    ),
    (
        capacity.connections,
        lambda m: put(one(m, "HorizontalPodAutoscaler", "materials")["spec"], maxReplicas=12),
        "13 pods x (16 + 2) + 13 = 247 connections, there are 200",
    ),
    (capacity.connections, lambda m: put(config(m, "materials"), PLANTOPS_POOL_SIZE="40"), "391 connections"),
    (
        capacity.connections,
        lambda m: one(m, "Cluster", "materials-db")["spec"]["postgresql"]["parameters"].pop("max_connections"),
        "is not declared",
    ),
    (
        capacity.quota,
        lambda m: put(one(m, "Namespace", "plantops")["metadata"]["labels"],
                      **{"pod-security.kubernetes.io/enforce": "baseline"}),
        "enforce is not `restricted`",
    ),
    (
        capacity.quota,
        lambda m: put(one(m, "Namespace", "plantops")["metadata"]["labels"],
                      **{"pod-security.kubernetes.io/warn-version": "latest"}),
        "version of warn is not pinned",
    ),
    (capacity.quota, lambda m: drop(m, "LimitRange", "plantops"), "no LimitRange"),
    (
        capacity.quota,
        lambda m: put(one(m, "ResourceQuota", "plantops")["spec"]["hard"], **{"requests.cpu": "4"}),
        "the quota of requests.cpu is 4",
    ),
    (forms.schemas, lambda m: put(container(m), imagePulPolicy="Always"), "imagePulPolicy"),
    (forms.schemas, lambda m: put(deployment(m), apiVersion="extensions/v1beta1"), "no schema is known"),
    (forms.schemas, lambda m: put(one(m, "Cluster", "materials-db")["spec"], instance=3), "instance"),
    (forms.schemas, lambda m: put(one(m, "Cluster", "materials-db")["spec"], instances="3"), "'3'"),
    (forms.names, lambda m: put(container(m), image="plantops:latest"), "is not pinned"),
    (forms.names, lambda m: put(container(m), image="plantops"), "is not pinned"),
    (forms.names, lambda m: deployment(m)["metadata"].pop("namespace"), "is in namespace 'default'"),
    (forms.names, lambda m: deployment(m)["metadata"]["labels"].pop("app.kubernetes.io/part-of"), "has no label"),
    (
        forms.names,
        lambda m: deployment(m)["spec"]["template"]["metadata"]["labels"].pop("app.kubernetes.io/component"),
        "its pods have no label",
    ),
    (forms.names, lambda m: container(m)["ports"][0].pop("name"), "has no name"),
    (forms.names, lambda m: put(named(m, "gateway")["metadata"], name="gateway"), "its name has no hash"),
    (forms.jobs, lambda m: job(m)["spec"].pop("ttlSecondsAfterFinished"), "has no ttlSecondsAfterFinished"),
    (forms.jobs, lambda m: put(job(m)["spec"]["template"]["spec"], restartPolicy="OnFailure"), "restarts in place"),
    (forms.jobs, lambda m: put(job(m)["metadata"], name="migrate-materials"), "cannot be applied again"),
    (forms.jobs, lambda m: put(job(m)["spec"]["template"]["spec"], serviceAccountName="materials"), "one job alone"),
    (forms.tags, lambda m: put(container(m), image="plantops:0.0.9"), "is not of release"),
    (
        forms.tags,
        lambda m: put(deployment(m)["spec"]["template"]["metadata"]["labels"], **{"app.kubernetes.io/version": "0"}),
        "is labelled 0",
    ),
    (forms.same_shape, lambda m: put(container(m)["resources"]["requests"], cpu="1"), "materials differs"),
    (forms.network, lambda m: drop(m, "NetworkPolicy", "default-deny"), "stranger can reach"),
    (forms.network, lambda m: drop(m, "NetworkPolicy", "materials"), "materials cannot reach materials-db"),
    (
        forms.network,
        lambda m: one(m, "NetworkPolicy", "gateway")["spec"]["egress"].append({}),
        "gateway can reach world on port 1",
    ),
    (
        forms.network,
        lambda m: one(m, "NetworkPolicy", "materials-db")["spec"]["ingress"].append({"ports": []}),
        "stranger can reach materials-db on port 5432, which is no edge",
    ),
    (
        forms.network,
        lambda m: put(one(m, "NetworkPolicy", "materials")["spec"]["podSelector"]["matchLabels"],
                      **{"app.kubernetes.io/name": "procurement"}),
        "materials cannot reach materials-db",
    ),
    (
        engines.databases,
        lambda m: put(one(m, "Cluster", "materials-db")["spec"], instances=2),
        "not on two of three instances",
    ),
    (
        engines.databases,
        lambda m: put(one(m, "Cluster", "materials-db")["spec"]["postgresql"]["parameters"], fsync="off"),
        "fsync is not on",
    ),
    (engines.databases, lambda m: one(m, "Cluster", "materials-db")["spec"].pop("walStorage"), "share a volume"),
    (engines.databases, lambda m: drop(m, "Cluster", "materials-db"), "Cluster materials-db: is missing"),
    (engines.databases, lambda m: drop(m, "ScheduledBackup", "materials-db"), "is not backed up"),
    (engines.databases, lambda m: drop(m, "ObjectStore", "materials-db"), "not archived"),
    (
        engines.databases,
        lambda m: put(one(m, "ObjectStore", "materials-db")["spec"], retentionPolicy="7d"),
        "not kept 35 days",
    ),
]  # fmt: skip

OPTIONAL: list[tuple[Check, Break, str]] = [
    (
        forms.waves,
        lambda m: put(deployment(m, "gateway")["metadata"]["annotations"], **{forms.WAVE: "1"}),
        "Deployment gateway: is in wave 1, wanted 3",
    ),
    (engines.lag, lambda m: put(one(m, "ScaledObject", "materials")["spec"], minReplicaCount=0), "ends at 0 pods"),
    (engines.lag, lambda m: one(m, "ScaledObject", "materials")["spec"]["triggers"].pop(), "not both"),
    (
        engines.lag,
        lambda m: put(one(m, "ScaledObject", "materials")["spec"]["triggers"][1]["metadata"], account="$G"),
        "has not account APP",
    ),
    (forms.network, lambda m: drop(m, "NetworkPolicy", "tracing"), "cannot reach collector on port 4317"),
]

RULES = {
    pods.security: "OPS-5", pods.resources: "OPS-6", pods.availability: "OPS-7", pods.probes: "OPS-16",
    pods.grace: "OPS-17", references.selectors: "OPS-53", references.configuration: "OPS-14",
    references.secrets: "OPS-15", capacity.connections: "OPS-22", capacity.quota: "OPS-4", forms.schemas: "OPS-54",
    forms.names: "OPS-10", forms.jobs: "OPS-9", forms.tags: "OPS-35", forms.same_shape: "OPS-53",
    forms.network: "OPS-8", forms.waves: "OPS-11", engines.databases: "OPS-29", engines.lag: "OPS-20",
}  # fmt: skip


def _cases(cases: list[tuple[Check, Break, str]]) -> list[Any]:
    return [
        pytest.param(*case, marks=pytest.mark.rule(RULES[case[0]]), id=f"{case[0].__name__}-{case[2]}")
        for case in cases
    ]


@pytest.mark.parametrize(("check", "broken", "fault"), _cases(CASES))
def test_a_broken_manifest_is_noticed(prod: Manifests, check: Check, broken: Break, fault: str) -> None:
    broken(prod)
    found = list(check(prod))
    assert any(fault in line for line in found), found


@pytest.mark.parametrize(("check", "broken", "fault"), _cases(OPTIONAL))
def test_a_broken_option_is_noticed(everything: Manifests, check: Check, broken: Break, fault: str) -> None:
    broken(everything)
    found = list(check(everything))
    assert any(fault in line for line in found), found


@pytest.mark.rule("OPS-13")
def test_an_image_without_digest_is_noticed(prod: Manifests) -> None:
    assert len(list(forms.undigested(prod))) == sum(len(item.every_container) for item in prod.workloads)


@pytest.mark.rule("OPS-22")
def test_connections_are_counted_at_the_upper_bound(prod: Manifests) -> None:
    (materials,) = [item for item in prod.processes if item.name == "materials"]
    assert prod.most_pods(materials) == 8 + 1
    assert 9 * (16 + 2) + 13 == 175 <= (capacity.max_connections(prod, "materials") or 0)


@pytest.mark.rule("OPS-24")
def test_a_broker_of_development_that_does_not_sync_is_noticed(dev: Manifests) -> None:
    assert list(engines.broker(dev)) == []
    data = config(dev, "nats")
    data["nats.conf"] = data["nats.conf"].replace("sync_interval: always", "sync_interval: 2m")
    assert list(engines.broker(dev)) == ["nats.conf: sync_interval is not `always`"]


@pytest.mark.rule("OPS-24", "OPS-25")
@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("config", "jetstream", "merge"), {}, "sync_interval"),
        (("config", "cluster", "replicas"), 1, "three servers"),
        (("config", "nats", "tls", "enabled"), False, "not encrypted"),
        (("config", "merge"), {}, "accounts"),
        (("promExporter", "enabled"), False, "exporter"),
        (("service", "ports", "monitor", "enabled"), False, "monitor port"),
        (("podTemplate", "topologySpreadConstraints"), {}, "zones"),
        (("container", "image", "tag"), "latest", "pinned"),
        (("config", "jetstream", "fileStore", "maxSize"), "8Gi", "wanted less than 0.7"),
        (("config", "jetstream", "fileStore", "maxSize"), "2Gi", "the streams may take"),
    ],
)
def test_values_of_the_broker_that_lose_events_are_noticed(path: tuple[str, ...], value: Any, fault: str) -> None:
    values = yaml.safe_load(VALUES.read_text())
    assert list(engines.values_faults(values)) == []
    place = values = copy.deepcopy(values)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert any(fault in line for line in engines.values_faults(values))


@pytest.mark.rule("OPS-8")
def test_the_edges_are_those_of_the_architecture(parsed: dict[str, Manifests]) -> None:
    for manifests in parsed.values():
        allowed = edges.allowed(manifests)
        assert not [edge for edge in allowed if "stranger" in edge[:2]]
        for one_service in ("maintenance", "materials", "procurement"):
            for other in {"maintenance", "materials", "procurement"} - {one_service}:
                reached = {(source, target) for source, target, _ in allowed}
                assert (one_service, other) not in reached
                assert (one_service, f"{other}-db") not in reached
        assert ("gateway", "nats") not in {edge[:2] for edge in allowed}
