"""Who may talk to whom: the edges of the architecture, and what the rendered network policies really allow (OPS-8).

Both sides are evaluated as the cluster does it: an edge exists when the source's egress and the target's ingress
allow it. What is no pod of ours (ingress controller, operator, the world) has one side only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from k8s.checks.manifests import NAMESPACE, SERVICES, Document, Manifests, selects

Edge = tuple[str, str, int]

METRICS, GRPC, HTTP, POSTGRESQL, NATS, NATS_MONITOR = 9464, 50051, 8080, 5432, 4222, 8222


@dataclass(frozen=True, slots=True)
class Actor:
    """A kind of pod, or somebody outside; `address` for what is no pod."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: Mapping[str, str] = field(default_factory=lambda: {"kubernetes.io/metadata.name": NAMESPACE})
    address: bool = False

    @property
    def inside(self) -> bool:
        """Whether policies of our namespace hold for it."""
        return not self.address and self.namespace.get("kubernetes.io/metadata.name") == NAMESPACE


def elsewhere(name: str, namespace: str, **labels: str) -> Actor:
    """A pod of another namespace."""
    return Actor(name, labels, {"kubernetes.io/metadata.name": namespace})


OUTSIDE = (
    elsewhere("ingress", "ingress-nginx"),
    elsewhere("monitoring", "monitoring"),
    elsewhere("collector", "observability"),
    elsewhere("keda", "keda"),
    elsewhere("operator", "cnpg-system"),
    Actor("systems", {}, {"kubernetes.io/metadata.name": "erp", "plantops/systems": "allowed"}),
    Actor("dns", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}),
    elsewhere("stranger", "default"),
    Actor("world", address=True),
)
BROKER = Actor("nats", {"app.kubernetes.io/name": "nats", "app.kubernetes.io/component": "nats"})


def actors(manifests: Manifests) -> list[Actor]:
    """Pods of an overlay, the engines that operators and charts make, and who is outside."""
    found = {
        actor_of(workload.labels): Actor(actor_of(workload.labels), workload.labels) for workload in manifests.workloads
    }
    for cluster in manifests.of("Cluster"):
        labels = cluster["spec"]["inheritedMetadata"]["labels"]
        found[actor_of(labels)] = Actor(actor_of(labels), labels)
    found.setdefault("nats", BROKER)
    return [*found.values(), *OUTSIDE]


def actor_of(labels: Mapping[str, str]) -> str:
    """Name of a pod in the table of edges."""
    if "plantops/database" in labels:
        return f"{labels['plantops/database']}-db"
    return labels.get("app.kubernetes.io/name", "?")


def wanted(manifests: Manifests) -> set[Edge]:
    """The edges of the architecture, as far as the parts are in the overlay."""
    processes = (*SERVICES, "gateway")
    edges: set[Edge] = {("ingress", "gateway", HTTP), ("nats-bootstrap", "nats", NATS)}
    edges |= {("monitoring", process, METRICS) for process in processes}
    for service in SERVICES:
        database = f"{service}-db"
        edges |= {
            ("gateway", service, GRPC),
            ("systems", service, GRPC),
            (service, database, POSTGRESQL),
            (f"migrate-{service}", database, POSTGRESQL),
            (service, "nats", NATS),
            (service, "nats", NATS_MONITOR),
        }
    if manifests.config("plantops").get("PLANTOPS_JWKS", "").startswith("https://"):
        edges |= {(process, "world", 443) for process in processes}
    if manifests.config("plantops").get("PLANTOPS_OTLP_ENDPOINT"):
        edges |= {(process, "collector", 4317) for process in processes}
    if not manifests.get("StatefulSet", "nats"):
        edges |= {("nats", "nats", 6222), ("monitoring", "nats", 7777)}
    if manifests.of("ScaledObject"):
        edges.add(("keda", "nats", NATS_MONITOR))
    for cluster in manifests.of("Cluster"):
        name = cluster["metadata"]["name"]
        edges |= {(name, name, port) for port in (POSTGRESQL, 8000)}
        edges |= {("operator", name, port) for port in (POSTGRESQL, 8000)}
        edges |= {(name, "world", port) for port in (443, 6443)}
        edges |= {("monitoring", name, 9187), (name, "operator", 9090)}
    inside = [actor.name for actor in actors(manifests) if actor.inside]
    return edges | {(name, "dns", 53) for name in inside}


def allowed(manifests: Manifests) -> set[Edge]:
    """The edges that the policies leave open, of all pairs and all ports that anything names."""
    policies = manifests.of("NetworkPolicy")
    ports = sorted({port for _, _, port in wanted(manifests)} | set(_ports(policies)) | {1, 22, 65535})
    everyone = actors(manifests)
    leaving = {actor.name: _rules(policies, "Egress", actor) for actor in everyone}
    entering = {actor.name: _rules(policies, "Ingress", actor) for actor in everyone}
    return {
        (source.name, target.name, port)
        for source in everyone
        for target in everyone
        if source.inside or target.inside
        for port in ports
        if _open(leaving[source.name], "to", target, port) and _open(entering[target.name], "from", source, port)
    }


def _ports(policies: list[Document]) -> Iterator[int]:
    for policy in policies:
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            yield from (item["port"] for item in rule.get("ports", []))


def _rules(policies: list[Document], direction: str, actor: Actor) -> list[Document] | None:
    """What the policies that hold for a pod allow in a direction; None = nothing holds, everything is open."""
    if not actor.inside:
        return None
    holding = [
        policy["spec"]
        for policy in policies
        if selects(policy["spec"]["podSelector"], actor.labels) and direction in policy["spec"]["policyTypes"]
    ]
    if not holding:
        return None
    return [rule for spec in holding for rule in spec.get(direction.lower(), [])]


def _open(rules: list[Document] | None, key: str, peer: Actor, port: int) -> bool:
    """Whether one of the rules lets a pod talk with a peer on a port."""
    if rules is None:
        return True
    return any(
        (not rule.get("ports") or port in [item.get("port") for item in rule["ports"]]) and _peer(rule.get(key), peer)
        for rule in rules
    )


def _peer(peers: list[Document] | None, actor: Actor) -> bool:
    """Whether one of a rule's peers is the actor; a rule without peers means everybody."""
    if not peers:
        return True
    for peer in peers:
        if "ipBlock" in peer:
            if actor.address:
                return True
            continue
        if actor.address:
            continue
        spaces = peer.get("namespaceSelector")
        here = selects(spaces, actor.namespace) if spaces is not None else actor.inside
        pods = peer.get("podSelector")
        if here and (pods is None or selects(pods, actor.labels)):
            return True
    return False


def differences(manifests: Manifests) -> Iterator[str]:
    """Edges that are missing and edges that should not be."""
    have, want = allowed(manifests), wanted(manifests)
    for source, target, port in sorted(want - have):
        yield f"{source} cannot reach {target} on port {port}"
    for source, target, port in sorted(have - want):
        yield f"{source} can reach {target} on port {port}, which is no edge of the architecture"
