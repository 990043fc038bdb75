"""Movements that wait together are posted together, and nobody can tell (PERF-2)."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import events_pb2, locations_pb2, movements_pb2

from services.chassis.serve import Process, process_of
from tests.materials.api.test_items import conversion
from tests.materials.api.test_policies import in_force, number
from tests.materials.builders import (
    HEAD,
    SITE,
    ago,
    at,
    balances,
    batch,
    item,
    lot,
    movement,
    place,
    position,
    post,
    q,
    reserved,
    stocked,
    told,
)
from tests.materials.test_invariants import broken
from tests.plant import Client, Refused
from tests.statements import statements_of
from tests.world import CAST, Plant

Create = movements_pb2.CreateMovementRequest


@pytest.fixture(scope="module")
async def alone(store: Plant) -> AsyncIterator[Process]:
    """A second process of materials on the same database, which does each call alone."""
    process = process_of("materials", store.processes["materials"].config.model_copy(update={"lanes": 0}))
    await process.start()
    yield process
    await process.stop()


@pytest.fixture(scope="module")
async def second(store: Plant) -> AsyncIterator[Process]:
    """A second process with lanes of its own."""
    process = process_of("materials", store.processes["materials"].config)
    await process.start()
    yield process
    await process.stop()


def request(what: movements_pb2.Movement, parent: str = SITE) -> Create:
    return Create(parent=parent, movement=what, request_id=str(uuid4()))


def client_of(store: Plant, process: Process, person: str = "people/stella") -> Client:
    roles = HEAD if person == "people/stella" else CAST[person]
    return Client(process, store.issuer.token(person, roles))


async def opened(store: Plant) -> str:
    """An item of which one is on the shelf."""
    name = await item(store)
    await stocked(store, name, 1)
    return name


@contextmanager
def held(store: Plant, item_name: str) -> Iterator[None]:
    """Somebody else holds the stock of an item meanwhile."""
    with store.look("materials") as connection, connection.transaction():
        connection.execute("select 1 from value_balance where item = %s for update", (item_name,))
        yield


async def blocked(store: Plant, count: int = 1) -> None:
    """Wait until so many transactions wait for that stock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

    async def read() -> int:
        return int(store.value("materials", waiting))

    await store.eventually(read, lambda found: found >= count)


async def queued(store: Plant, process: Process, count: int) -> None:
    """Wait until so many calls wait in the lanes."""

    async def read() -> int:
        return sum(len(lane.queue) for lane in process.commands.lanes.lanes)

    await store.eventually(read, lambda found: found == count)


# --- the same as alone --------------------------------------------------------------------------------------

SHELF, BIN = at("shelf"), at("bin")
Made = Callable[[str, str], Create]


def of(kind: str, value: Any = 2, person: str = "people/stella", **given: Any) -> tuple[str, Made]:
    """A movement of the item made for the case; `lot=True` of its lot."""

    def made(name: str, number: str) -> Create:
        more = {**given, "lot": number} if given.get("lot") else given
        return request(movement(kind, name, value, **more))

    return person, made


CASES: dict[str, tuple[str, tuple[str, Made]]] = {
    "opening": ("", of("OPENING", to_location=SHELF)),
    "opening of a lot": ("", of("OPENING", to_location=SHELF, lot=True)),
    "move": ("", of("MOVE", from_location=SHELF, to_location=BIN, device="scanner 7")),
    "move of a lot": ("", of("MOVE", from_location=SHELF, to_location=BIN, lot=True)),
    "move in another unit": ("", of("MOVE", 1, unit_code="XBX", from_location=SHELF, to_location=BIN)),
    "move of yesterday": (
        "NEGATIVE_IN_PAST", of("MOVE", from_location=SHELF, to_location=BIN, effective_time=ago(days=1)),
    ),
    "opening of yesterday": ("", of("OPENING", to_location=SHELF, effective_time=ago(days=1))),
    "status": ("", of("STATUS_CHANGE", from_location=SHELF, to_status="BLOCKED")),
    "scrap": ("", of("SCRAP", from_location=SHELF)),
    "gain": ("", of("ADJUST", to_location=SHELF)),
    "loss": ("", of("ADJUST", from_location=SHELF)),
    "too much": ("NOT_ENOUGH_STOCK", of("MOVE", 11, from_location=SHELF, to_location=BIN)),
    "too long ago": ("BACKDATE_TOO_FAR", of("OPENING", to_location=SHELF, effective_time=ago(days=400))),
    "in the future": ("TIME_IN_FUTURE", of("OPENING", to_location=SHELF, effective_time=ago(days=-1))),
    "nothing": ("FIELD_INVALID", of("OPENING", 0, to_location=SHELF)),
    "unknown unit": ("UNIT_INCOMPATIBLE", of("OPENING", 1, unit_code="KGM", to_location=SHELF)),
    "off the grid": ("QUANTITY_NOT_ON_GRID", of("OPENING", "0.5", to_location=SHELF)),
    "to itself": ("FIELD_INVALID", of("MOVE", from_location=SHELF, to_location=SHELF)),
    "to nowhere": ("FIELD_INVALID", of("MOVE", from_location=SHELF, to_location=at("nowhere"))),
    "to a group": ("LOCATION_LOCKED", of("MOVE", from_location=SHELF, to_location=at("hall"))),
    "status by a move": ("FIELD_INVALID", of("MOVE", from_location=SHELF, to_location=BIN, to_status="BLOCKED")),
    "without a reason": ("FIELD_INVALID", of("SCRAP", from_location=SHELF, reason_code="")),
    "of documents": ("FIELD_INVALID", of("RECEIPT", from_location=SHELF, to_location=BIN)),
    "to a locked place": ("LOCATION_LOCKED", of("MOVE", from_location=SHELF, to_location=at("locked"))),
    "to a full place": ("CAPACITY_EXCEEDED", of("MOVE", from_location=SHELF, to_location=at("small"))),
    "without approval": ("PERMISSION_DENIED", of("SCRAP", 2, "people/sam", from_location=SHELF)),
    "without permission": ("PERMISSION_DENIED", of("MOVE", 2, "people/vic", from_location=SHELF, to_location=BIN)),
    "at an unknown site": (
        "FIELD_INVALID", ("people/stella", lambda name, number: request(movement("OPENING", name, 1), "sites/nowhere")),
    ),
    "of an unknown item": (
        "FIELD_INVALID",
        ("people/stella", lambda name, number: request(movement("OPENING", "items/none", 1, to_location=SHELF))),
    ),
}  # fmt: skip
"""Case -> (reason of the refusal, who and what)."""

_TABLES = {
    "movement": "select * from movement where name = any(%(movements)s)",
    "entries": "select * from movement_entry where movement = any(%(movements)s) order by side",
    "balances": "select * from balance where item = %(item)s order by location, status, lot",
    "value": "select * from value_balance where item = %(item)s",
    "outbox": "select * from outbox where aggregate_id = any(%(movements)s)",
    "journal": "select * from journal where resource = any(%(movements)s)",
    "audit": "select * from audit where object = any(%(movements)s)",
    "answer": "select * from idempotency where request_id = %(request)s",
}
_ASIDE = re.compile(
    r"_time$|_at$|^time$|^xid$|^pos$|^id$|_id$|^balance$|^name$|^expires|^seal|^hash$|_hash$|^payload$|^answer$|^seq$"
)


def trace(store: Plant, name: str, number: str, sent: Create, before: set[str]) -> dict[str, Any]:
    """All that a call left behind, without ids and times."""
    found: dict[str, Any] = {}
    names = store.rows("materials", "select name from movement where item = %s", name)
    movements = sorted({row[0] for row in names} - before)
    values = {"movements": movements, "item": name, "request": sent.request_id}
    with store.look("materials") as connection:
        for table, query in _TABLES.items():
            rows = connection.execute(f"select to_jsonb(t) from ({query}) t", values).fetchall()  # noqa: S608
            found[table] = [{key: value for key, value in row.items() if not _ASIDE.search(key)} for (row,) in rows]
        payloads = connection.execute(f"select payload from ({_TABLES['outbox']}) t", values).fetchall()  # noqa: S608
        answers = connection.execute(f"select answer from ({_TABLES['answer']}) t", values).fetchall()  # noqa: S608
    for row in found["outbox"]:
        row["headers"] = {key: value for key, value in row["headers"].items() if key in _KEPT}
    found["events"] = [str(_timeless(events_pb2.MovementPosted.FromString(bytes(row[0])))) for row in payloads]
    found["answers"] = [len(row[0] or b"") > 0 for row in answers]
    words = dict.fromkeys(movements, "MOVEMENT")
    return dict(
        json.loads(plain(json.dumps(found, sort_keys=True, default=str), {**words, number: "LOT", name: "ITEM"}))
    )


def plain(text: str, words: dict[str, str]) -> str:
    """A text with words for what is named anew each time, and without times."""
    for known, word in words.items():
        if known:
            text = text.replace(known, word).replace(known.rsplit("/", 1)[-1], word)
    return re.sub(r"movements/\w+|\d{4}-\d\d-\d\dT[\d:.+]+Z?|seconds: \d+|nanos: \d+", "", text)


_KEPT = frozenset({"ce-type", "ce-source", "ce-subject", "plantops-site", "plantops-actor", "plantops-version"})


def _timeless(message: Any) -> Any:
    for field in ("effective_time", "record_time", "create_time", "update_time", "etag", "name", "hash"):
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    return message


async def done(client: Client, sent: Create) -> tuple[str, str]:
    """(reason or "", answer or refusal) of a call."""
    try:
        return "", str(_timeless(await client(sent)))
    except Refused as refused:
        return refused.reason, f"{refused.code} {refused.message}"


@pytest.mark.rule("PERF-2")
@pytest.mark.parametrize("case", CASES)
async def test_a_movement_in_a_lane_leaves_behind_what_it_leaves_alone(store: Plant, alone: Process, case: str) -> None:
    await _prepared(store)
    expected, (person, make) = CASES[case]
    results = []
    for process in (store.processes["materials"], alone):
        client = client_of(store, process, person)
        by_lot = "lot" in case
        name = await item(
            store, tracking="LOT" if by_lot else "NONE", gross_weight=q(10, "KGM"), conversions=[conversion("XBX", 2)]
        )
        number = await lot(store, name) if by_lot else ""
        await stocked(store, name, 10, lot=number)
        before = {row[0] for row in store.rows("materials", "select name from movement where item = %s", name)}
        sent = make(name, number)
        reason, said = await done(client, sent)
        again = await done(client, sent)
        replayed = client.replayed if not reason else None
        assert reason == expected, said
        if expected not in ("FIELD_INVALID", "TIME_IN_FUTURE"):
            assert again == (reason, said)
        said = plain(said, {number: "LOT", name: "ITEM"})
        results.append((said, replayed, trace(store, name, number, sent, before)))
        await client.close()
    assert results[0] == results[1]


async def _prepared(store: Plant) -> None:
    """A locked place and one that takes a single kind of piece, once."""
    if not store.rows("materials", "select 1 from location where name = %s", at("locked")):
        await place(store, "locked")
        lock = locations_pb2.LockLocationRequest(name=at("locked"), direction="INBOUND", reason="sealed")
        await store("mara", lock)
        await place(store, "small", limits=locations_pb2.Location.Limits(max_weight=q(1, "KGM")))


async def sure(client: Client, sent: Create) -> Any:
    """Send a movement, again when the machine is too busy to take it."""
    while True:
        try:
            return await client(sent, timeout=60)
        except Refused as refused:
            if refused.code != "RESOURCE_EXHAUSTED":
                raise
            await asyncio.sleep(0.05)


# --- many at once -------------------------------------------------------------------------------------------


@pytest.mark.rule("PERF-2")
@pytest.mark.rule("PERF-3")
async def test_calls_of_many_people_that_wait_are_one_transaction_and_each_is_its_own(store: Plant) -> None:
    process = store.processes["materials"]
    people = [client_of(store, process, person) for person in ("people/stella", "people/sam")]
    name = await item(store)
    await stocked(store, name, 6)
    move = movement("MOVE", name, 1, from_location=SHELF, to_location=BIN)
    twin = request(move)
    with held(store, name):
        first = asyncio.ensure_future(people[0](request(move)))
        await blocked(store)
        calls: list[Any] = []
        sent = [
            twin,
            *(request(move) for _ in range(5)),
            request(movement("SCRAP", name, 1, from_location=SHELF)),
            twin,
        ]
        for number, one in enumerate(sent):  # one after the other: the order in which they wait
            calls.append(asyncio.ensure_future(people[1 if one is not twin and number % 2 else 0](one)))
            await queued(store, process, number + 1)
    done = await asyncio.gather(first, *calls, return_exceptions=True)
    # six pieces: the first call, the twin and four of the five; the fifth finds nothing, the scrap is not allowed
    reasons = [one.reason if isinstance(one, Refused) else "" for one in done]
    assert reasons == ["", "", "", "", "", "", "NOT_ENOUGH_STOCK", "NOT_ENOUGH_STOCK", ""]
    assert done[-1] == done[1]
    rows = store.rows(
        "materials",
        "select m.xid, m.actor, a.actor, o.headers ->> 'plantops-actor' from movement m "
        "join audit a on a.object = m.name join outbox o on o.aggregate_id = m.name "
        "where m.item = %s and m.kind = 'MOVE' order by m.record_time",
        name,
    )
    people_in_order = ["stella", "stella", "sam", "stella", "sam", "stella"]
    assert [row[1:] for row in rows] == [(f"people/{who}",) * 3 for who in people_in_order]
    assert [row[0] == rows[0][0] for row in rows] == [True] + [False] * 5
    assert len({row[0] for row in rows[1:]}) == 1
    for client in people:
        await client.close()


@pytest.mark.rule("PERF-2")
async def test_what_somebody_waits_for_is_given_to_them_in_the_same_transaction(store: Plant) -> None:
    name = await item(store)
    claim = await reserved(store, name, 3)
    await asyncio.gather(*(stocked(store, name, 1) for _ in range(4)))
    assert (await balances(store, name))["shelf", "UNRESTRICTED"] == (D(4), D(3))
    (event,) = [row for row in told(store, "ReservationAllocated") if row.reservation == claim.name]
    rows = store.rows(
        "materials",
        "select m.xid from movement m where m.item = %s order by m.record_time", name,
    )  # fmt: skip
    (allocated,) = store.rows(
        "materials", "select xid::text::bigint from outbox where aggregate_id = %s and aggregate_type = %s",
        claim.name, "ReservationAllocated",
    )  # fmt: skip
    assert allocated in rows
    assert event.version > 0


@pytest.mark.rule("PERF-2")
async def test_a_policy_is_asked_in_the_transaction_of_the_loss(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    await in_force(store, name, reorder_point=number(8), order_quantity=number(20))
    before = position(store)
    await asyncio.gather(*(post(store, movement("SCRAP", name, 1, from_location=SHELF)) for _ in range(3)))
    (event,) = told(store, "ReplenishmentNeeded", after=before)
    assert event.item == name
    xids = store.rows("materials", "select xid from movement where item = %s and kind = 'SCRAP'", name)
    assert len(set(xids)) == 3
    asked = "select xid::text::bigint from outbox where pos > %s and aggregate_type = 'ReplenishmentNeeded'"
    assert store.value("materials", asked, before) in [row[0] for row in xids]


@pytest.mark.rule("PERF-2")
async def test_commits_and_statements_do_not_grow_with_the_calls(store: Plant) -> None:
    process = store.processes["materials"]
    names = [await item(store) for _ in range(8)]
    clients = [client_of(store, process) for _ in range(8)]
    for client in clients:
        await client(request(movement("OPENING", names[0], 1, to_location=SHELF)))
    with statements_of(process.engine) as statements:

        def posting() -> list[list[str]]:
            return [done for done in statements.done if any("post_commands" in one for one in done)]

        for name in names:
            await clients[0](request(movement("OPENING", name, 1, to_location=SHELF)))
        assert len(posting()) == len(names)
        alone = len(posting()[0])
        assert alone <= 16
        statements.done.clear()

        async def work(number: int) -> None:
            for turn in range(6):
                name = names[(number + turn) % len(names)]
                await sure(clients[number % 8], request(movement("OPENING", name, 1, to_location=SHELF)))

        await asyncio.gather(*(work(number) for number in range(64)))
        assert len(posting()) <= 0.25 * 64 * 6
        assert {len(done) for done in posting()} == {alone}
    assert (
        store.value("materials", "select sum(on_hand) from balance where item = any(%s) and not virtual", names) == 400
    )
    for client in clients:
        await client.close()


@pytest.mark.rule("PERF-2")
@pytest.mark.rule("PERF-4")
async def test_lanes_of_two_processes_on_the_same_stock_meet_no_deadlock(store: Plant, second: Process) -> None:
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = store.value("materials", deadlocks)
    names = [await item(store) for _ in range(5)]
    await batch(
        store, [movement("OPENING", name, 4, to_location=at(where)) for name in names for where in ("shelf", "bin")]
    )
    clients = [client_of(store, process) for process in (store.processes["materials"], second) for _ in range(4)]
    outcomes: list[str] = []

    async def work(number: int) -> None:
        client = clients[number % len(clients)]
        for turn in range(8):
            there, here = (SHELF, BIN) if number % 3 else (BIN, SHELF)
            name = names[(number * 3 + turn) % len(names)]
            try:
                await sure(client, request(movement("MOVE", name, 1, from_location=there, to_location=here)))
                outcomes.append("")
            except Refused as refused:
                outcomes.append(refused.reason)

    await asyncio.gather(*(work(number) for number in range(48)))
    assert set(outcomes) == {"", "NOT_ENOUGH_STOCK"}
    moved = store.value("materials", "select count(*) from movement where item = any(%s) and kind = 'MOVE'", names)
    assert moved == outcomes.count("")
    assert store.value("materials", deadlocks) == before
    assert broken(store) == []
    for client in clients:
        await client.close()


@pytest.mark.rule("PERF-2")
async def test_a_caller_who_goes_away_stops_neither_its_movement_nor_the_lane(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    with held(store, name):
        first = asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF))))
        await blocked(store)
        gone = asyncio.ensure_future(client(request(movement("OPENING", name, 2, to_location=SHELF))))
        await queued(store, process, 1)
        first.cancel()
        gone.cancel()
        await asyncio.gather(first, gone, return_exceptions=True)

        async def inside() -> int:
            return process.commands.admission.inside

        await store.eventually(inside, lambda count: count == 0)  # the service knows that they are gone
    await client(request(movement("OPENING", name, 4, to_location=SHELF)))
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(8), D(0))}
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_a_lost_connection_costs_no_movement_and_doubles_none(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    waiting = "wait_event_type = 'Lock' and datname = current_database()"
    end = f"select pg_terminate_backend(pid) from pg_stat_activity where {waiting}"  # noqa: S608
    with held(store, name):
        calls = [
            asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF)))) for _ in range(5)
        ]
        await blocked(store)
        assert store.value("materials", end) is True
        await queued(store, process, 4)
        await blocked(store)
    await asyncio.gather(*calls)
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(6), D(0))}
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_a_deadline_that_passes_in_the_queue_posts_nothing(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    with held(store, name):
        first = asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF))))
        await blocked(store)
        late = request(movement("OPENING", name, 2, to_location=SHELF))
        with pytest.raises(Refused) as refused:
            await client(late, timeout=0.2)
        assert refused.value.code in ("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
    await first
    await client(request(movement("OPENING", name, 4, to_location=SHELF)))
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(6), D(0))}
    await client.close()


@pytest.mark.rule("PERF-2")
async def test_of_a_batch_that_fails_each_call_is_done_alone(store: Plant) -> None:
    process = store.processes["materials"]
    client = client_of(store, process)
    name = await opened(store)
    with store.look("materials") as connection:
        connection.execute(_POISON)
    with held(store, name):
        first = asyncio.ensure_future(client(request(movement("OPENING", name, 1, to_location=SHELF))))
        await blocked(store)
        sent = [movement("OPENING", name, 1, to_location=SHELF, device=device) for device in ("", "poison", "")]
        calls = [asyncio.ensure_future(client(request(what))) for what in sent]
        await queued(store, process, 3)
    found = await asyncio.gather(first, *calls, return_exceptions=True)
    with store.look("materials") as connection:
        connection.execute("drop function poison cascade")
    assert [one.code if isinstance(one, Refused) else "" for one in found] == ["", "", "INTERNAL", ""]
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(4), D(0))}
    await client.close()


_POISON = """
    create function poison() returns trigger language plpgsql as 'begin raise exception $$poison$$; end';
    create trigger poison before insert on movement for each row when (new.device = 'poison') execute function poison();
"""
