"""Spans on their way to a collector (OTLP over gRPC); loaded only where traces are collected (OPS-42).

Sending is done by a thread of its own from a bounded queue. A collector that is slow or away costs spans, never a call.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

QUEUE, BATCH = 2048, 512
SEND_SECONDS = 5
EVERY_MILLISECONDS = 1000
CLOSE_SECONDS = 2.0
"""The longest that the end of a process waits for what is left."""


class Linked(Sampler):
    """For traces that begin here: a span with links is kept when one that it links to is; others by their id."""

    def __init__(self, ratio: float) -> None:
        self._by_id = TraceIdRatioBased(ratio)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about a span without parent."""
        if links:
            kept = any(link.context.trace_flags.sampled for link in links)
            decision = Decision.RECORD_AND_SAMPLE if kept else Decision.DROP
            return SamplingResult(decision, attributes, trace_state)
        return self._by_id.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """In words."""
        return f"Linked({self._by_id.get_description()})"


def exporter(endpoint: str) -> SpanExporter:
    """Sends spans to a collector; http:// in the clear, https:// with TLS."""
    return OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS)


def provider(process: str, endpoint: str, ratio: float) -> TracerProvider:
    """What makes the spans of one process and sends them."""
    made = TracerProvider(
        sampler=ParentBased(Linked(ratio)),
        resource=Resource.create(
            {
                "service.namespace": "plantops",
                "service.name": process,
                "service.version": version("plantops"),
                "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            }
        ),
        shutdown_on_exit=False,
        span_limits=SpanLimits(),
    )
    made.add_span_processor(
        BatchSpanProcessor(
            exporter(endpoint),
            max_queue_size=QUEUE,
            max_export_batch_size=BATCH,
            schedule_delay_millis=EVERY_MILLISECONDS,
        )
    )
    return made


async def close(made: Any) -> None:
    """Send what is left; a collector that does not answer is left behind with its thread."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        made.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=work, daemon=True).start()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), CLOSE_SECONDS)
