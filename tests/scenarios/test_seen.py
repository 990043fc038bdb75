"""What a plant shows of itself: a small story over HTTP is counted exactly, is one trace, and leaves its log lines."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client.parser import text_string_to_metric_families

from cli.engines import Engines
from gateway.serve import Server
from services.chassis import exporting
from services.chassis.clock import uuid7
from services.chassis.metrics import DECLARED
from tests.gateway.conftest import gateway_config
from tests.signing import Issuer
from tests.world import CAST, Plant, running

SITE = {"title": "Canary Works", "timeZone": "Europe/Berlin", "currencyCode": "EUR", "countryCode": "DE"}
KEY = str(uuid4())


@dataclass
class Seen:
    """A plant whose traces are all kept in memory, with a gateway before it."""

    plant: Plant
    server: Server
    http: httpx.AsyncClient
    spans: InMemorySpanExporter
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, person: str, verb: str, path: str, content: Any = None, **headers: str) -> httpx.Response:
        """One request, as a person of the cast."""
        token = self.plant.issuer.token(f"people/{person}", CAST[f"people/{person}"])
        given = {"authorization": f"Bearer {token}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        return await self.http.request(verb, path, json=content, headers=given)

    async def publish(self, aggregate: str, version: int, payload: bytes, *, event_id: UUID | None = None) -> None:
        """An event of maintenance that its relay did not send."""
        nc = self.plant.processes["maintenance"].nc
        assert nc is not None
        identity = str(event_id or uuid7())
        headers = {
            "Nats-Msg-Id": str(uuid4()), "ce-id": identity, "ce-type": "plantops.maintenance.v1.SiteChanged",
            "ce-time": "2026-01-01T00:00:00Z", "plantops-aggregate": aggregate, "plantops-version": str(version),
            "plantops-site": "hamburg", "plantops-correlation": aggregate, "plantops-actor": "people/root",
        }  # fmt: skip
        await nc.jetstream().publish("plantops.maintenance.v1.SiteChanged.hamburg.x", payload, headers=headers)

    async def sampled(self) -> None:
        """Ask database and broker now."""
        for process in self.plant.processes.values():
            await process.sampler.database()
            await process.sampler.broker()

    def value(self, process: str, name: str, *labels: str) -> float:
        """What a metric of a process stands at."""
        metrics = self.server.gateway.metrics if process == "gateway" else self.plant.processes[process].metrics
        return metrics.value(name, *labels)

    def finished(self) -> list[ReadableSpan]:
        """All spans so far."""
        for provider in [
            self.server.gateway.tracing.provider,
            *(process.tracing.provider for process in self.plant.processes.values()),
        ]:
            provider.force_flush()
        return list(self.spans.get_finished_spans())


@asynccontextmanager
async def _seen(templates: Engines, issuer: Issuer) -> AsyncIterator[Seen]:
    settings: dict[str, Any] = {
        "otlp_endpoint": "http://127.0.0.1:9", "trace_ratio": 1.0, "metrics_listen": "127.0.0.1:0",
    }  # fmt: skip
    async with running(templates, issuer, **settings) as plant:
        ports = {name: process.port for name, process in plant.processes.items()}
        server = Server(gateway_config(issuer, ports, **settings))
        await server.start()
        base = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as http:
            yield Seen(plant, server, http, SPANS)
        await server.stop()


SPANS = InMemorySpanExporter()


@pytest.fixture(scope="module")
def in_memory() -> Iterator[None]:
    """Spans of all processes go to one list."""
    patch = pytest.MonkeyPatch()

    def kept(endpoint: str) -> SpanExporter:
        return SPANS

    patch.setattr(exporting, "exporter", kept)
    yield
    patch.undo()


@pytest.fixture(scope="module")
async def seen(templates: Engines, issuer: Issuer, in_memory: None) -> AsyncIterator[Seen]:
    """One story, told once; the tests look at what it left."""
    async with _seen(templates, issuer) as found:
        structlog.configure(
            processors=[structlog.contextvars.merge_contextvars, _kept(found.lines)],
            logger_factory=structlog.ReturnLoggerFactory(),
            wrapper_class=structlog.make_filtering_bound_logger(0),  # the command line sets it higher
        )
        await _story(found)
        yield found


def _kept(lines: list[dict[str, Any]]) -> Any:
    def keep(logger: object, name: str, entry: dict[str, Any]) -> Any:
        lines.append({**entry, "level": name})
        raise structlog.DropEvent

    return keep


async def _story(seen: Seen) -> None:
    """A site is made, asked for again, and again with other content; four strange events come."""
    await seen.sampled()
    made = await seen.call("root", "POST", "/v1/sites?siteId=hamburg", SITE, idempotency_key=KEY)
    again = await seen.call("root", "POST", "/v1/sites?siteId=hamburg", SITE, idempotency_key=KEY)
    other = await seen.call("root", "POST", "/v1/sites?siteId=hamburg", {**SITE, "title": "X"}, idempotency_key=KEY)
    lost = await seen.call("vic", "GET", "/v1/sites/nowhere")
    nothing = await seen.call("vic", "GET", "/v1/nothing/at/all")
    codes = [answer.status_code for answer in (made, again, other, lost, nothing)]
    assert codes == [200, 200, 422, 404, 404], [made.text, again.text, other.text]
    await seen.plant.settle()
    event_id = UUID(str(seen.plant.value("maintenance", "select event_id from outbox")))
    payload = bytes(seen.plant.value("maintenance", "select payload from outbox"))
    await seen.publish("sites/hamburg", 1, payload, event_id=event_id)  # delivered before
    await seen.publish("sites/hamburg", 1, payload)  # another id, but its version is past
    await seen.publish("sites/hamburg", 9, payload)  # versions between are missing
    await seen.publish("sites/hamburg", 2, b"\xff\xff")  # cannot be read
    await seen.plant.settle()
    await seen.sampled()


# --- metrics ----------------------------------------------------------------------------------------------------


@pytest.mark.rule("OPS-41")
def test_the_story_is_counted_exactly(seen: Seen) -> None:
    rpc, consumer = "SiteService/CreateSite", "materials-maintenance"
    assert seen.value("maintenance", "plantops_rpc_seconds", rpc, "OK") == 2
    assert seen.value("maintenance", "plantops_rpc_seconds", rpc, "INVALID_ARGUMENT") == 1
    assert seen.value("maintenance", "plantops_rpc_seconds", "SiteService/GetSite", "NOT_FOUND") == 1
    assert seen.value("maintenance", "plantops_rpc_in_flight", rpc) == 0
    assert seen.value("maintenance", "plantops_idempotent_replays_total", rpc) == 1
    assert seen.value("maintenance", "plantops_idempotency_conflicts_total", rpc) == 1
    assert seen.value("gateway", "plantops_http_seconds", "/v1/sites", "200") == 2
    assert seen.value("gateway", "plantops_http_seconds", "/v1/sites", "422") == 1
    assert seen.value("gateway", "plantops_http_seconds", "/v1/{name=sites/*}", "404") == 1
    assert seen.value("gateway", "plantops_http_seconds", "-", "404") == 1
    assert seen.value("maintenance", "plantops_relay_publish_seconds", "0") == 1
    for service in ("materials", "procurement"):
        consumer = f"{service}-maintenance"
        assert seen.value(service, "plantops_event_seconds", "MAINTENANCE", consumer) == 1
        assert seen.value(service, "plantops_inbox_duplicates_total", consumer) == 1
        assert seen.value(service, "plantops_events_stale_total", consumer) == 1
        assert seen.value(service, "plantops_event_waiting", "MAINTENANCE", consumer) == 1
        assert seen.value(service, "plantops_event_waiting_oldest_seconds", "MAINTENANCE", consumer) > 0
        assert seen.value(service, "plantops_dead_letters", consumer, "poison") == 1
        assert seen.value(service, "plantops_dead_letters", consumer, "gap") == 0
        assert seen.value(service, "plantops_dead_letter_oldest_seconds", consumer, "poison") > 0
        assert seen.value(service, "plantops_consumer_pending", "MAINTENANCE", consumer) == 0
        assert seen.value(service, "plantops_advisories_total", "terminated") == 2, "each of both consumers ended one"
    assert seen.value("maintenance", "plantops_outbox_unpublished") == 0
    assert seen.value("maintenance", "plantops_partitions_ahead_days", "outbox") == 14
    assert seen.value("maintenance", "plantops_nats_connected") == 1
    assert seen.value("maintenance", "plantops_relay_leader", "0") == 1
    assert seen.value("maintenance", "plantops_stream_drift", "stream") == 0


@pytest.mark.rule("OPS-41")
async def test_the_page_shows_every_declared_name_and_no_other(seen: Seen) -> None:
    ports = {name: process.metrics_port for name, process in seen.plant.processes.items()}
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        for name, port in {**ports, "gateway": seen.server.metrics_port}.items():
            page = await http.get(f"http://127.0.0.1:{port}/metrics")
            assert page.status_code == 200
            families = list(text_string_to_metric_families(page.text))
            ours = {family.name: family for family in families if family.name.startswith("plantops_")}
            place = "gateway" if name == "gateway" else "service"
            wanted = {metric: one for metric, one in DECLARED.items() if place in one.places}
            assert set(ours) == {metric.removesuffix("_total") for metric in wanted}
            for metric, one in wanted.items():
                family = ours[metric.removesuffix("_total")]
                assert family.type == one.kind
                for sample in family.samples:
                    assert set(sample.labels) - {"le"} == set(one.labels), sample
            assert sum(len(family.samples) for family in families) < 5000
            assert "hamburg" not in page.text, "labels name no site of a resource, and no id"


# --- traces -----------------------------------------------------------------------------------------------------


def _name(span: ReadableSpan) -> str:
    return f"{span.resource.attributes['service.name']}: {span.name}"


@pytest.mark.rule("OPS-42")
def test_a_command_its_event_and_its_effects_are_one_trace(seen: Seen) -> None:
    spans = seen.finished()
    root = next(span for span in spans if _name(span) == "gateway: POST /v1/sites")
    mine = [span for span in spans if span.context.trace_id == root.context.trace_id]
    by_id = {span.context.span_id: span for span in mine}

    def parent(span: ReadableSpan) -> str:
        return _name(by_id[span.parent.span_id]) if span.parent is not None else ""

    kinds = {(_name(span), span.kind, parent(span)) for span in mine}
    call = "SiteService/CreateSite"
    assert {
        ("gateway: POST /v1/sites", SpanKind.SERVER, ""),
        (f"gateway: {call}", SpanKind.CLIENT, "gateway: POST /v1/sites"),
        (f"maintenance: {call}", SpanKind.SERVER, f"gateway: {call}"),
        ("maintenance: INSERT outbox", SpanKind.CLIENT, f"maintenance: {call}"),
        ("maintenance: COMMIT", SpanKind.CLIENT, f"maintenance: {call}"),
        ("maintenance: publish MAINTENANCE", SpanKind.PRODUCER, f"maintenance: {call}"),
        ("materials: process SiteChanged", SpanKind.CONSUMER, f"maintenance: {call}"),
        ("procurement: process SiteChanged", SpanKind.CONSUMER, f"maintenance: {call}"),
        ("materials: INSERT inbox", SpanKind.CLIENT, "materials: process SiteChanged"),
        ("materials: COMMIT", SpanKind.CLIENT, "materials: process SiteChanged"),
    } <= kinds
    assert all(span.parent is None or span.parent.span_id in by_id for span in mine), "no span hangs in the air"
    served = next(span for span in mine if _name(span) == f"maintenance: {call}")
    told = seen.plant.value("maintenance", "select headers->>'traceparent' from outbox")
    assert told == f"00-{served.context.trace_id:032x}-{served.context.span_id:016x}-01"
    assert dict(served.attributes or {})["rpc.response.status_code"] == "OK"


@pytest.mark.rule("OPS-42")
def test_spans_say_nothing_about_persons_and_no_content(seen: Seen) -> None:
    content = json.dumps(
        [[span.name, dict(span.attributes or {}), [event.name for event in span.events]] for span in seen.finished()]
    )
    for word in ("Canary", "people/", "Bearer", "eyJ", KEY, "hamburg"):
        assert word not in content, word
    assert "db.query.text" in content


# --- logs -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("OPS-43")
def test_a_request_is_one_line_in_each_process(seen: Seen) -> None:
    lines = [line for line in seen.lines if line["event"] == "request"]
    root = next(span for span in seen.finished() if _name(span) == "gateway: POST /v1/sites")
    trace_id = f"{root.context.trace_id:032x}"
    door, service = (
        [line for line in lines if line["trace_id"] == trace_id and ("route" in line) is there]
        for there in (True, False)
    )
    assert (len(door), len(service)) == (1, 1)
    assert {**door[0], "duration_ms": 0, "span_id": "", "request_id": ""} == {
        "event": "request", "level": "info", "trace_id": trace_id, "span_id": "", "request_id": "", "method": "POST",
        "route": "/v1/sites", "status": 200, "duration_ms": 0, "actor": "people/root", "site": "",
    }  # fmt: skip
    assert {**service[0], "duration_ms": 0, "span_id": ""} == {
        "event": "request", "level": "info", "trace_id": trace_id, "span_id": "",
        "request_id": door[0]["request_id"], "method": "plantops.maintenance.v1.SiteService.CreateSite",
        "code": "OK", "reason": "", "duration_ms": 0, "actor": "people/root", "site": "",
    }  # fmt: skip
    asked = next(line for line in lines if line.get("code") == "NOT_FOUND")
    assert (asked["actor"], asked["site"], asked["reason"]) == ("people/vic", "nowhere", "RESOURCE_NOT_FOUND")
    refused = next(line for line in lines if line.get("code") == "INVALID_ARGUMENT")
    assert refused["reason"] == "REQUEST_ID_REUSED"


@pytest.mark.rule("OPS-43")
def test_a_line_about_an_event_names_the_trace_of_who_told_it(seen: Seen) -> None:
    root = next(span for span in seen.finished() if _name(span) == "gateway: POST /v1/sites")
    found = [
        line for line in seen.lines
        if line["event"] == "event" and line["outcome"] == "applied"
        and line["event_type"] == "plantops.maintenance.v1.SiteChanged"
    ]  # fmt: skip
    assert {line["consumer"] for line in found} == {"materials-maintenance", "procurement-maintenance"}
    for line in found:
        assert line["trace_id"] == f"{root.context.trace_id:032x}"
        assert (line["actor"], line["site"]) == ("people/root", "hamburg")
        assert {"event_id", "correlation", "aggregate", "version", "duration_ms", "span_id"} <= line.keys()


@pytest.mark.rule("OPS-43")
def test_lines_hold_no_content_and_no_token(seen: Seen) -> None:
    said = json.dumps(seen.lines, default=str)
    for word in ("Canary", "Bearer", "eyJ"):
        assert word not in said
