"""Usage decisions by quantity, and bringing goods to their place."""

from decimal import Decimal as D
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import inspections_pb2, locations_pb2, movements_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    at,
    balances,
    call,
    claim_of,
    eur,
    expected,
    fresh,
    item,
    kinds_told,
    place,
    position,
    q,
    received,
    reserved,
    scanned,
    told,
    worth,
)
from tests.plant import Refused
from tests.world import Plant

Lot = inspections_pb2.InspectionLot
Task = tasks_pb2.PutAwayTask


async def decide(plant: Plant, name: str, *parts: tuple[str, Any], etag: str = "") -> Any:
    splits = [
        Lot.Split(outcome=outcome, quantity=value if hasattr(value, "unit_code") else q(value), note=f"is {outcome}")
        for outcome, value in parts
    ]
    return await plant("ines", inspections_pb2.DecideUsageRequest(name=name, splits=splits, etag=etag))


async def to_inspect(plant: Plant, count: int = 10, **given: Any) -> tuple[str, Any]:
    name = await item(plant, inspect_receipts=True, **given)
    await expected(plant, name, count, price=eur(2))
    return name, await received(plant, scanned(name, count))


async def tasks_of(plant: Plant, receipt: str) -> list[Any]:
    answer = await plant("vic", tasks_pb2.ListPutAwayTasksRequest(parent=SITE, filter=f'receipt = "{receipt}"'))
    return list(answer.put_away_tasks)


async def confirm(plant: Plant, task: str, where: str, code: str = "") -> Any:
    return await plant("sam", tasks_pb2.ConfirmPutAwayRequest(name=task, location=at(where), check_code=code))


@pytest.mark.rule("MAT-202")
async def test_a_decision_splits_by_quantity_and_the_sum_closes_the_lot(store: Plant) -> None:
    name, receipt = await to_inspect(store)
    lot = receipt.lines[0].inspection_lot
    after = position(store)
    part = await decide(store, lot, ("UNRESTRICTED", 4), ("BLOCKED", 1))
    assert (part.state, part.decided.value) == (Lot.PARTLY_DECIDED, "5")
    assert await balances(store, name) == {
        ("dock", "INSPECTION"): (D(5), D(0)), ("dock", "UNRESTRICTED"): (D(4), D(0)), ("dock", "BLOCKED"): (D(1), D(0)),
    }  # fmt: skip
    part = await decide(store, lot, ("UNRESTRICTED", 2))
    assert part.state == Lot.PARTLY_DECIDED
    done = await decide(store, lot, ("SCRAP", 3))
    assert (done.state, done.decided.value) == (Lot.DECIDED, "10")
    assert [(row.quantity.value, Lot.Outcome.Name(row.outcome), row.person) for row in done.splits] == [
        ("4", "UNRESTRICTED", "people/ines"), ("1", "BLOCKED", "people/ines"),
        ("2", "UNRESTRICTED", "people/ines"), ("3", "SCRAP", "people/ines"),
    ]  # fmt: skip
    assert await balances(store, name) == {
        ("dock", "UNRESTRICTED"): (D(6), D(0)), ("dock", "BLOCKED"): (D(1), D(0)),
    }  # fmt: skip
    assert worth(store, name) == (D(7), D(14), D(0))
    assert kinds_told(store, after) == [
        "InspectionDecided", "MovementPosted", "MovementPosted",
        "InspectionDecided", "MovementPosted",
        "InspectionDecided", "MovementPosted",
    ]  # fmt: skip
    event = told(store, "InspectionDecided", after=after)[0]
    assert (event.inspection_lot, event.item, event.receipt, event.receipt_line) == (lot, name, receipt.name, 1)
    assert (event.purchase_order, event.order_line) == (receipt.lines[0].purchase_order, 1)
    assert (event.supplier, event.version) == ("suppliers/acme", 1)
    assert [(row.outcome, row.quantity) for row in event.splits] == [("UNRESTRICTED", q(4)), ("BLOCKED", q(1))]
    kinds = [row.kind for row in told(store, "MovementPosted", after=after)]
    assert kinds == ["STATUS_CHANGE", "STATUS_CHANGE", "STATUS_CHANGE", "SCRAP"]


@pytest.mark.rule("MAT-202")
@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([("UNRESTRICTED", 11)], "FIELD_INVALID"),
        ([("UNRESTRICTED", 6), ("SCRAP", 5)], "FIELD_INVALID"),
        ([("UNRESTRICTED", 0)], "FIELD_INVALID"),
        ([("UNRESTRICTED", -1), ("BLOCKED", 2)], "FIELD_INVALID"),
        ([("UNRESTRICTED", "0.5")], "QUANTITY_NOT_ON_GRID"),
        ([("UNRESTRICTED", q("1", "KGM"))], "UNIT_INCOMPATIBLE"),
        ([], "FIELD_INVALID"),
    ],
)
async def test_a_wrong_decision_is_refused_and_decides_nothing(store: Plant, parts: Any, why: str) -> None:
    name, receipt = await to_inspect(store)
    with pytest.raises(Refused) as refused:
        await decide(store, receipt.lines[0].inspection_lot, *parts)
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", why)
    assert await balances(store, name) == {("dock", "INSPECTION"): (D(10), D(0))}


@pytest.mark.rule("MAT-202")
async def test_a_decided_lot_is_decided_no_more_and_a_stale_decision_is_refused(store: Plant) -> None:
    _, receipt = await to_inspect(store)
    lot = receipt.lines[0].inspection_lot
    seen = await store("vic", inspections_pb2.GetInspectionLotRequest(name=lot))
    done = await decide(store, lot, ("BLOCKED", 10), etag=seen.etag)
    with pytest.raises(Refused) as stale:
        await decide(store, lot, ("BLOCKED", 1), etag=seen.etag)
    assert (stale.value.code, stale.value.reason) == ("ABORTED", "ETAG_MISMATCH")
    with pytest.raises(Refused) as refused:
        await decide(store, lot, ("BLOCKED", 1), etag=done.etag)
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")


@pytest.mark.rule("MAT-78")
async def test_accepted_goods_go_to_who_waits(store: Plant) -> None:
    name, receipt = await to_inspect(store)
    claim = await reserved(store, name, 4)
    after = position(store)
    await decide(store, receipt.lines[0].inspection_lot, ("UNRESTRICTED", 5), ("SCRAP", 5))
    assert kinds_told(store, after)[-1] == "ReservationAllocated"
    assert (await claim_of(store, claim.work_order)).allocated.value == "4"


async def test_a_movement_of_a_decision_is_not_reversed_by_hand(store: Plant) -> None:
    _, receipt = await to_inspect(store)
    after = position(store)
    lot = receipt.lines[0].inspection_lot
    await decide(store, lot, ("UNRESTRICTED", 10))
    moved = told(store, "MovementPosted", after=after)[0].movement
    with pytest.raises(Refused) as refused:
        await call(store, "stella", movements_pb2.ReverseMovementRequest(name=moved, reason="x"))
    assert (refused.value.reason, refused.value.metadata["document"]) == ("BELONGS_TO_DOCUMENT", lot)


# --- put-away -----------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-98")
@pytest.mark.rule("MAT-34")
async def test_goods_are_brought_to_the_place_whose_label_is_scanned(store: Plant) -> None:
    name, where = await item(store), fresh("rack")
    await place(store, where, check_code="C-9")
    await expected(store, name, 5)
    receipt = await received(store, scanned(name, 5))
    (task,) = await tasks_of(store, receipt.name)
    assert task.state == Task.READY
    for wrong, code, field in (
        (where, "C-8", "check_code"), (where, "", "check_code"), ("nowhere", "", "location"),
        ("v-scrap", "", "location"), ("dock", "", "location"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await confirm(store, task.name, wrong, code)
        assert refused.value.fields == [field]
    after = position(store)
    done = await confirm(store, task.name, where, "C-9")
    assert (done.state, done.to_location) == (Task.COMPLETED, at(where))
    (event,) = told(store, after=after)
    assert (event.movement, event.kind, event.source) == (done.movement, "MOVE", task.name)
    assert await balances(store, name) == {(where, "UNRESTRICTED"): (D(5), D(0))}
    with pytest.raises(Refused) as again:
        await confirm(store, task.name, "bin")
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"
    read = await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=task.name))
    assert read == done


async def test_goods_are_not_brought_to_a_locked_place_or_a_group(store: Plant) -> None:
    name, where = await item(store), fresh("rack")
    await place(store, where)
    shut = locations_pb2.Location(name=at(where), blocked=True)
    await store("mara", locations_pb2.UpdateLocationRequest(location=shut, update_mask=FieldMask(paths=["blocked"])))
    await expected(store, name, 5)
    receipt = await received(store, scanned(name, 5))
    for wrong in (where, "hall"):
        with pytest.raises(Refused) as refused:
            await confirm(store, receipt.lines[0].put_away_task, wrong)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "LOCATION_LOCKED")


@pytest.mark.rule("MAT-70")
async def test_claims_go_along_with_the_goods(store: Plant) -> None:
    name = await item(store)
    await expected(store, name, 10)
    claims = [await reserved(store, name, value) for value in (3, 4)]
    receipt = await received(store, scanned(name, 6), scanned(name, 4))
    first, second = sorted(await tasks_of(store, receipt.name), key=lambda task: int(task.quantity.value), reverse=True)
    await confirm(store, first.name, "shelf")
    assert await balances(store, name) == {
        ("dock", "UNRESTRICTED"): (D(4), D(1)), ("shelf", "UNRESTRICTED"): (D(6), D(6)),
    }  # fmt: skip
    await confirm(store, second.name, "shelf")
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(10), D(7))}
    for claim in claims:
        found = await claim_of(store, claim.work_order)
        assert [(taken.location, taken.quantity.value) for taken in found.allocations] == [
            (at("shelf"), claim.requested.value)
        ]


@pytest.mark.rule("MAT-202")
async def test_inspection_follows_the_goods_and_put_away_follows_the_decision(store: Plant) -> None:
    name, receipt = await to_inspect(store)
    lot = receipt.lines[0].inspection_lot
    await decide(store, lot, ("UNRESTRICTED", 4), ("SCRAP", 1))
    tasks = {(task.quantity.value, task.state): task for task in await tasks_of(store, receipt.name)}
    assert set(tasks) == {("5", Task.READY), ("4", Task.READY)}
    await confirm(store, tasks["5", Task.READY].name, "bin")
    assert (await store("vic", inspections_pb2.GetInspectionLotRequest(name=lot))).location == at("bin")
    await decide(store, lot, ("BLOCKED", 5))
    await confirm(store, tasks["4", Task.READY].name, "shelf")
    assert await balances(store, name) == {
        ("shelf", "UNRESTRICTED"): (D(4), D(0)), ("bin", "BLOCKED"): (D(5), D(0)),
    }  # fmt: skip


async def test_a_decision_before_the_goods_are_away_changes_their_task(store: Plant) -> None:
    name, receipt = await to_inspect(store)
    await decide(store, receipt.lines[0].inspection_lot, ("UNRESTRICTED", 10))
    (task,) = await tasks_of(store, receipt.name)
    await confirm(store, task.name, "shelf")
    assert await balances(store, name) == {("shelf", "UNRESTRICTED"): (D(10), D(0))}
    _, scrapped = await to_inspect(store)
    await decide(store, scrapped.lines[0].inspection_lot, ("SCRAP", 10))
    assert [task.state for task in await tasks_of(store, scrapped.name)] == [Task.CANCELLED]


@pytest.mark.rule("PERF-10")
async def test_lots_and_tasks_are_listed_by_every_dimension(store: Plant) -> None:
    name, receipt = await to_inspect(store)
    line = receipt.lines[0]
    for text in (
        f'item = "{name}" AND state = CREATED', f'receipt = "{receipt.name}"',
        f'purchase_order = "{line.purchase_order}"', f'item = "{name}" AND supplier = "suppliers/acme"',
    ):  # fmt: skip
        lots = await store("vic", inspections_pb2.ListInspectionLotsRequest(parent=SITE, filter=text))
        assert [row.name for row in lots.inspection_lots] == [line.inspection_lot], text
    for text in (f'item = "{name}" AND state = READY', f'item = "{name}" AND from_location = "{at("dock")}"'):
        tasks = await store("vic", tasks_pb2.ListPutAwayTasksRequest(parent=SITE, filter=text))
        assert [row.name for row in tasks.put_away_tasks] == [line.put_away_task], text
