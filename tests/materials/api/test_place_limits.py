"""What fits into a place, and finding one where it does."""

from decimal import Decimal as D
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from plantops.materials.v1 import (
    handling_units_pb2,
    items_pb2,
    locations_pb2,
    tasks_pb2,
)

from tests.materials.builders import (
    SITE,
    at,
    balances,
    expected,
    fresh,
    handling_units,
    item,
    lot,
    pack,
    packed,
    place,
    q,
    received,
    scanned,
    stocked,
    unit_type,
)
from tests.materials.places import (
    Fit,
    Location,
    confirm,
    deactivate,
    found,
    limited,
    lock,
    moved,
    put_away_task,
    reason_of,
    refusal,
    unlock,
)
from tests.world import Plant

# --- limits --------------------------------------------------------------------------------------------------


@pytest.mark.rule("MAT-32")
@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"max_weight": q(1, "GRM")}, "location.limits.max_weight.unit_code"),
        ({"max_weight": q(-1, "KGM")}, "location.limits.max_weight.value"),
        ({"max_volume": q(1, "KGM")}, "location.limits.max_volume.unit_code"),
        ({"max_handling_units": -1}, "location.limits.max_handling_units"),
        ({"item_limits": [Location.ItemLimit(item="items/no", quantity=q(1))]}, "location.limits.item_limits[0].item"),
    ],
)
async def test_a_wrong_limit_is_refused_with_the_field(store: Plant, limits: dict[str, Any], field: str) -> None:
    assert (await refusal(limited(store, **limits))).fields == [field]


@pytest.mark.rule("MAT-32")
async def test_limits_are_kept_changed_and_taken_away(store: Plant) -> None:
    name = await item(store)
    once = Location.ItemLimit(item=name, quantity=q("5.0"))
    kilos = Location.ItemLimit(item=name, quantity=q(1, "KGM"))
    assert (await refusal(limited(store, item_limits=[once, once]))).fields == ["location.limits.item_limits[1].item"]
    assert (await refusal(limited(store, item_limits=[kilos]))).fields == [
        "location.limits.item_limits[0].quantity.unit_code"
    ]
    assert (await refusal(limited(store, "GROUP", max_weight=q(1, "KGM")))).fields == ["location.limits"]
    where = await limited(store, max_volume=q("1.50", "MTQ"), item_limits=[once], item_mixing="FORBIDDEN")
    read = await store("vic", locations_pb2.GetLocationRequest(name=at(where)))
    assert (read.limits.max_volume, read.limits.item_limits[0].quantity) == (q("1.5", "MTQ"), q(5))
    await stocked(store, name, 9, "bin")
    assert (await refusal(moved(store, name, "bin", where, 6))).metadata["limit"] == "item_limits"
    none = await store(
        "mara",
        locations_pb2.UpdateLocationRequest(location=Location(name=at(where)), update_mask=FieldMask(paths=["limits"])),
    )
    assert not none.HasField("limits")
    await moved(store, name, "bin", where, 6)


@pytest.mark.rule("MAT-32")
async def test_weight_and_volume_of_an_item_are_in_kilograms_and_litres(store: Plant) -> None:
    name = await item(store, gross_weight=q("0.125", "KGM"), volume=q(2, "LTR"))
    read = await store("vic", items_pb2.GetItemRequest(name=name))
    assert (read.gross_weight, read.volume) == (q("0.125", "KGM"), q(2, "LTR"))
    assert (await refusal(item(store, gross_weight=q(1, "LBR")))).fields == ["item.gross_weight"]
    assert (await refusal(item(store, volume=q(-1, "LTR")))).fields == ["item.volume"]


@pytest.mark.rule("MAT-33")
async def test_a_place_takes_up_to_its_limit_and_says_what_is_there(store: Plant) -> None:
    heavy = await item(store, gross_weight=q(25, "KGM"))
    where = await limited(store, max_weight=q(100, "KGM"))
    await stocked(store, heavy, 9, "bin")
    await moved(store, heavy, "bin", where, 2)
    refused = await refusal(moved(store, heavy, "bin", where, 3))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "CAPACITY_EXCEEDED")
    assert refused.metadata == {
        "location": at(where), "limit": "max_weight", "most": "100", "here": "50", "coming": "0", "asked": "75",
        "unit_code": "KGM",
    }  # fmt: skip
    await moved(store, heavy, "bin", where, 2)
    assert (await refusal(moved(store, heavy, "bin", where, 1))).metadata["here"] == "100"
    await moved(store, heavy, where, "bin", 1)
    await moved(store, heavy, "bin", where, 1)
    light = await item(store)
    await stocked(store, light, 999, where)


@pytest.mark.rule("MAT-32")
async def test_what_may_not_lie_together_does_not(store: Plant) -> None:
    one, other = await item(store, item_class="a"), await item(store, item_class="b")
    where = await limited(store, item_mixing="FORBIDDEN", status_mixing="FORBIDDEN")
    await stocked(store, one, 5, where)
    await stocked(store, other, 5, "bin")
    await stocked(store, one, 5, "bin", to_status="BLOCKED")
    refused = await refusal(moved(store, other, "bin", where))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "MIXING_FORBIDDEN")
    assert refused.metadata == {"location": at(where), "dimension": "items", "here": one, "asked": other}
    statuses = await refusal(moved(store, one, "bin", where, from_status="BLOCKED"))
    assert (statuses.metadata["dimension"], statuses.metadata["here"]) == ("statuses", "UNRESTRICTED")
    tracked = await item(store, tracking="LOT")
    first, second = await lot(store, tracked), await lot(store, tracked)
    one_lot = await limited(store, lot_mixing="FORBIDDEN", item_mixing="ALLOWED")
    await stocked(store, tracked, 1, one_lot, lot=first)
    await stocked(store, tracked, 1, "bin", lot=second)
    lots = await refusal(moved(store, tracked, "bin", one_lot, lot=second))
    assert (lots.metadata["dimension"], lots.metadata["here"], lots.metadata["asked"]) == ("lots", first, second)
    await moved(store, one, "bin", one_lot, from_status="BLOCKED")
    classes = await limited(store, item_classes=["a"])
    wrong = await refusal(moved(store, other, "bin", classes))
    assert (wrong.code, wrong.reason, wrong.metadata["asked"]) == ("FAILED_PRECONDITION", "NOT_ALLOWED_HERE", "b")


@pytest.mark.rule("MAT-35")
async def test_goods_on_a_cart_are_in_the_book_of_the_cart(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 5, "bin")
    for kind in ("CART", "VEHICLE", "TRANSIT"):
        ride = fresh(kind.lower())
        await place(store, ride, kind)
        await moved(store, name, "bin", ride, 2)
        assert await balances(store, name) == {
            ("bin", "UNRESTRICTED"): (D(3), D(0)), (ride, "UNRESTRICTED"): (D(2), D(0)),
        }  # fmt: skip
        await moved(store, name, ride, "bin", 2)


@pytest.mark.rule("MAT-32")
@pytest.mark.rule("MAT-33")
async def test_a_position_is_taken_by_the_outermost_unit_of_an_allowed_type(store: Plant) -> None:
    name, other = await item(store), await item(store)
    for one in (name, other):
        await stocked(store, one, 9, "bin")
    pallet, box = await unit_type(store), await unit_type(store, title="box")
    first, second = await handling_units(store, pallet, 2, "bin")
    (inner,) = await handling_units(store, box, 1, "bin")
    await pack(store, inner.name, packed(other, 2))
    await pack(store, first.name, packed(name, 1))
    await store("sam", handling_units_pb2.NestHandlingUnitRequest(name=inner.name, parent_handling_unit=first.name))
    await pack(store, second.name, packed(name, 1))
    where = await limited(store, max_handling_units=1, handling_unit_types=[pallet])
    await bring(store, first.name, where)
    refused = await refusal(bring(store, second.name, where))
    assert (refused.reason, refused.metadata["limit"], refused.metadata["here"]) == (
        "CAPACITY_EXCEEDED", "max_handling_units", "1",
    )  # fmt: skip
    assert (await refusal(deactivate(store, where))).reason == "LOCATION_IN_USE"
    boxes = await limited(store, handling_unit_types=[box])
    wrong = await refusal(bring(store, second.name, boxes))
    assert (wrong.reason, wrong.metadata["limit"], wrong.metadata["asked"]) == (
        "NOT_ALLOWED_HERE", "handling_unit_types", pallet,
    )  # fmt: skip
    await moved(store, name, "bin", where)
    answer = await found(store, name, handling_unit=second.name)
    over = {row.location: reason_of(row.refusal) for row in answer.passed_over}
    assert (over[at(where)], over[at(boxes)]) == ("CAPACITY_EXCEEDED", "NOT_ALLOWED_HERE")
    nobody = locations_pb2.FindPlaceRequest(
        parent=SITE, item=name, quantity=q(1), handling_unit=f"{SITE}/handlingUnits/x"
    )
    assert (await refusal(store("sam", nobody))).fields == ["handling_unit"]


async def bring(plant: Plant, unit: str, where: str) -> Any:
    return await plant("sam", handling_units_pb2.MoveHandlingUnitRequest(name=unit, location=at(where)))


# --- put-away and finding a place ----------------------------------------------------------------------------


@pytest.mark.rule("MAT-33")
@pytest.mark.rule("MAT-100")
async def test_two_pallets_on_their_way_count_both_and_a_task_not_against_itself(store: Plant) -> None:
    kind = fresh("class")
    name = await item(store, item_class=kind, gross_weight=q(50, "KGM"))
    where = await limited(store, max_weight=q(100, "KGM"), item_classes=[kind])
    first = await put_away_task(store, name, 1, where)
    second = await put_away_task(store, name, 1, where)
    await stocked(store, name, 1, "bin")
    refused = await refusal(moved(store, name, "bin", where))
    assert (refused.reason, refused.metadata["here"], refused.metadata["coming"]) == ("CAPACITY_EXCEEDED", "0", "100")
    await confirm(store, first, where)
    assert (await refusal(moved(store, name, "bin", where))).metadata["coming"] == "50"
    await confirm(store, second, "bin")
    await moved(store, name, "bin", where)
    assert (await balances(store, name))[where, "UNRESTRICTED"] == (D(2), D(0))


@pytest.mark.rule("MAT-100")
async def test_a_place_with_the_lot_comes_first_then_the_item_then_the_nearest_empty(store: Plant) -> None:
    kind = fresh("class")
    name = await item(store, item_class=kind, tracking="LOT", gross_weight=q(1, "KGM"))
    one, other = await lot(store, name), await lot(store, name)
    places = {
        key: await limited(store, item_classes=[kind], max_weight=q(most, "KGM"))
        for key, most in (("lot", 10), ("item", 10), ("full", 3), ("near", 5), ("small", 1), ("locked", 5))
    }
    for order, key in enumerate(("near", "small", "locked"), start=-100):
        await store(
            "mara",
            locations_pb2.UpdateLocationRequest(
                location=Location(name=at(places[key]), path_order=order), update_mask=FieldMask(paths=["path_order"])
            ),
        )
    await stocked(store, name, 1, places["lot"], lot=one)
    await stocked(store, name, 1, places["item"], lot=other)
    await stocked(store, name, 2, places["full"], lot=other)
    await lock(store, places["locked"], "INBOUND")
    answer = await found(store, name, 2, lot=one)
    mine = {at(where): key for key, where in places.items()}
    candidates = [(mine[row.location], row.fit) for row in answer.candidates if row.location in mine]
    assert candidates == [
        ("lot", Fit.SAME_LOT),
        ("item", Fit.SAME_ITEM),
        ("near", Fit.EMPTY),
    ]
    assert {(mine[row.location], reason_of(row.refusal)) for row in answer.passed_over if row.location in mine} == {
        ("full", "CAPACITY_EXCEEDED"), ("small", "CAPACITY_EXCEEDED"), ("locked", "LOCATION_LOCKED"),
    }  # fmt: skip
    assert (answer.weight_unknown, answer.volume_unknown) == (False, True)
    elsewhere = await found(store, name, 2, lot=one, from_location=at(places["lot"]), status="INSPECTION")
    assert mine[elsewhere.candidates[0].location] == "item"


@pytest.mark.rule("MAT-100")
async def test_what_looks_for_a_place_must_be_right(store: Plant) -> None:
    name = await item(store)
    for given, field in (
        ({"item": "items/nothing"}, "item"),
        ({"lot": "items/x/lots/y"}, "lot"),
        ({"quantity": q(0)}, "quantity.value"),
        ({"parent": "sites/nowhere"}, "parent"),
    ):
        request = locations_pb2.FindPlaceRequest(**{"parent": SITE, "item": name, "quantity": q(1), **given})
        assert (await refusal(store("sam", request))).fields == [field]


@pytest.mark.rule("MAT-100")
async def test_a_receipt_proposes_places_and_says_when_there_is_none(store: Plant) -> None:
    kind = fresh("class")
    name = await item(store, item_class=kind, gross_weight=q(10, "KGM"))
    where = await limited(store, item_classes=[kind], max_weight=q(20, "KGM"))
    await store(
        "mara",
        locations_pb2.UpdateLocationRequest(
            location=Location(name=at(where), path_order=-1000), update_mask=FieldMask(paths=["path_order"])
        ),
    )
    assert (await put_away_task(store, name, 1)).proposed_location == at(where)
    assert (await put_away_task(store, name, 1)).proposed_location == at(where)
    third = await put_away_task(store, name, 1)
    assert third.proposed_location not in ("", at(where))
    assert third.no_place_reason == ""


@pytest.mark.rule("MAT-100")
async def test_a_pallet_with_several_items_gets_one_place(store: Plant) -> None:
    names = [await item(store) for _ in range(3)]
    for name in names:
        await expected(store, name, 1, to="")
    for turn in range(2):
        await place(store, fresh("place"), path_order=-2000 + turn)
    (unit,) = await handling_units(store, await unit_type(store), 1, "dock")
    posted = await received(store, *(scanned(name, 1, handling_unit=unit.name) for name in names))
    tasks = [await store("vic", tasks_pb2.GetPutAwayTaskRequest(name=row.put_away_task)) for row in posted.lines]
    (where,) = {task.proposed_location for task in tasks}
    assert where


@pytest.mark.rule("MAT-100")
async def test_where_no_place_has_room_the_task_says_why(store: Plant) -> None:
    name, closed = await item(store), []
    while rows := (await found(store, name)).candidates:
        closed += [row.location.rsplit("/", 1)[-1] for row in rows]
        for row in rows:
            await lock(store, row.location.rsplit("/", 1)[-1], "INBOUND")
    task = await put_away_task(store, name, 1)
    for where in closed:
        await unlock(store, where, "INBOUND")
    assert task.proposed_location == ""
    assert "places were passed over; the first: " in task.no_place_reason
    done = await confirm(store, task, "shelf")
    assert done.to_location == at("shelf")
