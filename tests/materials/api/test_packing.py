"""What is packed into handling units and taken out of them."""

from typing import Any

import pytest
from plantops.materials.v1 import (
    balances_pb2,
    movements_pb2,
)

from tests.materials.builders import (
    SITE,
    at,
    batch,
    call,
    handling_units,
    item,
    lot,
    movement,
    pack,
    packed,
    q,
    reason,
    stocked,
)
from tests.materials.units import close, move, pb, refusal, refused, where
from tests.plant import Refused
from tests.world import Plant


@pytest.mark.rule("MAT-20")
async def test_stock_goes_into_a_unit_and_out_of_it_by_one_movement_that_names_it(store: Plant, pallet: str) -> None:
    plain, tracked = await item(store), await item(store, tracking="LOT", conversions=[])
    number = await lot(store, tracked)
    await stocked(store, plain, 10)
    await stocked(store, tracked, 7, lot=number)
    one, other = await handling_units(store, pallet, 2)
    done = await pack(store, one.name, packed(plain, 6), packed(tracked, 2, lot=number))
    made = await store("vic", movements_pb2.GetMovementRequest(name=done.movement))
    assert made.kind == movements_pb2.Movement.REPACK
    assert [(row.handling_unit, row.quantity.value, row.location) for row in made.entries] == [
        ("", "-6", at("shelf")), (one.name, "6", at("shelf")), ("", "-2", at("shelf")), (one.name, "2", at("shelf")),
    ]  # fmt: skip
    await pack(store, other.name, packed(plain, 1), from_handling_unit=one.name)
    out = await store("sam", pb.UnpackHandlingUnitRequest(name=one.name, contents=[packed(plain, 2)]))
    assert where(store, plain) == {
        ("shelf", ""): (6, 0), ("shelf", one.name): (3, 0), ("shelf", other.name): (1, 0),
    }  # fmt: skip
    read = await store("vic", movements_pb2.GetMovementRequest(name=out.movement))
    assert (read.from_handling_unit, read.to_handling_unit) == (one.name, "")
    await store("sam", pb.UnpackHandlingUnitRequest(name=one.name))
    assert where(store, plain) == {("shelf", ""): (9, 0), ("shelf", other.name): (1, 0)}
    assert where(store, tracked) == {("shelf", ""): (7, 0)}
    found = await store("vic", balances_pb2.ListBalancesRequest(parent=SITE, filter=f'handling_unit = "{other.name}"'))
    assert [(row.item, row.handling_unit, row.on_hand) for row in found.balances] == [(plain, other.name, q(1))]


@pytest.mark.rule("MAT-20")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"item": "items/none"}, "contents[0].item"),
        ({"value": "0"}, "contents[0].quantity.value"),
        ({"twice": True}, "contents"),
        ({"from_handling_unit": "self"}, "from_handling_unit"),
        ({"from_handling_unit": f"{SITE}/handlingUnits/none"}, "from_handling_unit"),
    ],
)
async def test_bad_contents_are_refused(store: Plant, pallet: str, given: dict[str, Any], field: str) -> None:
    given = dict(given)
    name = await item(store)
    await stocked(store, name, 5)
    (one,) = await handling_units(store, pallet)
    what = [packed(given.pop("item", name), given.pop("value", 1))] * (1 + given.pop("twice", False))
    if given.get("from_handling_unit") == "self":
        given["from_handling_unit"] = one.name
    found = await refused(store, pb.PackHandlingUnitRequest(**{"name": one.name, "contents": what, **given}))
    assert (found.reason, found.fields) == ("FIELD_INVALID", [field])


@pytest.mark.rule("MAT-20")
async def test_more_than_is_there_is_not_packed_and_nothing_of_the_rest(store: Plant, pallet: str) -> None:
    one, two = await item(store), await item(store)
    await stocked(store, one, 5)
    await stocked(store, two, 5)
    (unit,) = await handling_units(store, pallet)
    found = await refused(store, pb.PackHandlingUnitRequest(name=unit.name, contents=[packed(one, 1), packed(two, 6)]))
    assert (found.reason, found.metadata["available"]) == ("NOT_ENOUGH_STOCK", "5")
    await store("sam", pb.PackHandlingUnitRequest(name=unit.name, contents=[packed(one, 1)]))
    with pytest.raises(Refused) as empty:
        await store("sam", pb.UnpackHandlingUnitRequest(name=(await handling_units(store, pallet))[0].name))
    assert empty.value.fields == ["name"]


@pytest.mark.rule("MAT-20")
@pytest.mark.rule("MAT-22")
async def test_by_hand_stock_goes_only_into_an_open_unit_that_stands_there(store: Plant, pallet: str) -> None:
    name = await item(store)
    await stocked(store, name, 10)
    (unit,) = await handling_units(store, pallet)
    moves = [
        movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("shelf"), to_handling_unit=unit.name),
        movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"), to_handling_unit=unit.name),
        movement("OPENING", name, 2, to_location=at("shelf"), to_handling_unit=unit.name),
        movement("ADJUST", name, 1, from_location=at("shelf"), from_handling_unit=unit.name),
        movement("STATUS_CHANGE", name, 1, from_location=at("shelf"), to_status=3, from_handling_unit=unit.name),
        # out of the unit and to another place, in one line
        movement("MOVE", name, 1, from_location=at("shelf"), from_handling_unit=unit.name, to_location=at("bin")),
        movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"), from_handling_unit=unit.name,
                 to_handling_unit=unit.name),
        movement("SCRAP", name, 1, from_location=at("shelf"), to_handling_unit=unit.name),
        movement("STATUS_CHANGE", name, 1, from_location=at("shelf"), to_status="BLOCKED", to_handling_unit=unit.name),
    ]  # fmt: skip
    outcomes = await batch(store, moves)
    assert [reason(one) for one in outcomes] == [
        "", "HANDLING_UNIT_ELSEWHERE", "", "", "", "", "FIELD_INVALID", "FIELD_INVALID", "FIELD_INVALID",
    ]  # fmt: skip
    elsewhere = refusal(outcomes[1])
    assert elsewhere.metadata == {"handling_unit": unit.name, "location": at("bin")}
    assert refusal(outcomes[6]).fields == ["movement.to_handling_unit"]
    assert where(store, name) == {("shelf", ""): (9, 0), ("shelf", unit.name): (1, 0), ("bin", ""): (1, 0)}
    await close(store, unit.name)
    for what in (moves[0], moves[3], moves[2]):
        found = await refused(store, movements_pb2.CreateMovementRequest(parent=SITE, movement=what), "stella")
        assert (found.reason, found.metadata["handling_unit"]) == ("HANDLING_UNIT_CLOSED", unit.name)


@pytest.mark.rule("MAT-20")
async def test_a_repacking_is_reversed_and_a_move_of_a_unit_is_taken_back_by_moving_it(
    store: Plant, pallet: str
) -> None:
    name = await item(store)
    await stocked(store, name, 4)
    (unit,) = await handling_units(store, pallet)
    packing = await pack(store, unit.name, packed(name, 4))
    moved = await move(store, unit.name, "bin")
    found = await refused(
        store, movements_pb2.ReverseMovementRequest(name=moved.movement, reason="wrong bin"), "stella"
    )
    assert (found.reason, found.metadata["document"]) == ("BELONGS_TO_DOCUMENT", unit.name)
    found = await refused(store, movements_pb2.ReverseMovementRequest(name=packing.movement, reason="wrong"), "stella")
    assert found.reason == "HANDLING_UNIT_ELSEWHERE"
    await move(store, unit.name, "shelf")
    await call(store, "stella", movements_pb2.ReverseMovementRequest(name=packing.movement, reason="wrong"))
    assert where(store, name) == {("shelf", ""): (4, 0)}
