"""Rules of single pods: what they may, what they ask for, how they are probed and how they end."""

from collections.abc import Iterator
from typing import Any

from gateway.serve import GRACE_SECONDS
from k8s.checks.manifests import Document, Manifests, Workload, quantity, selects
from k8s.checks.rule import rule
from services.chassis.consumer import FINISH_SECONDS
from services.chassis.serve import STOP_GRACE

LIMIT_RATIO = 1.5
FEWEST = {"gateway": 3}
"""Pods in production; two for what is not named."""
CLOSE_SECONDS = 7.0
"""Relay round and lock (2), NATS drain (3), pool (2) of REL-80."""


@rule("OPS-5", "a pod may do no more than it needs")
def security(manifests: Manifests) -> Iterator[str]:
    """Pod Security Standard `restricted` and more: numeric user, read-only root, no token, no links."""
    for workload in manifests.workloads:
        pod, context = workload.pod, workload.pod.get("securityContext", {})
        wanted: list[tuple[str, Any, Any]] = [
            ("runAsNonRoot", context.get("runAsNonRoot"), True),
            ("seccompProfile", context.get("seccompProfile", {}).get("type"), "RuntimeDefault"),
            ("automountServiceAccountToken", pod.get("automountServiceAccountToken"), False),
            ("enableServiceLinks", pod.get("enableServiceLinks"), False),
        ]
        wanted += [(key, pod.get(key, False), False) for key in ("hostNetwork", "hostPID", "hostIPC")]
        for key, have, want in wanted:
            if have != want:
                yield f"{workload}: {key} is {have!r}, wanted {want!r}"
        if not isinstance(context.get("runAsUser"), int) or context["runAsUser"] <= 10000:
            yield f"{workload}: runAsUser is {context.get('runAsUser')!r}, wanted a number above 10000"
        for volume in pod.get("volumes", []):
            if "hostPath" in volume:
                yield f"{workload}: volume {volume['name']} is a path of the host"
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{workload}: volume {volume['name']} has no sizeLimit"
        for container in workload.every_container:
            yield from _container(workload, container)


def _container(workload: Workload, container: Document) -> Iterator[str]:
    place, context = f"{workload}: container {container['name']}", container.get("securityContext", {})
    for key, want in (("allowPrivilegeEscalation", False), ("readOnlyRootFilesystem", True), ("runAsNonRoot", True)):
        if context.get(key) is not want:
            yield f"{place}: {key} is {context.get(key)!r}, wanted {want!r}"
    if context.get("privileged"):
        yield f"{place}: is privileged"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{place}: capabilities are {context.get('capabilities')!r}, wanted all dropped and none added"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield f"{place}: takes a port of the host"
    if not any(mount["mountPath"] == "/tmp" for mount in container.get("volumeMounts", [])):
        yield f"{place}: has no /tmp to write to"


@rule("OPS-6", "every container asks for CPU and memory; memory ends at 1.5 times that, CPU has no limit")
def resources(manifests: Manifests) -> Iterator[str]:
    """Requests and limits of all containers."""
    for workload in manifests.workloads:
        for container in workload.every_container:
            place = f"{workload}: container {container['name']}"
            given = container.get("resources", {})
            requests, limits = given.get("requests", {}), given.get("limits", {})
            if not {"cpu", "memory"} <= requests.keys() or "memory" not in limits:
                yield f"{place}: lacks a request of CPU or memory or the limit of memory"
            elif quantity(limits["memory"]) != LIMIT_RATIO * quantity(requests["memory"]):
                yield f"{place}: memory ends at {limits['memory']}, asked for is {requests['memory']}"
            if "cpu" in limits:
                yield f"{place}: has a CPU limit, which throttles the event loop"


@rule("OPS-7", "pods outlive a node and a rolling update")
def availability(manifests: Manifests) -> Iterator[str]:
    """Replicas, disruption budget, spread, priority, strategy."""
    for workload in manifests.of("Deployment"):
        name, spec = workload["metadata"]["name"], workload["spec"]
        pod = spec["template"]["spec"]
        fewest, most = manifests.scaling(name)
        if fewest > most:
            yield f"Deployment {name}: fewest pods {fewest} above most {most}"
        if manifests.production and fewest < FEWEST.get(name, 2):
            yield f"Deployment {name}: {fewest} pods, wanted at least {FEWEST.get(name, 2)}"
        update = spec.get("strategy", {}).get("rollingUpdate", {})
        if (update.get("maxSurge"), update.get("maxUnavailable")) != (1, 0):
            yield f"Deployment {name}: a rolling update must add one pod and take none away first"
        if (spec.get("minReadySeconds"), spec.get("revisionHistoryLimit")) != (10, 5):
            yield f"Deployment {name}: minReadySeconds must be 10 and revisionHistoryLimit 5"
        if manifests.get("PriorityClass", pod.get("priorityClassName", "")) is None:
            yield f"Deployment {name}: has no priority class of ours"
        spread = {item["topologyKey"] for item in pod.get("topologySpreadConstraints", [])}
        if manifests.production and not {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} <= spread:
            yield f"Deployment {name}: is not spread over zones and hosts"
        yield from _budget(manifests, name, spec["template"]["metadata"]["labels"])


def _budget(manifests: Manifests, name: str, labels: dict[str, str]) -> Iterator[str]:
    budgets = [
        item["spec"] for item in manifests.of("PodDisruptionBudget") if selects(item["spec"]["selector"], labels)
    ]
    if len(budgets) != 1:
        yield f"Deployment {name}: {len(budgets)} disruption budgets choose its pods, wanted one"
    for spec in budgets:
        if spec.get("maxUnavailable") != 1 or spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"Deployment {name}: its disruption budget must allow one pod away, and always one that is not ready"


@rule("OPS-16", "probes ask what they should, and liveness never asks for a database or broker")
def probes(manifests: Manifests) -> Iterator[str]:
    """Kind, target and numbers of the probes of the four processes."""
    numbers = {
        "startupProbe": {"periodSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {"periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2},
        "livenessProbe": {"periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 6},
    }
    for workload in manifests.processes:
        container = workload.containers[0]
        for probe, wanted in numbers.items():
            have = container.get(probe, {})
            for key, value in wanted.items():
                if have.get(key) != value:
                    yield f"{workload}: {probe}: {key} is {have.get(key)!r}, wanted {value}"
            ready = probe == "readinessProbe"
            if workload.process == "gateway":
                path = "/readyz?need=any" if ready else "/healthz"
                right = have.get("httpGet") == {"path": path, "port": "http"}
            else:
                right = have.get("grpc") == {"port": workload.ports.get("grpc"), "service": "ready" if ready else ""}
            if not right:
                yield f"{workload}: {probe} asks the wrong thing: {have}"


@rule("OPS-17", "a pod has the time to finish what it accepted")
def grace(manifests: Manifests) -> Iterator[str]:
    """preStop and the drain of the process end before the grace period."""
    for workload in manifests.processes:
        hook = workload.containers[0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if hook != 5:
            yield f"{workload}: preStop sleeps {hook} s, wanted 5"
        delay = float(manifests.environment(workload.containers[0]).get("PLANTOPS_DRAIN_DELAY", 0))
        drain = GRACE_SECONDS if workload.process == "gateway" else FINISH_SECONDS + STOP_GRACE + CLOSE_SECONDS
        period = workload.pod.get("terminationGracePeriodSeconds", 30)
        if hook + delay + drain > period:
            yield f"{workload}: preStop {hook} s, delay {delay:g} s and drain {drain:g} s pass the {period} s given"
