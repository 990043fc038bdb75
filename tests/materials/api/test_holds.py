"""Holds through the api: what they match, whom they break, who releases them."""

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import (
    events_pb2,
    holds_pb2,
    inspections_pb2,
    locations_pb2,
    lots_pb2,
    movements_pb2,
    receipts_pb2,
    reservations_pb2,
    serials_pb2,
)

from tests.materials.builders import (
    SITE,
    SUPPLIER,
    arrived,
    at,
    batch,
    call,
    check,
    claim_of,
    counted,
    day,
    expected,
    handling_units,
    item,
    kinds_told,
    lot,
    movement,
    pack,
    packed,
    place,
    position,
    q,
    reason,
    received,
    reserved,
    scanned,
    stocked,
    told,
)
from tests.materials.holds import Hold, hold, lots_of, moving, placed, refused, release, settle, stopped
from tests.materials.policies import in_force
from tests.materials.serials import opened, serials, tool
from tests.materials.test_proof import change
from tests.materials.units import nest, pb
from tests.plant import Refused
from tests.world import Plant, site_today

Reservation = reservations_pb2.Reservation


def held(store: Plant, after: int) -> list[Any]:
    return told(store, "LotHeld", "LotReleased", after=after)


@pytest.mark.rule("MAT-62")
@pytest.mark.rule("MAT-64")
async def test_a_hold_takes_stock_from_claims_which_get_other_stock_or_are_short(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    bad, good = await lot(store, name, supplier=SUPPLIER), await lot(store, name)
    await stocked(store, name, 5, lot=bad)
    await stocked(store, name, 4, "bin", lot=bad)
    urgent, late = await reserved(store, name, 5, priority=1), await reserved(store, name, 4, priority=2)
    await stocked(store, name, 6, "bin", lot=good)
    after = position(store)
    made = await hold(store, lot=bad)

    assert (made.scope, made.state, made.person, made.item) == (Hold.LOT, Hold.ACTIVE, "people/sam", name)
    assert list(made.targets) == [bad]
    assert sorted(placed(made)) == [("bin", "4"), ("shelf", "5")]
    lost = {row.reservation: row.quantity.value for row in made.broken_reservations}
    assert lost == {urgent.name: "5", late.name: "4"}
    found = await lots_of(store, name)
    assert found == {("shelf", bad): ("5", "0"), ("bin", bad): ("4", "0"), ("bin", good): ("6", "6")}
    short = await claim_of(store, late.work_order)
    assert (short.state, short.short.value) == (Reservation.SHORT, "3")
    assert [event.cause for event in told(store, "ReservationShort", after=after)] == [f"on hold by {made.name}"]
    assert (await claim_of(store, urgent.work_order)).state == Reservation.ALLOCATED
    (event,) = held(store, after)
    assert (event.item, event.lot, event.hold, event.scope) == (name, bad, made.name, "LOT")
    assert (event.supplier, event.reason, event.person) == (SUPPLIER, "found cracks", "people/sam")
    assert sorted(placed(event)) == [("bin", "4"), ("shelf", "5")]
    assert {row.reservation: row.quantity.value for row in event.broken_reservations} == lost
    assert sorted(kinds_told(store, after)) == ["LotHeld", "ReservationAllocated", "ReservationShort"]
    assert await check(store) == []

    after = position(store)
    await release(store, made.name)
    assert (await claim_of(store, late.work_order)).state == Reservation.ALLOCATED
    (event,) = held(store, after)
    assert (event.lot, event.hold, event.reason, event.person) == (bad, made.name, "tested again", "people/ada")
    assert event.version == 2


@pytest.mark.rule("MAT-62")
async def test_several_holds_on_the_same_stock_are_independent(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    mine = await lot(store, name)
    await stocked(store, name, 5, lot=mine)
    after = position(store)
    one, two = await hold(store, lot=mine), await hold(store, "ines", location=at("shelf"))
    assert await stopped(store, name, lot=mine) == min(one.name, two.name)
    assert list((await store("vic", lots_pb2.GetLotRequest(name=mine))).holds) == [one.name]
    await release(store, one.name)
    assert await stopped(store, name, lot=mine) == two.name
    waits = await reserved(store, name, 1)
    assert waits.state == Reservation.SHORT
    assert [type(event) for event in held(store, after) if event.lot == mine] == [events_pb2.LotHeld]
    await release(store, two.name)
    assert await stopped(store, name, lot=mine) == ""
    assert (await claim_of(store, waits.work_order)).state == Reservation.ALLOCATED
    last = [event for event in held(store, after) if event.lot == mine][-1]
    assert (type(last), last.hold, last.version) == (events_pb2.LotReleased, two.name, 2)
    with pytest.raises(Refused) as again:
        await release(store, two.name)
    assert again.value.reason == "TRANSITION_NOT_ALLOWED"
    assert list((await store("vic", lots_pb2.GetLotRequest(name=mine))).holds) == []
    listed = await store("vic", holds_pb2.ListHoldsRequest(parent=SITE, filter=f'lot = "{mine}" AND state = RELEASED'))
    assert [row.name for row in listed.holds] == [one.name]


@pytest.mark.rule("MAT-62")
async def test_a_serial_is_held_alone(store: Plant) -> None:
    name = await tool(store)
    bad, good = await serials(store, name, 2)
    await opened(store, name, [bad, good])
    both = await reserved(store, name, 2)
    made = await hold(store, serial=bad)
    assert [(row.serial, row.quantity.value) for row in made.stocks] == [(bad, "1")]
    read = await store("vic", serials_pb2.GetSerialRequest(name=bad))
    assert (list(read.holds), read.location) == ([made.name], at("shelf"))
    row = await claim_of(store, both.work_order)
    assert [taken.serial for taken in row.allocations] == [good]
    scan = reservations_pb2.IssueReservationRequest(name=row.name, quantity=q(1), serials=[bad])
    assert (await refused(store, scan, "sam")).metadata["hold"] == made.name
    await release(store, made.name)
    assert (await claim_of(store, both.work_order)).state == Reservation.ALLOCATED


@pytest.mark.rule("MAT-62")
@pytest.mark.rule("MAT-65")
async def test_a_unit_is_held_with_all_inside_and_nothing_slips_out(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 9)
    outer, inner, other = await handling_units(store, pallet, 3)
    await pack(store, inner.name, packed(name, 4))
    await nest(store, inner.name, outer.name)
    waits = await reserved(store, name, 9)
    made = await hold(store, handling_unit=outer.name)
    assert placed(made) == [("shelf", "4")]
    assert (await claim_of(store, waits.work_order)).short.value == "4"
    inside = {"from_handling_unit": inner.name, "to_location": at("bin")}
    assert (await refused(store, moving("MOVE", name, **inside))).metadata["hold"] == made.name
    for request in (
        pb.UnnestHandlingUnitRequest(name=inner.name),
        pb.NestHandlingUnitRequest(name=other.name, parent_handling_unit=outer.name),
        pb.MoveHandlingUnitRequest(name=inner.name, location=at("bin"), detach=True),
        pb.MoveHandlingUnitRequest(name=outer.name, location=at("bin")),
        pb.UnpackHandlingUnitRequest(name=inner.name),
    ):
        found = await refused(store, request, "sam")
        assert (found.reason, found.metadata["hold"]) == ("LOT_ON_HOLD", made.name), request
    await release(store, made.name)
    await store("sam", pb.UnnestHandlingUnitRequest(name=inner.name))
    assert (await claim_of(store, waits.work_order)).state == Reservation.ALLOCATED


@pytest.mark.rule("MAT-62")
@pytest.mark.rule("MAT-63")
async def test_a_place_is_held_with_all_that_lies_in_it_now_and_later(store: Plant) -> None:
    await place(store, "aisle", "GROUP")
    await place(store, "aisle-1", parent_location=at("aisle"))
    await place(store, "aisle-2")
    name = await item(store)
    await stocked(store, name, 3, "aisle-1")
    await stocked(store, name, 2)
    made = await hold(store, location=at("aisle"))
    assert placed(made) == [("aisle-1", "3")]
    waits = await reserved(store, name, 4)
    assert (waits.allocated.value, waits.short.value) == ("2", "2")
    other = await item(store)
    await stocked(store, other, 3)
    after = position(store)
    await call(store, "stella", moving("MOVE", other, 2, to_location=at("aisle-1")))
    await settle(store)
    assert [(event.item, event.hold, placed(event)) for event in held(store, after)] == [
        (other, made.name, [("aisle-1", "2")])
    ]
    assert (await reserved(store, other, 2)).short.value == "1"
    for where, parent in (("aisle-1", ""), ("aisle-2", at("aisle"))):
        moved = locations_pb2.UpdateLocationRequest(
            location=locations_pb2.Location(name=at(where), parent_location=parent),
            update_mask=FieldMask(paths=["parent_location"]),
        )
        assert (await refused(store, moved, "mara")).metadata["hold"] == made.name
    await release(store, made.name)
    assert (await claim_of(store, waits.work_order)).state == Reservation.ALLOCATED
    await settle(store)
    assert [type(event).__name__ for event in held(store, after) if event.item == other] == ["LotHeld", "LotReleased"]


@pytest.mark.rule("MAT-63")
@pytest.mark.parametrize("tracking", ["LOT", "NONE"])
async def test_goods_of_a_supplier_are_held_from_the_moment_they_come_in(store: Plant, tracking: str) -> None:
    by_lot = tracking == "LOT"
    name = await item(store, tracking=tracking)
    await expected(store, name, 30)
    own = await lot(store, name) if by_lot else ""
    await stocked(store, name, 2, lot=own)
    await received(store, scanned(name, 3, lot_number="A" if by_lot else ""))
    today = site_today()
    past = await hold(store, item=name, supplier=SUPPLIER, to_date=day(today - timedelta(days=1)))
    assert list(past.targets) == []
    made = await hold(store, item=name, supplier=SUPPLIER, from_date=day(today))
    assert placed(made) == ([("dock", "3")] if by_lot else [("dock", "3"), ("shelf", "2")])
    after = position(store)
    waits = await reserved(store, name, 12)
    assert waits.allocated.value == ("2" if by_lot else "0")
    receipt = await received(
        store, scanned(name, 4, lot_number="B" if by_lot else ""), scanned(name, 1, lot_number="A" if by_lot else "")
    )
    assert [row.hold for row in receipt.lines] == [made.name] * 2
    assert (await claim_of(store, waits.work_order)).allocated.value == waits.allocated.value
    events = held(store, after)
    assert [(event.lot, placed(event)) for event in events] == (
        [(receipt.lines[0].lot, [("dock", "4")])] if by_lot else []
    )
    assert (await store("vic", receipts_pb2.GetReceiptRequest(name=receipt.name))).lines[0].hold == made.name
    other = await arrived(store, "suppliers/other")
    assert other.supplier != SUPPLIER
    await release(store, made.name)
    assert (await claim_of(store, waits.work_order)).allocated.value == "10"


@pytest.mark.rule("MAT-63")
async def test_what_was_made_of_a_lot_is_held_with_it_also_what_is_made_later(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    one, two, later = [await lot(store, name) for _ in range(3)]
    for each in (one, two):
        await stocked(store, name, 2, lot=each)
    new = await store("sam", lots_pb2.MergeLotsRequest(parent=SITE, lots=[one, two], number="M", location=at("shelf")))
    await stocked(store, name, 7, lot=later)
    alone = await hold(store, lot=one)
    assert (list(alone.targets), await stopped(store, name, lot=new.name)) == ([one], "")
    await release(store, alone.name)
    claimed = await reserved(store, name, 11)
    made = await hold(store, lot=one, include_descendants=True)
    assert list(made.targets) == sorted([one, new.name])
    assert (await claim_of(store, claimed.work_order)).short.value == "4"
    after = position(store)
    change(
        store,
        "insert into genealogy_edge select movement, %s, %s, item, quantity, unit_code, effective_time, false"
        " from genealogy_edge where input_lot = %s",
        new.name, later, one,
    )  # fmt: skip
    assert await stopped(store, name, lot=later) == made.name
    await settle(store)
    assert (await claim_of(store, claimed.work_order)).short.value == "11"
    (event,) = held(store, after)
    assert (event.lot, [row.reservation for row in event.broken_reservations]) == (later, [claimed.name])
    await settle(store)
    assert len(held(store, after)) == 1
    await release(store, made.name)


@pytest.mark.rule("MAT-66")
async def test_a_hold_is_released_by_somebody_else_with_the_authority(store: Plant) -> None:
    name = await item(store, tracking="LOT", inspect_receipts=True)
    await expected(store, name, 9)
    line = (await received(store, scanned(name, 3, lot_number="A"))).lines[0]
    split = inspections_pb2.InspectionLot.Split(outcome="REWORK", quantity=q(1), note="crack")
    await store("ines", inspections_pb2.DecideUsageRequest(name=line.inspection_lot, splits=[split]))
    made = await hold(store, lot=line.lot, release_permission="materials.lotDates.approve")
    otto = {"-": ["inspector"]}
    free = holds_pb2.ReleaseHoldRequest(name=made.name, reason="good enough")
    assert (await refused(store, free, "sam")).reason == "PERMISSION_DENIED"
    assert (await refused(store, free, "ines")).metadata["permission"] == "materials.lotDates.approve"
    with pytest.raises(Refused) as found:
        await store.client("materials", "people/otto", otto)(free)
    assert found.value.reason == "PERMISSION_DENIED"
    done = await release(store, made.name)
    assert (done.state, done.releaser, done.release_reason) == (Hold.RELEASED, "people/ada", "tested again")
    assert done.HasField("release_time")

    made = await hold(store, "ines", lot=line.lot)
    assert (await refused(store, again(made), "ines")).reason == "SEGREGATION_OF_DUTIES"
    await release(store, made.name)
    made = await hold(store, lot=line.lot)
    found_by = await refused(store, again(made), "ines")  # she found the crack
    assert (found_by.reason, found_by.metadata["earlier_act"]) == ("SEGREGATION_OF_DUTIES", "people/ines")
    await release(store, made.name)
    elsewhere = await item(store)
    made = await hold(store, item=elsewhere, supplier=SUPPLIER, inspection_lot=line.inspection_lot)
    assert (await refused(store, again(made), "ines")).reason == "SEGREGATION_OF_DUTIES"
    await release(store, made.name)
    rows = store.rows("materials", "select actor, after->>'state' from audit where object = %s order by pos", made.name)
    assert rows == [("people/sam", "ACTIVE"), ("people/ada", "RELEASED")]


def again(made: Any) -> holds_pb2.ReleaseHoldRequest:
    return holds_pb2.ReleaseHoldRequest(name=made.name, reason="good enough")


@pytest.mark.rule("MAT-62")
async def test_a_hold_names_one_thing_and_what_goes_with_it(store: Plant, pallet: str) -> None:
    name = await item(store, tracking="LOT")
    mine = await lot(store, name)
    (unit,) = await handling_units(store, pallet)
    yesterday = day(site_today() - timedelta(days=1))
    for given, field in (
        ({}, "hold"),
        ({"lot": mine, "location": at("shelf")}, "hold"),
        ({"item": name}, "hold"),
        ({"lot": f"{name}/lots/none"}, "hold.lot"),
        ({"serial": f"{name}/serials/none"}, "hold.serial"),
        ({"supplier": SUPPLIER}, "hold.item"),
        ({"handling_unit": f"{SITE}/handlingUnits/none"}, "hold.handling_unit"),
        ({"location": "sites/antwerp/locations/shelf"}, "hold.location"),
        ({"location": at("v-scrap")}, "hold.location"),
        ({"lot": mine, "item": "items/other"}, "hold.item"),
        ({"handling_unit": unit.name, "item": name}, "hold.item"),
        ({"lot": mine, "to_date": yesterday}, "hold.from_date"),
        ({"item": name, "supplier": SUPPLIER, "from_date": day(site_today()), "to_date": yesterday}, "hold.to_date"),
        ({"location": at("shelf"), "include_descendants": True}, "hold.include_descendants"),
        ({"lot": mine, "allowed_locations": ["sites/antwerp/locations/x"]}, "hold.allowed_locations"),
        ({"lot": mine, "allowed_locations": [at("v-scrap")]}, "hold.allowed_locations"),
        ({"lot": mine, "release_permission": "materials.sins.forgive"}, "hold.release_permission"),
        ({"lot": mine, "inspection_lot": f"{SITE}/inspectionLots/none"}, "hold.inspection_lot"),
    ):
        request = holds_pb2.CreateHoldRequest(parent=SITE, hold=Hold(reason="cracks", **given))
        found = await refused(store, request, "sam")
        assert (found.reason, found.fields) == ("FIELD_INVALID", [field]), given


@pytest.mark.rule("MAT-60")
@pytest.mark.rule("MAT-202")
async def test_goods_to_be_worked_on_or_sent_back_are_not_used(store: Plant) -> None:
    name = await item(store, inspect_receipts=True)
    await expected(store, name, 9)
    line = (await received(store, scanned(name, 6))).lines[0]
    splits = [
        inspections_pb2.InspectionLot.Split(outcome=outcome, quantity=q(2))
        for outcome in ("REWORK", "SUPPLIER_RETURN", "UNRESTRICTED")
    ]
    await store("ines", inspections_pb2.DecideUsageRequest(name=line.inspection_lot, splits=splits))
    await stocked(store, name, 3, to_status="CUSTOMER_RETURN")
    assert (await reserved(store, name, 9)).allocated.value == "2"
    change_ = moving("STATUS_CHANGE", name, 3, from_status="CUSTOMER_RETURN", to_status="UNRESTRICTED")
    assert (await refused(store, change_, "sam")).reason == "PERMISSION_DENIED"
    await call(store, "stella", change_)


@pytest.mark.rule("MAT-55")
async def test_no_status_of_stock_is_ever_less_than_nothing(store: Plant) -> None:
    name = await item(store)
    statuses = list(movements_pb2.Movement.Status.DESCRIPTOR.values_by_name)[1:]
    assert len(statuses) == 6
    for status in statuses:
        await stocked(store, name, 2, to_status=status)
    moves = [
        movement(kind, name, 3, from_location=at("shelf"), from_status=status, to_location=at("bin") * (kind == "MOVE"))
        for status in statuses
        for kind in ("MOVE", "SCRAP", "ADJUST")
    ]
    assert {reason(outcome) for outcome in await batch(store, moves)} == {"NOT_ENOUGH_STOCK"}


@pytest.mark.rule("MAT-164")
async def test_stock_on_hold_is_asked_for_anew(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 30)
    await in_force(store, name)
    after = position(store)
    made = await hold(store, location=at("shelf"))
    (event,) = told(store, "ReplenishmentNeeded", after=after)
    assert (event.item, event.quantity.value) == (name, "24")
    await release(store, made.name)


@pytest.mark.rule("MAT-63")
async def test_lines_of_a_receipt_say_their_hold_whatever_its_scope(store: Plant) -> None:
    one, two = await item(store), await tool(store)
    await expected(store, one, 5)
    await expected(store, two, 5)
    (bad,) = await serials(store, two, 1)
    made = await hold(store, serial=bad)
    receipt = await arrived(store)
    number = store.value("materials", "select number from serial where name = %s", bad)
    lines = (scanned(one, 2), scanned(two, 1, serial_numbers=[number]))
    assert [reason(each) for each in await counted(store, receipt.name, *lines)] == ["", ""]
    posted = await store("sam", receipts_pb2.PostReceiptRequest(name=receipt.name))
    assert [row.hold for row in posted.lines] == ["", made.name]
    await release(store, made.name)
