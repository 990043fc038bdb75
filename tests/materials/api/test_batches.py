"""Batches of movements: exact order, all or nothing, streams; the fast way and the general one do the same (MAT-50)."""

import random
from decimal import Decimal as D
from typing import Any
from uuid import uuid4

import grpc
import pytest
from plantops.materials.v1 import locations_pb2, movements_pb2

from tests.materials.builders import (
    SITE,
    at,
    balances,
    batch,
    call,
    item,
    lot,
    movement,
    place,
    q,
    reason,
    stocked,
)
from tests.materials.test_invariants import broken
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import Plant

SHELF, BIN, DOCK = at("shelf"), at("bin"), at("dock")
Batch = movements_pb2.BatchCreateMovementsRequest


def move(name: str, value: Any = 1, out: str = SHELF, into: str = BIN, **given: Any) -> movements_pb2.Movement:
    return movement("MOVE", name, value, from_location=out, to_location=into, **given)


def request(*whats: movements_pb2.Movement, **given: Any) -> Batch:
    entries = [
        movements_pb2.CreateMovementRequest(parent=SITE, movement=what, request_id=str(uuid4())) for what in whats
    ]
    return Batch(parent=SITE, requests=entries, **given)


def marks(store: Plant, name: str) -> list[tuple[Any, ...]]:
    """What the ledger says of an item, without names and times."""
    return store.rows(
        "materials",
        "select e.item_sequence, e.side, e.location, e.status, e.quantity, e.entered_quantity, m.kind, m.actor, o.pos"
        " is not null, a.action, a.after -> 'kind', j.actor, s.sequence - e.item_sequence, b.on_hand, b.reserved"
        " from movement_entry e join movement m on m.name = e.movement join outbox o on o.aggregate_id = m.name"
        " join audit a on a.object = m.name join journal j on j.resource = m.name"
        " join value_balance s on s.site = e.site and s.item = e.item join balance b on b.name = e.balance"
        " where e.item = %s order by e.item_sequence",
        name,
    )


@pytest.mark.rule("MAT-50")
@pytest.mark.rule("PERF-3")
@pytest.mark.parametrize("seed", range(6))
async def test_moves_at_once_do_what_they_do_one_after_the_other(store: Plant, seed: int) -> None:
    chance = random.Random(seed)
    tracked = chance.random() < 0.5
    course = [
        (chance.choice(("MOVE", "MOVE", "STATUS_CHANGE")), chance.randint(1, 4), *chance.sample((SHELF, BIN, DOCK), 2))
        for _ in range(14)
    ]
    found = []
    for alone in (False, True):
        name, other = await item(store, tracking="LOT" if tracked else "NONE"), await item(store)
        number = await lot(store, name) if tracked else ""
        await stocked(store, name, 6, lot=number)
        whats = []
        for kind, value, out, into in course:
            if kind == "MOVE":
                whats.append(move(name, value, out, into, lot=number))
            else:
                whats.append(movement("STATUS_CHANGE", name, value, from_location=out, to_status="BLOCKED", lot=number))
        if alone:  # a movement that is none of those that go at once: all go one after the other
            whats.append(movement("OPENING", other, 1, to_location=SHELF))
        with statements_of(store.processes["materials"].engine) as statements:
            outcomes = await batch(store, whats)
        fast = [row for row in statements.with_part("post_") if "post_moves" in row]
        assert bool(fast) is not alone
        found.append(([reason(row) for row in outcomes[:14]], await balances(store, name), marks(store, name)))
        for outcome in outcomes[:14]:
            if not reason(outcome):
                row = await store("vic", movements_pb2.GetMovementRequest(name=outcome.movement.name))
                row.ClearField("ledger_number")
                row.ClearField("hash")
                assert row == outcome.movement
    assert found[0] == found[1]
    assert not broken(store)


@pytest.mark.rule("PERF-3")
async def test_a_move_behind_another_movement_finds_what_that_left(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    scrap = movement("SCRAP", name, 3, from_location=SHELF)
    assert [reason(row) for row in await batch(store, [scrap, move(name, 3)])] == ["", "NOT_ENOUGH_STOCK"]
    opening = movement("OPENING", name, 3, to_location=SHELF)
    assert [reason(row) for row in await batch(store, [opening, move(name, 3)])] == ["", ""]
    early = [move(name, 3, SHELF, DOCK), move(name, 3, BIN, SHELF)]
    assert [reason(row) for row in await batch(store, early)] == ["NOT_ENOUGH_STOCK", ""]


@pytest.mark.rule("PERF-5")
async def test_a_batch_of_moves_is_one_call_and_its_entries_are_done_once(store: Plant) -> None:
    names = [await item(store) for _ in range(3)]
    for name in names:
        await stocked(store, name, 40)
    counts = []
    for size in (3, 60):
        sent = request(*(move(names[number % 3]) for number in range(size)))
        with statements_of(store.processes["materials"].engine) as statements:
            first = await call(store, "stella", sent)
        found = statements.with_part("post_moves")
        assert sum("post_moves" in row for row in found) == 1
        assert not [row for row in found if "post_to_ledger" in row or row.lower().startswith("insert into outbox")]
        counts.append(len(found))
        assert [reason(row) for row in first.outcomes] == [""] * size
        assert await call(store, "stella", sent) == first
        sent.requests[1].movement.quantity.CopyFrom(q(2))
        again = await call(store, "stella", sent)
        assert [reason(row) for row in again.outcomes[:3]] == ["", "REQUEST_ID_REUSED", ""]
    assert counts[0] == counts[1] <= 16, found


@pytest.mark.rule("PERF-5")
async def test_bad_entries_are_refused_and_the_others_are_posted(store: Plant) -> None:
    name, short = await item(store), await item(store)
    await stocked(store, name, 5)
    if not store.rows("materials", "select 1 from location where name = %s", at("shut")):
        await place(store, "shut")
        await store("mara", locations_pb2.LockLocationRequest(name=at("shut"), direction="INBOUND", reason="sealed"))
    outcomes = await batch(
        store,
        [move(name), move(short), move("items/none"), move(name, "0.5"), move(name, into=at("shut")), move(name)],
    )
    assert [reason(row) for row in outcomes] == [
        "", "NOT_ENOUGH_STOCK", "FIELD_INVALID", "QUANTITY_NOT_ON_GRID", "LOCATION_LOCKED", "",
    ]  # fmt: skip
    assert (await balances(store, name))["bin", "UNRESTRICTED"] == (D(2), D(0))


@pytest.mark.rule("PERF-3")
async def test_all_or_nothing_names_the_entry_that_cannot_be(store: Plant) -> None:
    name, other = await item(store), await item(store)
    await stocked(store, name, 5)
    await stocked(store, other, 5)
    with pytest.raises(Refused) as refused:
        await call(store, "stella", request(move(other), move(name, 4), move(name, 4), all_or_nothing=True))
    assert (refused.value.reason, refused.value.metadata["index"]) == ("DOCUMENT_REFUSED", "2")
    assert refused.value.metadata["cause"] == "NOT_ENOUGH_STOCK"
    for mine in (name, other):
        assert await balances(store, mine) == {("shelf", "UNRESTRICTED"): (D(5), D(0))}
    through = request(move(name, 3), move(name, 3, BIN, DOCK), all_or_nothing=True)
    assert [reason(row) for row in (await call(store, "stella", through)).outcomes] == ["", ""]
    there = {place[0]: found[0] for place, found in (await balances(store, name)).items() if found[0]}
    assert there == {"shelf": D(2), "dock": D(3)}
    with pytest.raises(Refused) as refused:
        await call(store, "stella", request(move(other), move("items/none"), all_or_nothing=True))
    assert refused.value.metadata["cause"] == "FIELD_INVALID"
    assert not broken(store)


@pytest.mark.rule("PERF-5")
async def test_a_stream_answers_each_batch_before_the_next(store: Plant) -> None:
    process = store.processes["materials"]
    name = await item(store)
    await stocked(store, name, 10)
    sent = [request(move(name), move(name)), request(move(name, 9)), request(move(name))]
    sent.append(sent[0])
    metadata = (("authorization", f"Bearer {store.issuer.token('people/sam', {'-': ['storekeeper']})}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{process.port}") as channel:
        method = channel.stream_stream(
            "/plantops.materials.v1.MovementService/StreamMovements",
            request_serializer=Batch.SerializeToString,
            response_deserializer=movements_pb2.BatchCreateMovementsResponse.FromString,
        )
        stream = method(metadata=metadata)
        answers = []
        for one in sent:
            await stream.write(one)
            answers.append(await stream.read())
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
    assert [[reason(row) for row in answer.outcomes] for answer in answers] == [
        ["", ""],
        ["NOT_ENOUGH_STOCK"],
        [""],
        ["", ""],
    ]
    assert answers[3] == answers[0]
    assert (await balances(store, name))["bin", "UNRESTRICTED"] == (D(3), D(0))
