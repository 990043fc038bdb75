"""Rules of what points at what: selectors, ports, configuration, secrets."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from k8s.checks.manifests import Document, Manifests, Workload, selects
from k8s.checks.rule import rule
from services.chassis.config import ConfigInvalid, GatewayConfig, ServiceConfig

SAMPLES = {
    "database_url": "postgresql://role:password@host:5432/database",
    "relay_url": "postgresql://role:password@host:5432/database",
    "migrator_url": "postgresql://role:password@host:5432/database",
    "nats_url": "tls://user:password@nats:4222",
    "page_token_key": "key",
}
"""What stands in for the content of a secret file, by configuration key."""
CHART_SERVICES = {"nats": {4222, 8222}}
"""Services that come from k8s/components/nats-values, with their ports."""


@rule("OPS-53", "selectors choose pods, and services name ports that these pods have")
def selectors(manifests: Manifests) -> Iterator[str]:
    """Services, disruption budgets, Deployments, autoscalers, Ingress, PodMonitors."""
    workloads = manifests.workloads
    for document in manifests.of("Service"):
        name = document["metadata"]["name"]
        chosen = [item for item in workloads if selects({"matchLabels": document["spec"]["selector"]}, item.labels)]
        if len(chosen) != 1:
            yield f"Service {name}: chooses {len(chosen)} workloads, wanted one"
        for port in document["spec"]["ports"]:
            for workload in chosen:
                if port["targetPort"] not in workload.ports:
                    yield f"Service {name}: port {port['targetPort']} is none of {workload}"
                elif workload.ports[port["targetPort"]] != port["port"]:
                    yield f"Service {name}: port {port['port']} is not that of {workload}"
    for document in manifests.of("PodDisruptionBudget"):
        if not any(selects(document["spec"]["selector"], item.labels) for item in workloads):
            yield f"PodDisruptionBudget {document['metadata']['name']}: chooses no pod"
    for document in manifests.of("Deployment", "StatefulSet"):
        labels = document["spec"]["template"]["metadata"]["labels"]
        chosen = [item for item in workloads if selects(document["spec"]["selector"], item.labels)]
        if not selects(document["spec"]["selector"], labels) or len(chosen) != 1:
            yield f"{document['kind']} {document['metadata']['name']}: its selector does not choose its own pods alone"
    for document in manifests.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = document["spec"]["scaleTargetRef"]["name"]
        deployment = manifests.get("Deployment", target)
        if deployment is None:
            yield f"{document['kind']} {document['metadata']['name']}: there is no Deployment {target}"
        elif "replicas" in deployment["spec"]:
            yield f"Deployment {target}: has a number of pods although an autoscaler owns it"
    yield from _ingress(manifests)
    yield from _monitors(manifests)


def _ingress(manifests: Manifests) -> Iterator[str]:
    for document in manifests.of("Ingress"):
        for line in document["spec"]["rules"]:
            for path in line["http"]["paths"]:
                backend = path["backend"]["service"]
                service = manifests.get("Service", backend["name"]) or {"spec": {"ports": []}}
                if backend["port"]["name"] not in [port["name"] for port in service["spec"]["ports"]]:
                    yield f"Ingress {document['metadata']['name']}: no such port of a service: {backend}"


def _monitors(manifests: Manifests) -> Iterator[str]:
    for document in manifests.of("PodMonitor"):
        chosen = [item for item in manifests.workloads if selects(document["spec"]["selector"], item.labels)]
        for workload in chosen:
            for endpoint in document["spec"]["podMetricsEndpoints"]:
                if endpoint["port"] not in workload.ports:
                    yield f"PodMonitor {document['metadata']['name']}: {workload} has no port {endpoint['port']}"


@rule("OPS-14", "the processes accept the configuration that they get")
def configuration(manifests: Manifests) -> Iterator[str]:
    """Each variable is a key of its process, values are valid, files are mounted, ports are those of the pod."""
    for workload in manifests.processes:
        container = workload.containers[0]
        environment = manifests.environment(container)
        kind = GatewayConfig if workload.process == "gateway" else ServiceConfig
        given: dict[str, str] = {}
        for key, value in environment.items():
            if key.startswith("PLANTOPS_") and key.endswith("_FILE"):
                plain = key.removesuffix("_FILE")
                given[plain] = SAMPLES.get(plain.removeprefix("PLANTOPS_").lower(), "sample")
            else:
                given[key] = value
        try:
            config = kind.load(workload.process, given)
        except ConfigInvalid as error:
            yield from (f"{workload}: {line}" for line in str(error).splitlines())
            continue
        for key, port in (("listen", "http" if kind is GatewayConfig else "grpc"), ("metrics_listen", "metrics")):
            host, _, number = str(getattr(config, key)).rpartition(":")
            if host != "0.0.0.0" or int(number) != workload.ports.get(port):
                yield f"{workload}: {key} is {getattr(config, key)!r}, its port {port} is {workload.ports.get(port)}"
        yield from _addresses(manifests, workload, config)


def _addresses(manifests: Manifests, workload: Workload, config: GatewayConfig | ServiceConfig) -> Iterator[str]:
    if isinstance(config, GatewayConfig):
        found = {key: getattr(config, key) for key in ("maintenance", "materials", "procurement")}
    else:
        found = {"nats_monitor_url": config.nats_monitor_url}
    for key, value in found.items():
        place = urlsplit(value if "://" in value else f"//{value}")
        host, _, port = (place.path.lstrip("/") or place.netloc).partition(":")
        name = host.split(".")[0]
        service = manifests.get("Service", name)
        ports = {item["port"] for item in service["spec"]["ports"]} if service else CHART_SERVICES.get(name, set())
        if not port.isdigit() or int(port) not in ports:
            yield f"{workload}: {key}: no service answers at {value}"
        if key in ("maintenance", "materials", "procurement") and place.scheme != "dns":
            yield f"{workload}: {key}: {value} is one address, dns:/// knows all pods (REL-77)"


@rule("OPS-15", "secrets are files, and every secret and ConfigMap has somebody who makes it")
def secrets(manifests: Manifests) -> Iterator[str]:
    """References resolve; no secret stands in the environment or in the manifests."""
    made = set(makers(manifests))
    for workload in manifests.workloads:
        for container in workload.every_container:
            files = {path for path, _, _, _ in manifests.mounted(workload, container)}
            for item in container.get("env", []):
                if "secretKeyRef" in item.get("valueFrom", {}):
                    yield f"{workload}: {item['name']}: a secret in the environment"
            for source in container.get("envFrom", []):
                if "secretRef" in source:
                    yield f"{workload}: a secret in the environment"
                name = source.get("configMapRef", {}).get("name")
                if name and manifests.get("ConfigMap", name) is None:
                    yield f"{workload}: ConfigMap {name} does not exist"
            for key, value in manifests.environment(container).items():
                plain = key.removeprefix("PLANTOPS_").lower()
                if value.startswith("/etc/plantops/") and value not in files:
                    yield f"{workload}: {key}: nothing is mounted at {value}"
                if plain in SAMPLES or re.search(r"://[^/@:]+:[^@]+@", value):
                    yield f"{workload}: {key}: a secret in the environment"
            for path, kind, name, key in manifests.mounted(workload, container):
                if kind == "Secret" and (name, key) not in made:
                    yield f"{workload}: {path}: nobody makes the key {key} of Secret {name}"
                if kind == "ConfigMap" and key not in (manifests.get(kind, name) or {}).get("data", {}):
                    yield f"{workload}: {path}: ConfigMap {name} has no {key}"
        account = manifests.get("ServiceAccount", workload.pod.get("serviceAccountName", ""))
        if account is None or account.get("automountServiceAccountToken") is not False:
            yield f"{workload}: has no service account of its own without a token"
    for document in manifests.of("Secret"):
        yield f"Secret {document['metadata']['name']}: stands in the manifests"
    for name in _named(manifests):
        if name not in {secret for secret, _ in made}:
            yield f"nobody makes Secret {name}"


def makers(manifests: Manifests) -> Iterator[tuple[str, str]]:
    """(secret, key) of all that is made: by External Secrets, cert-manager, CloudNativePG, or for development."""
    from k8s.dev_secrets import NAMES

    for document in manifests.of("ExternalSecret"):
        for item in document["spec"]["data"]:
            yield document["spec"]["target"]["name"], item["secretKey"]
    for document in manifests.of("Certificate"):
        for key in ("ca.crt", "tls.crt", "tls.key"):
            yield document["spec"]["secretName"], key
    for document in manifests.of("Cluster"):
        name = document["metadata"]["name"]
        yield f"{name}-ca", "ca.crt"
        if document["spec"].get("enableSuperuserAccess"):
            yield from ((f"{name}-superuser", key) for key in ("uri", "username", "password"))
    if not manifests.production:
        yield from ((name, key) for name, keys in NAMES.items() for key in keys)


def _named(manifests: Manifests) -> Iterator[str]:
    """Secrets that custom resources and the door name."""
    for document in manifests.of("Ingress"):
        yield from (item["secretName"] for item in document["spec"].get("tls", []))
    for document in manifests.of("ObjectStore"):
        credentials: Document = document["spec"]["configuration"]["s3Credentials"]
        yield from (item["name"] for item in credentials.values())
    for document in manifests.of("Issuer"):
        if "ca" in document["spec"]:
            yield document["spec"]["ca"]["secretName"]
