"""Trace contexts, sampling, links and the way to a collector (OPS-42); the trace of a story is among the scenarios."""

import asyncio
import subprocess
import sys
import threading

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from cli.engines import free_port
from services.chassis import conventions, exporting, tracing
from services.chassis.tracing import SpanKind, Tracing
from tests.chassis.spans import DROPPED, KEPT, OTHER, Kept


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (KEPT, True), (DROPPED, True), ("", False), ("nonsense", False), (KEPT.upper(), False), (KEPT + "-x", False),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", False), ("00-" + "a" * 32 + "-" + "0" * 16 + "-01", False),
        ("01" + KEPT[2:], False), (KEPT + "\n", False),
    ],
)  # fmt: skip
def test_only_a_well_formed_context_is_taken_over(text: str, good: bool) -> None:
    assert tracing.known(text) == (text if good else "")
    with Tracing("x").work("name", SpanKind.SERVER, text) as work:
        assert (work.traceparent == text) is good
        assert tracing.known(work.traceparent)
        assert work.ids.keys() == {"trace_id"}, "without spans there is no span to name"


@given(st.floats(0, 1))
def test_a_trace_that_begins_without_a_span_is_kept_as_the_sdk_would(ratio: float) -> None:
    made = Tracing("x", ratio=ratio).begin()
    _, trace_id, _, flags = made.split("-")
    decision = TraceIdRatioBased(ratio).should_sample(None, int(trace_id, 16), "x").decision
    assert (flags == "01") is (decision is Decision.RECORD_AND_SAMPLE)


@pytest.mark.rule("OPS-42")
@pytest.mark.parametrize(
    ("ratio", "parent", "sampled"),
    [(0, KEPT, True), (1, DROPPED, False), (1, "", True), (0, "", False)],
    ids=["the caller keeps it", "the caller does not", "all", "none"],
)
def test_the_caller_decides_else_the_ratio(kept: Kept, ratio: float, parent: str, sampled: bool) -> None:
    source = kept.tracing(ratio)
    with source.work("call", SpanKind.SERVER, parent) as work:
        assert work.traceparent.endswith("-01" if sampled else "-00")
        if parent:
            assert work.traceparent.split("-")[1] == parent.split("-")[1]
    assert len(kept.finished(source)) == sampled


@pytest.mark.rule("OPS-42")
def test_a_batch_links_to_its_producers_and_is_kept_with_them(kept: Kept) -> None:
    source = kept.tracing(0)
    with source.publishing("MATERIALS", [KEPT, DROPPED, OTHER, KEPT, ""]):
        pass
    (span,) = kept.finished(source)
    assert (span.name, span.kind, span.parent) == ("publish MATERIALS", SpanKind.PRODUCER, None)
    assert {f"{link.context.trace_id:032x}" for link in span.links} == {KEPT.split("-")[1], OTHER.split("-")[1]}
    assert dict(span.attributes or {})["messaging.batch.message_count"] == 5


def test_what_one_producer_told_is_published_in_its_trace(kept: Kept) -> None:
    source = kept.tracing(0)
    with source.publishing("MATERIALS", [KEPT, KEPT]):
        pass
    (span,) = kept.finished(source)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == KEPT.split("-")[2]


def test_a_batch_of_which_nothing_is_kept_makes_no_span(kept: Kept) -> None:
    source = kept.tracing(1)
    with source.publishing("MATERIALS", [DROPPED, ""]):
        pass
    assert kept.finished(source) == []


@pytest.mark.rule("OPS-42")
def test_an_event_that_waited_is_linked_to_the_span_that_applies_it(kept: Kept) -> None:
    source = kept.tracing(1)
    with source.work("process", SpanKind.CONSUMER, KEPT):
        tracing.link(OTHER)
        tracing.link("nonsense")
    (span,) = kept.finished(source)
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [OTHER.split("-")[1]]
    tracing.link(OTHER)  # outside of any span: nothing


def test_an_error_is_a_code_and_repeats_no_text(kept: Kept) -> None:
    source = kept.tracing(1)

    def call() -> None:
        with source.work("call", SpanKind.SERVER) as work:
            work.failed("INTERNAL")
            raise RuntimeError("people/ana is not welcome")

    with pytest.raises(RuntimeError):
        call()
    (span,) = kept.finished(source)
    assert (span.status.description, list(span.events)) == ("INTERNAL", [])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("select * from work_order where name = $1", "SELECT work_order"),
        ("\n  insert into outbox (event_id)\n  select 1", "INSERT outbox"),
        ("update asset set title = $1", "UPDATE asset"),
        ("savepoint sa_savepoint_1", "SAVEPOINT"),
    ],
)
def test_a_statement_is_named_by_what_it_does_to_which_table(text: str, name: str) -> None:
    found, attributes = conventions.statement(text)
    assert found == name
    assert "\n" not in str(attributes["db.query.text"])


@pytest.mark.rule("OPS-42")
def test_without_a_collector_the_sdk_is_not_loaded() -> None:
    code = (
        "import sys; import services.chassis.serve; from services.chassis.tracing import Tracing\n"
        "Tracing('x').begin(); print(sorted(n for n in sys.modules if n.startswith('opentelemetry.sdk')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """A collector that keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[trace_service_pb2.ExportTraceServiceRequest] = []

    async def Export(self, request, context):  # type: ignore[no-untyped-def]
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.mark.rule("OPS-42")
async def test_spans_arrive_at_a_collector() -> None:
    collector, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    source = Tracing("materials", f"http://127.0.0.1:{port}", 1)
    with source.work("outer", SpanKind.SERVER, KEPT), source.inside("inner", conventions.COMMIT):
        pass
    await source.close()
    await server.stop(None)
    spans = [
        (resource, span)
        for request in collector.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert {span.name for _, span in spans} == {"outer", "inner"}
    assert {span.trace_id.hex() for _, span in spans} == {KEPT.split("-")[1]}
    told = {one.key: one.value.string_value for one in spans[0][0].resource.attributes}
    assert (told["service.namespace"], told["service.name"]) == ("plantops", "materials")


@pytest.mark.rule("OPS-42")
async def test_a_collector_that_is_away_costs_spans_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "SEND_SECONDS", 1)
    before = set(threading.enumerate())
    source = Tracing("materials", f"http://127.0.0.1:{free_port()}", 1)
    for _ in range(exporting.QUEUE + exporting.BATCH):  # more than the queue holds
        with source.work("call", SpanKind.SERVER) as work:
            assert tracing.known(work.traceparent)
    async with asyncio.timeout(60):
        await source.close()
    # they draw the lengths of their pauses by the common generator, which nobody may use while another test draws
    for left in set(threading.enumerate()) - before:
        if left.daemon:
            await asyncio.to_thread(left.join, 30)
            assert not left.is_alive()
