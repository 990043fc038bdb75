"""Rules of size: connections to each database, and what the namespace may take."""

from collections.abc import Iterator

import yaml

from k8s.checks.manifests import VALUES, Manifests, quantity
from k8s.checks.rule import rule
from services.chassis.config import ServiceConfig

OTHERS = 13
"""Connections that are not the pods': jobs 5, migration 2, monitoring 3, reserved 3 (OPS-22)."""
PER_POD = 2
"""Beside its pool: the relay's lock and its role."""


@rule("OPS-22", "at the upper bound all pods find a connection to their database")
def connections(manifests: Manifests) -> Iterator[str]:
    """pods x (pool + 2) + 13 <= max_connections, with the pod that a rolling update adds."""
    for workload in manifests.processes:
        if workload.process == "gateway":
            continue
        pool = int(
            manifests.environment(workload.containers[0]).get(
                "PLANTOPS_POOL_SIZE", ServiceConfig.model_fields["pool_size"].default
            )
        )
        pods = manifests.most_pods(workload)
        needed = pods * (pool + PER_POD) + OTHERS
        there = max_connections(manifests, workload.process)
        if there is None:
            yield f"{workload}: max_connections of its database is not declared"
        elif needed > there:
            yield f"{workload}: {pods} pods x ({pool} + {PER_POD}) + {OTHERS} = {needed} connections, there are {there}"


def max_connections(manifests: Manifests, service: str) -> int | None:
    """What a service's database declares; None when nothing does."""
    for cluster in manifests.of("Cluster"):
        if cluster["metadata"]["name"] == f"{service}-db":
            value = cluster["spec"]["postgresql"]["parameters"].get("max_connections")
            return None if value is None else int(value)
    server = manifests.get("StatefulSet", f"{service}-db")
    if server is not None:
        for argument in server["spec"]["template"]["spec"]["containers"][0].get("args", []):
            if argument.startswith("max_connections="):
                return int(argument.partition("=")[2])
    return None


@rule("OPS-4", "the namespace is restricted, and its quota holds everything at the upper bounds")
def quota(manifests: Manifests) -> Iterator[str]:
    """Pod Security Standard with a pinned version, LimitRange, ResourceQuota that the sum of all pods fits into."""
    for space in manifests.of("Namespace"):
        labels = space["metadata"].get("labels", {})
        for mode in ("enforce", "audit", "warn"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"Namespace {space['metadata']['name']}: {mode} is not `restricted`"
            if not labels.get(f"pod-security.kubernetes.io/{mode}-version", "").startswith("v1."):
                yield f"Namespace {space['metadata']['name']}: the version of {mode} is not pinned"
    if not manifests.of("LimitRange"):
        yield "there is no LimitRange"
    quotas = manifests.of("ResourceQuota")
    if len(quotas) != 1:
        yield f"there are {len(quotas)} quotas, wanted one"
        return
    hard = quotas[0]["spec"]["hard"]
    for key, needed in demand(manifests).items():
        if key not in hard:
            yield f"the quota does not bound {key}"
        elif needed > quantity(hard[key]):
            yield f"the quota of {key} is {hard[key]}, all pods at the upper bounds take {needed:g}"


def demand(manifests: Manifests) -> dict[str, float]:
    """What all pods take at the upper bounds, those of the database operator and of the broker's chart among them."""
    total = dict.fromkeys(("pods", "requests.cpu", "requests.memory", "limits.memory"), 0.0)

    def add(pods: int, requests: dict[str, str], limits: dict[str, str]) -> None:
        total["requests.cpu"] += pods * quantity(requests["cpu"])
        total["requests.memory"] += pods * quantity(requests["memory"])
        total["limits.memory"] += pods * quantity(limits["memory"])

    for workload in manifests.workloads:
        pods = manifests.most_pods(workload) if workload.kind in ("Deployment", "StatefulSet") else 1
        total["pods"] += pods
        for container in workload.containers:
            add(pods, container["resources"]["requests"], container["resources"]["limits"])
    for cluster in manifests.of("Cluster"):
        spec = cluster["spec"]
        total["pods"] += spec["instances"]
        add(spec["instances"], spec["resources"]["requests"], spec["resources"]["limits"])
        for store in manifests.of("ObjectStore"):
            if store["metadata"]["name"] == cluster["metadata"]["name"]:
                sidecar = store["spec"]["instanceSidecarConfiguration"]["resources"]
                add(spec["instances"], sidecar["requests"], sidecar["limits"])
    if manifests.get("StatefulSet", "nats") is None:
        values = yaml.safe_load(VALUES.read_text())
        servers = values["config"]["cluster"]["replicas"]
        total["pods"] += servers
        for given in (values["container"]["resources"], values["promExporter"]["merge"]["resources"]):
            add(servers, given["requests"], given["limits"])
    return total
