"""Rendered manifests as data: what a kustomize overlay gives, its pods, configuration and bounds of scaling."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
VALUES = K8S / "components" / "nats-values" / "values.yaml"
"""What the broker's official chart is given."""
NAMESPACE = "plantops"
SERVICES = ("maintenance", "materials", "procurement")

Document = dict[str, Any]

_MEMORY = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "M": 10**6, "G": 10**9}


class RenderFailed(Exception):
    """kustomize refused an overlay; the text is its own."""


def kubectl() -> str:
    """The kubectl of the environment, or of the path."""
    own = Path(sys.executable).parent / "kubectl"
    found = str(own) if own.exists() else shutil.which("kubectl")
    if found is None:
        raise RenderFailed("kubectl is neither in the environment nor on the path: make setup")
    return found


def render(overlay: Path) -> str:
    """The text that `kubectl kustomize` makes of a folder."""
    done = subprocess.run([kubectl(), "kustomize", str(overlay)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RenderFailed(f"{overlay}: {done.stderr.strip()}")
    return done.stdout


def quantity(value: Any) -> float:
    """CPU in cores or memory in bytes, of the API's text."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m|[KMGT]i?)?", str(value))
    if match is None:
        raise ValueError(f"{value!r} is no quantity")
    number, unit = float(match[1]), match[2] or ""
    return number / 1000 if unit == "m" else number * _MEMORY[unit]


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses an object; an empty one chooses all, a missing one none."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for item in selector.get("matchExpressions", []):
        key, values = item["key"], item.get("values", [])
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[item["operator"]]
        if not holds:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes pods: a Deployment, StatefulSet, Job or CronJob, with the pod that it makes."""

    document: Document
    labels: Mapping[str, str]
    pod: Document

    @property
    def kind(self) -> str:
        """Kind of the document."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """Name of the document."""
        return str(self.document["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def containers(self) -> list[Document]:
        """Containers that run."""
        return list(self.pod["containers"])

    @property
    def every_container(self) -> list[Document]:
        """Containers that run, and those that run before them."""
        return [*self.pod.get("initContainers", []), *self.containers]

    @property
    def process(self) -> str:
        """The service or `gateway` whose process this is; "" for what else runs."""
        component = self.labels.get("app.kubernetes.io/component")
        return self.labels["app.kubernetes.io/name"] if component in ("service", "gateway") else ""

    @property
    def ours(self) -> bool:
        """Whether it runs the image of Plantops."""
        return any(name_of(container["image"]) == "plantops" for container in self.containers)

    @property
    def ports(self) -> dict[str, int]:
        """Port by name, of all containers."""
        return {port["name"]: port["containerPort"] for item in self.containers for port in item.get("ports", [])}


def name_of(image: str) -> str:
    """Last part of an image's name, without tag and digest."""
    return image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]


class Manifests:
    """All documents of one overlay."""

    def __init__(self, name: str, documents: Iterable[Document]) -> None:
        self.name = name
        self.documents = [document for document in documents if document]

    @classmethod
    def read(cls, name: str, text: str) -> "Manifests":
        """From rendered text."""
        return cls(name, yaml.load_all(text, Loader=_LOADER))

    def of(self, *kinds: str) -> list[Document]:
        """Documents of some kinds."""
        return [document for document in self.documents if document["kind"] in kinds]

    def get(self, kind: str, name: str) -> Document | None:
        """One document by kind and name."""
        return next((item for item in self.of(kind) if item["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Workload]:
        """Everything that makes pods."""
        found = []
        for document in self.of("Deployment", "StatefulSet", "Job", "CronJob"):
            spec = document["spec"]
            template = (spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec)["template"]
            found.append(Workload(document, template["metadata"].get("labels", {}), template["spec"]))
        return found

    @property
    def processes(self) -> list[Workload]:
        """The three services and the gateway."""
        return [workload for workload in self.workloads if workload.process]

    def config(self, plain: str) -> Mapping[str, str]:
        """Data of a ConfigMap by its name without the hash; empty when it is not there."""
        for item in self.of("ConfigMap"):
            if re.fullmatch(rf"{plain}(-[a-z0-9]{{10}})?", item["metadata"]["name"]):
                return dict(item.get("data", {}))
        return {}

    @property
    def production(self) -> bool:
        """Whether the processes are told that this is production."""
        return self.config("plantops").get("PLANTOPS_ENVIRONMENT") == "production"

    def environment(self, container: Document) -> dict[str, str]:
        """Variables of a container with plain values; references to secrets are not among them."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            reference = self.get("ConfigMap", source.get("configMapRef", {}).get("name", "")) or {}
            found |= reference.get("data", {})
        found |= {item["name"]: item["value"] for item in container.get("env", []) if "value" in item}
        return found

    def scaling(self, deployment: str) -> tuple[int, int]:
        """Fewest and most pods of a Deployment."""
        for item in self.of("HorizontalPodAutoscaler"):
            if item["spec"]["scaleTargetRef"]["name"] == deployment:
                return item["spec"]["minReplicas"], item["spec"]["maxReplicas"]
        for item in self.of("ScaledObject"):
            if item["spec"]["scaleTargetRef"]["name"] == deployment:
                return item["spec"]["minReplicaCount"], item["spec"]["maxReplicaCount"]
        document = self.get("Deployment", deployment) or {"spec": {}}
        count = document["spec"].get("replicas", 1)
        return count, count

    def most_pods(self, workload: Workload) -> int:
        """Pods of a workload at the upper bound, with the one that a rolling update adds."""
        if workload.kind != "Deployment":
            return int(workload.document["spec"].get("replicas", 1))
        return self.scaling(workload.name)[1] + int(workload.document["spec"]["strategy"]["rollingUpdate"]["maxSurge"])

    def mounted(self, workload: Workload, container: Document) -> Iterator[tuple[str, str, str, str]]:
        """(path, kind, name, key) of every file that a container gets from a Secret or ConfigMap."""
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            volume = volumes.get(mount["name"], {})
            for kind, source in _sources(volume):
                name = str(source.get("name") or source.get("secretName"))
                keys = source.get("items")
                if keys is None:
                    keys = [{"key": key, "path": key} for key in (self.get(kind, name) or {}).get("data", {})]
                for item in keys:
                    yield f"{mount['mountPath']}/{item['path']}", kind, name, item["key"]


def _sources(volume: Document) -> Iterator[tuple[str, Document]]:
    kinds = {"secret": "Secret", "configMap": "ConfigMap"}
    for source in [volume, *volume.get("projected", {}).get("sources", [])]:
        for key, kind in kinds.items():
            if key in source:
                yield kind, source[key]


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
