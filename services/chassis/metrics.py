"""What a process measures, for Prometheus: every name in one table, counted in the process's own registry (OPS-41).

Label values come from closed sets: rpcs, routes, codes, streams, consumers, classes; never an id or a person. The
registry belongs to the process object, since several processes may live in one interpreter.
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

Kind = Literal["counter", "gauge", "histogram"]
Place = Literal["service", "gateway"]
Labels = tuple[str, ...]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALLS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
EVENT_SECONDS = (*SECONDS, 30.0, 60.0, 300.0)
MOST_LABEL_SETS = 250
"""Of one histogram; what comes later is counted under `other`, so that a process stays below 5,000 series."""

_BOTH: tuple[Place, ...] = ("service", "gateway")


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric: its kind, what it says, its labels and buckets, and the kinds of process that have it."""

    kind: Kind
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
    places: tuple[Place, ...] = ("service",)
    other: str = "other"
    """First label of what is beyond MOST_LABEL_SETS; of a kind with the others, so that sums over all find it."""


def _counter(text: str, *labels: str, places: tuple[Place, ...] = ("service",)) -> Declared:
    return Declared("counter", text, labels, places=places)


def _gauge(text: str, *labels: str, places: tuple[Place, ...] = ("service",)) -> Declared:
    return Declared("gauge", text, labels, places=places)


def _histogram(
    text: str, *labels: str, buckets: tuple[float, ...] = SECONDS, places: tuple[Place, ...] = ("service",)
) -> Declared:
    return Declared("histogram", text, labels, buckets, places)


DECLARED: Mapping[str, Declared] = MappingProxyType(
    {
        # calls
        "plantops_rpc_seconds": _histogram("Duration of an rpc at the service.", "method", "code"),
        "plantops_rpc_in_flight": _gauge("Rpcs that are being answered.", "method"),
        "plantops_http_seconds": Declared(
            "histogram",
            "Duration of a request at the gateway.",
            ("route", "status"),
            SECONDS,
            places=("gateway",),
            other="/v1/other",
        ),
        "plantops_shed_total": _counter(
            "Calls refused because a limit was reached: calls, wait, locks, streams, pool, connections, rate. The"
            " gateway names the service that was called.",
            "method",
            "reason",
            places=_BOTH,
        ),
        "plantops_idempotent_replays_total": _counter("Calls answered with the stored answer.", "method"),
        "plantops_idempotency_conflicts_total": _counter(
            "Calls refused because their request id was used for another request.", "method"
        ),
        # outbox and relay
        "plantops_outbox_unpublished": _gauge("Events not yet published; counted up to 100,000."),
        "plantops_outbox_oldest_seconds": _gauge("Age of the oldest event not yet published; 0 without one."),
        "plantops_outbox_horizon_seconds": _gauge(
            "For how long one writing transaction has held the relay's horizon; 0 when none does."
        ),
        "plantops_outbox_held": _gauge("Events of the last round held back behind an open transaction; the leader's."),
        "plantops_relay_leader": _gauge("1 where this process publishes the shard.", "shard"),
        "plantops_relay_publish_seconds": _histogram(
            "Time from sending a batch or an event to the broker's acknowledgement.", "shard"
        ),
        "plantops_relay_duplicates_total": _counter("Events that the broker knew already.", "shard"),
        "plantops_relay_batch_fallbacks_total": _counter(
            "Batches that were not taken as a whole and went one by one.", "shard"
        ),
        # events received
        "plantops_consumer_pending": _gauge("Events not yet delivered.", "stream", "consumer"),
        "plantops_consumer_ack_pending": _gauge("Events delivered and not acknowledged.", "stream", "consumer"),
        "plantops_consumer_floor_lag": _gauge(
            "Stream positions between the last delivery and the last one below which all is acknowledged.",
            "stream",
            "consumer",
        ),
        "plantops_consumer_last_delivery_seconds": _gauge(
            "Time since the broker's last delivery to any process of the consumer.", "stream", "consumer"
        ),
        "plantops_event_seconds": _histogram(
            "Time from telling an event to the commit of its effect.", "stream", "consumer", buckets=EVENT_SECONDS
        ),
        "plantops_event_waiting": _gauge("Events that wait for an earlier one.", "stream", "consumer"),
        "plantops_event_waiting_oldest_seconds": _gauge(
            "For how long the oldest event has waited for an earlier one.", "stream", "consumer"
        ),
        "plantops_inbox_duplicates_total": _counter("Deliveries of events that were applied before.", "consumer"),
        "plantops_events_stale_total": _counter("Events older than what was applied of their aggregate.", "consumer"),
        "plantops_event_retries_total": _counter(
            "Tries to apply an event that failed and were repeated: clash, lost, pool, timeout, other.",
            "consumer",
            "class",
        ),
        "plantops_dead_letters": _gauge("Events put aside and not decided.", "consumer", "class"),
        "plantops_dead_letter_oldest_seconds": _gauge("Age of the oldest event put aside.", "consumer", "class"),
        "plantops_advisories_total": _counter(
            "Advisories that the broker stored since this process looks: max_deliveries, terminated.", "kind"
        ),
        # database
        "plantops_db_retries_total": _counter("Units of work tried again after a database error.", "sqlstate"),
        "plantops_db_pool_in_use": _gauge("Connections of the pool in use."),
        "plantops_db_pool_wait_seconds": _histogram("Time until a unit of work had its connection."),
        "plantops_db_commit_seconds": _histogram("Duration of a COMMIT, or of a call that is a transaction by itself."),
        "plantops_lane_waiting": _gauge("Calls that wait in lanes."),
        "plantops_lane_calls": _histogram("Calls that a lane did together.", buckets=CALLS),
        "plantops_lane_wait_seconds": _histogram("Time that a call waited in its lane for its turn."),
        "plantops_db_oldest_writer_seconds": _gauge("Age of this service's oldest writing transaction; 0 without one."),
        "plantops_partitions_ahead_days": _gauge("Days ahead for which partitions exist.", "table"),
        # broker
        "plantops_nats_connected": _gauge("1 while the process is connected to the broker."),
        "plantops_nats_errors_total": _counter(
            "What the broker's client reported: permission, slow_consumer, disconnected, other.", "kind"
        ),
        "plantops_stream_drift": _gauge("Differences between declared and live: stream, consumer.", "kind"),
        # proofs
        "plantops_proof_differences": _gauge(
            "What the last daily proofs of the service's books found; set by the process that proved."
        ),
        # the process
        "plantops_loop_lag_seconds": _histogram("By how much the event loop was late.", places=_BOTH),
        "plantops_clock_skew_seconds": _gauge("The database's clock less this machine's."),
        "plantops_build_info": _gauge("1; what runs here.", "process", "version", "python", places=_BOTH),
    }
)
"""Every plantops_ name that exists; a name that nothing feeds does not stand here."""


class Metrics:
    """Counts, durations and gauges of one process. Names are those of DECLARED, labels in the order declared."""

    def __init__(self, process: str, place: Place = "service") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.process = process
        self.registry = CollectorRegistry(auto_describe=True)
        self._parents: dict[str, Any] = {}
        self._children: dict[tuple[str, Labels], Any] = {}
        self._sets: dict[str, int] = {}
        self._gauges: dict[str, dict[Labels, float]] = {}
        self._watched: dict[str, tuple[Labels, Callable[[], float]]] = {}
        for name, one in DECLARED.items():
            if place not in one.places:
                continue
            if one.kind == "gauge":
                self._gauges[name] = {}
            elif one.kind == "counter":
                self._parents[name] = Counter(name, one.help, one.labels, registry=self.registry)
            else:
                self._parents[name] = Histogram(name, one.help, one.labels, registry=self.registry, buckets=one.buckets)
        self.registry.register(_Gauges(self._gauges, self._watched))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.set("plantops_build_info", 1, process, version("plantops"), platform.python_version())

    def inc(self, name: str, *labels: str, by: float = 1) -> None:
        """Count something."""
        self._child(name, labels).inc(by)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add a duration in seconds; what a clock that was set back makes negative counts as 0."""
        self._child(name, labels).observe(max(0.0, value))

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._gauges[name][labels] = value

    def add(self, name: str, by: float, *labels: str) -> None:
        """Raise or lower a gauge; from the event loop only."""
        values = self._gauges[name]
        values[labels] = values.get(labels, 0) + by

    def replace(self, name: str, values: Mapping[Labels, float]) -> None:
        """Set all of a gauge's values; label sets that are not among them disappear."""
        known = self._gauges[name]
        known.update(values)
        for labels in known.keys() - values.keys():
            del known[labels]

    def watch(self, name: str, read: Callable[[], float], *labels: str) -> None:
        """A gauge that is read when it is scraped, in another thread: an attribute, nothing that waits."""
        self._watched[name] = (labels, read)

    def value(self, name: str, *labels: str) -> float:
        """What a counter or gauge stands at, how often a histogram was fed; 0 for what was never seen."""
        one = DECLARED[name]
        if one.kind == "gauge":
            return float(self._watched[name][1]() if name in self._watched else self._gauges[name].get(labels, 0.0))
        sample = name if one.kind == "counter" else f"{name}_count"
        return self.registry.get_sample_value(sample, dict(zip(one.labels, labels, strict=True))) or 0.0

    def _child(self, name: str, labels: Labels) -> Any:
        child = self._children.get((name, labels))
        return child if child is not None else self._new(name, labels)

    def _new(self, name: str, labels: Labels) -> Any:
        parent = self._parents[name]
        if not labels:
            child = parent
        else:
            known = self._sets.get(name, 0)
            other = DECLARED[name].other
            if known >= MOST_LABEL_SETS and labels[0] != other:
                return self._child(name, (other, *labels[1:]))
            self._sets[name] = known + 1
            child = parent.labels(*labels)
        self._children[name, labels] = child
        return child


class _Gauges(Collector):
    """All gauges at once, from what was set last; a scrape never waits for a database or the broker."""

    def __init__(
        self,
        values: Mapping[str, dict[Labels, float]],
        watched: Mapping[str, tuple[Labels, Callable[[], float]]],
    ) -> None:
        self._values = values
        self._watched = watched

    def collect(self) -> Iterable[Metric]:
        for name, values in self._values.items():
            one = DECLARED[name]
            family = GaugeMetricFamily(name, one.help, labels=one.labels)
            for labels, value in values.copy().items():  # copied at once: the scrape runs in another thread
                family.add_metric(labels, value)
            if name in self._watched:
                watched_labels, read = self._watched[name]
                family.add_metric(watched_labels, float(read()))
            yield family


__all__ = ["DECLARED", "Declared", "Metrics"]
