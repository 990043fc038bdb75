"""Where stock on hold may go all the same, and that it takes its hold along."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import (
    handling_units_pb2,
    holds_pb2,
    locations_pb2,
    lots_pb2,
    receipts_pb2,
    reservations_pb2,
    tasks_pb2,
)

from tests.materials.api.test_tasks import picked
from tests.materials.builders import (
    SITE,
    SUPPLIER,
    at,
    batch,
    call,
    check,
    claim_of,
    day,
    expected,
    handling_units,
    item,
    lot,
    movement,
    pack,
    packed,
    place,
    q,
    reason,
    received,
    reserved,
    scanned,
    stocked,
)
from tests.materials.holds import hold, moving, placed, refused, release, settle, stopped
from tests.materials.tasks import confirm, only
from tests.materials.tasks import get as get_task
from tests.materials.test_proof import change
from tests.plant import Refused
from tests.world import Plant, site_today


@pytest.fixture(scope="module")
async def areas(store: Plant) -> None:
    """A place of quality, and an area of quality with a shelf."""
    await place(store, "lab", "QUALITY")
    await place(store, "cage", "GROUP", quality_area=True)
    await place(store, "cage-1", parent_location=at("cage"))
    await place(store, "yard", "GROUP")
    await place(store, "yard-1", parent_location=at("yard"))


async def goes(store: Plant, request: Any) -> bool:
    """Whether a movement is let through; one that is not names the hold."""
    try:
        await call(store, "stella", request)
    except Refused as found:
        if found.reason == "LOT_ON_HOLD" and found.code == "FAILED_PRECONDITION":
            return False
        raise
    return True


MOVES = {
    "lab": ("MOVE", "shelf", "lab"),
    "cage": ("MOVE", "shelf", "cage-1"),
    "inside": ("MOVE", "lab", "cage-1"),
    "out": ("MOVE", "lab", "bin"),
    "bin": ("MOVE", "shelf", "bin"),
    "yard": ("MOVE", "shelf", "yard-1"),
    "scrap": ("SCRAP", "shelf", ""),
    "loss": ("ADJUST", "shelf", ""),
    "gain": ("ADJUST", "", "shelf"),
    "block": ("STATUS_CHANGE", "shelf", ""),
}


@pytest.mark.rule("MAT-65")
@pytest.mark.usefixtures("areas")
@pytest.mark.parametrize(
    ("allowed", "let"),
    [
        ({}, []),
        ({"allowed_moves": ["TO_QUALITY"]}, ["lab", "cage", "inside"]),
        ({"allowed_moves": ["INSIDE_QUALITY"]}, ["inside"]),
        ({"allowed_moves": ["SCRAP"]}, ["scrap"]),
        ({"allowed_moves": ["SUPPLIER_RETURN"]}, []),
        ({"allowed_locations": [at("yard")]}, ["yard"]),
        ({"allowed_locations": [at("bin")], "allowed_moves": ["SCRAP"]}, ["out", "bin", "scrap"]),
    ],
)
async def test_only_what_a_hold_allows_is_done(store: Plant, allowed: dict[str, Any], let: list[str]) -> None:
    name = await item(store, tracking="LOT")
    mine = await lot(store, name)
    for where in ("shelf", "lab"):
        await stocked(store, name, 20, where, lot=mine)
    made = await hold(store, lot=mine, **allowed)
    done = []
    for what, (kind, out, into) in MOVES.items():
        ends = {"from_location": at(out) if out else "", "to_location": at(into) if into else ""}
        status = {"from_status": "UNRESTRICTED", "to_status": "BLOCKED"} if what == "block" else {}
        if await goes(store, moving(kind, name, 1, lot=mine, **ends, **status)):
            done.append(what)
    # what is found comes under the hold, and a change of status moves nothing
    assert sorted(done) == sorted([*let, "gain", "block"])
    assert (await reserved(store, name, 1)).allocated.value == "0"
    await release(store, made.name)


@pytest.mark.rule("MAT-65")
async def test_held_goods_go_back_to_their_supplier_where_the_hold_says_so(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await expected(store, name, 9)
    receipt = await received(store, scanned(name, 3, lot_number="A"))
    back = receipts_pb2.ReverseReceiptRequest(name=receipt.name, reason="wrong goods")
    made = await hold(store, lot=receipt.lines[0].lot)
    assert (await refused(store, back)).metadata["hold"] == made.name
    await release(store, made.name)
    made = await hold(store, lot=receipt.lines[0].lot, allowed_moves=["SUPPLIER_RETURN"])
    back.request_id = ""
    await call(store, "stella", back)
    await release(store, made.name)


@pytest.mark.rule("MAT-65")
@pytest.mark.usefixtures("areas")
async def test_goods_take_the_hold_of_their_place_or_unit_along(store: Plant, pallet: str) -> None:
    name, other = await item(store), await item(store)
    await place(store, "flooded")
    (unit,) = await handling_units(store, pallet)
    await stocked(store, name, 5, "flooded")
    await stocked(store, other, 5)
    await pack(store, unit.name, packed(other, 4))
    await stocked(store, name, 2)
    wet = await hold(store, location=at("flooded"), allowed_moves=["TO_QUALITY"])
    await call(store, "stella", moving("MOVE", name, 3, from_location=at("flooded"), to_location=at("lab")))
    assert await stopped(store, name, from_location=at("lab")) == wet.name
    await call(store, "stella", moving("MOVE", name, 1, from_location=at("lab"), to_location=at("cage-1")))
    waits = await reserved(store, name, 7)
    assert waits.allocated.value == "2"
    assert sorted(placed(await call(store, "vic", get(wet)))) == [("cage-1", "1"), ("flooded", "2"), ("lab", "2")]
    # more than there is is refused and leaves nothing behind
    much = movement("MOVE", name, 9, from_location=at("flooded"), to_location=at("cage-1"))
    little = movement("MOVE", other, 1, from_location=at("shelf"), to_location=at("bin"))
    await stocked(store, name, 1, "cage-1")
    assert [reason(outcome) for outcome in await batch(store, [much, little])] == ["NOT_ENOUGH_STOCK", ""]

    dented = await hold(store, handling_unit=unit.name, allowed_locations=[at("shelf")], allowed_moves=["TO_QUALITY"])
    await store("sam", handling_units_pb2.UnpackHandlingUnitRequest(name=unit.name, contents=[packed(other, 1)]))
    assert await stopped(store, other) == dented.name
    await store("sam", handling_units_pb2.MoveHandlingUnitRequest(name=unit.name, location=at("lab")))
    for made in (wet, dented):
        await release(store, made.name)
    assert await stopped(store, other) == ""
    assert (await claim_of(store, waits.work_order)).allocated.value == "7"


def get(made: Any) -> Any:
    return holds_pb2.GetHoldRequest(name=made.name)


@pytest.mark.rule("MAT-64")
@pytest.mark.usefixtures("areas")
async def test_claimed_goods_do_not_come_to_where_they_would_be_held(store: Plant, pallet: str) -> None:
    name = await item(store)
    await expected(store, name, 9)
    receipt = await received(store, scanned(name, 3))
    claimed = await reserved(store, name, 3)
    (unit,) = await handling_units(store, pallet, where="dock")
    one, two = await hold(store, location=at("yard")), await hold(store, handling_unit=unit.name)
    put = tasks_pb2.ConfirmPutAwayRequest(name=receipt.lines[0].put_away_task, location=at("yard-1"))
    assert (await refused(store, put, "sam")).metadata["hold"] == one.name
    request = handling_units_pb2.PackHandlingUnitRequest(name=unit.name, contents=[packed(name, 2)])
    assert (await refused(store, request, "sam")).metadata["hold"] == two.name
    put.location = at("bin")
    put.request_id = ""
    await store("sam", put)
    assert (await claim_of(store, claimed.work_order)).allocated.value == "3"
    for made in (one, two):
        await release(store, made.name)


@pytest.mark.rule("MAT-64")
async def test_an_open_pick_of_held_stock_is_gone_and_goods_on_a_cart_are_an_exception(store: Plant) -> None:
    waits, _, _, _ = await picked(store)
    rides, _, cart, _ = await picked(store)
    await confirm(store, rides, cart)
    for task in (waits, rides):
        made = await hold(store, location=task.from_location if task is waits else at(cart))
        assert [row.reservation for row in made.broken_reservations] == [task.reservation]
        await release(store, made.name)
    assert (await get_task(store, waits)).state == tasks_pb2.Task.CANCELLED
    assert (await only(store, rides.item, "STAGE")).state == tasks_pb2.Task.EXCEPTION


@pytest.mark.rule("MAT-66")
@pytest.mark.usefixtures("areas")
async def test_expired_stock_counts_as_held_yet_goes_to_quality_and_scrap(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    mine = await lot(store, name, expire_date=day(site_today()))
    await stocked(store, name, 5, lot=mine)
    claimed = await reserved(store, name, 2)
    assert claimed.allocated.value == "2"
    change(store, "update lot set expire_date = expire_date - 1 where name = %s", mine)
    issue = reservations_pb2.IssueReservationRequest(name=claimed.name, quantity=q(1))
    assert (await refused(store, issue, "sam")).reason == "LOT_EXPIRED"
    assert (await reserved(store, name, 1)).allocated.value == "0"
    for request in (moving("MOVE", name, 1, lot=mine, to_location=at("lab")), moving("SCRAP", name, 1, lot=mine)):
        assert await goes(store, request)


@pytest.mark.rule("MAT-65")
async def test_held_lots_are_not_merged(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    lots = [await lot(store, name) for _ in range(2)]
    for each in lots:
        await stocked(store, name, 2, lot=each)
    made = await hold(store, lot=lots[1], allowed_moves=["SCRAP", "TO_QUALITY"])
    merge = lots_pb2.MergeLotsRequest(parent=SITE, lots=lots, number="M", location=at("shelf"))
    found = await refused(store, merge, "sam")
    assert (found.reason, found.metadata["lot"]) == ("LOT_ON_HOLD", lots[1])
    await release(store, made.name)
    merge.request_id = ""
    await store("sam", merge)


@pytest.mark.rule("MAT-62")
async def test_a_claim_on_held_stock_is_a_finding_of_the_ledgers_check(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    claimed = await reserved(store, name, 2)
    (balance,) = store.rows("materials", "select balance from allocation where reservation = %s", claimed.name)[0]
    made = await hold(store, item=name, supplier=SUPPLIER)
    change(
        store, "insert into hold_target (hold, target, site, active) values (%s, %s, 'hamburg', true)", made.name, name
    )
    assert await check(store) == [f"stock on hold is claimed: {claimed.name}, {balance}, {made.name}"]
    await settle(store)
    assert await check(store) == []
    assert (await claim_of(store, claimed.work_order)).allocated.value == "0"
    await release(store, made.name)


@pytest.mark.rule("MAT-65")
async def test_an_area_of_quality_is_marked_by_who_keeps_the_places(store: Plant) -> None:
    await place(store, "tent", "GROUP")
    marked = locations_pb2.UpdateLocationRequest(
        location=locations_pb2.Location(name=at("tent"), quality_area=True),
        update_mask=FieldMask(paths=["quality_area"]),
    )
    assert (await store("mara", marked)).quality_area
    assert not (await store("vic", locations_pb2.GetLocationRequest(name=at("bin")))).quality_area


@pytest.mark.rule("MAT-50")
async def test_a_batch_names_the_hold_of_each_line(store: Plant) -> None:
    one, two = await item(store), await item(store, tracking="LOT")
    mine = await lot(store, two)
    await stocked(store, one, 2)
    await stocked(store, two, 2, lot=mine)
    made = await hold(store, lot=mine)
    moves = [
        movement("MOVE", one, 1, from_location=at("shelf"), to_location=at("bin")),
        movement("MOVE", two, 1, from_location=at("shelf"), to_location=at("bin"), lot=mine),
    ]
    assert [reason(outcome) for outcome in await batch(store, moves)] == ["", "LOT_ON_HOLD"]
    await release(store, made.name)
