"""Rules of the engines: the broker's values and configuration, the database clusters, scaling by lag."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from k8s.checks.manifests import SERVICES, VALUES, Manifests, quantity
from k8s.checks.rule import rule
from services.chassis import bus

FILE_SHARE = 0.7
"""Part of a volume that JetStream may fill (OPS-25)."""
ACCOUNT = "APP"


@rule("OPS-24", "the broker syncs every write, and its streams fit its volume")
def broker(manifests: Manifests) -> Iterator[str]:
    """Of development the configuration file, of production the values of the chart."""
    server = manifests.get("StatefulSet", "nats")
    if server is None:
        yield from values_faults(yaml.safe_load(VALUES.read_text()))
        return
    text = manifests.config("nats").get("nats.conf", "")
    if not re.search(r"^\s*sync_interval:\s*always\s*$", text, re.MULTILINE):
        yield "nats.conf: sync_interval is not `always`"
    found = re.search(r"max_file_store:\s*(\d+)", text)
    volume = quantity(server["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"])
    yield from _room(float(found[1]) if found else volume, volume)


def values_faults(values: dict[str, Any]) -> Iterator[str]:
    """What is wrong with values of the official chart."""
    config, stream = values["config"], values["config"]["jetstream"]
    if stream.get("merge", {}).get("sync_interval") != "always":
        yield "values: config.jetstream.merge.sync_interval is not `always`"
    if not config["cluster"]["enabled"] or config["cluster"]["replicas"] != 3:
        yield "values: there are not three servers"
    if not config["nats"]["tls"]["enabled"]:
        yield "values: clients are not encrypted"
    if "auth.conf" not in config.get("merge", {}).get("$include", ""):
        yield "values: accounts do not come from the secret"
    if not values["promExporter"]["enabled"] or not values["podDisruptionBudget"]["enabled"]:
        yield "values: the exporter or the disruption budget is off"
    if not values["service"]["ports"]["monitor"]["enabled"]:
        yield "values: services cannot see whether the broker syncs (monitor port)"
    if "topology.kubernetes.io/zone" not in values["podTemplate"]["topologySpreadConstraints"]:
        yield "values: the servers are not spread over zones"
    if not re.match(r"2\.1[5-9]\.\d+", str(values["container"]["image"]["tag"])):
        yield "values: the server's version is not pinned to 2.15 or newer"
    files = stream["fileStore"]
    yield from _room(quantity(files["maxSize"]), quantity(files["pvc"]["size"]))


def _room(store: float, volume: float) -> Iterator[str]:
    streams = sum(stream["max_bytes"] for stream in bus.wanted_streams().values())
    if streams > store:
        yield f"JetStream may fill {store:g} bytes, the streams may take {streams}"
    if store >= FILE_SHARE * volume:
        yield f"JetStream may fill {store:g} bytes of a volume of {volume:g}, wanted less than {FILE_SHARE:g} of it"


@rule("OPS-29", "every service has a database cluster that loses nothing, and that is archived")
def databases(manifests: Manifests) -> Iterator[str]:
    """Instances, synchronous replica, parameters, separate volumes, archive and daily backup (OPS-30, OPS-32)."""
    if manifests.get("StatefulSet", f"{SERVICES[0]}-db") is not None and not manifests.production:
        return
    for service in SERVICES:
        name = f"{service}-db"
        cluster = manifests.get("Cluster", name)
        if cluster is None:
            yield f"Cluster {name}: is missing"
            continue
        spec = cluster["spec"]
        if "walStorage" not in spec:
            yield f"Cluster {name}: log and data share a volume"
            continue
        synchronous = {"method": "any", "number": 1, "dataDurability": "required"}
        if spec["instances"] < 3 or spec["postgresql"].get("synchronous") != synchronous:
            yield f"Cluster {name}: a commit is not on two of three instances"
        parameters = spec["postgresql"]["parameters"]
        wanted = {"log_lock_waits": "on", "deadlock_timeout": "1s", "jit": "off", "archive_timeout": "5min"}
        for key, value in wanted.items():
            if parameters.get(key) != value:
                yield f"Cluster {name}: {key} is {parameters.get(key)!r}, wanted {value!r}"
        for key in ("fsync", "synchronous_commit", "full_page_writes"):
            if parameters.get(key, "on") != "on":
                yield f"Cluster {name}: {key} is not on"
        memory = quantity(spec["resources"]["requests"]["memory"])
        if quantity(parameters["shared_buffers"].replace("B", "i")) * 4 != memory:
            yield f"Cluster {name}: shared_buffers is not a quarter of the memory"
        kept = quantity(parameters["max_slot_wal_keep_size"].replace("B", "i"))
        if kept * 10 != quantity(spec["walStorage"]["size"]):
            yield f"Cluster {name}: max_slot_wal_keep_size is not a tenth of the log's volume"
        initdb = spec["bootstrap"]["initdb"]
        if (initdb.get("localeProvider"), initdb.get("builtinLocale")) != ("builtin", "C.UTF-8"):
            yield f"Cluster {name}: its locale is not the builtin C.UTF-8"
        if spec["inheritedMetadata"]["labels"].get("plantops/database") != service:
            yield f"Cluster {name}: its pods have not the label that policies choose"
        yield from _archive(manifests, name, spec)


def _archive(manifests: Manifests, name: str, spec: dict[str, Any]) -> Iterator[str]:
    stores = [item.get("parameters", {}).get("barmanObjectName") for item in spec.get("plugins", [])]
    store = manifests.get("ObjectStore", str(stores[0])) if stores else None
    if store is None or not spec["plugins"][0].get("isWALArchiver"):
        yield f"Cluster {name}: its log is not archived"
    elif store["spec"].get("retentionPolicy") != "35d":
        yield f"ObjectStore {store['metadata']['name']}: backups are not kept 35 days"
    elif any("encryption" not in store["spec"]["configuration"].get(part, {}) for part in ("wal", "data")):
        yield f"ObjectStore {store['metadata']['name']}: backups are not encrypted"
    if not any(item["spec"]["cluster"]["name"] == name for item in manifests.of("ScheduledBackup")):
        yield f"Cluster {name}: is not backed up"


@rule("OPS-20", "scaling by lag watches every declared consumer and never ends at none")
def lag(manifests: Manifests) -> Iterator[str]:
    """One trigger for each durable consumer of a service."""
    declared = bus.wanted_consumers()
    for document in manifests.of("ScaledObject"):
        name, spec = document["metadata"]["name"], document["spec"]
        if spec["minReplicaCount"] < 2:
            yield f"ScaledObject {name}: ends at {spec['minReplicaCount']} pods, the relay lives in them"
        triggers = [item["metadata"] for item in spec["triggers"] if item["type"] == "nats-jetstream"]
        have = {(item["stream"], item["consumer"]) for item in triggers}
        want = {(stream, consumer) for stream, consumer in declared if consumer.startswith(f"{name}-")}
        for stream, consumer in sorted(have ^ want):
            yield f"ScaledObject {name}: {consumer} of {stream} is watched or declared, not both"
        if any(item["account"] != ACCOUNT or int(item["lagThreshold"]) != 500 for item in triggers):
            yield f"ScaledObject {name}: a trigger has not account {ACCOUNT} and threshold 500"
