"""One event through outbox, relay and inbox: complete, in order, once (real PostgreSQL and NATS)."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.engines import Engines
from services.chassis import bus
from services.chassis.clock import uuid7
from services.chassis.consumer import Consumer
from services.chassis.envelope import Envelope
from services.chassis.inbox import Inbox, followed
from services.chassis.relay import Relay
from services.chassis.serve import Process
from services.chassis.unit import Unit
from tests.chassis.sample.protos import pb
from tests.plant import superuser

FILLED, SEALED = pb.BoxFilled.DESCRIPTOR, pb.BoxSealed.DESCRIPTOR


@pytest.fixture
def look(bootstrapped: Engines) -> Any:
    with superuser(bootstrapped, "sample") as connection:
        yield connection


@pytest.fixture
async def nc(engines: Engines) -> AsyncIterator[Any]:
    client = await bus.connect(engines.nats_url, "test@0", wait=10)
    yield client
    await client.close()


async def stream(nc: Any, name: str, subject: str) -> None:
    config = {"name": name, "subjects": [subject], "allow_atomic": True, "allow_direct": True, "storage": "file"}
    await nc.request(f"$JS.API.STREAM.DELETE.{name}", b"")
    answer = json.loads((await nc.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode())).data)
    assert "error" not in answer, answer


async def subjects(nc: Any, name: str) -> list[str]:
    info = await nc.jetstream().stream_info(name)
    found = []
    for sequence in range(1, info.state.last_seq + 1):
        message = await nc.jetstream().get_msg(name, sequence)
        found.append(f"{message.headers['plantops-aggregate']}:{message.headers['plantops-version']}")
    return found


def insert(cursor: Any, aggregate: str, version: int, event_id: UUID | None = None) -> None:
    headers = {
        "Nats-Msg-Id": str(event_id or uuid4()),
        "plantops-aggregate": aggregate,
        "plantops-version": str(version),
    }
    cursor.execute(
        "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation, subject,"
        " payload, headers, occurred_at) values (%s, 'BoxFilled', %s, %s, 'x', 'c', 'sampletest.x', '', %s, now())",
        [event_id or uuid4(), aggregate, version, json.dumps(headers)],
    )


class Harness:
    """A relay whose rounds the test calls itself."""

    def __init__(self, relay: Relay, connection: Any) -> None:
        self.relay = relay
        self.connection = connection

    async def round(self) -> None:
        await self.relay.round(self.connection)


@pytest.fixture
async def relay(process: Process, nc: Any) -> AsyncIterator[Harness]:
    await stream(nc, "SAMPLETEST", "sampletest.>")
    found = Relay(process.config.relay_url.get_secret_value(), lambda: nc, "SAMPLETEST")
    connection = await asyncpg.connect(found.url)
    while True:  # begin above all rows of the tests before, whatever transaction of the service is open now
        horizon = await connection.fetchval("select pg_snapshot_xmin(pg_current_snapshot())::text")
        if not await connection.fetchval("select count(*) from outbox where xid >= $1::text::xid8", horizon):
            break
    found._stored = int(horizon)
    yield Harness(found, connection)
    await connection.close()


@pytest.mark.rule("REL-4")
async def test_a_row_that_commits_late_is_not_skipped(
    relay: Harness, nc: Any, bootstrapped: Engines, look: psycopg.Connection[Any]
) -> None:
    with superuser(bootstrapped, "sample") as first:
        with first.transaction():
            insert(first, "a", 1)  # takes its position first, commits last
            insert(look, "b", 1)
            await relay.round()
            assert await subjects(nc, "SAMPLETEST") == []  # the horizon waits
        await relay.round()
    assert await subjects(nc, "SAMPLETEST") == ["a:1", "b:1"]


@pytest.mark.rule("REL-5")
async def test_a_later_version_is_held_back_until_the_earlier_is_below_the_horizon(
    relay: Harness, nc: Any, bootstrapped: Engines
) -> None:
    with (
        superuser(bootstrapped, "sample") as a,
        superuser(bootstrapped, "sample") as b,
        superuser(bootstrapped, "sample") as c,
    ):
        b.execute("begin")
        b.execute("select pg_current_xact_id()")  # the lowest transaction id
        c.execute("begin")
        c.execute("select pg_current_xact_id()")  # stays open
        insert(a, "pump", 7)  # the highest id, commits first
        insert(b, "pump", 8)
        b.execute("commit")
        await relay.round()
        assert await subjects(nc, "SAMPLETEST") == []
        c.execute("commit")
    await relay.round()
    assert await subjects(nc, "SAMPLETEST") == ["pump:7", "pump:8"]


@pytest.mark.rule("REL-9")
async def test_a_batch_with_a_known_id_falls_back_to_single_publishes(
    relay: Harness, nc: Any, look: psycopg.Connection[Any]
) -> None:
    known = uuid4()
    await nc.jetstream().publish(
        "sampletest.x", b"", headers={"Nats-Msg-Id": str(known), "plantops-aggregate": "a", "plantops-version": "1"}
    )
    insert(look, "a", 1, known)
    insert(look, "a", 2)
    insert(look, "b", 1)
    await relay.round()
    assert sorted(await subjects(nc, "SAMPLETEST")) == ["a:1", "a:2", "b:1"]
    assert relay.relay.published == 3
    stored = look.execute("select stored::text::numeric from relay_position").fetchone()
    assert stored is not None
    assert stored[0] == relay.relay._stored


@pytest.mark.rule("REL-9")
async def test_a_refused_publish_keeps_the_position(relay: Harness, nc: Any, look: psycopg.Connection[Any]) -> None:
    await nc.request("$JS.API.STREAM.DELETE.SAMPLETEST", b"")
    insert(look, "a", 1)
    insert(look, "a", 2)
    await relay.round()
    assert relay.relay.published == 0
    await stream(nc, "SAMPLETEST", "sampletest.>")
    await relay.round()
    assert await subjects(nc, "SAMPLETEST") == ["a:1", "a:2"]


@pytest.mark.rule("REL-7")
async def test_one_relay_leads_and_another_takes_over(process: Process, bootstrapped: Engines) -> None:
    for _ in range(200):
        if process.relay.leading:
            break
        await asyncio.sleep(0.02)
    assert process.relay.leading
    second = Relay(process.relay.url, lambda: process.nc, "SAMPLE")
    running = asyncio.create_task(second.run())
    await asyncio.sleep(0.3)
    assert not second.leading
    with superuser(bootstrapped, "sample") as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from relay_lease where shard = 0",
        )
    for _ in range(500):
        if second.leading or process.relay.leading:
            break
        await asyncio.sleep(0.02)
    assert second.leading != process.relay.leading
    second.stop()
    await running


class Told:
    """A listener that notes what it was given; a title of "poison" is refused."""

    def __init__(self) -> None:
        self.versions: list[tuple[str, int]] = []

    async def fill(self, event: Any, unit: Unit) -> None:
        if event.quantity.unit_code == "BAD":
            raise ValueError("poison")
        self.versions.append((event.box, event.version))


def inbox_of(process: Process, told: Told) -> Inbox:
    types = followed({FILLED.full_name: told.fill}, [FILLED, SEALED])
    return Inbox(f"test-{uuid4().hex[:8]}", "SAMPLETEST", types, process.commands.open_unit)


def event(box: str, version: int, *, bad: bool = False, event_id: UUID | None = None) -> tuple[Envelope, bytes]:
    message = pb.BoxFilled(box=box, version=version, quantity={"value": "1", "unit_code": "BAD" if bad else "H87"})
    headers = {
        "ce-id": str(event_id or uuid7()),
        "ce-type": FILLED.full_name,
        "ce-time": datetime.now(UTC).isoformat(),
        "plantops-aggregate": box,
        "plantops-version": str(version),
        "plantops-site": "_",
        "plantops-correlation": box,
        "plantops-actor": "people/ana",
    }
    return Envelope.of("sampletest.x", version, headers), message.SerializeToString()


@pytest.mark.rule("REL-34")
@pytest.mark.rule("REL-31")
@pytest.mark.rule("REL-46")
@given(order=st.permutations(range(1, 6)), doubled=st.lists(st.integers(1, 5), max_size=4))
async def test_any_order_of_deliveries_is_applied_once_in_version_order(
    process: Process, order: list[int], doubled: list[int]
) -> None:
    told = Told()
    inbox = inbox_of(process, told)
    events = {version: event("boxes/p", version) for version in range(1, 6)}
    for version in [*order, *doubled]:
        await inbox.apply(*events[version])
    assert told.versions == [("boxes/p", version) for version in range(1, 6)]


@pytest.mark.rule("REL-31")
async def test_concurrent_duplicates_are_applied_once(process: Process) -> None:
    told = Told()
    inbox = inbox_of(process, told)
    one = event("boxes/q", 1)
    outcomes = await asyncio.gather(*(inbox.apply(*one) for _ in range(6)))
    assert sorted(outcomes) == ["applied", *["known"] * 5]
    assert told.versions == [("boxes/q", 1)]


@pytest.mark.rule("REL-25")
async def test_events_of_different_aggregates_are_applied_side_by_side(process: Process) -> None:
    met = asyncio.Barrier(3)

    async def meet(event: Any, unit: Unit) -> None:
        await met.wait()  # all three are in the midst of their transactions

    types = followed({FILLED.full_name: meet}, [FILLED, SEALED])
    inbox = Inbox(f"test-{uuid4().hex[:8]}", "SAMPLETEST", types, process.commands.open_unit)
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*(inbox.apply(*event(f"boxes/side-{name}", 1)) for name in "abc"))
    assert outcomes == ["applied"] * 3


@pytest.mark.rule("REL-37")
async def test_the_position_is_stored_beside_the_events_and_never_falls(
    process: Process, look: psycopg.Connection[Any]
) -> None:
    inbox = inbox_of(process, Told())
    where = "select stream_seq from consumer_position where consumer = %s"
    await inbox.meet(datetime(2026, 1, 1, tzinfo=UTC))
    await inbox.apply(*event("boxes/far", 1))
    assert look.execute(where, [inbox.consumer]).fetchall() == [(0,)]
    await inbox.note(process.sessions)
    assert look.execute(where, [inbox.consumer]).fetchall() == [(1,)]
    look.execute("update consumer_position set stream_seq = 5 where consumer = %s", [inbox.consumer])
    await inbox.apply(*event("boxes/far", 2))
    await inbox.note(process.sessions)  # another process came further
    assert look.execute(where, [inbox.consumer]).fetchall() == [(5,)]
    await inbox.meet(datetime(2026, 1, 2, tzinfo=UTC))
    await inbox.note(process.sessions)  # what was reached in the stream before is no position in this one
    assert look.execute(where, [inbox.consumer]).fetchall() == [(0,)]


class Delivery:
    """A delivery as the broker hands it out."""

    def __init__(self, envelope: Envelope, payload: bytes, delivered: int = 1) -> None:
        self.subject, self.data, self.headers = envelope.subject, payload, dict(envelope.headers)
        self.outcome = ""
        self.delivered = delivered
        self.sequence = envelope.stream_seq

    @property
    def metadata(self) -> Any:
        sequence = type("Sequence", (), {"stream": self.sequence})
        return type("Metadata", (), {"num_delivered": self.delivered, "sequence": sequence})

    async def ack_sync(self, timeout: float = 1) -> None:
        self.outcome = "ack"

    async def nak(self, delay: float = 0) -> None:
        self.outcome = f"nak {delay}"

    async def term(self) -> None:
        self.outcome = "term"


@pytest.mark.rule("REL-43")
@pytest.mark.rule("REL-42")
async def test_poison_parks_its_key_and_the_rest_goes_on(process: Process, look: psycopg.Connection[Any]) -> None:
    told = Told()
    inbox = inbox_of(process, told)
    consumer = Consumer(inbox, lambda: None, process.sessions)
    deliveries = [
        Delivery(*event("boxes/bad", 1, bad=True)),
        Delivery(*event("boxes/bad", 2)),
        Delivery(*event("boxes/good", 1)),
    ]
    for delivery in deliveries:
        await consumer.handle(delivery)  # type: ignore[arg-type]
    assert [delivery.outcome for delivery in deliveries] == ["term", "ack", "ack"]
    assert told.versions == [("boxes/good", 1)]
    parked = look.execute(
        "select aggregate, version, class, reason, state from dead_letter where consumer = %s", [inbox.consumer]
    ).fetchall()
    assert parked == [("boxes/bad", 1, "poison", "ValueError: poison", "PARKED")]
    waiting = look.execute(
        "select aggregate, version from waiting_event where consumer = %s", [inbox.consumer]
    ).fetchall()
    assert waiting == [("boxes/bad", 2)]


@pytest.mark.rule("REL-41")
async def test_too_many_deliveries_are_parked_before_the_listener_runs(process: Process) -> None:
    told = Told()
    consumer = Consumer(inbox_of(process, told), lambda: None, process.sessions)
    delivery = Delivery(*event("boxes/slow", 1), delivered=9)
    await consumer.handle(delivery)  # type: ignore[arg-type]
    assert (delivery.outcome, told.versions) == ("term", [])


@pytest.mark.rule("REL-30")
async def test_an_event_older_than_the_inbox_is_parked_as_expired(
    process: Process, look: psycopg.Connection[Any]
) -> None:
    told = Told()
    inbox = inbox_of(process, told)
    delivery = Delivery(*event("boxes/old", 1, event_id=UUID(int=7 << 76 | 2 << 62)))
    await Consumer(inbox, lambda: None, process.sessions).handle(delivery)  # type: ignore[arg-type]
    assert (delivery.outcome, told.versions) == ("term", [])
    kinds = look.execute("select class from dead_letter where consumer = %s", [inbox.consumer]).fetchall()
    assert kinds == [("expired",)]


@pytest.mark.rule("REL-36")
async def test_a_consumer_receives_every_type_of_an_aggregate_that_it_follows(process: Process) -> None:
    told = Told()
    assert set(followed({FILLED.full_name: told.fill}, [FILLED, SEALED])) == {FILLED.full_name, SEALED.full_name}
    with pytest.raises(TypeError, match="unknown events"):
        followed({"plantops.sample.v1.Nothing": told.fill}, [FILLED])


@pytest.mark.rule("REL-19")
async def test_streams_are_applied_and_drift_is_found(streams: Any) -> None:
    assert await bus.apply(streams) == []
    assert await bus.drift(streams, "materials") == []
    config = bus.wanted_streams()["MATERIALS"] | {"max_age": 3600 * 10**9}
    await streams.request("$JS.API.STREAM.UPDATE.MATERIALS", json.dumps(config).encode())
    found = await bus.drift(streams, "materials")
    assert [(item.name, item.field) for item in found] == [("MATERIALS", "max_age")]
    assert [str(item.field) for item in await bus.apply(streams)] == ["max_age"]
    assert await bus.drift(streams, "materials") == []


@pytest.mark.rule("REL-19")
async def test_a_consumer_that_receives_something_else_is_drift(streams: Any) -> None:
    want = bus.wanted_consumers()["MATERIALS", "procurement-materials"]

    async def receives(subjects: list[str]) -> list[str]:
        content = {"stream_name": "MATERIALS", "config": want | {"filter_subjects": subjects}, "action": "update"}
        answer = await streams.request(
            "$JS.API.CONSUMER.CREATE.MATERIALS.procurement-materials", json.dumps(content).encode()
        )
        assert "error" not in json.loads(answer.data)
        return [item.field for item in await bus.drift(streams, "procurement")]

    try:
        assert await receives([*want["filter_subjects"], "plantops.materials.v1.NextYear.>"]) == ["filter_subjects"]
        assert await receives(want["filter_subjects"][1:]) == ["filter_subjects"]
    finally:
        assert [item.field for item in await bus.apply(streams)] == ["filter_subjects"]


@pytest.mark.rule("REL-25")
def test_each_declared_list_has_a_consumer_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = {**bus.declaration(), "consumers": {"sample": {"materials": [["A", "C"], ["B"]]}}}
    monkeypatch.setattr(bus, "declaration", lambda: declared)
    assert bus.durables("sample", "materials") == {"sample-materials": ["A", "C"], "sample-materials-2": ["B"]}
    assert bus.durables("sample", "procurement") == {}
    assert bus.received() == {"sample": {"materials": ["A", "B", "C"]}}
    filters = {key: config["filter_subjects"] for key, config in bus.wanted_consumers().items()}
    assert filters == {
        ("MATERIALS", "sample-materials"): ["plantops.materials.v1.A.>", "plantops.materials.v1.C.>"],
        ("MATERIALS", "sample-materials-2"): ["plantops.materials.v1.B.>"],
    }
