"""Items: units and packs, what stock is kept in, alternates, states, and what was stated in every posting."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.decimal_pb2 import Decimal as Number
from plantops.materials.v1 import inspections_pb2, items_pb2, movements_pb2, reservations_pb2

from tests.materials.builders import (
    SITE,
    at,
    batch,
    call,
    day,
    expected,
    item,
    movement,
    position,
    q,
    reason,
    received,
    reserved,
    scanned,
    stocked,
    told,
)
from tests.plant import Refused
from tests.world import Plant

KILOGRAM: dict[str, Any] = {"base_unit_code": "KGM", "base_step": Number(value="0.001")}


def conversion(unit_code: str, numerator: int, denominator: int = 1, pack_name: str = "") -> Any:
    return items_pb2.Item.Conversion(
        unit_code=unit_code, numerator=numerator, denominator=denominator, pack_name=pack_name
    )


def alternate(name: str, direction: str = "ONE_WAY", **given: Any) -> Any:
    return items_pb2.Item.Alternate(item=name, numerator=1, denominator=1, direction=direction, **given)


async def update(plant: Plant, name: str, **given: Any) -> Any:
    request = items_pb2.UpdateItemRequest(
        item=items_pb2.Item(name=name, **given), update_mask=FieldMask(paths=sorted(given))
    )
    return await plant("mara", request)


async def converted(plant: Plant, name: str, value: str, unit: str, to: str = "", purpose: str = "EXACT") -> Any:
    request = items_pb2.ConvertQuantityRequest(
        name=name, value=Number(value=value), unit=unit, to_unit=to, purpose=purpose
    )
    return await plant("vic", request)


# --- MAT-1 .. MAT-8: units ----------------------------------------------------------------------------------


@pytest.mark.rule("MAT-1", "MAT-3")
@pytest.mark.parametrize(
    ("rounding", "value", "unit", "base"),
    [
        ("HALF_EVEN", "3", "LBR", "1.361"),
        ("HALF_EVEN", "0.5", "TNE", "500"),
        ("HALF_EVEN", "0.0125", "GRM", ""),
        ("HALF_EVEN", "2.5", "GRM", "0.002"),
        ("HALF_UP", "2.5", "GRM", "0.003"),
        ("HALF_EVEN", "0.1", "KGM", "0.1"),
    ],
)
async def test_what_is_measured_is_rounded_once_to_the_base_step(
    store: Plant, rounding: str, value: str, unit: str, base: str
) -> None:
    name = await item(store, rounding=rounding, **KILOGRAM)
    if not base:
        with pytest.raises(Refused) as refused:
            await stocked(store, name, value, unit_code=unit)
        assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "QUANTITY_NOT_ON_GRID")
        return
    posted = await stocked(store, name, value, unit_code=unit)
    assert (posted.quantity.value, posted.quantity.unit_code) == (base, "KGM")


@pytest.mark.rule("MAT-1")
async def test_the_largest_quantity_is_kept_exactly_and_a_larger_one_is_refused(store: Plant) -> None:
    name = await item(store, base_step=Number(value="0.000001"), conversions=[conversion("XBX", 1000)])
    posted = await stocked(store, name, "999999999999.999999")
    assert posted.quantity.value == "999999999999.999999"
    with pytest.raises(Refused) as refused:
        await stocked(store, name, "999999999999.999999", unit_code="XBX")
    assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", ["movement.quantity.value"])


@pytest.mark.rule("MAT-4", "MAT-7")
@pytest.mark.parametrize(
    ("value", "unit", "why", "fields"),
    [
        ("1.5", "XBX", "", []),
        ("0.1", "XBX", "QUANTITY_NOT_ON_GRID", ["movement.quantity.value"]),
        ("2", "DZN", "", []),
        ("0.1", "DZN", "QUANTITY_NOT_ON_GRID", ["movement.quantity.value"]),
        ("1", "KGM", "UNIT_INCOMPATIBLE", []),
        ("1", "QQQ", "UNIT_UNKNOWN", []),
    ],
)
async def test_pieces_are_never_rounded_and_units_never_guessed(
    store: Plant, value: str, unit: str, why: str, fields: list[str]
) -> None:
    name = await item(store, conversions=[conversion("XBX", 8)])
    if not why:
        await stocked(store, name, value, unit_code=unit)
        return
    with pytest.raises(Refused) as refused:
        await stocked(store, name, value, unit_code=unit)
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", why)
    assert refused.value.fields == fields


@pytest.mark.rule("MAT-3", "MAT-5", "MAT-8")
@pytest.mark.parametrize(
    ("value", "unit", "to", "purpose", "found", "rest"),
    [
        ("2", "box of 8", "", "EXACT", "16 H87", "0 XBX"),
        ("16", "H87", "box of 8", "EXACT", "2 XBX", "0 H87"),
        ("15", "H87", "box of 8", "AVAILABLE", "1 XBX", "7 H87"),
        ("15", "H87", "XBX", "DEMAND", "2 XBX", "-1 H87"),
        ("2", "KGM", "H87", "EXACT", "5 H87", "0 KGM"),
        ("3", "LBR", "KGM", "EXACT", "1.360777 KGM", "0 LBR"),
        ("0.3", "H87", "H87", "DEMAND", "1 H87", "-0.7 H87"),
        ("2.5", "H87", "H87", "AVAILABLE", "2 H87", "0.5 H87"),
    ],
)
async def test_a_quantity_is_converted_for_its_purpose(
    store: Plant, value: str, unit: str, to: str, purpose: str, found: str, rest: str
) -> None:
    name = await item(store, conversions=[conversion("XBX", 8, 1, "box of 8"), conversion("KGM", 5, 2)])
    answer = await converted(store, name, value, unit, to, purpose)
    assert f"{answer.quantity.value} {answer.quantity.unit_code}" == found
    assert f"{answer.remainder.value} {answer.remainder.unit_code}" == rest


@pytest.mark.rule("MAT-4", "MAT-8")
async def test_a_conversion_tells_its_factor_and_is_refused_where_a_posting_would_be(store: Plant) -> None:
    name = await item(store, conversions=[conversion("XBX", 8, 1, "box of 8")])
    answer = await converted(store, name, "1", "DZN", "box of 8", "AVAILABLE")
    assert (answer.numerator, answer.denominator) == (3, 2)
    for unit, to, why, field in (
        ("H87", "box of 8", "QUANTITY_NOT_ON_GRID", "value"),
        ("crate", "", "UNIT_UNKNOWN", "unit"),
        ("H87", "box of 9", "UNIT_UNKNOWN", "to_unit"),
    ):
        with pytest.raises(Refused) as refused:
            await converted(store, name, "15", unit, to)
        assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", why)
        assert refused.value.fields == [field]


@pytest.mark.rule("MAT-1", "MAT-7")
async def test_what_cannot_be_said_exactly_is_not_converted(store: Plant) -> None:
    huge = 2**62
    name = await item(store, conversions=[conversion("XBX", huge), conversion("XPK", 1, huge)])
    for value, unit, to, why in (
        ("1", "XBX", "XPK", "UNIT_INCOMPATIBLE"),
        ("1", "XBX", "H87", "FIELD_INVALID"),
        ("99999999999999", "MIO", "H87", "FIELD_INVALID"),
    ):
        with pytest.raises(Refused) as refused:
            await converted(store, name, value, unit, to)
        assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", why)


@pytest.mark.parametrize(
    ("given", "why", "field"),
    [
        ({"base_unit_code": "QQ"}, "UNIT_UNKNOWN", "item.base_unit_code"),
        ({"base_unit_code": "KGM", "base_step": Number(value="0.3")}, "FIELD_INVALID", "item.base_step"),
        ({"tracking": "SERIAL", "base_unit_code": "KGM"}, "FIELD_INVALID", "item.tracking"),
        ({"tracking": "LOT_AND_SERIAL", "base_step": Number(value="2")}, "FIELD_INVALID", "item.tracking"),
        ({"conversions": [conversion("DZN", 10)]}, "FIELD_INVALID", "item.conversions[0]"),
        ({"conversions": [conversion("KGM", 2), conversion("GRM", 2)]}, "FIELD_INVALID", "item.conversions[1]"),
        (
            {"conversions": [conversion("XBX", 8, 1, "box"), conversion("XPK", 4, 1, "box")]},
            "FIELD_INVALID", "item.conversions[0].pack_name",
        ),
        ({"conversions": [conversion("XBX", 8, 1, "KGM")]}, "FIELD_INVALID", "item.conversions[0].pack_name"),
    ],
)  # fmt: skip
async def test_units_that_do_not_fit_each_other_are_refused(
    store: Plant, given: dict[str, Any], why: str, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        await item(store, **given)
    assert (refused.value.code, refused.value.reason, refused.value.fields) == ("INVALID_ARGUMENT", why, [field])


@pytest.mark.rule("MAT-5")
async def test_a_demand_is_rounded_up_to_the_grid(store: Plant) -> None:
    pieces = await item(store)
    claim = await reserved(store, pieces, "2.5")
    assert (claim.requested.value, claim.requested.unit_code) == ("3", "H87")
    measured = await item(store, **KILOGRAM)
    claim = await reserved(store, measured, "3", unit_code="LBR")
    assert (claim.requested.value, claim.requested.unit_code) == ("1.361", "KGM")


# --- MAT-2: what was stated ---------------------------------------------------------------------------------


def stated(entry: Any) -> tuple[str, str, int, int]:
    quantity = entry.entered_quantity
    return quantity.value, quantity.unit_code, entry.factor_numerator, entry.factor_denominator


@pytest.mark.rule("MAT-2", "MAT-6")
async def test_a_movement_keeps_what_was_stated_whatever_the_factor_is_later(store: Plant) -> None:
    name = await item(store, conversions=[conversion("XBX", 8)])
    opening = await stocked(store, name, 2, unit_code="XBX")
    outcomes = await batch(store, [movement("MOVE", name, 1, from_location=at("shelf"), to_location=at("bin"),
                                            unit_code="XBX")])  # fmt: skip
    assert reason(outcomes[0]) == ""
    await update(store, name, conversions=[conversion("XBX", 10)])
    read = await store("vic", movements_pb2.GetMovementRequest(name=opening.name))
    assert [(row.quantity.value, stated(row)) for row in read.entries] == [
        ("-16", ("-2", "XBX", 8, 1)), ("16", ("2", "XBX", 8, 1)),
    ]  # fmt: skip
    assert stated(outcomes[0].movement.entries[1]) == ("1", "XBX", 8, 1)
    later = await stocked(store, name, 1, unit_code="XBX")
    assert (later.quantity.value, stated(later.entries[1])) == ("10", ("1", "XBX", 10, 1))
    back = await call(store, "stella", movements_pb2.ReverseMovementRequest(name=outcomes[0].movement.name, reason="x"))
    assert (back.quantity.value, stated(back.entries[1])) == ("8", ("1", "XBX", 8, 1))


@pytest.mark.rule("MAT-2")
async def test_documents_keep_what_was_stated(store: Plant) -> None:
    name = await item(store, conversions=[conversion("XBX", 8)], inspect_receipts=True)
    await expected(store, name, 40)
    receipt = await received(store, scanned(name, 3, unit_code="XBX"))
    assert stated(receipt.lines[0]) == ("3", "XBX", 8, 1)
    posted = await store("vic", movements_pb2.GetMovementRequest(name=receipt.lines[0].movement))
    assert stated(posted.entries[1]) == ("3", "XBX", 8, 1)
    split = inspections_pb2.InspectionLot.Split(outcome="UNRESTRICTED", quantity=q(2, "XBX"))
    await store("ines", inspections_pb2.DecideUsageRequest(name=receipt.lines[0].inspection_lot, splits=[split]))
    claim = await reserved(store, name, 16)
    await call(store, "sam", reservations_pb2.IssueReservationRequest(name=claim.name, quantity=q(2, "XBX")))
    await call(
        store, "sam",
        reservations_pb2.ReturnIssueRequest(name=claim.name, quantity=q(1, "XBX"), location=at("shelf")),
    )  # fmt: skip
    listed = await store("vic", movements_pb2.ListMovementsRequest(parent=SITE, filter=f'item = "{name}"'))
    found = {movements_pb2.Movement.Kind.Name(row.kind): stated(row.entries[1]) for row in listed.movements}
    assert found == {
        "RECEIPT": ("3", "XBX", 8, 1), "STATUS_CHANGE": ("2", "XBX", 8, 1), "ISSUE": ("2", "XBX", 8, 1),
        "RETURN_TO_STOCK": ("1", "XBX", 8, 1),
    }  # fmt: skip


# --- MAT-10: what stock is kept in, alternates, states ------------------------------------------------------


@pytest.mark.rule("MAT-10")
async def test_unit_step_and_tracking_may_change_until_the_first_movement(store: Plant) -> None:
    name = await item(store)
    changed = await update(store, name, base_unit_code="KGM", base_step=Number(value="0.5"), tracking="LOT")
    assert (changed.base_unit_code, changed.base_step.value, changed.tracking) == ("KGM", "0.5", items_pb2.Item.LOT)
    await update(store, name, tracking="NONE")
    await stocked(store, name, "1.5", unit_code="KGM")
    weight = items_pb2.Item.CatchWeight(unit_code="LTR", nominal=Number(value="1"), tolerance_percent=Number(value="1"))
    changes: list[dict[str, Any]] = [
        {"base_unit_code": "GRM"}, {"base_step": Number(value="1")}, {"tracking": "LOT"}, {"catch_weight": weight},
    ]  # fmt: skip
    for given in changes:
        with pytest.raises(Refused) as refused:
            await update(store, name, **given)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "HAS_MOVED")
        assert refused.value.fields == [f"item.{next(iter(given))}"]
        assert refused.value.metadata["what"] == "movements"
    same = await update(store, name, base_unit_code="KGM", title="still the same")
    assert same.title == "still the same"


@pytest.mark.rule("MAT-10")
async def test_documents_that_count_in_the_base_unit_fix_it_too(store: Plant) -> None:
    documents: list[tuple[Callable[..., Awaitable[Any]], str]] = [
        (expected, "expected receipts"), (reserved, "reservations"),
    ]  # fmt: skip
    for make, what in documents:
        name = await item(store)
        await make(store, name, 3)
        with pytest.raises(Refused) as refused:
            await update(store, name, base_unit_code="DZN")
        assert (refused.value.reason, refused.value.metadata["what"]) == ("HAS_MOVED", what)


@pytest.mark.rule("MAT-10")
async def test_a_first_movement_and_a_change_of_the_unit_at_once_come_one_after_the_other(store: Plant) -> None:
    for _ in range(4):
        name = await item(store)
        changed, posted = await asyncio.gather(
            update(store, name, base_unit_code="DZN"), stocked(store, name, 12), return_exceptions=True
        )
        read = await store("vic", items_pb2.GetItemRequest(name=name))
        assert not isinstance(posted, BaseException)
        assert posted.quantity.unit_code == read.base_unit_code
        assert isinstance(changed, Refused) == (read.base_unit_code == "H87")


@pytest.mark.rule("MAT-10")
async def test_alternates_are_other_items_with_ratio_direction_and_dates(store: Plant) -> None:
    one, two, three = [await item(store) for _ in range(3)]
    after = position(store)
    first, last = day(date(2030, 1, 1)), day(date(2030, 12, 31))
    made = await update(store, one, alternates=[alternate(two, "BOTH_WAYS", from_date=first, to_date=last)])
    assert made.alternates[0] == alternate(two, "BOTH_WAYS", from_date=first, to_date=last)
    (event,) = told(store, "ItemChanged", after=after)
    row = event.alternates[0]
    assert (row.item, row.numerator, row.direction, row.from_date, row.to_date) == (two, 1, "BOTH_WAYS", first, last)
    await update(store, two, alternates=[alternate(three)])
    with pytest.raises(Refused) as circle:
        await update(store, three, alternates=[alternate(one)])
    assert (circle.value.code, circle.value.reason) == ("FAILED_PRECONDITION", "CYCLE")
    assert circle.value.metadata["path"] == f"{three} -> {one} -> {two} -> {three}"
    for rows, field in (
        ([alternate(three)], "item.alternates[0].item"),
        ([alternate(one), alternate(one)], "item.alternates[1].item"),
        ([alternate("items/nothing")], "item.alternates[0].item"),
        ([alternate(one, from_date=last, to_date=first)], "item.alternates[0].to_date"),
        ([items_pb2.Item.Alternate(item=one, numerator=0, denominator=1, direction="ONE_WAY")],
         "item.alternates[0].numerator"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await update(store, three, alternates=rows)
        assert (refused.value.code, refused.value.fields[0]) == ("INVALID_ARGUMENT", field)


@pytest.mark.rule("MAT-10")
async def test_two_people_who_name_each_others_item_at_once_close_no_circle(store: Plant) -> None:
    one, two = await item(store), await item(store)
    found = await asyncio.gather(
        update(store, one, alternates=[alternate(two)]), update(store, two, alternates=[alternate(one)]),
        return_exceptions=True,
    )  # fmt: skip
    assert [row.reason for row in found if isinstance(row, Refused)] == ["CYCLE"]


async def test_an_item_is_blocked_used_again_and_superseded(store: Plant) -> None:
    old, new = await item(store), await item(store)
    after = position(store)
    blocked = await store("mara", items_pb2.BlockItemRequest(name=old, reason="wrong drawing"))
    assert blocked.state == items_pb2.Item.BLOCKED
    for request in (
        items_pb2.BlockItemRequest(name=old, reason="again"),
        items_pb2.SupersedeItemRequest(name=old, superseded_by=new),
        items_pb2.UnblockItemRequest(name=new),
    ):
        with pytest.raises(Refused) as refused:
            await store("mara", request)
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED")
    with pytest.raises(Refused) as unusable:
        await store("mara", items_pb2.SupersedeItemRequest(name=new, superseded_by=old))
    assert unusable.value.fields == ["superseded_by"]
    await store("mara", items_pb2.UnblockItemRequest(name=old))
    for other in (old, "items/nothing"):
        with pytest.raises(Refused) as wrong:
            await store("mara", items_pb2.SupersedeItemRequest(name=old, superseded_by=other))
        assert (wrong.value.code, wrong.value.fields) == ("INVALID_ARGUMENT", ["superseded_by"])
    done = await store("mara", items_pb2.SupersedeItemRequest(name=old, superseded_by=new))
    assert (done.state, done.superseded_by) == (items_pb2.Item.SUPERSEDED, new)
    events = told(store, "ItemChanged", after=after)
    assert [(event.state, event.superseded_by) for event in events] == [
        ("BLOCKED", ""), ("ACTIVE", ""), ("SUPERSEDED", new),
    ]  # fmt: skip


async def test_an_item_tells_how_it_is_kept(store: Plant) -> None:
    after = position(store)
    name = await item(
        store, rounding="HALF_UP", shelf_life_days=90, minimum_remaining_life_days=30, lot_merge_allowed=False,
        conversions=[conversion("XBX", 8, 1, "box of 8")],
        catch_weight=items_pb2.Item.CatchWeight(
            unit_code="KGM", nominal=Number(value="2.5"), tolerance_percent=Number(value="10")
        ),
    )  # fmt: skip
    read = await store("vic", items_pb2.GetItemRequest(name=name))
    assert (read.rounding, read.shelf_life_days, read.minimum_remaining_life_days) == (items_pb2.Item.HALF_UP, 90, 30)
    (event,) = told(store, "ItemChanged", after=after)
    assert (event.rounding, event.shelf_life_days, event.minimum_remaining_life_days) == ("HALF_UP", 90, 30)
    assert (event.lot_merge_allowed, read.lot_merge_allowed) == (False, False)
    assert (event.catch_weight.unit_code, event.catch_weight.nominal.value) == ("KGM", "2.5")
    assert event.conversions[0].pack_name == "box of 8"
    usual = await store("vic", items_pb2.GetItemRequest(name=await item(store)))
    assert (usual.lot_merge_allowed, usual.rounding) == (True, items_pb2.Item.HALF_EVEN)
