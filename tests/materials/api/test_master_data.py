"""Items, lots and locations through the api."""

import asyncio
from datetime import date

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.decimal_pb2 import Decimal
from plantops.materials.v1 import items_pb2, locations_pb2, lots_pb2

from tests.materials.builders import (
    SITE,
    at,
    day,
    eur,
    fresh,
    item,
    kinds_told,
    lot,
    place,
    position,
    told,
)
from tests.plant import Refused
from tests.world import Plant


def conversion(unit_code: str, numerator: int, denominator: int = 1) -> items_pb2.Item.Conversion:
    return items_pb2.Item.Conversion(unit_code=unit_code, numerator=numerator, denominator=denominator)


async def update(plant: Plant, name: str, *paths: str, etag: str = "", **given: object) -> items_pb2.Item:
    return await plant(  # type: ignore[no-any-return]
        "mara",
        items_pb2.UpdateItemRequest(
            item=items_pb2.Item(name=name, etag=etag, **given), update_mask=FieldMask(paths=paths)
        ),
    )


async def test_an_item_is_made_read_and_told(store: Plant) -> None:
    after = position(store)
    name = await item(
        store, number=(number := fresh("N")), item_class="filters", conversions=[conversion("BX", 8)],
        gtins=["4006381333931"], inspect_receipts=True, standard_cost=eur(80),
    )  # fmt: skip
    made = await store("vic", items_pb2.GetItemRequest(name=name))
    assert (made.number, made.state, made.gtins) == (number, items_pb2.Item.ACTIVE, ["04006381333931"])
    assert made.base_step.value == "1"
    (event,) = told(store, after=after)
    assert (event.item, event.number, event.base_unit_code, event.tracking) == (name, number, "H87", "NONE")
    assert (event.state, event.inspect_receipts, event.item_class, event.version) == ("ACTIVE", True, "filters", 1)
    assert [(row.unit_code, row.numerator, row.denominator) for row in event.conversions] == [("BX", 8, 1)]
    assert event.gtins == ["04006381333931"]


@pytest.mark.rule("MAT-255")
async def test_a_gtin_with_a_wrong_check_digit_is_refused(store: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await item(store, gtins=["4006381333932"])
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert refused.value.fields == ["item.gtins[0]"]


@pytest.mark.rule("MAT-264")
async def test_a_gtin_stands_for_one_item_also_when_two_people_give_it_at_once(store: Plant) -> None:
    found = await asyncio.gather(*(item(store, gtins=["73513537"]) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, str) for one in found) == 1
    assert {one.fields[0] for one in found if isinstance(one, Refused)} == {"item.gtins"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"base_step": Decimal(value="-1")}, "item.base_step"),
        ({"conversions": [conversion("BX", 8), conversion("BX", 9)]}, "item.conversions"),
        ({"conversions": [conversion("H87", 8)]}, "item.conversions"),
        ({"conversions": [conversion("BX", 0)]}, "item.conversions[0].numerator"),
        ({"gtins": ["4006381333931", "04006381333931"]}, "item.gtins"),
        ({"standard_cost": eur(-1)}, "item.standard_cost"),
        ({"base_unit_code": "piece"}, "item.base_unit_code"),
        ({"title": ""}, "item.title"),
    ],
)
async def test_a_wrong_item_is_refused_with_the_field(store: Plant, given: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        await item(store, **given)
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.fields[0] == field


async def test_a_number_is_given_once(store: Plant) -> None:
    await item(store, number=(number := fresh("N")))
    with pytest.raises(Refused) as refused:
        await item(store, number=number)
    assert (refused.value.code, refused.value.reason) == ("ALREADY_EXISTS", "RESOURCE_EXISTS")


async def test_an_item_is_changed_with_its_etag_alone(store: Plant) -> None:
    name = await item(store)
    after = position(store)
    changed = await update(store, name, "title", etag='"1"', title="new")
    assert (changed.title, changed.etag) == ("new", '"2"')
    assert [event.title for event in told(store, "ItemChanged", after=after)] == ["new"]
    with pytest.raises(Refused) as refused:
        await update(store, name, "title", etag='"1"', title="newer")
    assert (refused.value.code, refused.value.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert refused.value.metadata["current"] == '"2"'


async def test_an_unknown_item_is_not_found(store: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await store("vic", items_pb2.GetItemRequest(name="items/nothing"))
    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")


async def test_items_are_listed_by_class_number_and_gtin(store: Plant) -> None:
    group = fresh("class")
    names = [await item(store, item_class=group) for _ in range(3)]
    listed = await store("vic", items_pb2.ListItemsRequest(filter=f'item_class = "{group}"', page_size=2))
    assert [row.name for row in listed.items] == sorted(names)[:2]
    rest = await store(
        "vic",
        items_pb2.ListItemsRequest(filter=f'item_class = "{group}"', page_size=2, page_token=listed.next_page_token),
    )
    assert [row.name for row in rest.items] == sorted(names)[2:]
    assert rest.next_page_token == ""


@pytest.mark.rule("MAT-11")
async def test_a_lot_number_is_found_only_within_its_item(store: Plant) -> None:
    one, other = await item(store, tracking="LOT"), await item(store, tracking="LOT")
    number = fresh("L")
    first, second = await lot(store, one, number), await lot(store, other, number)
    assert first != second
    listed = await store("vic", lots_pb2.ListLotsRequest(parent=one, filter=f'number = "{number}"'))
    assert [row.name for row in listed.lots] == [first]
    with pytest.raises(Refused) as refused:
        await lot(store, one, number)
    assert refused.value.code == "ALREADY_EXISTS"


@pytest.mark.rule("MAT-12")
async def test_lot_numbers_differ_by_case_and_not_by_the_way_a_letter_is_written(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    await lot(store, name, "Ä 01")
    await lot(store, name, "ä 01")
    with pytest.raises(Refused) as refused:
        await lot(store, name, "A\u0308 01")
    assert refused.value.code == "ALREADY_EXISTS"


async def test_a_lot_keeps_what_the_supplier_said(store: Plant) -> None:
    name = await item(store, tracking="LOT")
    made = await lot(store, name, supplier="suppliers/acme", supplier_lot="S-9", expire_date=day(date(2030, 1, 31)))
    read = await store("vic", lots_pb2.GetLotRequest(name=made))
    assert (read.item, read.supplier_lot, read.expire_date) == (name, "S-9", day(date(2030, 1, 31)))
    assert not read.HasField("first_receipt_time")
    with pytest.raises(Refused) as refused:
        await lot(store, "items/nothing")
    assert refused.value.code == "NOT_FOUND"


@pytest.mark.rule("MAT-30")
async def test_the_virtual_locations_come_with_the_site_and_no_other_is_made(store: Plant) -> None:
    listed = await store("vic", locations_pb2.ListLocationsRequest(parent=SITE))
    kinds = {locations_pb2.Location.Kind.Name(row.kind) for row in listed.locations}
    assert kinds == {
        "SUPPLIER", "CONSUMED", "SCRAP", "ADJUSTMENT", "OPENING", "PRODUCTION", "CUSTOMER", "INTER_SITE",
        "DOCK", "STORAGE", "GROUP",
    }  # fmt: skip
    with pytest.raises(Refused) as refused:
        await place(store, fresh("v"), "SUPPLIER")
    assert refused.value.fields == ["location.kind"]


@pytest.mark.rule("MAT-30")
async def test_locations_form_a_tree_of_groups_and_leaves(store: Plant) -> None:
    hall, aisle, shelf = fresh("hall"), fresh("aisle"), fresh("shelf")
    await place(store, hall, "GROUP")
    await place(store, aisle, "GROUP", parent_location=at(hall))
    made = await place(store, shelf, parent_location=at(aisle))
    listed = await store(
        "vic", locations_pb2.ListLocationsRequest(parent=SITE, filter=f'parent_location = "{at(aisle)}"')
    )
    assert [row.name for row in listed.locations] == [made.name]
    with pytest.raises(Refused) as refused:
        await place(store, fresh("x"), parent_location=at(shelf))
    assert refused.value.fields == ["location.parent_location"]
    with pytest.raises(Refused) as circle:
        await move(store, hall, aisle)
    assert (circle.value.code, circle.value.reason) == ("FAILED_PRECONDITION", "CYCLE")
    with pytest.raises(Refused) as unknown:
        await place(store, fresh("x"), parent_location=at("nowhere"))
    assert unknown.value.fields == ["location.parent_location"]
    with pytest.raises(Refused) as foreign:
        await place(store, fresh("x"), parent_location="sites/antwerp/locations/hall")
    assert foreign.value.fields == ["location.parent_location"]


async def move(plant: Plant, name: str, under: str) -> locations_pb2.Location:
    return await plant(  # type: ignore[no-any-return]
        "mara",
        locations_pb2.UpdateLocationRequest(
            location=locations_pb2.Location(name=at(name), parent_location=at(under)),
            update_mask=FieldMask(paths=["parent_location"]),
        ),
    )


@pytest.mark.rule("MAT-30")
async def test_two_people_who_move_groups_at_once_close_no_circle(store: Plant) -> None:
    for _ in range(5):
        one, other = fresh("one"), fresh("other")
        await place(store, one, "GROUP")
        await place(store, other, "GROUP")
        found = await asyncio.gather(move(store, one, other), move(store, other, one), return_exceptions=True)
        refused = [row for row in found if isinstance(row, Refused)]
        assert [row.reason for row in refused] == ["CYCLE"]


async def test_a_location_of_an_unknown_site_is_refused(store: Plant) -> None:
    with pytest.raises(Refused) as refused:
        await place(store, "x", parent="sites/nowhere")
    assert refused.value.fields == ["parent"]


async def test_a_place_is_read_and_locked(store: Plant) -> None:
    name = fresh("place")
    await place(store, name, check_code="C-7", path_order=3)
    locked = await store(
        "mara",
        locations_pb2.UpdateLocationRequest(
            location=locations_pb2.Location(name=at(name), blocked=True), update_mask=FieldMask(paths=["blocked"])
        ),
    )
    assert locked.blocked
    read = await store("vic", locations_pb2.GetLocationRequest(name=at(name)))
    assert (read.check_code, read.path_order, read.blocked, read.etag) == ("C-7", 3, True, '"2"')
    assert kinds_told(store, position(store)) == []
