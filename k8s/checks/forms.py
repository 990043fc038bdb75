"""Rules of form: schemas, names, labels, images, jobs, waves, network edges, the same shape of the three services."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
from kubernetes_validate import utils as kubernetes

from k8s.checks import edges
from k8s.checks.manifests import K8S, NAMESPACE, ROOT, SERVICES, Document, Manifests, name_of
from k8s.checks.rule import rule

VERSIONS = ("1.31", kubernetes.latest_version())
"""The oldest Kubernetes that is supported, and the newest that the validator knows: what was removed shows."""
CLUSTER_WIDE = frozenset({"Namespace", "PriorityClass"})
WAVES = {
    "Namespace": -1, "PriorityClass": -1, "ResourceQuota": -1, "LimitRange": -1, "ExternalSecret": -1,
    "Certificate": -1, "Issuer": -1, "Cluster": 0, "ObjectStore": 0, "ScheduledBackup": 0, "Job": 1,
}  # fmt: skip
WAVE = "argocd.argoproj.io/sync-wave"

kubernetes.schema_contents = cache(kubernetes.schema_contents)  # else it reads megabytes anew for each document


def place(document: Document) -> str:
    """Kind and name."""
    return f"{document['kind']} {document['metadata']['name']}"


@rule("OPS-54", "every document fits its schema, in the oldest and the newest Kubernetes; unknown fields fail")
def schemas(manifests: Manifests) -> Iterator[str]:
    """Kubernetes' own schemas, strictly; for custom resources those in k8s/schemas, for the fields that are used."""
    for document in manifests.documents:
        yield from _misfits(json.dumps(document))


@cache
def _misfits(text: str) -> tuple[str, ...]:
    """Why a document does not fit; remembered, since overlays have most documents in common."""
    document: Document = json.loads(text)
    found: list[str] = []
    own = custom_schema(document)
    if own is not None:
        errors = jsonschema.Draft202012Validator(own).iter_errors(document)
        return tuple(f"{place(document)}: {error.json_path}: {error.message}" for error in errors)
    for version in VERSIONS:
        try:
            kubernetes.validate(document, version, strict=True)
        except kubernetes.ValidationError as error:
            found.append(f"{place(document)}: {version}: {'.'.join(map(str, error.path))}: {error.message}")
        except kubernetes.SchemaNotFoundError:
            found.append(f"{place(document)}: no schema is known for {document['apiVersion']} in {version}")
    return tuple(found)


@cache
def _custom(name: str) -> Any:
    path = K8S / "schemas" / name
    return json.loads(path.read_text()) if path.exists() else None


def custom_schema(document: Document) -> Any:
    """The schema of a custom resource; None for Kubernetes' own kinds. The version is in the file's name."""
    return _custom(f"{document['kind'].lower()}-{document['apiVersion'].replace('/', '-')}.json")


@rule("OPS-10", "everything is named and labelled, in our namespace, and images are pinned")
def names(manifests: Manifests) -> Iterator[str]:
    """Labels, namespace, port names, hash suffix of ConfigMaps, tags of images."""
    for document in manifests.documents:
        labels = document["metadata"].get("labels", {})
        for key in ("app.kubernetes.io/name", "app.kubernetes.io/part-of"):
            if key not in labels:
                yield f"{place(document)}: has no label {key}"
        if document["kind"] not in CLUSTER_WIDE and document["metadata"].get("namespace") != NAMESPACE:
            yield f"{place(document)}: is in namespace {document['metadata'].get('namespace', 'default')!r}"
        if (
            document["kind"] == "ConfigMap"
            and "grafana_dashboard" not in labels
            and not re.search(r"-[a-z0-9]{10}$", document["metadata"]["name"])
        ):
            yield f"{place(document)}: its name has no hash, so a change of it rolls nothing"
    for workload in manifests.workloads:
        for key in ("app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of"):
            if key not in workload.labels:
                yield f"{workload}: its pods have no label {key}"
        for container in workload.every_container:
            image = container["image"]
            tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
            if "@sha256:" not in image and (not tag or tag == "latest"):
                yield f"{workload}: image {image} is not pinned"
            if any("name" not in port for port in container.get("ports", [])):
                yield f"{workload}: a port of {container['name']} has no name"
            if [port["containerPort"] for port in container.get("ports", []) if port["containerPort"] < 1024]:
                yield f"{workload}: a port of {container['name']} needs privileges"


def undigested(manifests: Manifests) -> Iterator[str]:
    """Images that are not named by digest; asked of an installation's own overlay with --digests (OPS-13)."""
    for workload in manifests.workloads:
        for container in workload.every_container:
            if "@sha256:" not in container["image"]:
                yield f"{workload}: image {container['image']} is not named by digest"


@rule("OPS-9", "jobs end, clean up, act under an account of their own, and carry the release in their name")
def jobs(manifests: Manifests) -> Iterator[str]:
    """Limits of Jobs and CronJobs; names of Jobs (OPS-35)."""
    for document in manifests.of("CronJob"):
        if document["spec"].get("concurrencyPolicy") != "Forbid":
            yield f"{place(document)}: may run twice at a time"
    accounts: list[str] = []
    for workload in manifests.workloads:
        if workload.kind not in ("Job", "CronJob"):
            continue
        spec = workload.document["spec"]
        spec = spec["jobTemplate"]["spec"] if workload.kind == "CronJob" else spec
        for key in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
            if not isinstance(spec.get(key), int):
                yield f"{workload}: has no {key}"
        if workload.pod.get("restartPolicy") != "Never":
            yield f"{workload}: restarts in place, so that its log is lost"
        accounts.append(workload.pod.get("serviceAccountName", ""))
        suffix = "-" + release().replace(".", "-")
        if workload.kind == "Job" and not workload.name.endswith(suffix):
            yield f"{workload}: cannot be applied again in another release: its name does not end with {suffix}"
    others = [item.pod.get("serviceAccountName") for item in manifests.workloads if item.kind not in ("Job", "CronJob")]
    for account in accounts:
        if accounts.count(account) > 1 or account in others:
            yield f"account {account} is not that of one job alone"


def release() -> str:
    """Version of the project, which tags images and jobs."""
    match = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert match is not None
    return match[1]


@rule("OPS-35", "image, label and jobs are of the same release as the code")
def tags(manifests: Manifests) -> Iterator[str]:
    """One release everywhere, or a digest."""
    for workload in manifests.workloads:
        if not workload.ours:
            continue
        if workload.labels.get("app.kubernetes.io/version") != release():
            yield f"{workload}: is labelled {workload.labels.get('app.kubernetes.io/version')}, this is {release()}"
        for container in workload.every_container:
            image = container["image"]
            if name_of(image) == "plantops" and not image.endswith(f":{release()}") and "@sha256:" not in image:
                yield f"{workload}: image {image} is not of release {release()}"


@rule("OPS-8", "pods may talk along the edges of the architecture, and no other way")
def network(manifests: Manifests) -> Iterator[str]:
    """What the policies allow is what k8s/checks/edges.py says."""
    yield from edges.differences(manifests)


@rule("OPS-11", "Argo CD applies in the order of what needs what")
def waves(manifests: Manifests) -> Iterator[str]:
    """Where waves are used at all: namespace, engines, jobs, services, gateway."""
    if not any(WAVE in item["metadata"].get("annotations", {}) for item in manifests.documents):
        return
    for document in manifests.documents:
        labels = document["metadata"].get("labels", {})
        component, wanted = labels.get("app.kubernetes.io/component"), WAVES.get(document["kind"])
        if document["kind"] in ("Deployment", "HorizontalPodAutoscaler", "ScaledObject", "Ingress"):
            wanted = 3 if component == "gateway" else 2
        have = document["metadata"].get("annotations", {}).get(WAVE)
        if wanted is not None and have != str(wanted):
            yield f"{place(document)}: is in wave {have}, wanted {wanted}"


@rule("OPS-53", "the three services have the same shape")
def same_shape(manifests: Manifests) -> Iterator[str]:
    """Documents of one service are those of another with its name; streams and consumers differ by nature."""

    def shape(service: str) -> dict[str, str]:
        found = {}
        for document in manifests.documents:
            text = json.dumps(document, sort_keys=True)
            name = document["metadata"]["name"]
            if re.search(rf"\b{service}\b", name) and document["kind"] != "ScaledObject":
                plain = re.sub(r"-[a-z0-9]{10}(?=\")", "", re.sub(rf"\b{service}(?=\b|_)", "SERVICE", text))
                found[f"{document['kind']} {name.replace(service, 'SERVICE')}"] = plain
        return found

    first = shape(SERVICES[0])
    for service in SERVICES[1:]:
        other = shape(service)
        for key in sorted(first.keys() | other.keys()):
            if key.startswith("ConfigMap"):
                continue
            if first.get(key) != other.get(key):
                yield f"{key}: {service} differs from {SERVICES[0]}"
