"""Which trace a piece of work belongs to, and its spans when traces are collected (OPS-42).

A trace context travels as a W3C traceparent: with HTTP and gRPC calls, in the outbox with each event, in the headers of
the message. So a command, its events and their effects share one trace id, in log lines too, whether or not spans are
made. Spans are made when `otlp_endpoint` is set; otherwise nothing of the SDK is loaded.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from sqlalchemy import event

from services.chassis import conventions
from services.chassis.conventions import Attributes

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
MOST_LINKS = 128
_IDS = random.Random()
"""Of its own, so that nobody who seeds the common one repeats ids."""
_SPACE = 1 << 64


class Work:
    """One piece of work: its place in a trace, and its span if there is one."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, traceparent: str, span: Span | None = None) -> None:
        self.traceparent = traceparent
        self._span = span

    @property
    def ids(self) -> dict[str, str]:
        """`trace_id` for log lines, and `span_id` where the work has a span of its own."""
        _, trace_id, span_id, _ = self.traceparent.split("-")
        return {"trace_id": trace_id} if self._span is None else {"trace_id": trace_id, "span_id": span_id}

    def rename(self, name: str) -> None:
        """Call the span by what is known now."""
        if self._span is not None:
            self._span.update_name(name)

    def tell(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def failed(self, code: str) -> None:
        """Mark the span as failed by a canonical code; never with a text, which may repeat what was sent."""
        if self._span is not None:
            self._span.set_status(Status(StatusCode.ERROR, code))


class Tracing:
    """The traces of one process; `ratio` of those that begin here are kept, others as their caller decided."""

    def __init__(self, process: str, endpoint: str = "", ratio: float = 0.1) -> None:
        self.ratio = ratio
        self.provider: Any = None
        self._tracer: trace.Tracer | None = None
        if endpoint:
            from services.chassis import exporting  # the SDK is loaded where it is used

            self.provider = exporting.provider(process, endpoint, ratio)
            self._tracer = self.provider.get_tracer("plantops")

    @property
    def on(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    def begin(self) -> str:
        """The traceparent of a trace that begins here without a span; kept or not by its id, as the SDK decides."""
        trace_id = _IDS.getrandbits(128) or 1
        kept = trace_id % _SPACE < round(self.ratio * _SPACE)
        return f"00-{trace_id:032x}-{_IDS.getrandbits(64) or 1:016x}-{int(kept):02x}"

    @contextmanager
    def work(
        self,
        name: str,
        kind: SpanKind,
        traceparent: str = "",
        *,
        attributes: Attributes | None = None,
        links: Iterable[str] = (),
        current: bool = True,
    ) -> Iterator[Work]:
        """A piece of work under the context it came with; a new trace where that is none.

        `links` are contexts of others that it has to do with. With `current` what is done inside, such as
        statements, belongs to it; a generator that others run must not set that.
        """
        if self._tracer is None:
            yield Work(known(traceparent) or self.begin())
            return
        span = self._tracer.start_span(
            name, _context(traceparent), kind, attributes, [Link(one) for one in map(_parsed, links) if one is not None]
        )
        work = Work(_written(span.get_span_context()), span)
        if not current:
            try:
                yield work
            finally:
                span.end()
            return
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield work

    @contextmanager
    def inside(self, name: str, attributes: Attributes) -> Iterator[None]:
        """A step of what is being traced; nothing where that is not kept."""
        if self._tracer is None or not trace.get_current_span().is_recording():
            yield
            return
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
        ):
            yield

    @contextmanager
    def publishing(self, stream: str, traceparents: Iterable[str]) -> Iterator[None]:
        """Events on their way to the broker; their contexts are looked at only where spans are made."""
        if self._tracer is None:
            yield
            return
        told = list(traceparents)
        attributes = conventions.publishing(stream, len(told))
        with self.shared(f"publish {stream}", SpanKind.PRODUCER, told, attributes=attributes):
            yield

    @contextmanager
    def shared(
        self, name: str, kind: SpanKind, traceparents: Iterable[str], *, attributes: Attributes | None = None
    ) -> Iterator[None]:
        """Work for many: a child of the one that it is for, or a span linked to each of them.

        Only where one of them is kept; then the work is kept as well.
        """
        if self._tracer is None:
            yield
            return
        whose = [one for one in dict.fromkeys(traceparents) if (found := _parsed(one)) and found.trace_flags.sampled]
        if not whose:
            yield
            return
        alone = len(whose) == 1
        links = () if alone else whose[:MOST_LINKS]
        with self.work(name, kind, whose[0] if alone else "", attributes=attributes, links=links):
            yield

    def watch(self, engine: "Engine") -> None:
        """Make a span of each statement of what is being traced."""
        if self._tracer is None:
            return
        tracer = self._tracer

        def before(conn: Any, cursor: Any, text: str, parameters: Any, context: Any, many: bool) -> None:
            if context is not None and trace.get_current_span().is_recording():
                name, attributes = conventions.statement(text)
                context.traced = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

        def after(conn: Any, cursor: Any, text: str, parameters: Any, context: Any, many: bool) -> None:
            span = getattr(context, "traced", None)
            if span is not None:
                span.end()

        def failed(trouble: Any) -> None:
            span = getattr(trouble.execution_context, "traced", None)
            if span is not None:
                span.set_status(Status(StatusCode.ERROR, type(trouble.original_exception).__name__))
                span.end()

        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", after)
        event.listen(engine, "handle_error", failed)

    async def close(self) -> None:
        """Send what is left, within a bounded time."""
        if self.provider is not None:
            from services.chassis import exporting

            await exporting.close(self.provider)


def known(traceparent: str) -> str:
    """The traceparent if it is well formed, else nothing: what came from outside is not passed on unread."""
    return traceparent if _TRACEPARENT.fullmatch(traceparent) else ""


def current() -> str:
    """The traceparent of the span that this task works in, empty without one."""
    found = trace.get_current_span().get_span_context()
    return _written(found) if found.is_valid else ""


def link(traceparent: str) -> None:
    """Link the present span to another context."""
    span, other = trace.get_current_span(), _parsed(traceparent)
    if other is not None and span.is_recording():
        span.add_link(other)


def carried(metadata: Iterable[tuple[str, Any]], work: Work) -> tuple[tuple[str, Any], ...]:
    """Metadata of a call with the context of this work."""
    return (*((name, value) for name, value in metadata if name != "traceparent"), ("traceparent", work.traceparent))


def given(metadata: Iterable[tuple[str, Any]] | Mapping[str, Any]) -> str:
    """The context that a call brought along."""
    return known(str(dict(metadata).get("traceparent", "")))


def _parsed(traceparent: str) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    return SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16)))


def _context(traceparent: str) -> Context:
    """A context of its own: what happens to be current is no parent."""
    parent = _parsed(traceparent)
    return Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())


def _written(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"


__all__ = ["SpanKind", "Tracing", "Work", "carried", "current", "given", "known", "link"]
