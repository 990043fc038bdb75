"""Traces of callers, and tracing whose spans stay in memory."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.chassis.tracing import Tracing

KEPT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DROPPED = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b8-00"
OTHER = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01"


class Kept:
    """Tracing of a process whose spans stay in memory."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.made: list[Tracing] = []

    def tracing(self, ratio: float) -> Tracing:
        self.made.append(Tracing("x", "http://127.0.0.1:9", ratio))
        return self.made[-1]

    def finished(self, source: Tracing) -> list[ReadableSpan]:
        source.provider.force_flush()
        return list(self.spans.get_finished_spans())
