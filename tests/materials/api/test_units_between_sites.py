"""Handling units that go to another site and come there as they are: number, nesting and content (MAT-51, MAT-111)."""

from typing import Any
from uuid import uuid4

import pytest
from plantops.materials.v1 import shipments_pb2

from tests.materials.builders import (
    SITE,
    at,
    check,
    fresh,
    handling_units,
    item,
    pack,
    packed,
    place,
    position,
    q,
    stocked,
    told,
)
from tests.materials.shipping import (
    Goods,
    State,
    arrival,
    dispose,
    lies,
    line,
    other_site,
    pb,
    receive,
    refused,
    release,
    ship,
    shipped,
    unit_line,
)
from tests.materials.units import Unit, close, create, get, nest, refusal, reopen, where
from tests.materials.units import pb as units
from tests.world import Plant


async def loaded(store: Plant, pallet: str, one: str, two: str) -> tuple[Any, Any]:
    """A closed pallet with 5 of an item, and in it a box with 3 of another."""
    outer, inner = await handling_units(store, pallet, 2)
    for name in (one, two):
        await stocked(store, name, 9)
    await pack(store, inner.name, packed(one, 3))
    await nest(store, inner.name, outer.name)
    await pack(store, outer.name, packed(two, 5))
    return await close(store, outer.name, gross_weight=q(80, "KGM")), inner


async def at_site(store: Plant, site: str) -> dict[str, Any]:
    """SSCC -> unit of a site."""
    listed = await store("vic", units.ListHandlingUnitsRequest(parent=site))
    return {row.sscc: await get(store, row.name) for row in listed.handling_units}


async def sent(store: Plant, other: str, *names: str) -> Any:
    """A transfer of whole units that is under way to another site's dock."""
    return await shipped(store, *map(unit_line, names), to_site=other, to=f"{other}/locations/dock")


def of_item(row: Any, name: str) -> Any:
    return next(one for one in row.lines if one.item == name)


@pytest.mark.rule("MAT-51")
@pytest.mark.rule("MAT-20")
@pytest.mark.rule("MAT-23")
async def test_a_unit_comes_to_another_site_as_it_left(store: Plant, pallet: str) -> None:
    other, one, two = await other_site(store), await item(store), await item(store)
    outer, inner = await loaded(store, pallet, one, two)
    second, _ = await loaded(store, pallet, one, two)
    row = await sent(store, other, outer.name, second.name)
    transit = row.transit_location.rsplit("/", 1)[-1]
    gone = await get(store, outer.name)
    assert (gone.state, gone.location, gone.transfer, gone.ship_time) == (Unit.SHIPPED, "", row.name, row.ship_time)
    assert where(store, one) == {("shelf", ""): (12, 0), (transit, ""): (6, 0)}
    before = position(store)
    row = await receive(store, row)
    assert row.state == State.SETTLED
    posted = [event for event in told(store, "MovementPosted", after=before) if event.source == row.name]
    assert [event.movement.split("/")[1] for event in posted] == ["hamburg"] * 2 + [other.split("/")[1]] * 2
    here = await at_site(store, other)
    come, box = here[outer.sscc], here[inner.sscc]
    assert (come.state, come.location, come.number) == (Unit.CLOSED, f"{other}/locations/dock", outer.number)
    assert (come.origin_handling_unit, come.transfer, come.gross_weight) == (outer.name, row.name, q(80, "KGM"))
    assert (box.state, box.parent_handling_unit, box.number) == (Unit.CLOSED, come.name, inner.number)
    assert {(part.item, part.handling_unit): part.on_hand for part in come.contents} == {
        (one, box.name): q(3), (two, come.name): q(5),
    }  # fmt: skip
    gone = await get(store, outer.name)
    assert (gone.state, gone.sscc, list(gone.contents)) == (Unit.SHIPPED, outer.sscc, [])
    assert await check(store, other) == await check(store) == []
    readmit = units.ReadmitHandlingUnitRequest(name=outer.name, location=at("dock"))
    assert (await refused(store, readmit)).reason == "SSCC_EXISTS"
    (outcome,) = await create(store, Unit(handling_unit_type=pallet, location=at("dock"), sscc=outer.sscc))
    assert refusal(outcome).reason == "SSCC_EXISTS"


@pytest.mark.rule("MAT-23")
@pytest.mark.rule("MAT-24")
async def test_a_unit_that_was_not_opened_goes_back_and_is_the_same(store: Plant, pallet: str) -> None:
    other, one, two = await other_site(store), await item(store), await item(store)
    outer, inner = await loaded(store, pallet, one, two)
    await receive(store, await sent(store, other, outer.name))
    come = (await at_site(store, other))[outer.sscc]
    way = await place(store, fresh("way"), "TRANSIT", parent=other)

    async def planned(name: str) -> Any:
        transfer = pb.Transfer(lines=[unit_line(name)], transit_location=way.name, to_site=SITE, to_location=at("bin"))
        row = await store("sam", pb.CreateTransferRequest(parent=other, transfer=transfer))
        return await release(store, row.name)

    row = await receive(store, await ship(store, (await planned(come.name)).name))
    again = await get(store, outer.name)
    assert (again.state, again.location, again.transfer) == (Unit.CLOSED, at("bin"), row.name)
    assert where(store, one)["bin", inner.name] == (3, 0)
    row = await receive(store, await sent(store, other, outer.name))
    assert (await get(store, come.name)).state == Unit.CLOSED
    await reopen(store, come.name)
    await close(store, come.name)
    planned_row = await planned(come.name)
    assert (await refused(store, pb.ShipTransferRequest(name=planned_row.name))).reason == "SSCC_USED_RECENTLY"
    to_customer = shipments_pb2.Shipment(
        lines=[shipments_pb2.Shipment.Line(handling_unit=come.name)], customer="Contoso"
    )
    asked = await store("sam", shipments_pb2.CreateShipmentRequest(parent=other, shipment=to_customer))
    pack_it = shipments_pb2.PackShipmentRequest(name=asked.name)
    assert (await refused(store, pack_it)).reason == "SSCC_USED_RECENTLY"


@pytest.mark.rule("MAT-111")
async def test_what_is_missing_in_a_unit_stays_under_way(store: Plant, pallet: str) -> None:
    other, one, two = await other_site(store), await item(store), await item(store)
    outer, inner = await loaded(store, pallet, one, two)
    row = await sent(store, other, outer.name)
    transit = row.transit_location.rsplit("/", 1)[-1]
    whole, part = Goods(handling_unit=outer.name), Goods(line=of_item(row, two).line, quantity=q(3))
    nothing = Goods(line=of_item(row, one).line, quantity=q(0))
    for goods, field in (
        ([nothing], "goods[0].quantity.value"),
        ([whole, Goods(item=two, quantity=q(3))], "goods[1].item"),
        ([whole, Goods(line=part.line, quantity=q(3), location=f"{other}/locations/bin")], "goods[1].location"),
        ([whole, part, part], "goods[2]"),
    ):
        assert (await refused(store, arrival(row, *goods))).metadata["field"] == field
    row = await receive(store, row, whole, part, nothing, final=True)
    assert (row.state, of_item(row, two).open_quantity, of_item(row, one).open_quantity) == (
        State.RECEIVED, q(2), q(3),
    )  # fmt: skip
    found = await at_site(store, other)
    come, box = found[outer.sscc], found[inner.sscc]
    assert (come.state, come.HasField("gross_weight"), box.parent_handling_unit) == (Unit.OPEN, False, come.name)
    assert [(got.item, got.on_hand) for got in come.contents] == [(two, q(3))]
    assert lies(store, one)["hamburg", transit] == 3
    row = await receive(store, row, Goods(handling_unit=outer.name), nothing)
    assert [got.on_hand for got in (await get(store, come.name)).contents] == [q(5)]
    row = await dispose(store, row, "LOST", reason_code="FELL_OFF")
    assert (row.state, (await get(store, outer.name)).state) == (State.SETTLED, Unit.SHIPPED)
    assert await check(store, other) == await check(store) == []


@pytest.mark.rule("MAT-111")
async def test_a_unit_that_is_found_stands_where_it_was_sent_from(store: Plant, pallet: str) -> None:
    other, one, two = await other_site(store), await item(store), await item(store)
    outer, inner = await loaded(store, pallet, one, two)
    row = await sent(store, other, outer.name)
    row = await receive(store, row, Goods(line=of_item(row, two).line), final=True)
    assert lies(store, two)[other.split("/")[1], "dock"] == 5
    row = await dispose(store, row, "FOUND", Goods(handling_unit=outer.name), location=at("bin"))
    back, box = await get(store, outer.name), await get(store, inner.name)
    assert (row.state, back.state, back.location) == (State.SETTLED, Unit.OPEN, at("bin"))
    assert (box.parent_handling_unit, where(store, one)["bin", inner.name]) == (outer.name, (3, 0))
    assert outer.sscc not in await at_site(store, other)


@pytest.mark.rule("MAT-111")
async def test_a_unit_inside_a_site_is_found_as_a_whole(store: Plant, pallet: str) -> None:
    one, two = await item(store), await item(store)
    outer, inner = await loaded(store, pallet, one, two)
    row = await shipped(store, unit_line(outer.name), line(two, 1))
    loose = next(one for one in row.lines if not one.outer_handling_unit)
    row = await receive(store, row, Goods(line=loose.line), final=True)
    row = await dispose(store, row, "FOUND", Goods(handling_unit=outer.name), location=at("dock"))
    assert (row.state, (await get(store, outer.name)).location) == (State.SETTLED, at("dock"))
    assert where(store, one)["dock", inner.name] == (3, 0)


@pytest.mark.rule("MAT-51")
async def test_a_number_that_is_taken_at_the_other_site_is_made_anew(store: Plant, pallet: str) -> None:
    other, one, two = await other_site(store), await item(store), await item(store)
    outer, _ = await loaded(store, pallet, one, two)
    taken = Unit(handling_unit_type=pallet, location=f"{other}/locations/dock", number=outer.number)
    entry = units.CreateHandlingUnitRequest(parent=other, handling_unit=taken, request_id=str(uuid4()))
    answer = await store("sam", units.BatchCreateHandlingUnitsRequest(parent=other, requests=[entry]))
    assert answer.outcomes[0].handling_unit.number == outer.number
    await receive(store, await sent(store, other, outer.name))
    assert (await at_site(store, other))[outer.sscc].number not in ("", outer.number)


@pytest.mark.rule("MAT-51")
async def test_what_the_release_before_has_sent_arrives_as_it_did(store: Plant, pallet: str) -> None:
    other, one, two = await other_site(store), await item(store), await item(store)
    outer, inner = await loaded(store, pallet, one, two)
    row = await shipped(store, unit_line(outer.name))
    with store.look("materials") as connection:  # the unit stands where it is under way, its content in it
        connection.execute("update transfer set to_site = %s where name = %s", [other, row.name])
    row = await store("vic", pb.GetTransferRequest(name=row.name))
    row = await receive(store, row, location=f"{other}/locations/dock")
    assert (row.state, lies(store, one)[other.split("/")[1], "dock"]) == (State.SETTLED, 3)
    assert {(await get(store, unit.name)).state for unit in (outer, inner)} == {Unit.SHIPPED}
