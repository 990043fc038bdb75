"""What a PromQL expression reads: series and labels, found by their place in the text; no evaluation.

Enough for the rules and dashboards of this repository: selectors, functions, aggregations with by(...) and
vector matching with on(...).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.chassis.metrics import DECLARED

TARGET = frozenset({"job", "instance", "namespace", "pod"})
"""Labels that Prometheus gives every series of a scraped target."""

FOREIGN: Mapping[str, frozenset[str]] = {
    # CloudNativePG's exporter in each instance; the last one is the Barman Cloud plugin's
    "cnpg_pg_replication_in_recovery": frozenset(),
    "cnpg_pg_replication_lag": frozenset(),
    "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp": frozenset(),
    # the NATS exporter with the prefix that its chart sets
    "nats_server_jetstream_disabled": frozenset({"server_name", "cluster", "is_meta_leader"}),
    "nats_server_total_message_bytes": frozenset({"server_name", "cluster", "is_meta_leader"}),
    "nats_server_max_storage": frozenset({"server_name", "cluster", "is_meta_leader"}),
    "nats_stream_total_messages": frozenset({"server_name", "stream_name", "is_stream_leader"}),
    "nats_stream_total_bytes": frozenset({"server_name", "stream_name", "is_stream_leader"}),
    "nats_stream_limit_bytes": frozenset({"server_name", "stream_name", "is_stream_leader"}),
    "nats_stream_last_seq": frozenset({"server_name", "stream_name", "is_stream_leader"}),
    # kube-state-metrics and the kubelet
    "kube_job_failed": frozenset({"job_name", "condition"}),
    "kubelet_volume_stats_used_bytes": frozenset({"persistentvolumeclaim", "node"}),
    "kubelet_volume_stats_capacity_bytes": frozenset({"persistentvolumeclaim", "node"}),
    # every process of Plantops, by the library that shows its metrics
    "process_cpu_seconds_total": frozenset(),
    "process_resident_memory_bytes": frozenset(),
    "up": frozenset(),
}
"""Series of others that alerts and dashboards may read, with their labels."""

_KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left"})
_STRING = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^{}]*)\}")
_NAME = re.compile(r"(?<![\w:.])([a-zA-Z_:][a-zA-Z0-9_:]*)(?![\w:]|\s*\()")
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")


@dataclass(slots=True)
class Reads:
    """Series by name with the labels that are matched on them, and the labels of groupings."""

    series: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)


def reads(expression: str) -> Reads:
    """What an expression reads."""
    found = Reads()
    rest = _STRING.sub('""', expression)
    rest = re.sub(r"\[[^\]]*\]", "", rest)
    rest = re.sub(r"\boffset\s+\S+", "", rest)
    for name, matchers in _SELECTOR.findall(rest):
        found.series.setdefault(name, set()).update(_MATCHER.findall(matchers))
    rest = _SELECTOR.sub(r" \1 ", rest)
    for _, labels in _GROUPING.findall(rest):
        found.grouped.update(label.strip() for label in labels.split(",") if label.strip())
    rest = _GROUPING.sub(" ", rest)
    for name in _NAME.findall(rest):
        if name not in _KEYWORDS:
            found.series.setdefault(name, set())
    return found


def declared() -> Mapping[str, frozenset[str]]:
    """Series that the processes have, with their labels: histograms as their buckets, counts and sums."""
    found: dict[str, frozenset[str]] = {}
    for name, one in DECLARED.items():
        labels = frozenset(one.labels)
        if one.kind == "histogram":
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}
        else:
            found[name] = labels
    return found


def wrong(expression: str, recorded: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """What an expression reads that does not exist: series, labels of them, and labels of groupings."""
    known = {**declared(), **FOREIGN, **recorded}
    found = reads(expression)
    labels: set[str] = set(TARGET)
    for name, matched in found.series.items():
        if name not in known:
            yield f"nobody has the series {name}"
            continue
        labels |= known[name]
        if unknown := matched - known[name] - TARGET:
            yield f"{name} has no label {', '.join(sorted(unknown))}"
    if unknown := found.grouped - labels:
        yield f"no series here has the label {', '.join(sorted(unknown))}"


def buckets(name: str) -> frozenset[str]:
    """Values of `le` that a declared histogram has, as Prometheus writes them."""
    return frozenset({*map(str, DECLARED[name.removesuffix("_bucket")].buckets), "+Inf"})
