"""Goods that go to customers, in units with SSCCs, and what comes back of them."""

from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from plantops.materials.v1 import movements_pb2, tasks_pb2

from tests.materials.builders import (
    SITE,
    at,
    balances,
    call,
    day,
    eur,
    expected,
    fresh,
    handling_units,
    item,
    kinds_told,
    lot,
    movement,
    pack,
    packed,
    place,
    position,
    post,
    q,
    received,
    reserved,
    scanned,
    stocked,
    worth,
)
from tests.materials.places import refusal
from tests.materials.serials import moving, opened, serials, stand, steps, tool
from tests.materials.shipping import back, cheese, goes, goes_whole, lies, ordered, packed_up, refused, sent, sh
from tests.materials.tasks import Scan, Task, confirm
from tests.materials.units import close, get, nest
from tests.materials.units import pb as units
from tests.world import Plant

State = sh.Shipment.State


@pytest.mark.rule("MAT-48")
async def test_a_shipment_leaves_as_a_whole_at_current_cost(store: Plant) -> None:
    one, two = await item(store, standard_cost=eur(2)), await item(store, standard_cost=eur(5))
    await stocked(store, one, 10)
    await stocked(store, two, 3)
    row = await ordered(store, goes(one, 4), goes(two, 4), source_system="erp", external_id="SO-17", carrier="Fabrikam")
    assert (row.state, row.number[:3]) == (State.DRAFT, "SH-")
    assert (await refused(store, sh.ShipShipmentRequest(name=row.name), "sam")).reason == "TRANSITION_NOT_ALLOWED"
    await store("sam", sh.PackShipmentRequest(name=row.name))
    assert (await refused(store, sh.ShipShipmentRequest(name=row.name), "sam")).reason == "NOT_ENOUGH_STOCK"
    await store("sam", sh.UnpackShipmentRequest(name=row.name))
    change = sh.Shipment(name=row.name, lines=[goes(one, 4), goes(two, 3)])
    await store("sam", sh.UpdateShipmentRequest(shipment=change))
    await store("sam", sh.PackShipmentRequest(name=row.name))
    before = position(store)
    row = await store("sam", sh.ShipShipmentRequest(name=row.name))
    assert (row.state, row.ship_time.seconds > 0) == (State.SHIPPED, True)
    assert kinds_told(store, before) == ["MovementPosted"]
    assert [one.cost.units for one in row.lines] == [8, 15]
    assert lies(store, two)["hamburg", "v-customer"] == 3
    assert (worth(store, one)[:2], worth(store, two)[:2]) == ((6, D(12)), (0, D(0)))
    (found,) = store.rows("materials", "select kind, source from movement where name = %s", row.movement)
    assert found == ("SHIP", row.name)
    listed = await store("vic", sh.ListShipmentsRequest(parent=SITE, filter='external_id = "SO-17"'))
    assert [got.name for got in listed.shipments] == [row.name]


async def test_a_shipment_is_cancelled_until_it_left(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 3)
    row = await packed_up(store, goes(name))
    assert (await refused(store, back(row, 1))).reason == "TRANSITION_NOT_ALLOWED"
    gone = await store("sam", sh.CancelShipmentRequest(name=row.name, etag=row.etag))
    assert gone.state == State.CANCELLED
    left = await sent(store, goes(name))
    for request in (
        sh.CancelShipmentRequest(name=left.name),
        sh.UnpackShipmentRequest(name=left.name),
        sh.UpdateShipmentRequest(shipment=sh.Shipment(name=left.name, carrier="x")),
        sh.ShipShipmentRequest(name=gone.name),
        back(gone, 1),
    ):
        assert (await refused(store, request)).reason == "TRANSITION_NOT_ALLOWED"
    empty = await ordered(store)
    assert (await refused(store, sh.PackShipmentRequest(name=empty.name))).metadata["field"] == "name"
    request = sh.UpdateShipmentRequest(shipment=sh.Shipment(name=empty.name), update_mask={"paths": ["customer"]})
    assert (await refused(store, request)).metadata["field"] == "shipment.customer"


@pytest.mark.rule("MAT-60")
@pytest.mark.rule("MAT-86")
async def test_only_what_may_be_used_goes_to_customers(store: Plant) -> None:
    name, dated = await item(store), await item(store, tracking="LOT")
    await stocked(store, name, 5, to_status="BLOCKED")
    today = date.today()
    old = await lot(store, dated, expire_date=day(today - timedelta(days=3)))
    await stocked(store, dated, 5, lot=old)
    row = await packed_up(store, goes(name, status="BLOCKED"))
    assert (await refused(store, sh.ShipShipmentRequest(name=row.name))).reason == "NOT_FOR_CUSTOMERS"
    row = await packed_up(store, goes(dated, lot=old))
    assert (await refused(store, sh.ShipShipmentRequest(name=row.name))).reason == "LOT_EXPIRED"


@pytest.mark.rule("MAT-70")
@pytest.mark.played_partner
async def test_claimed_stock_does_not_leave(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    (unit,) = await handling_units(store, pallet)
    await pack(store, unit.name, packed(name, 5))
    await close(store, unit.name)
    claim = await reserved(store, name, 2)
    row = await packed_up(store, goes_whole(unit.name))
    refusal = await refused(store, sh.ShipShipmentRequest(name=row.name))
    assert (refusal.reason, refusal.metadata["reservations"]) == ("STOCK_CLAIMED", claim.name)


@pytest.mark.rule("MAT-21")
@pytest.mark.rule("MAT-24")
async def test_units_leave_with_all_inside_and_their_ssccs_do_not_leave_again(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 20)
    outer, inner = await handling_units(store, pallet, 2)
    await pack(store, inner.name, packed(name, 3))
    row = await ordered(store, goes_whole(outer.name))
    assert (await refused(store, sh.PackShipmentRequest(name=row.name))).reason == "HANDLING_UNIT_OPEN"
    await nest(store, inner.name, outer.name)
    await pack(store, outer.name, packed(name, 5))
    await close(store, outer.name, gross_weight=q(40, "KGM"))
    await store("sam", sh.PackShipmentRequest(name=row.name))
    row = await store("sam", sh.ShipShipmentRequest(name=row.name))
    assert {(line.handling_unit, line.outer_handling_unit, line.quantity.value) for line in row.lines} == {
        (inner.name, outer.name, "3"), (outer.name, outer.name, "5"),
    }  # fmt: skip
    for unit in (outer, inner):
        gone = await get(store, unit.name)
        assert (gone.state, gone.standing_location, gone.ship_time.seconds > 0) == (gone.SHIPPED, "", True)
    moving_it = units.MoveHandlingUnitRequest(name=outer.name, location=at("bin"))
    assert (await refused(store, moving_it)).reason == "HANDLING_UNIT_GONE"
    request = units.ReadmitHandlingUnitRequest(name=outer.name, location=at("dock"))
    home = await store("sam", request)
    assert (home.state, home.location) == (home.OPEN, at("dock"))
    assert (await refused(store, units.ReadmitHandlingUnitRequest(name=outer.name, location=at("dock")))).reason == (
        "TRANSITION_NOT_ALLOWED"
    )
    request = units.ReadmitHandlingUnitRequest(name=inner.name, location=at("none"))
    assert (await refused(store, request)).metadata["field"] == "location"
    await store("sam", units.MoveHandlingUnitRequest(name=outer.name, location=at("shelf")))
    await pack(store, outer.name, packed(name, 1))
    await close(store, outer.name)
    again = await ordered(store, goes_whole(outer.name))
    refusal = await refused(store, sh.PackShipmentRequest(name=again.name))
    assert (refusal.reason, refusal.metadata["sscc"]) == ("SSCC_USED_RECENTLY", outer.sscc)
    year = timedelta(days=365, minutes=1)
    with store.look("materials") as connection:
        connection.execute("update handling_unit set ship_time = ship_time - %s where name = %s", [year, outer.name])
    assert (await store("sam", sh.PackShipmentRequest(name=again.name))).state == State.PACKED


@pytest.mark.rule("MAT-22")
@pytest.mark.played_partner
async def test_a_unit_with_open_work_on_it_does_not_leave(store: Plant, pallet: str) -> None:
    name = await item(store)
    await expected(store, name, 5)
    (unit,) = await handling_units(store, pallet, where="dock")
    posted = await received(store, scanned(name, 5, handling_unit=unit.name))
    await close(store, unit.name)
    row = await ordered(store, goes_whole(unit.name))
    refusal = await refused(store, sh.PackShipmentRequest(name=row.name))
    assert (refusal.reason, refusal.metadata["task"]) == ("HANDLING_UNIT_BUSY", posted.lines[0].put_away_task)
    (hollow,) = await handling_units(store, pallet)
    await close(store, hollow.name)
    row = await ordered(store, goes_whole(hollow.name))
    assert (await refused(store, sh.PackShipmentRequest(name=row.name))).metadata["field"] == "lines.handling_unit"


async def test_papers_say_what_is_in_which_unit_before_and_after_it_left(store: Plant, pallet: str) -> None:
    one = await tool(store, gross_weight=q("1.5", "KGM"))
    two = await item(store, tracking="LOT", base_unit_code="KGM", base_step={"value": "0.1"})
    names = await serials(store, one, 2)
    batch = await lot(store, two, "B-7")
    await opened(store, one, names)
    await stocked(store, two, 9, lot=batch, unit_code="KGM")
    outer, inner = await handling_units(store, pallet, 2)
    await pack(store, inner.name, packed(two, 4, "KGM", lot=batch))
    await nest(store, inner.name, outer.name)
    await pack(store, outer.name, packed(one, 1, serials=names[:1]))
    await close(store, outer.name, gross_weight=q(31, "KGM"))
    row = await packed_up(
        store, goes_whole(outer.name), goes(one, 1, serials=names[1:]), goes(two, 2, "KGM", lot=batch),
        address="1 Main Street", external_id="SO-9",
    )  # fmt: skip

    async def papers() -> Any:
        return await store("vic", sh.GetDeliveryNoteRequest(name=f"{row.name}/deliveryNote"))

    listing = await papers()
    assert (listing.name, listing.HasField("ship_time")) == (f"{row.name}/deliveryNote", False)
    row = await store("sam", sh.ShipShipmentRequest(name=row.name))
    note = await papers()
    assert (note.customer, note.address, note.external_id, note.number) == (
        "Contoso", "1 Main Street", "SO-9", row.number,
    )  # fmt: skip
    assert note.ship_time == row.ship_time
    for found in (listing, note):
        (top,) = found.units
        (box,) = top.units
        assert (top.sscc, box.sscc, top.gross_weight) == (outer.sscc, inner.sscc, q(31, "KGM"))
        assert [(line.lot_number, line.quantity) for line in box.lines] == [("B-7", q(4, "KGM"))]
        assert [len(line.serial_numbers) for line in top.lines] == [1]
        assert sorted((line.item_number, line.weight.value) for line in found.lines) == sorted(
            [(one.rsplit("/", 1)[-1].upper(), "1.5"), (two.rsplit("/", 1)[-1].upper(), "2")]
        )
        assert found.total_weight == q("34.5", "KGM")


@pytest.mark.rule("MAT-48")
async def test_customers_return_at_most_what_was_shipped_at_its_cost(store: Plant) -> None:
    name = await item(store, standard_cost=eur(3, 34))
    await stocked(store, name, 3)
    row = await sent(store, goes(name, 3))
    assert row.lines[0].cost == eur(10, 2)
    with store.look("materials") as connection:
        connection.execute("update shipment_line set cost = 10 where shipment = %s", [row.name])
    for wrong, field in (
        (back(row, 2), "line"),
        (back(row, 1, 0), "quantity.value"),
        (back(row, 1, location=at("none")), "location"),
        (back(row, 1, status="UNRESTRICTED"), "status"),
    ):
        assert (await refused(store, wrong)).metadata["field"] == field
    values = []
    for status in ("", "BLOCKED", "INSPECTION"):
        before = worth(store, name)[1]
        row = await store("sam", back(row, 1, **({"status": status} if status else {})))
        values.append(worth(store, name)[1] - before)
    assert values == [D("3.33"), D("3.34"), D("3.33")]
    assert (row.lines[0].returned, row.state) == (q(3), State.SHIPPED)
    assert (await refused(store, back(row, 1))).reason == "TOLERANCE_EXCEEDED"
    assert await balances(store, name) == {
        ("dock", "CUSTOMER_RETURN"): (1, 0), ("dock", "BLOCKED"): (1, 0), ("dock", "INSPECTION"): (1, 0),
    }  # fmt: skip


@pytest.mark.rule("MAT-16")
async def test_a_serial_comes_back_by_the_line_that_it_left_by(store: Plant) -> None:
    name = await tool(store)
    names = await serials(store, name, 3)
    await opened(store, name, names)
    one = await sent(store, goes(name, 2, serials=names[:2]))
    other = await sent(store, goes(name, 1, serials=names[2:]))
    assert await stand(store, names[0]) == ("", "", one.movement)
    again = moving("OPENING", name, names[:1], to_location=at("shelf"))
    assert (await refused(store, again)).reason == "SERIAL_EXISTS"
    assert (await refused(store, back(other, 1, serials=names[:1]))).reason == "SERIAL_NOT_SHIPPED"
    row = await store("sam", back(one, 1, serials=names[:1]))
    assert list(row.lines[0].returned_serials) == names[:1]
    assert (await stand(store, names[0]))[:2] == ("dock", "CUSTOMER_RETURN")
    assert (await refused(store, back(one, 1, serials=names[:1]))).reason == "SERIAL_NOT_SHIPPED"
    assert [step.to_location.rsplit("/", 1)[-1] for step in await steps(store, names[0])] == [
        "shelf", "v-customer", "dock",
    ]  # fmt: skip


@pytest.mark.rule("MAT-9")
async def test_the_second_quantity_goes_and_comes_back(store: Plant) -> None:
    name = await cheese(store)
    await stocked(store, name, 3, second_quantity=q("6.1", "KGM"))
    row = await sent(store, goes(name, 2, second_quantity=q("4.1", "KGM")))
    too_heavy = back(row, 1, second_quantity=q("4.2", "KGM"), confirm_weight=True)
    assert (await refused(store, too_heavy)).reason == "TOLERANCE_EXCEEDED"
    row = await store("sam", back(row, 1, second_quantity=q(2, "KGM")))
    assert (row.lines[0].returned, row.lines[0].second_returned) == (q(1), q(2, "KGM"))


async def test_movements_of_shipments_are_taken_back_by_the_customer_alone(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 1)
    row = await sent(store, goes(name))
    what = movement("SHIP", name, 1, from_location=at("shelf"))
    with pytest.raises(Exception, match="come from documents"):
        await post(store, what)
    request = movements_pb2.ReverseMovementRequest(name=row.movement, reason="wrong")
    assert (await refused(store, request)).reason == "BELONGS_TO_DOCUMENT"
    assert (await call(store, "stella", back(row, 1))).lines[0].returned == q(1)


# --- loaded by tasks -------------------------------------------------------------------------------------------


async def lorry(plant: Plant) -> str:
    """A vehicle at the site."""
    name = fresh("lorry")
    await place(plant, name, "VEHICLE")
    return name


async def release(plant: Plant, row: Any, where: str) -> Any:
    return await plant("sam", sh.ReleaseShipmentRequest(name=row.name, location=at(where)))


async def task_of(plant: Plant, name: str) -> Any:
    return await plant("vic", tasks_pb2.GetTaskRequest(name=name))


async def box(plant: Plant, kind: str, name: str, value: int) -> Any:
    (unit,) = await handling_units(plant, kind)
    await pack(plant, unit.name, packed(name, value))
    return await close(plant, unit.name)


@pytest.mark.rule("MAT-106")
async def test_units_and_lines_are_loaded_by_scan_before_the_shipment_leaves(store: Plant, pallet: str) -> None:
    name, truck = await item(store), await lorry(store)
    await stocked(store, name, 9)
    whole = await box(store, pallet, name, 4)
    row = await release(store, await packed_up(store, goes(name, 2), goes_whole(whole.name)), truck)
    assert (row.state, row.loading_location) == (State.PACKED, at(truck))
    loose, unit = [await task_of(store, line.ship_task) for line in row.lines]
    assert [(task.kind, task.from_location, task.proposed_location, task.shipment) for task in (loose, unit)] == [
        (Task.SHIP, at("shelf"), at(truck), row.name),
    ] * 2  # fmt: skip
    assert (loose.quantity.value, unit.handling_unit, unit.item) == ("2", whole.name, "")
    fault = await refusal(store("sam", sh.ShipShipmentRequest(name=row.name)))
    assert (fault.reason, fault.metadata["shipment"]) == ("SHIPMENT_NOT_LOADED", row.name)
    assert (await refusal(confirm(store, loose, "bin"))).reason == "SCAN_MISMATCH"
    done = await confirm(store, loose, truck)
    assert (done.state, done.to_location) == (Task.COMPLETED, at(truck))
    scan = Scan(from_location=unit.from_location, goods=name, to_location=at(truck))
    assert (await refusal(store("sam", tasks_pb2.ConfirmTaskRequest(name=unit.name, scan=scan)))).reason == (
        "SCAN_MISMATCH"
    )  # fmt: skip
    scan.goods = whole.name
    await store("sam", tasks_pb2.ConfirmTaskRequest(name=unit.name, scan=scan))
    assert (await get(store, whole.name)).location == at(truck)
    assert lies(store, name)["hamburg", truck] == 6
    gone = await store("sam", sh.ShipShipmentRequest(name=row.name))
    assert (gone.state, gone.lines[0].location) == (State.SHIPPED, at(truck))
    assert lies(store, name)["hamburg", "v-customer"] == 6


@pytest.mark.rule("MAT-106")
async def test_what_is_there_needs_no_task_and_what_is_unpacked_none_any_more(store: Plant) -> None:
    name, truck = await item(store), await lorry(store)
    await stocked(store, name, 3, truck)
    await stocked(store, name, 3)
    row = await packed_up(store, goes(name, 1, where=truck), goes(name, 2))
    assert (await refusal(release(store, row, "shelf"))).fields == ["location"]
    row = await release(store, row, truck)
    assert [bool(line.ship_task) for line in row.lines] == [False, True]
    assert (await release(store, row, truck)).lines[1].ship_task == row.lines[1].ship_task
    assert (await refusal(release(store, row, "dock"))).fields == ["location"]
    changed = await store("sam", sh.UnpackShipmentRequest(name=row.name))
    assert changed.loading_location == ""
    assert (await task_of(store, row.lines[1].ship_task)).state == Task.CANCELLED
    assert (await refusal(release(store, row, truck))).reason == "TRANSITION_NOT_ALLOWED"
